/** What the real server never does, or not when a test wants it. */

import assert from 'node:assert/strict';

import { ConnectionLost, MESSAGE_BYTES_MAX, MessageTooLarge, ProtocolError, RpcError } from '../src/node.js';
import { payloads, until } from './support/clients.js';
import { ackOf, fakeAndClient, notification } from './support/fake.js';
import test from './support/limited.js';

test('without positions, what comes twice after a lost connection is dropped', async (t) => {
  const asked = [];
  let subscriptionId;
  let say;
  const { client, drop } = await fakeAndClient(t, (message, sayNow) => {
    if (message.role !== 'pubsub-subscribe') {
      return;
    }
    asked.push(message.subscription);
    subscriptionId = message.subscription.subscription_id;
    say = sayNow;
    say(ackOf(message));
    if (asked.length === 2) {
      for (const id of ['b', 'c', 'missed']) {
        say(notification(subscriptionId, id, 'backlog'));
      }
    }
  });
  const subscription = await client.pubsub.subscribe('t', { backlogSeconds: 100 });
  for (const id of ['a', 'b', 'c', 'c']) {
    say(notification(subscriptionId, id));
  }
  // A publisher may use an id twice.
  assert.deepEqual(await payloads(subscription, 4), ['a', 'b', 'c', 'c']);
  drop();
  assert.deepEqual(await payloads(subscription, 1), ['missed']);
  say(notification(subscriptionId, 'live'));
  assert.deepEqual(await payloads(subscription, 1), ['live']);
  const [first, second] = asked;
  assert.equal(first.backlog_seconds, 100);
  assert.ok(second.backlog_seconds < 20 && second.get_backlog, JSON.stringify(second));
  assert.notEqual(second.subscription_id, first.subscription_id);
});

test('late notifications of the old connection are nobody\'s', async (t) => {
  const ids = [];
  const { client, drop } = await fakeAndClient(t, (message, say) => {
    ids.push(message.subscription.subscription_id);
    say(ackOf(message));
    say(notification(ids[0], `for the first, ${ids.length}`));
    say(notification(ids.at(-1), `for the last, ${ids.length}`));
  });
  const subscription = await client.pubsub.subscribe('t');
  await payloads(subscription, 2);
  drop();
  assert.deepEqual(await payloads(subscription, 1), ['for the last, 2']);
});

test('a subscription that is refused after a lost connection is asked for until it is accepted', async (t) => {
  const warnings = [];
  let asked = 0;
  const { client, drop } = await fakeAndClient(t, (message, say) => {
    if (message.role === 'pubsub-subscribe') {
      asked += 1;
      const isRefused = asked > 1 && asked < 4;
      say(ackOf(message, isRefused ? 'durable name in use' : null));
      if (!isRefused) {
        say(notification(message.subscription.subscription_id, `${asked}`));
      }
    } else {
      say(ackOf(message, 'unknown subscription'));
    }
  }, { onWarning: (text) => warnings.push(text) });
  const subscription = await client.pubsub.subscribe('t', { durable: 'name' });
  assert.deepEqual(await payloads(subscription, 1), ['1']);
  drop();
  assert.deepEqual(await payloads(subscription, 1), ['4']);
  assert.deepEqual(warnings, Array(2).fill('subscribing again: durable name in use'));
});

test('a subscription that is ended while it is asked for again does not stay', async (t) => {
  const asked = [];
  const left = [];
  let accept;
  const { client, drop } = await fakeAndClient(t, (message, say) => {
    if (message.role === 'pubsub-unsubscribe') {
      left.push(message.subscription_id);
      say(ackOf(message, asked.includes(message.subscription_id) ? null : 'unknown subscription'));
      return;
    }
    asked.push(message.subscription.subscription_id);
    if (asked.length === 3) {
      accept = () => say(ackOf(message));
    } else {
      say(ackOf(message, asked.length === 2 ? 'not now' : null));
    }
  }, { onWarning() {} });
  const subscription = await client.pubsub.subscribe('t');
  const reader = subscription.next();
  drop();
  await until(() => accept);
  await subscription.unsubscribe();
  assert.equal((await reader).done, true);
  accept();
  await until(() => left.includes(asked[2]));
});

test('an answer that is not JSON ends the connection, and no request hangs', async (t) => {
  let broken = true;
  const { client } = await fakeAndClient(t, (message, say, socket) => {
    if (broken) {
      broken = false;
      socket.send('{"role":');
    } else {
      say({ role: 'rpc-response', u: message.u, r: { echo: message.cmds[0].args[0] }, error: null });
    }
  });
  await assert.rejects(client.call('echo', [1]), (error) => error instanceof ConnectionLost && /JSON/.test(error.message));
  assert.equal(await client.call('echo', [2]), 2);
});

test('answers of the wrong kind are errors', async (t) => {
  let reply;
  const { client } = await fakeAndClient(t, (message, say) => say({ ...reply, u: message.u, operation_id: message.u }));
  reply = { role: 'rpc-response', r: null, error: { code: 1004, message: 'Invalid RPC request role: cache-request' } };
  await assert.rejects(client.cache.get(['a', 'b']), (error) => error instanceof RpcError && error.code === 1004);
  await assert.rejects(client.pubsub.publish('a', 1), RpcError);
  reply = { role: 'something' };
  await assert.rejects(client.cache.get(['a', 'b']), ProtocolError);
  await assert.rejects(client.call('echo', [1]), ProtocolError);
  reply = { role: 'pubsub-ack', success: false, error: null };
  await assert.rejects(client.pubsub.publish('a', 1), { name: 'PubSubError' });
});

test('answers that nobody waits for are dropped', async (t) => {
  const { client } = await fakeAndClient(t, (message, say) => {
    setTimeout(say, message.cmds[0].args[0], { role: 'rpc-response', u: message.u, r: { echo: 'late' }, error: null });
  });
  await assert.rejects(client.call('echo', [100], { timeoutMs: 10 }), { name: 'RequestTimeout' });
  assert.equal(await client.call('echo', [200]), 'late');
});

test('requests that cannot be sent end before they are', async (t) => {
  let heard = 0;
  const { client } = await fakeAndClient(t, () => { heard += 1; });
  const cycle = {};
  cycle.self = cycle;
  await assert.rejects(client.call('echo', [cycle]), { name: 'EncodeError' });
  await assert.rejects(client.call('echo', [1n]), { name: 'EncodeError', message: /BigInt/ });
  await assert.rejects(client.call('echo', ['x'.repeat(MESSAGE_BYTES_MAX)]), MessageTooLarge);
  // Three bytes a character.
  await assert.rejects(client.call('echo', ['☃'.repeat(MESSAGE_BYTES_MAX / 3)]), MessageTooLarge);
  const u = 'twice';
  const first = client.send({ role: 'rpc', u, cmds: [] }, 100);
  await assert.rejects(client.send({ role: 'rpc', u, cmds: [] }), { name: 'EncodeError', message: /in use/ });
  await assert.rejects(first, { name: 'RequestTimeout' });
  assert.equal(heard, 1);
});
