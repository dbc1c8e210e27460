/** Sets and lists. */

import { keyOf } from '../key.js';
import { Collection } from './structure.js';

/** Distinct values, in the order of their insertion; equal is what is equal as JSON. */
export class CacheSet extends Collection {
  constructor(requests, key) {
    super(requests, key, 'set');
  }

  /** Adds members; resolves to how many are new. */
  async add(values, options) {
    return (await this.run('add', { values }, options)).added;
  }

  /** Removes members; resolves to how many there were. */
  async remove(values, options) {
    return (await this.run('remove', { values }, options)).removed ?? 0;
  }

  /** Whether `value` is a member. */
  async has(value, options) {
    return (await this.value('contains', { values: [value] }, options)) === true;
  }

  /** All members. */
  async members(options) {
    return (await this.value('members', {}, options)) ?? [];
  }

  /** Members of this set or of one of `others` (keys); nothing is stored, here and below. */
  union(others, options) {
    return this.#combined('union', others, options);
  }

  /** Members of this set and of all `others`. */
  intersection(others, options) {
    return this.#combined('intersection', others, options);
  }

  /** Members of this set and of none of `others`. */
  difference(others, options) {
    return this.#combined('difference', others, options);
  }

  async #combined(operation, others, options) {
    return (await this.value(operation, { options: { other_sets: others.map(keyOf) } }, options)) ?? [];
  }
}

/** Values in an order. Indexes count from 0; negative ones from the end. */
export class List extends Collection {
  constructor(requests, key) {
    super(requests, key, 'list');
  }

  /** Adds values at the end; resolves to the index of the last. */
  append(values, options) {
    return this.value('append', { values }, options);
  }

  /** Adds values in front, so that the first of them becomes the first of the list. */
  async prepend(values, options) {
    await this.run('prepend', { values }, options);
  }

  /** Inserts values before the one at `index`. */
  async insert(index, values, options) {
    await this.run('insert', { index, values }, options);
  }

  /** Takes the first value; undefined when it is empty. */
  async popFront(options) {
    return (await this.value('pop_front', {}, options)) ?? undefined;
  }

  /** Takes the last value; undefined when it is empty. */
  async popBack(options) {
    return (await this.value('pop_back', {}, options)) ?? undefined;
  }

  /** The value at `index`. Rejects with `CacheError` where there is none. */
  get(index, options) {
    return this.value('get', { index }, options);
  }

  /** Values from `start` up to and without `end`, by default all. */
  async range(start = 0, end = undefined, options = undefined) {
    return (await this.value('get_range', { range_spec: { start, end } }, options)) ?? [];
  }

  /** Removes the first occurrence of each value; resolves to whether there was one. */
  async remove(values, options) {
    return (await this.value('remove', { values }, options)) === true;
  }
}
