/** Every method of every structure, against the real server. */

import assert from 'node:assert/strict';

import { serverAndClient } from './support/clients.js';
import test from './support/limited.js';

test('structures', async (t) => {
  const { client: { cache } } = await serverAndClient(t);

  await t.test('set', async () => {
    const set = cache.asSet(['s', 'a']);
    assert.deepEqual([await set.size(), await set.has(1), await set.members()], [0, false, []]);
    assert.equal(await set.add(['x', { y: 1 }, 'x', 3]), 3);
    assert.equal(await set.add(['x', 'z']), 1);
    assert.equal(await set.has({ y: 1 }), true);
    assert.equal(await set.remove(['z', 'nobody']), 1);
    assert.deepEqual(await set.members(), ['x', { y: 1 }, 3]);
    const other = ['s', 'b', 'v2'];
    await cache.asSet(other).add([3, 4]);
    assert.deepEqual(await set.union([other]), ['x', { y: 1 }, 3, 4]);
    assert.deepEqual(await set.intersection([other]), [3]);
    assert.deepEqual(await set.difference([other]), ['x', { y: 1 }]);
    await set.clear();
    assert.equal(await set.size(), 0);
    assert.deepEqual(await cache.get(['s', 'a']), []);
  });

  await t.test('list', async () => {
    const list = cache.asList(['l', 'a']);
    assert.equal(await list.popFront(), undefined);
    assert.equal(await list.append([2, 3]), 1);
    await list.prepend([0, 1]);
    await list.insert(1, ['between']);
    assert.deepEqual(await cache.get(['l', 'a']), [0, 'between', 1, 2, 3]);
    assert.deepEqual([await list.get(-1), await list.size()], [3, 5]);
    assert.deepEqual(await list.range(1, -1), ['between', 1, 2]);
    assert.deepEqual(await list.range(), [0, 'between', 1, 2, 3]);
    assert.equal(await list.remove(['between']), true);
    assert.equal(await list.remove(['between']), false);
    assert.deepEqual([await list.popFront(), await list.popBack()], [0, 3]);
    await assert.rejects(list.get(9), { name: 'CacheError' });
    await list.clear();
    assert.deepEqual(await list.range(), []);
  });

  await t.test('map', async () => {
    const map = cache.asMap(['m', 'a']);
    assert.deepEqual([await map.keys(), await map.get(['x']), await map.remove(['x'])], [[], {}, 0]);
    assert.equal(await map.set({ name: 'ada', 'address.city': 'London' }), 2);
    assert.deepEqual(await map.get(['name', 'address', 'nobody']), { name: 'ada', address: { city: 'London' } });
    assert.equal(await map.increment('visits'), 1);
    assert.equal(await map.increment('visits', 2.5), 3.5);
    assert.deepEqual([await map.has('visits'), await map.has('nobody')], [true, false]);
    assert.deepEqual((await map.keys()).sort(), ['address', 'name', 'visits']);
    assert.ok((await map.values()).includes('ada'));
    assert.equal(Object.fromEntries(await map.items()).visits, 3.5);
    assert.equal(await map.remove(['visits', 'nobody']), 1);
    assert.equal(await map.size(), 2);
    await map.clear();
    assert.deepEqual(await cache.get(['m', 'a']), {});
  });

  await t.test('sorted set', async () => {
    const board = cache.asSortedSet(['z', 'a']);
    assert.deepEqual([await board.top(), await board.score('ada'), await board.rank('ada')], [[], undefined, undefined]);
    const all = [{ value: 'ada', score: 3 }, { value: 'bob', score: 1 }, { value: 'cyd', score: 2 }];
    assert.equal(await board.add(all), 3);
    assert.equal(await board.add([{ value: 'bob', score: 9 }]), 0);
    assert.deepEqual([await board.score('bob'), await board.rank('bob'), await board.rank('cyd')], [9, 2, 0]);
    assert.deepEqual(await board.top(1), [{ value: 'bob', score: 9 }]);
    assert.deepEqual(await board.bottom(1), [{ value: 'cyd', score: 2 }]);
    assert.deepEqual((await board.rangeByScore(3)).map(({ value }) => value), ['ada', 'bob']);
    assert.deepEqual((await board.rangeByScore(undefined, 3)).map(({ value }) => value), ['cyd', 'ada']);
    assert.deepEqual((await board.rangeByRank(0, 2)).map(({ value }) => value), ['cyd', 'ada']);
    assert.equal(await board.remove(['ada']), true);
    assert.equal(await board.size(), 2);
    assert.deepEqual(await board.popMin(), { value: 'cyd', score: 2 });
    assert.deepEqual([(await board.popMax()).value, await board.popMin()], ['bob', undefined]);
  });

  await t.test('counter', async () => {
    const counter = cache.asCounter(['c', 'a']);
    assert.equal(await counter.get(), undefined);
    assert.deepEqual([await counter.increment(), await counter.increment(4), await counter.decrement(2)], [1, 5, 3]);
    await counter.set(10);
    assert.equal(await counter.get(), 10);
    await counter.reset();
    assert.equal(await cache.get(['c', 'a']), 0);
  });

  await t.test('queue and stack', async () => {
    const queue = cache.asQueue(['q', 'a']);
    assert.equal(await queue.dequeue(), undefined);
    await queue.enqueue([1, 2, 3]);
    assert.deepEqual([await queue.peek(), await queue.dequeue(), await queue.dequeue()], [1, 1, 2]);
    assert.equal(await queue.size(), 1);
    await queue.clear();
    const stack = cache.asStack(['k', 'a']);
    assert.equal(await stack.pop(), undefined);
    await stack.push([1, 2, 3], { level: 'strong' });
    assert.deepEqual([await stack.peek(), await stack.pop(), await stack.pop()], [3, 3, 2]);
    assert.equal(await stack.size(), 1);
  });

  await t.test('of the wrong type are refused', async () => {
    await cache.put(['w', 'a'], 'text');
    await assert.rejects(cache.asSet(['w', 'a']).add([1]), { name: 'CacheError', code: 'CACHE_WRONG_TYPE' });
    await assert.rejects(cache.asQueue(['w', 'a']).enqueue([1]), { code: 'CACHE_WRONG_TYPE' });
  });
});
