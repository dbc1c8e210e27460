/** Maps and counters. */

import { Collection, Structure } from './structure.js';

/** Values by field. A dotted field is a path into nested maps, unless there is a field of that very name. */
export class CacheMap extends Collection {
  constructor(requests, key) {
    super(requests, key, 'map');
  }

  /** Writes the fields of an object; resolves to how many. */
  set(fields, options) {
    return this.value('set_field', { field_updates: fields }, options);
  }

  /** The fields there are among those asked for, as an object. */
  async get(fields, options) {
    return (await this.value('get_fields', { fields }, options)) ?? {};
  }

  /** Removes fields; resolves to how many there were. */
  async remove(fields, options) {
    return (await this.value('remove_fields', { fields }, options)) ?? 0;
  }

  /** Adds to the number in a field, 0 where there is none; resolves to the new number. */
  increment(field, by = 1, options = undefined) {
    return this.value('increment_field', { fields: [field], values: [by] }, options);
  }

  /** Whether there is such a field. */
  async has(field, options) {
    return (await this.value('contains', { fields: [field] }, options)) === true;
  }

  /** All fields. */
  async keys(options) {
    return (await this.value('keys', {}, options)) ?? [];
  }

  /** All values. */
  async values(options) {
    return (await this.value('values', {}, options)) ?? [];
  }

  /** All fields with their values, in pairs. */
  async items(options) {
    return (await this.value('items', {}, options)) ?? [];
  }
}

/** A number. */
export class Counter extends Structure {
  constructor(requests, key) {
    super(requests, key, 'counter');
  }

  /** Adds; resolves to the new number. */
  increment(by = 1, options = undefined) {
    return this.value('increment', { values: [by] }, options);
  }

  /** Takes away; resolves to the new number. */
  decrement(by = 1, options = undefined) {
    return this.value('decrement', { values: [by] }, options);
  }

  /** Sets it. */
  async set(number, options) {
    await this.run('set', { values: [number] }, options);
  }

  /** The number, or undefined without a counter. */
  async get(options) {
    return (await this.value('get', {}, options)) ?? undefined;
  }

  /** Sets it to 0. */
  async reset(options) {
    await this.run('reset', {}, options);
  }
}
