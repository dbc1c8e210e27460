/** Connections that end: what is under way, what comes after, what subscriptions miss. Against the real server. */

import assert from 'node:assert/strict';

import { ClientClosed, ConnectionFailed, ConnectionLost, connect, RequestTimeout } from '../src/node.js';
import { clientOf, messages, payloads, QUICK, quietUpTo, serverAndClient, until } from './support/clients.js';
import { Server } from './support/server.js';
import test from './support/limited.js';

/** Serves `slow`, which answers when the test says so; whoever calls it is under way until then. */
async function slowFunction(t, server) {
  const worker = await clientOf(t, server);
  const { error } = await worker.send({ role: 'rpc-register', functions: [{ name: 'slow' }] });
  assert.equal(error, null);
}

function failure(promise) {
  return promise.then(() => { throw new Error('it did not fail'); }, (error) => error);
}

test('a killed server ends every pending request with a typed error', async (t) => {
  const { server, client } = await serverAndClient(t);
  await slowFunction(t, server);
  const pending = Array.from({ length: 100 }, () => failure(client.call('slow')));
  await client.call('echo', [1]);
  await server.kill();
  for (const error of await Promise.all(pending)) {
    assert.ok(error instanceof ConnectionLost, error.stack);
    assert.equal(error.sent, true);
  }
  // Nobody is there: what is asked for now waits, at most for its time limit.
  const began = performance.now();
  const error = await failure(client.call('echo', [1], { timeoutMs: 100 }));
  assert.ok(error instanceof ConnectionLost && !error.sent, error.stack);
  assert.ok(performance.now() - began < 2000);
  const waiting = failure(client.cache.get(['a', 'b']));
  client.close();
  assert.ok(await waiting instanceof ClientClosed);
});

test('requests made while the server is away are carried out when it is back', async (t) => {
  const states = [];
  const { server, client } = await serverAndClient(t, { onState: (state) => states.push(state) });
  await client.cache.put(['a', 'b'], 'kept');
  await server.kill();
  await until(() => !client.isOpen);
  const waiting = Array.from({ length: 100 }, (_, number) => client.call('echo', [number]));
  const value = client.cache.get(['a', 'b']);
  await server.start();
  assert.deepEqual(await Promise.all(waiting), Array.from({ length: 100 }, (_, number) => number));
  assert.equal(await value, 'kept');
  assert.equal(client.isOpen, true);
  client.close();
  assert.deepEqual(states, ['open', 'lost', 'open', 'closed']);
});

test('subscriptions come back with the server, without a gap or a repeat', async (t) => {
  const { server, client } = await serverAndClient(t);
  const publisher = await clientOf(t, server);
  const seen = [];
  await client.pubsub.subscribe('news.#', { backlogSeconds: 0, onMessage: ({ payload }) => { seen.push(payload); } });
  const fresh = await client.pubsub.subscribe('fresh.#', { backlogSeconds: 0 });
  await publisher.pubsub.publish('news.a', 0);
  await until(() => seen.length === 1);

  for (let round = 1; round <= 3; round += 1) {
    await server.kill();
    await until(() => !client.isOpen);
    await server.start();
    // Published before the subscriber is back, or after: it makes no difference.
    await publisher.pubsub.publish('news.a', round);
    await publisher.pubsub.publish('fresh.a', round);
  }
  await until(() => seen.length >= 4);
  await publisher.pubsub.publish('news.b', 'end');
  await until(() => seen.includes('end'));
  assert.deepEqual(seen, [0, 1, 2, 3, 'end']);
  assert.deepEqual(await payloads(fresh, 3), [1, 2, 3]);
});

test('a subscriber that was away gets what was published meanwhile, also before its first message', async (t) => {
  const server = await Server.start(t);
  const client = await clientOf(t, server, { backoffMs: 1500 });
  const publisher = await clientOf(t, server);
  const [none, some, latest] = await Promise.all([
    client.pubsub.subscribe('x.none', { backlogSeconds: 0 }),
    client.pubsub.subscribe('x.some'),
    client.pubsub.subscribe('x.latest', { start: 'latest' }),
  ]);
  await publisher.pubsub.publish('x.some', 'before');
  await payloads(some, 1);
  await server.kill();
  await server.start();
  for (const topic of ['x.none', 'x.some', 'x.latest']) {
    await publisher.pubsub.publish(topic, 'while away');
  }
  assert.equal(client.isOpen, false);
  for (const subscription of [none, some, latest]) {
    const [message] = await messages(subscription, 1);
    assert.deepEqual([message.payload, message.backlog], ['while away', true]);
    assert.ok(await quietUpTo(publisher, subscription, message.topic));
  }
});

