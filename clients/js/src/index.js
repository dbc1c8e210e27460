/** The package for browsers, and every runtime that has `WebSocket`: nothing is imported from outside. */

import { Client } from './client.js';

export * from './errors.js';
export { bigIntJson } from './json.js';
export { MESSAGE_BYTES_MAX } from './connection.js';

/** Connects; see `Client.open`. */
export function connect(urls, options = {}) {
  return Client.open(urls, options, (url) => new WebSocket(url));
}
