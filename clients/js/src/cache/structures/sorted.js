/** Sorted sets. */

import { Collection } from './structure.js';

/** Distinct values with a score each, ordered by score, then value. */
export class SortedSet extends Collection {
  constructor(requests, key) {
    super(requests, key, 'sorted_set');
  }

  /** Adds `[{ value, score }, ...]`, or gives members a new score; resolves to how many are new. */
  add(scored, options) {
    return this.value('add_scored', { scored_values: scored }, options);
  }

  /** Removes members; resolves to whether there was one. */
  async remove(values, options) {
    return (await this.value('remove', { values }, options)) === true;
  }

  /** The score of a member, or undefined. */
  async score(value, options) {
    return (await this.value('get_score', { values: [value] }, options)) ?? undefined;
  }

  /** The rank of a member, 0 for the lowest score, or undefined. */
  async rank(value, options) {
    return (await this.value('rank', { values: [value] }, options)) ?? undefined;
  }

  /** The members with the highest scores, highest first, as `{ value, score }`. */
  async top(limit = 10, options = undefined) {
    return (await this.value('get_top', { limit }, options)) ?? [];
  }

  /** The members with the lowest scores, lowest first. */
  async bottom(limit = 10, options = undefined) {
    return (await this.value('get_bottom', { limit }, options)) ?? [];
  }

  /** Takes the member with the lowest score, as `{ value, score }`; undefined when it is empty. */
  async popMin(options) {
    return (await this.value('pop_min', {}, options)) ?? undefined;
  }

  /** Takes the member with the highest score. */
  async popMax(options) {
    return (await this.value('pop_max', {}, options)) ?? undefined;
  }

  /** Members with scores from `min` to `max`, both included; either may be undefined. */
  async rangeByScore(min, max, options) {
    return (await this.value('get_range', { range_spec: { min_score: min, max_score: max } }, options)) ?? [];
  }

  /** Members from rank `start` up to and without `end`. */
  async rangeByRank(start = 0, end = undefined, options = undefined) {
    return (await this.value('get_range', { range_spec: { start, end } }, options)) ?? [];
  }
}