test('under kills and full speed each acknowledged message arrives once, in order', async (t) => {
  const { server, client } = await serverAndClient(t, { onWarning() {} });
  const seen = [];
  await client.pubsub.subscribe('load.#', { backlogSeconds: 0, onMessage: ({ payload }) => { seen.push(payload); } });
  const acknowledged = [];
  let running = true;
  let unknown = 0;
  const publish = async (publisher, name) => {
    for (let number = 0; running; number += 1) {
      try {
        await publisher.pubsub.publish(`load.${name}`, [name, number]);
        acknowledged.push([name, number]);
      } catch (error) {
        assert.ok(error instanceof ConnectionLost, error.stack);
        unknown += 1;
      }
    }
  };
  const publishers = ['a', 'b', 'c'].map(async (name) => publish(await clientOf(t, server), name));
  for (let round = 0; round < 5; round += 1) {
    await new Promise((resolve) => { setTimeout(resolve, 150); });
    await server.kill();
    await server.start();
  }
  running = false;
  await Promise.all(publishers);
  await client.pubsub.publish('load.end', ['end', 0]);
  await until(() => seen.at(-1)?.[0] === 'end');
  const arrived = new Set(seen.map(String));
  assert.equal(arrived.size, seen.length);
  assert.deepEqual(acknowledged.map(String).filter((one) => !arrived.has(one)), []);
  for (const name of ['a', 'b', 'c']) {
    const numbers = seen.filter(([publisher]) => publisher === name).map(([, number]) => number);
    assert.deepEqual(numbers, [...numbers].sort((x, y) => x - y));
  }
  assert.ok(acknowledged.length > 50 && unknown > 0, `${acknowledged.length} acknowledged, ${unknown} unknown`);
});

test('a reader that is behind when the connection is lost misses nothing', async (t) => {
  const { server, client } = await serverAndClient(t, { queueMessagesMax: 10 });
  const slow = await client.pubsub.subscribe('slow', { backlogSeconds: 0 });
  const numbers = Array.from({ length: 100 }, (_, number) => number);
  for (const number of numbers) {
    await client.pubsub.publish('slow', number);
  }
  await server.kill();
  await until(() => !client.isOpen);
  await server.start();
  await client.pubsub.publish('slow', 100);
  assert.deepEqual(await payloads(slow, 101), [...numbers, 100]);
});

test('a durable subscription repeats nothing to the reader that has it', async (t) => {
  const { server, client } = await serverAndClient(t);
  const subscription = await client.pubsub.subscribe('bills', { durable: 'billing', start: 'earliest' });
  for (const number of [1, 2, 3, 4]) {
    await client.pubsub.publish('bills', number);
  }
  const [first, second, third] = await messages(subscription, 3);
  assert.deepEqual([first.payload, third.payload], [1, 3]);
  await subscription.commit(first);
  await server.kill();
  await until(() => !client.isOpen);
  await server.start();
  // Two and three are not committed: the server sends them again. They were handed over, so they are dropped.
  assert.deepEqual(await payloads(subscription, 1), [4]);
  await subscription.commit(second);
  await subscription.unsubscribe();
  const other = await client.pubsub.subscribe('bills', { durable: 'billing' });
  assert.deepEqual(await payloads(other, 2), [3, 4]);
});

test('unsubscribing without a connection ends it for good', async (t) => {
  const { server, client } = await serverAndClient(t);
  const subscription = await client.pubsub.subscribe('z.#');
  await server.kill();
  await until(() => !client.isOpen);
  await subscription.unsubscribe();
  await server.start();
  await client.pubsub.publish('z.a', 1);
  assert.equal((await subscription.next()).done, true);
});

test('a server that stops answering is given up', async (t) => {
  const { server, client } = await serverAndClient(t, { keepAliveMs: 200, connectTimeoutMs: 500 });
  await slowFunction(t, server);
  const subscription = await client.pubsub.subscribe('ice');
  // Idle for longer than that: it answers signs of life.
  await new Promise((resolve) => { setTimeout(resolve, 600); });
  assert.equal(client.isOpen, true);
  const pending = failure(client.call('slow'));
  await client.call('echo', [1]);
  server.freeze();
  const error = await pending;
  assert.ok(error instanceof ConnectionLost && error.sent, error.stack);
  assert.match(error.message, /silent/);
  server.thaw();
  await client.pubsub.publish('ice', 'melted');
  assert.deepEqual(await payloads(subscription, 1), ['melted']);
});

test('a request has its time limit', async (t) => {
  const { server, client } = await serverAndClient(t);
  await slowFunction(t, server);
  const error = await failure(client.call('slow', [], { timeoutMs: 50 }));
  assert.ok(error instanceof RequestTimeout, error.stack);
  assert.equal(error.timeoutMs, 50);
  assert.equal(await client.call('echo', ['still there']), 'still there');
});

test('connecting', async (t) => {
  const server = await Server.start(t);

  await t.test('fails with a typed error', async () => {
    await assert.rejects(connect('ws://127.0.0.1:1', QUICK), (error) => {
      assert.ok(error instanceof ConnectionFailed, error.stack);
      assert.match(error.message, /cannot connect to ws:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/);
      return true;
    });
    await assert.rejects(connect('not a URL'), ConnectionFailed);
    const foreign = { headers: { Origin: 'https://a.example' } };
    await assert.rejects(connect(server.url, foreign), { name: 'ConnectionFailed', message: /403/ });
    await assert.rejects(connect([]), TypeError);
    await assert.rejects(connect(server.url, { timeoutMs: 1 }), { name: 'TypeError', message: /timeoutMs/ });
  });

  await t.test('tries every server', async (u) => {
    const other = await Server.start(u);
    const client = await connect(['ws://127.0.0.1:1', server.url, other.url], QUICK);
    t.after(() => client.close());
    await client.cache.put(['a', 'b'], 'first');
    await server.kill();
    await until(() => !client.isOpen);
    // The other server does not know it.
    assert.equal(await client.cache.get(['a', 'b']), undefined);
  });

  await t.test('gives up on a server that does not answer', async () => {
    await server.start();
    server.freeze();
    await assert.rejects(connect(server.url, { connectTimeoutMs: 100 }), { name: 'ConnectionFailed', message: /100 ms/ });
    server.thaw();
  });
});
