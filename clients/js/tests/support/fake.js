/** A server that says what a test wants: other servers of the protocol, and broken ones. */

import { WebSocketServer } from 'ws';

import { connect } from '../../src/node.js';
import { QUICK } from './clients.js';

/** A fake server and a client of it. `answer(message, say, socket)` is called with each message. */
export async function fakeAndClient(t, answer, options = {}) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await new Promise((resolve) => { server.once('listening', resolve); });
  t.after(() => {
    server.clients.forEach((socket) => socket.terminate());
    server.close();
  });
  server.on('connection', (socket) => {
    // Binary frames, as upstream's server sends them.
    const say = (message) => socket.send(Buffer.from(JSON.stringify(message)));
    socket.on('message', (data) => answer(JSON.parse(data), say, socket));
  });
  const client = await connect(`ws://127.0.0.1:${server.address().port}`, { ...QUICK, ...options });
  t.after(() => client.close());
  return { client, drop: () => server.clients.forEach((socket) => socket.terminate()) };
}

/** The ack of upstream. */
export function ackOf({ u }, error = null) {
  return { role: 'pubsub-ack', operation_id: u, success: error === null, error, u: `ack_${u}` };
}

/** A notification of upstream. */
export function notification(subscriptionId, id, kind = 'notification') {
  const message = { topic: 't', payload: id, timestamp: 1.5, message_id: id, publisher: 'p', headers: {} };
  return { role: 'pubsub-notification', message, subscription_id: subscriptionId, u: `${kind}_${id}_${subscriptionId}` };
}
