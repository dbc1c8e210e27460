/** Ids: unique, not secret. Cryptographic randomness is not in every browser page nor in Node 18. */

let count = 0;

function random() {
  return Math.floor(Math.random() * 2 ** 52).toString(36);
}

const prefix = `${Date.now().toString(36)}${random()}${random()}`;

/** A new id, unlike any other of this or another process. */
export function newId() {
  count += 1;
  return `${prefix}${count.toString(36)}`;
}
