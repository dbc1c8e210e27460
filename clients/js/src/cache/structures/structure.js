/** What all structures have in common. */

import { keyOf } from '../key.js';

/** A structure at a key. All methods take `{ level, timeoutMs, options }` last and reject with `CacheError`. */
export class Structure {
  #requests;
  #type;
  #key;

  constructor(requests, key, type) {
    this.#requests = requests;
    this.#type = type;
    this.#key = keyOf(key);
  }

  /** Runs an operation with members as the protocol has them; resolves to its `structure_result`. */
  async run(operation, members, options) {
    const whole = { structure_type: this.#type, operation, ...members };
    const request = { key: this.#key, structure_operation: whole };
    return (await this.#requests.ask('structure', request, options)).structure_result;
  }

  /** The `value` of the result, null on a miss. */
  async value(operation, members, options) {
    return (await this.run(operation, members, options)).value;
  }
}

/** A structure with members. */
export class Collection extends Structure {
  /** Empties it; an empty structure stays. */
  async clear(options) {
    await this.run('clear', {}, options);
  }

  /** How many members there are, 0 without a structure. */
  async size(options) {
    return (await this.value('size', {}, options)) ?? 0;
  }
}
