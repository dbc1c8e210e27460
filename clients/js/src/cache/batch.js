/** Several operations, one atom. */

import { atomic } from './atomics.js';
import { keyOf } from './key.js';
import { putMembers } from './members.js';

/**
 * Collects up to 1,024 operations; `run` carries them out in their order, all or none. An operation sees what the ones
 * before it did.
 */
export class Batch {
  #requests;
  #operations = [];

  constructor(requests) {
    this.#requests = requests;
  }

  /** How many operations there are. */
  get size() {
    return this.#operations.length;
  }

  /** Reads; the result has an `entry` unless it is a miss. */
  get(key) {
    return this.#add('get', { key: keyOf(key) });
  }

  /** Stores a value. Options: `ttlSeconds`, `metadata`, `constraints`. */
  put(key, value, options) {
    return this.#add('put', putMembers(key, value, options));
  }

  /** Removes an entry. None there is no failure. */
  delete(key) {
    return this.#add('delete', { key: keyOf(key) });
  }

  /** Adds to a number. Options as `Cache.increment`. */
  increment(key, by = 1, options = {}) {
    return this.atomic(key, atomic.increment(by, options));
  }

  /** Stores `value` if `expected` is there. Options as `Cache.testAndSet`. */
  testAndSet(key, expected, value, options) {
    return this.atomic(key, atomic.testAndSet(expected, value, options));
  }

  /** Adds an `atomic_operation` of the protocol. */
  atomic(key, operation) {
    return this.#add('atomic', { key: keyOf(key), atomic_operation: operation });
  }

  /** Adds a `structure_operation` of the protocol, such as `structure(key, "set", "add", { values: [1] })`. */
  structure(key, structureType, operation, members) {
    const whole = { structure_type: structureType, operation, ...members };
    return this.#add('structure', { key: keyOf(key), structure_operation: whole });
  }

  /**
   * Carries them out; resolves to one result an operation, as the server answers it. Rejects with `CacheError` when one
   * failed or (`status` `"conflict"`) a condition did not hold: nothing was done then, and `reply.batch_result` says
   * which one it was. Options: `level`, `timeoutMs`.
   */
  async run(options) {
    return (await this.#requests.ask('batch', { operations: this.#operations }, options)).batch_result.results;
  }

  #add(operation, members) {
    this.#operations.push({ operation, ...members });
    return this;
  }
}
