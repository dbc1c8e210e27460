/** The cache: values, atomics, batches, namespaces, against the real server. */

import assert from 'node:assert/strict';

import { CacheError } from '../src/node.js';
import { serverAndClient } from './support/clients.js';
import test from './support/limited.js';

const KEY = ['things', 'a'];

test('values', async (t) => {
  const { client } = await serverAndClient(t);
  const { cache } = client;

  await t.test('are stored, read, removed', async () => {
    assert.equal(await cache.get(KEY), undefined);
    assert.equal(await cache.entry(KEY), undefined);
    const value = { text: 'é ☃ 𝄞', list: [1, 2.5, null, true], nested: { empty: {} } };
    const put = await cache.put(KEY, value);
    assert.deepEqual(put.key, { namespace: 'things', identifier: 'a', version: 'v1.0.0', tags: [] });
    assert.deepEqual(await cache.get(KEY), value);
    assert.deepEqual(await cache.get({ namespace: 'things', identifier: 'a', version: 'v1.0.0' }), value);
    assert.equal(await cache.get(['things', 'a', 'v2']), undefined);
    assert.equal(await cache.delete(KEY), true);
    assert.equal(await cache.delete(KEY), false);
  });

  await t.test('that are falsy are values', async () => {
    for (const value of [0, false, '', []]) {
      await cache.put(KEY, value);
      assert.deepEqual(await cache.get(KEY), value);
    }
  });

  await t.test('have levels', async () => {
    const strong = cache.withLevel('strong');
    assert.equal((await strong.put(KEY, 1)).durability, 'strong');
    assert.equal((await strong.entry(KEY)).durability, 'strong');
    assert.equal((await cache.put(KEY, 2, { level: 'strong' })).durability, 'strong');
    assert.equal((await cache.put(KEY, 3, { options: { cache_levels: ['L1'] } })).durability, 'volatile');
    await assert.rejects(cache.get(KEY, { level: 'nonsense' }), { name: 'CacheError', code: 'CACHE_BAD_REQUEST' });
  });

  await t.test('have metadata and a time to live', async () => {
    const { ttl_seconds, computation_cost_ms } = await cache.put(KEY, 1, {
      ttlSeconds: 60, metadata: { computation_cost_ms: 7.5 },
    });
    assert.deepEqual([ttl_seconds, computation_cost_ms], [60, 7.5]);
    assert.equal(await cache.extendTtl(KEY, 60), true);
    assert.equal(await cache.extendTtl(['things', 'nobody'], 60), false);
    await cache.put(KEY, 1, { ttlSeconds: 0.05 });
    await new Promise((resolve) => { setTimeout(resolve, 100); });
    assert.equal(await cache.get(KEY), undefined);
  });

  await t.test('keep to their constraints', async () => {
    const constraints = [{ constraint_type: 'min_value', value: 0 }];
    await cache.put(KEY, 1, { constraints });
    await assert.rejects(cache.put(KEY, -1, { constraints }), { code: 'CACHE_CONSTRAINT' });
    assert.equal(await cache.get(KEY), 1);
  });

  await t.test('are invalidated by pattern and by tag', async () => {
    await cache.put(['ml.models', 'x'], 1);
    await cache.put(['mlops', 'x'], 1);
    await cache.put({ namespace: 'things', identifier: 'tagged', tags: ['red'] }, 1);
    assert.equal(await cache.invalidate({ pattern: 'ml.*' }, { reason: 'retrained' }), 1);
    assert.equal(await cache.get(['mlops', 'x']), 1);
    assert.equal(await cache.invalidate({ tags: ['red', 'blue'] }), 1);
    assert.equal(await cache.get(['things', 'tagged']), undefined);
    assert.equal(await cache.invalidate({ tags: ['red'] }), 0);
  });

  await t.test('go with what they depend on', async () => {
    await cache.put(['base', 'x'], 1);
    await cache.put(['derived', 'y'], 1, { metadata: { dependencies: ['base:x'] } });
    await cache.delete(['base', 'x'], { cascade: true });
    assert.equal(await cache.get(['derived', 'y']), undefined);
  });

  await t.test('are found', async () => {
    await cache.put(['found', 'b1'], 1);
    await cache.put(['found', 'b2'], 1);
    assert.deepEqual((await cache.query('found', 'b*')).sort(), ['found:b1:v1.0.0', 'found:b2:v1.0.0']);
    assert.equal(typeof (await cache.stats()).operation_stats.puts, 'number');
  });

  await t.test('are refused with a typed error', async () => {
    await assert.rejects(cache.put(KEY, undefined), (error) => {
      assert.ok(error instanceof CacheError);
      assert.deepEqual([error.code, error.status], ['CACHE_BAD_REQUEST', 'error']);
      assert.equal(error.reply.operation, 'put');
      return true;
    });
    await assert.rejects(cache.get(['', 'x']), { code: 'CACHE_BAD_REQUEST' });
    assert.throws(() => cache.asSet('things'), TypeError);
    await assert.rejects(cache.get({ identifier: 'x' }), TypeError);
  });
});

