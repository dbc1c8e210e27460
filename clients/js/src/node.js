/** The package for Node: sockets are those of `ws`, which has headers and answers pings in every version of Node. */

import { WebSocket } from 'ws';

import { Client } from './client.js';
import { MESSAGE_BYTES_MAX } from './connection.js';

export * from './errors.js';
export { bigIntJson } from './json.js';
export { MESSAGE_BYTES_MAX };

/** Connects; see `Client.open`. */
export function connect(urls, options = {}) {
  return Client.open(urls, options, (url, { headers }) => new WebSocket(url, {
    headers,
    maxPayload: MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
  }));
}
