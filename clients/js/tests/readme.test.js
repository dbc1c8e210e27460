/** The examples of the README do what they say. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

import { ClientClosed, connect } from '../src/node.js';
import { serverAndClient } from './support/clients.js';
import test from './support/limited.js';

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;

test('examples', async (t) => {
  const text = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const blocks = [...text.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code.replace(/^import .*$/m, ''));
  assert.equal(blocks.length, 3);
  const { server, client } = await serverAndClient(t);
  const lines = [];
  const console = { log: (...words) => lines.push(words.join(' ')) };
  const connectHere = () => connect(server.url);
  const [first, cache, pubsub] = blocks;

  await new AsyncFunction('connect', 'console', first)(connectHere, console);
  assert.deepEqual(lines.splice(0), ['orders.eu.new [object Object]']);

  await client.cache.put(['stock', 'x'], 1);
  await new AsyncFunction('client', 'console', cache)(client, console);
  assert.deepEqual(lines.splice(0), ['17']);
  assert.equal(await client.cache.get(['stock', 'x']), 0);
  assert.equal(await client.cache.get(['locks', 'a']), 'me');

  await client.pubsub.publish('bills', 'a');
  await client.pubsub.publish('bills', 'b');
  const charged = [];
  const charge = (bill) => {
    charged.push(bill);
    if (bill === 'b') {
      client.close();
    }
  };
  await assert.rejects(new AsyncFunction('client', 'charge', pubsub)(client, charge), ClientClosed);
  assert.deepEqual(charged, ['a', 'b']);
});
