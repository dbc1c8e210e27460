/** Queues and stacks. */

import { Collection } from './structure.js';

/** First in, first out. */
export class Queue extends Collection {
  constructor(requests, key) {
    super(requests, key, 'queue');
  }

  /** Adds values at the end. */
  async enqueue(values, options) {
    await this.run('enqueue', { values }, options);
  }

  /** Takes the front value; undefined when it is empty. */
  async dequeue(options) {
    return (await this.value('dequeue', {}, options)) ?? undefined;
  }

  /** The front value, which stays; undefined when it is empty. */
  async peek(options) {
    return (await this.value('peek', {}, options)) ?? undefined;
  }
}

/** Last in, first out. */
export class Stack extends Collection {
  constructor(requests, key) {
    super(requests, key, 'stack');
  }

  /** Puts values on top, the last of them topmost. */
  async push(values, options) {
    await this.run('push', { values }, options);
  }

  /** Takes the top value; undefined when it is empty. */
  async pop(options) {
    return (await this.value('pop', {}, options)) ?? undefined;
  }

  /** The top value, which stays; undefined when it is empty. */
  async peek(options) {
    return (await this.value('peek', {}, options)) ?? undefined;
  }
}
