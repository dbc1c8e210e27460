/** Parts of requests that a single operation and a batch have in common. */

import { keyOf } from './key.js';

/** The members of a put. */
export function putMembers(key, value, { ttlSeconds, metadata, constraints, ttlConfig } = {}) {
  const whole = ttlSeconds === undefined ? metadata : { ...metadata, ttl_seconds: ttlSeconds };
  return { key: keyOf(key), value, metadata: whole, constraints, ttl_config: ttlConfig };
}
