/** Operations on all entries of a namespace. */

const KEYS_AT_ONCE = 1000;

/**
 * A namespace, without the ones below it. Patterns are globs (`*`, `?`) on the identifier. `conditions` are tests such
 * as `{ access_count: { $lt: 2 } }`.
 */
export class Namespace {
  #requests;
  #name;

  constructor(requests, name) {
    this.#requests = requests;
    this.#name = name;
  }

  /** Runs an operation with members as the protocol has them; resolves to its `namespace_result`. */
  async run(operationType, members, options) {
    const operation = { operation_type: operationType, namespace: this.#name, ...members };
    return (await this.#requests.ask('namespace', { namespace_operation: operation }, options)).namespace_result;
  }

  /**
   * Removes entries, the oldest first; resolves to `{ count, hasMore }`. Options: `conditions`, `maxEntries`, `dryRun`
   * (count only).
   */
  async clear(pattern = '*', { conditions, maxEntries, dryRun, ...options } = {}) {
    const members = { pattern, conditions, max_entries: maxEntries, dry_run: dryRun };
    const { count, has_more } = await this.run('clear', members, options);
    return { count, hasMore: has_more };
  }

  /** Counts and sizes, as the server answers them. Option: `breakdown`, by version and level. */
  statistics({ breakdown, ...options } = {}) {
    return this.run('statistics', { include_detailed_breakdown: breakdown }, options);
  }

  /** How many entries there are. */
  async count(pattern = '*', options) {
    return (await this.run('count', { pattern }, options)).count;
  }

  /**
   * All keys, by identifier and version; an async iterator that asks for a thousand at once. Keys that come or go
   * meanwhile may be missed or come twice.
   */
  async *keys(pattern = '*', options) {
    for (let offset = 0; offset !== undefined;) {
      const page = await this.run('list_keys', { pattern, limit: KEYS_AT_ONCE, offset }, options);
      yield* page.keys;
      offset = page.has_more ? page.next_offset : undefined;
    }
  }

  /**
   * A consistent copy: `{ data, count, checksum, nextOffset }`. Options: `pattern`, `compression`, and `limit` and
   * `offset` for a part of it, where the whole would not fit a message (`CacheError`); `nextOffset` is undefined after
   * the last part.
   */
  async backup({ pattern, compression, limit, offset, ...options } = {}) {
    const result = await this.run('backup', { pattern, compression, limit, offset }, options);
    const { data, count, checksum } = result;
    return { data, count, checksum, nextOffset: result.has_more ? result.next_offset : undefined };
  }

  /**
   * Writes the entries of a backup's `data`; resolves to `{ restored, skipped }`. Option: `mergeStrategy`
   * (`"overwrite"`, `"skip_existing"`, `"newest"`).
   */
  async restore(data, { mergeStrategy, ...options } = {}) {
    const result = await this.run('restore', { data, merge_strategy: mergeStrategy }, options);
    return { restored: result.restored_count, skipped: result.skipped_count };
  }
}
