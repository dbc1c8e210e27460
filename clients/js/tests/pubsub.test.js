/** Publish and subscribe against the real server, on connections that hold. */

import assert from 'node:assert/strict';

import { ClientClosed, PubSubError } from '../src/node.js';
import { clientOf, messages, payloads, quietUpTo, serverAndClient, until } from './support/clients.js';
import test from './support/limited.js';

test('publish and subscribe', async (t) => {
  const { server, client } = await serverAndClient(t);
  const { pubsub } = client;

  await t.test('messages arrive as they were published, in order', async () => {
    const subscription = await pubsub.subscribe(['orders.*.new'], { backlogSeconds: 0 });
    const ack = await pubsub.publish('orders.eu.new', { id: 7 }, { headers: { trace: 'abc' }, messageId: 'm1' });
    assert.match(ack.offset, /^\d+:\d+$/);
    assert.equal(ack.durability, 'eventual');
    await pubsub.publish('orders.eu.old', 'not this');
    await pubsub.publish('orders.eu.new', undefined);
    const [first, second] = await messages(subscription, 2);
    assert.deepEqual(
      [first.topic, first.payload, first.headers, first.message_id, first.publisher, first.offset, first.backlog],
      ['orders.eu.new', { id: 7 }, { trace: 'abc' }, 'm1', pubsub.clientId, ack.offset, false],
    );
    assert.equal(second.payload, null);
    await subscription.unsubscribe();
  });

  await t.test('the backlog comes first, then what is live', async () => {
    for (let number = 0; number < 5; number += 1) {
      await pubsub.publish('log.a', number);
    }
    const subscription = await pubsub.subscribe('log.#');
    await pubsub.publish('log.b', 5);
    const all = await messages(subscription, 6);
    assert.deepEqual(all.map((message) => message.payload), [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(all.map((message) => message.backlog), [true, true, true, true, true, false]);

    const behind = await pubsub.subscribe('log.#', { start: { offset: all[3].offset } });
    assert.deepEqual(await payloads(behind, 2), [4, 5]);
    const earliest = await pubsub.subscribe('log.#', { start: 'earliest' });
    assert.deepEqual(await payloads(earliest, 1), [0]);
    const none = await pubsub.subscribe('log.#', { backlogSeconds: 0 });
    assert.ok(await quietUpTo(client, none, 'log.c'));
    const latest = await pubsub.subscribe('log.#', { start: 'latest' });
    assert.ok(await quietUpTo(client, latest, 'log.c'));
    await Promise.all([subscription, behind, earliest, none, latest].map((one) => one.unsubscribe()));
  });

  await t.test('a loop that is left ends its subscription', async () => {
    const subscription = await pubsub.subscribe('loop.#');
    await pubsub.publish('loop.a', 1);
    for await (const { payload } of subscription) {
      assert.equal(payload, 1);
      break;
    }
    assert.deepEqual(await subscription.next(), { value: undefined, done: true });
    await subscription.unsubscribe();
  });

  await t.test('waiting readers learn of the end', async () => {
    const subscription = await pubsub.subscribe('wait.#');
    const waiting = [subscription.next(), subscription.next()];
    await subscription.unsubscribe();
    assert.deepEqual((await Promise.all(waiting)).map(({ done }) => done), [true, true]);
  });

  await t.test('callbacks get one message at a time', async () => {
    const seen = [];
    const errors = [];
    let running = 0;
    const subscription = await pubsub.subscribe('calls.#', {
      async onMessage({ payload }) {
        running += 1;
        assert.equal(running, 1);
        await new Promise((resolve) => { setTimeout(resolve, 2); });
        running -= 1;
        seen.push(payload);
        if (payload === 1) {
          throw new Error('one is too many');
        }
      },
      onError: (error, { payload }) => errors.push([error.message, payload]),
    });
    for (let number = 0; number < 5; number += 1) {
      pubsub.publish('calls.a', number);
    }
    await until(() => seen.length === 5);
    assert.deepEqual(seen, [0, 1, 2, 3, 4]);
    assert.deepEqual(errors, [['one is too many', 1]]);
    await subscription.unsubscribe();
    await pubsub.publish('calls.a', 9);
    assert.equal(seen.length, 5);
  });

  await t.test('levels', async () => {
    const subscription = await pubsub.subscribe('levels.#', { backlogSeconds: 0 });
    assert.equal((await pubsub.publish('levels.a', 1, { level: 'strong' })).durability, 'strong');
    const ack = await pubsub.publish('levels.a', 2, { level: 'volatile' });
    assert.deepEqual([ack.offset, ack.durability], [undefined, 'volatile']);
    assert.deepEqual(await payloads(subscription, 2), [1, 2]);
    await subscription.unsubscribe();
  });

  await t.test('request and reply', async () => {
    const other = await clientOf(t, server);
    await other.pubsub.subscribe('sum', {
      onMessage: async (message) => {
        await other.pubsub.reply(message, message.payload.reduce((a, b) => a + b, 0));
      },
    });
    assert.equal((await pubsub.request('sum', [1, 2, 3])).payload, 6);
    const sums = await Promise.all([[1], [2, 2], [3, 3, 3]].map((numbers) => pubsub.request('sum', numbers)));
    assert.deepEqual(sums.map(({ payload }) => payload), [1, 4, 9]);
    await assert.rejects(pubsub.request('nobody.listens', 1, { timeoutMs: 50 }), { name: 'RequestTimeout', timeoutMs: 50 });
    await assert.rejects(pubsub.reply({ headers: {} }, 1), PubSubError);
  });

  await t.test('refusals', async () => {
    await assert.rejects(pubsub.subscribe([]), PubSubError);
    const subscription = await pubsub.subscribe('plain');
    await pubsub.publish('plain', 1);
    const [message] = await messages(subscription, 1);
    await assert.rejects(subscription.commit(message), { name: 'PubSubError', message: /not durable/ });
    await assert.rejects(pubsub.publish('x'.repeat(100_000), 1), PubSubError);
    await subscription.unsubscribe();
  });
});

test('durable subscriptions', async (t) => {
  const { server, client } = await serverAndClient(t);

  await t.test('go on behind what was committed', async () => {
    const first = await clientOf(t, server);
    const subscription = await first.pubsub.subscribe('bills', { durable: 'billing', start: 'earliest' });
    for (const number of [1, 2, 3]) {
      await client.pubsub.publish('bills', number);
    }
    const [, second] = await messages(subscription, 3);
    await subscription.commit(second);
    await subscription.unsubscribe();
    first.close();
    const again = await client.pubsub.subscribe('bills', { durable: 'billing' });
    assert.deepEqual(await payloads(again, 1), [3]);
    await assert.rejects(client.pubsub.subscribe('bills', { durable: 'billing' }), { message: /in use/ });
    await again.unsubscribe();
  });

  await t.test('share their messages', async () => {
    const group = { durable: 'workers', shared: true, start: 'earliest' };
    const members = await Promise.all([1, 2].map(() => client.pubsub.subscribe('jobs', group)));
    const all = members.map((member) => payloads(member, 10));
    for (let number = 0; number < 20; number += 1) {
      await client.pubsub.publish('jobs', number);
    }
    const seen = (await Promise.all(all)).flat().sort((a, b) => a - b);
    assert.deepEqual(seen, Array.from({ length: 20 }, (_, number) => number));
  });
});

test('a slow reader neither loses messages nor fills memory', async (t) => {
  const gaps = [];
  const { client } = await serverAndClient(t, { queueMessagesMax: 10 });
  const slow = await client.pubsub.subscribe('fast.#', { backlogSeconds: 0, onGap: (gap) => gaps.push(gap) });
  let heard = 0;
  await client.pubsub.subscribe('fast.#', { backlogSeconds: 0, onMessage: () => { heard += 1; } });
  for (let number = 0; number < 200; number += 1) {
    await client.pubsub.publish('fast.a', number);
    await client.pubsub.publish('fast.b', number, { level: 'volatile' });
  }
  // Everything has come, to both, before the slow one begins to read.
  await until(() => heard === 400);
  await client.call('echo', [1]);
  const stored = [];
  let volatile = 0;
  while (stored.length < 200) {
    const [message] = await messages(slow, 1);
    if (message.topic === 'fast.a') {
      stored.push(message.payload);
    } else {
      volatile += 1;
    }
  }
  assert.deepEqual(stored, Array.from({ length: 200 }, (_, number) => number));
  // What was not stored is counted where it is missing.
  assert.ok(volatile < 200);
  assert.equal(gaps.reduce((sum, { count }) => sum + count, volatile), 200);
});

test('closing the client ends its subscriptions', async (t) => {
  const { client } = await serverAndClient(t);
  const subscription = await client.pubsub.subscribe('any');
  await client.pubsub.publish('any', 1);
  await client.pubsub.publish('any', 2);
  await messages(subscription, 1);
  client.close();
  client.close();
  // What came already is still handed over.
  assert.deepEqual(await payloads(subscription, 1), [2]);
  await assert.rejects(subscription.next(), ClientClosed);
  await assert.rejects(client.pubsub.publish('any', 1), ClientClosed);
});
