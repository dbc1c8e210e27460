/** Clients of tests, and small things that tests wait for. */

import { connect } from '../../src/node.js';
import { Server } from './server.js';

/** Quick to come back, so that tests are. */
export const QUICK = { backoffMs: 20, backoffMsMax: 200 };

/** A client that is closed with the test `t`. */
export async function clientOf(t, server, options = {}) {
  const client = await connect(server.url, { ...QUICK, ...options });
  t.after(() => client.close());
  return client;
}

/** A server and a client of its own. */
export async function serverAndClient(t, options) {
  const server = await Server.start(t);
  return { server, client: await clientOf(t, server, options) };
}

/** The next `count` messages of a subscription. */
export async function messages(subscription, count) {
  const all = [];
  while (all.length < count) {
    const { value, done } = await subscription.next();
    if (done) {
      throw new Error(`it ended after ${all.length} of ${count} messages`);
    }
    all.push(value);
  }
  return all;
}

/** The payloads of the next `count` messages. */
export async function payloads(subscription, count) {
  return (await messages(subscription, count)).map((message) => message.payload);
}

/** Whether nothing comes: what is published last must be what comes next. */
export async function quietUpTo(client, subscription, topic) {
  await client.pubsub.publish(topic, 'the end');
  const [{ payload }] = await messages(subscription, 1);
  return payload === 'the end';
}

/** Resolves when `condition()` holds; it is looked at every few milliseconds, at most for 20 s. */
export async function until(condition) {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadline) {
      throw new Error(`in vain: ${condition}`);
    }
    await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
}
