/** Values: get, put, delete, invalidate, query, and the doors to structures, namespaces and batches. */

import { ATOMIC_STATUSES, atomic, atomicResultOf } from './atomics.js';
import { Batch } from './batch.js';
import { keyOf } from './key.js';
import { putMembers } from './members.js';
import { Namespace } from './namespace.js';
import { Requests } from './requests.js';
import { CacheMap, Counter } from './structures/maps.js';
import { Queue, Stack } from './structures/queues.js';
import { CacheSet, List } from './structures/lists.js';
import { SortedSet } from './structures/sorted.js';

/** Options with one more of the protocol's, where it is given. */
function withOptions(given, more) {
  return { ...given, options: { ...given.options, ...more } };
}

function entryOf({ entry, durability, cache_level }) {
  return entry && { ...entry, durability, cache_level };
}

/**
 * The cache of a node. A key is `{ namespace, identifier, version?, tags? }` or `[namespace, identifier, version?]`.
 * All methods take the options named in `Requests` beside their own, and reject with `CacheError` when the server
 * refuses; what comes from the server keeps the names of the protocol.
 */
export class Cache {
  #requests;

  constructor(send, level) {
    this.#requests = new Requests(send, level);
  }

  /** The same cache with a default level: `"eventual"` or `"strong"`. */
  withLevel(level) {
    const cache = new Cache();
    cache.#requests = this.#requests.withLevel(level);
    return cache;
  }

  /** The value, or undefined where there is none. A `strong` read answers only from what is synced. */
  async get(key, options) {
    return (await this.entry(key, options))?.value;
  }

  /** The value with what the server knows about it, or undefined. */
  async entry(key, options) {
    return entryOf(await this.#requests.ask('get', { key: keyOf(key) }, options));
  }

  /**
   * Stores `value`, any JSON but null, in place of the value and metadata that were there; resolves to the entry.
   * Options: `ttlSeconds`, `metadata`, `constraints`, `ttlConfig`.
   */
  async put(key, value, options) {
    return entryOf(await this.#requests.ask('put', putMembers(key, value, options), options));
  }

  /** Removes an entry; resolves to whether there was one. Option: `cascade`, to remove what depends on it, too. */
  async delete(key, { cascade, ...options } = {}) {
    const whole = withOptions(options, { cascade_dependencies: cascade });
    return (await this.#requests.ask('delete', { key: keyOf(key) }, whole)).status === 'hit';
  }

  /**
   * Removes all entries that match a glob (`{ pattern }`, tried against `namespace:identifier:version`,
   * `namespace:identifier`, `namespace.identifier` and `namespace`) or carry one of some `{ tags }`; resolves to how
   * many. Options: `cascade`, `reason`.
   */
  async invalidate({ pattern, tags }, { cascade, reason, ...options } = {}) {
    const whole = withOptions(options, { cascade_dependencies: cascade, reason });
    return (await this.#requests.ask('invalidate', { pattern, tags }, whole)).namespace_result.entries_affected;
  }

  /** Keys of a namespace whose identifier matches a glob, as `"namespace:identifier:version"`. */
  async query(namespace, pattern = '*', options) {
    const key = keyOf([namespace, '']);
    return (await this.#requests.ask('query', { key, pattern }, options)).entry.value;
  }

  /** The server's statistics, as it answers them. */
  async stats(options) {
    return (await this.#requests.ask('stats', {}, options)).entry.value;
  }

  /**
   * Runs an `atomic_operation` of the protocol. Resolves to its `atomic_result` and `applied`, false on a conflict:
   * `current_value` is what is there then.
   */
  async atomic(key, operation, options) {
    const members = { key: keyOf(key), atomic_operation: operation };
    return atomicResultOf(await this.#requests.ask('atomic', members, options, ATOMIC_STATUSES));
  }

  /**
   * Stores `value` if `expected` is there; null: if nothing is there. Options: `ttlSeconds`, and `conditions`, tests
   * such as `{ "value.stock": { $gte: 5 } }` that must all hold.
   */
  testAndSet(key, expected, value, options) {
    return this.atomic(key, atomic.testAndSet(expected, value, options), options);
  }

  /** As `testAndSet`. */
  compareAndSwap(key, expected, value, options) {
    return this.atomic(key, atomic.compareAndSwap(expected, value, options), options);
  }

  /**
   * Adds to a number; integers stay integers. Options: `initial` (0) for a missing one, `createIfMissing` (true),
   * `ttlSeconds`, `conditions`.
   */
  increment(key, by = 1, options = {}) {
    return this.atomic(key, atomic.increment(by, options), options);
  }

  /** Takes from a number, as `increment` adds. */
  decrement(key, by = 1, options = {}) {
    return this.atomic(key, atomic.decrement(by, options), options);
  }

  /** Adds to the end: text to text, the elements of an array or one value to a list. Options as `increment`. */
  append(key, value, options) {
    return this.atomic(key, atomic.append(value, options), options);
  }

  /** Adds to the front, as `append` to the end. */
  prepend(key, value, options) {
    return this.atomic(key, atomic.prepend(value, options), options);
  }

  /** Makes an entry live `seconds` longer; resolves to whether there was one. */
  async extendTtl(key, seconds, options) {
    return (await this.atomic(key, atomic.extendTtl(seconds), options)).applied;
  }

  /** Several operations that happen all or not at all. */
  batch() {
    return new Batch(this.#requests);
  }

  /** The entries of a namespace together. */
  namespace(name) {
    return new Namespace(this.#requests, name);
  }

  /** The set at `key`. It need not exist, here and below: an operation that adds something makes it. */
  asSet(key) {
    return new CacheSet(this.#requests, key);
  }

  /** The list at `key`. */
  asList(key) {
    return new List(this.#requests, key);
  }

  /** The map at `key`. */
  asMap(key) {
    return new CacheMap(this.#requests, key);
  }

  /** The sorted set at `key`. */
  asSortedSet(key) {
    return new SortedSet(this.#requests, key);
  }

  /** The counter at `key`. */
  asCounter(key) {
    return new Counter(this.#requests, key);
  }

  /** The queue at `key`. */
  asQueue(key) {
    return new Queue(this.#requests, key);
  }

  /** The stack at `key`. */
  asStack(key) {
    return new Stack(this.#requests, key);
  }
}
