/** Runs in a browser: uses the client as it is, without a bundler, and posts what it found to the test. */

import { bigIntJson, connect } from '../../src/index.js';

const url = new URLSearchParams(location.search).get('server');

async function payloads(subscription, count) {
  const all = [];
  for await (const { payload } of subscription) {
    if (all.push(payload) === count) {
      return all;
    }
  }
  return all;
}

async function run() {
  const states = [];
  const client = await connect(url, { backoffMs: 20, onState: (state) => states.push(state) });
  const { cache, pubsub } = client;
  const found = { echo: await client.call('echo', [{ text: 'é ☃ 𝄞' }]) };
  found.graph = await client.request([
    { name: 'first', fun: 'echo', args: [{ id: 7 }] },
    { name: 'second', fun: 'echos', args: ['first.id', 8] },
  ]);
  found.failed = await client.call('nope').catch(({ name, code }) => [name, code]);

  await cache.put(['browser', 'a'], { x: 1 }, { level: 'strong' });
  found.value = await cache.get(['browser', 'a']);
  found.added = await cache.asSet(['browser', 'set']).add(['a', 'b', 'a']);
  found.counted = (await cache.increment(['browser', 'count'], 5)).new_value;

  await pubsub.publish('browser.news', 'stored');
  found.backlog = await payloads(await pubsub.subscribe('browser.#'), 1);
  const news = await pubsub.subscribe('browser.#', { backlogSeconds: 0 });
  await pubsub.publish('browser.news', 'live');
  found.live = (await news.next()).value.payload;

  // The test kills the server and starts it again.
  const pending = client.send({ role: 'rpc-register', functions: [{ name: 'never' }] })
    .then(() => client.call('never')).catch(({ name }) => name);
  await cache.get(['browser', 'a']);
  await fetch('/restart', { method: 'POST' });
  found.pending = await pending;
  await pubsub.publish('browser.news', 'after the restart');
  found.resumed = (await news.next()).value.payload;
  found.kept = await cache.get(['browser', 'a']);

  const exact = await connect(url, { json: bigIntJson });
  found.exact = String(await exact.call('echo', [9007199254740993n]));
  exact.close();
  client.close();
  found.states = states;
  found.refused = await connect('ws://127.0.0.1:1').catch(({ name }) => name);
  return found;
}

const result = await run().catch((error) => ({ error: error.stack }));
await fetch('/result', { method: 'POST', body: JSON.stringify(result) });
