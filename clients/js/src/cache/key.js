/** Keys: `{ namespace, identifier, version?, tags? }`, or `[namespace, identifier, version?]`. */

/** The key object of the protocol. Throws `TypeError`. */
export function keyOf(key) {
  const [namespace, identifier, version] = Array.isArray(key) ? key : [key?.namespace, key?.identifier, key?.version];
  if (typeof namespace !== 'string' || typeof identifier !== 'string') {
    throw new TypeError('a key is { namespace, identifier, version?, tags? } or [namespace, identifier, version?]');
  }
  return { namespace, identifier, version, tags: key.tags };
}