test('atomics', async (t) => {
  const { client: { cache } } = await serverAndClient(t);

  await t.test('a lock has one holder', async () => {
    const races = Array.from({ length: 50 }, (_, owner) => cache.testAndSet(['locks', 'x'], null, { owner }));
    const results = await Promise.all(races);
    const [winner, ...others] = results.filter((result) => result.applied);
    assert.equal(others.length, 0);
    for (const { current_value } of results) {
      assert.deepEqual(current_value, winner.new_value);
    }
  });

  await t.test('compare and swap', async () => {
    await cache.put(KEY, { a: 1, b: 2 });
    assert.equal((await cache.compareAndSwap(KEY, { b: 2, a: 1.0 }, 'next')).applied, true);
    const { applied, current_value } = await cache.compareAndSwap(KEY, 'other', 'last');
    assert.deepEqual([applied, current_value], [false, 'next']);
    const odds = { conditions: { value: { $eq: 'odd' } } };
    assert.equal((await cache.testAndSet(KEY, 'next', 'last', odds)).applied, false);
  });

  await t.test('a hundred increments at once add up', async () => {
    const key = ['counters', 'hits'];
    await Promise.all(Array.from({ length: 100 }, () => cache.increment(key, 2, { initial: 0 })));
    assert.equal(await cache.get(key), 200);
    assert.equal((await cache.decrement(key, 0.5)).new_value, 199.5);
    assert.equal((await cache.increment(['counters', 'none'], 1, { createIfMissing: false })).applied, false);
    assert.equal((await cache.increment(['counters', 'ten'], 1, { initial: 10 })).new_value, 11);
  });

  await t.test('append and prepend', async () => {
    const key = ['texts', 'x'];
    await cache.append(key, 'b');
    await cache.prepend(key, 'a');
    assert.equal(await cache.get(key), 'ab');
    await assert.rejects(cache.increment(key), { name: 'CacheError', code: 'CACHE_WRONG_TYPE' });
    await cache.append(['texts', 'list'], ['a', 'b']);
    assert.deepEqual(await cache.get(['texts', 'list']), ['a', 'b']);
  });
});

test('batches', async (t) => {
  const { client: { cache } } = await serverAndClient(t);

  await t.test('happen as a whole', async () => {
    const batch = cache.batch()
      .put(['stock', 'x'], 5)
      .increment(['stock', 'x'], -2)
      .structure(['orders', 'open'], 'set', 'add', { values: ['17'] })
      .get(['stock', 'x'])
      .testAndSet(['locks', 'y'], null, 'me', { ttlSeconds: 5 })
      .delete(['stock', 'nobody']);
    assert.equal(batch.size, 6);
    const results = await batch.run({ level: 'strong' });
    assert.deepEqual(results.map((result) => result.status), ['hit', 'hit', 'hit', 'hit', 'hit', 'miss']);
    assert.equal(results[3].entry.value, 3);
  });

  await t.test('or not at all', async () => {
    const batch = cache.batch()
      .put(['stock', 'y'], 1)
      .increment(['stock', 'x'], -9, { conditions: { value: { $gte: 9 } } });
    await assert.rejects(batch.run(), (error) => {
      assert.deepEqual([error.code, error.status], ['CACHE_CONFLICT', 'conflict']);
      assert.equal(error.reply.batch_result.failed_index, 1);
      return true;
    });
    assert.equal(await cache.get(['stock', 'y']), undefined);
  });
});

test('namespaces', async (t) => {
  const { client: { cache } } = await serverAndClient(t);
  const space = cache.namespace('temp');
  await Promise.all(Array.from({ length: 2500 }, (_, number) => cache.put(['temp', `k${number}`], number)));
  await cache.put(['temp.below', 'x'], 1);

  await t.test('list their keys, page by page', async () => {
    assert.equal(await space.count(), 2500);
    const keys = [];
    for await (const { identifier } of space.keys('k*')) {
      keys.push(identifier);
    }
    assert.equal(new Set(keys).size, 2500);
    assert.deepEqual(keys, [...keys].sort());
  });

  await t.test('have statistics', async () => {
    assert.equal((await space.statistics({ breakdown: true })).entry_count, 2500);
  });

  await t.test('are backed up in parts and restored', async () => {
    const parts = [];
    for (let offset = 0; offset !== undefined;) {
      const part = await space.backup({ pattern: 'k1*', limit: 500, offset, compression: true });
      parts.push(part.data);
      offset = part.nextOffset;
    }
    assert.ok(parts.length > 1);
    const count = await space.count('k1*');
    await space.clear('k1*');
    await cache.put(['temp', 'k1'], 'newer');
    const done = { restored: 0, skipped: 0 };
    for (const data of parts) {
      const { restored, skipped } = await space.restore(data, { mergeStrategy: 'skip_existing' });
      done.restored += restored;
      done.skipped += skipped;
    }
    assert.deepEqual(done, { restored: count - 1, skipped: 1 });
    assert.equal(await cache.get(['temp', 'k1']), 'newer');
    assert.equal(await cache.get(['temp', 'k1999']), 1999);
  });

  await t.test('are cleared', async () => {
    assert.deepEqual(await space.clear('*', { dryRun: true }), { count: 2500, hasMore: false });
    assert.deepEqual(await space.clear('*', { maxEntries: 1000 }), { count: 1000, hasMore: true });
    assert.deepEqual(await space.clear(), { count: 1500, hasMore: false });
    assert.equal(await cache.get(['temp.below', 'x']), 1);
  });
});
