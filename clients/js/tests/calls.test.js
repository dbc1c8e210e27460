/** Calls and command graphs against the real server. */

import assert from 'node:assert/strict';

import { RpcError } from '../src/node.js';
import { serverAndClient } from './support/clients.js';
import test from './support/limited.js';

test('calls', async (t) => {
  const { client } = await serverAndClient(t);

  await t.test('resolve to the bare result', async () => {
    assert.equal(await client.call('echo', [1]), 1);
    assert.deepEqual(await client.call('echos', [1, 'two', null]), [1, 'two', null]);
    assert.deepEqual(await client.call('echo', [{ a: 1 }]), { a: 1 });
    assert.deepEqual(await client.call('echo', [{ r: [{ only: 'key' }] }]), { r: [{ only: 'key' }] });
    assert.equal(await client.call('echo', [], { kwargs: { arg: 'é ☃ 𝄞' } }), 'é ☃ 𝄞');
  });

  await t.test('take names of functions for text', async () => {
    assert.equal(await client.call('echo', ['echo']), 'echo');
    assert.equal(await client.call('echo', ['echo.y']), 'echo.y');
    assert.equal(await client.call('echo', ['x.y']), 'x.y');
  });

  await t.test('reject with the error of the server', async () => {
    await assert.rejects(client.call('nope'), (error) => {
      assert.ok(error instanceof RpcError);
      assert.equal(error.code, 1001);
      assert.match(error.message, /Command not found: nope/);
      return true;
    });
    await assert.rejects(client.call('echo', [1, 2]), { name: 'RpcError', code: 1003 });
    await assert.rejects(client.call('echo', [1], { versionConstraint: '>=99.0.0' }), { code: 1001 });
    await assert.rejects(client.call('echo', [1], { versionConstraint: '^1.0' }), { code: 1003 });
    await assert.rejects(client.call('echo', [1], { functionId: 'other' }), { code: 1001 });
    await assert.rejects(client.call('echo', [1], { locs: ['gpu'] }), { code: 1001 });
    await assert.rejects(client.call('echo', [1], { targetCluster: 'elsewhere' }), { code: 1001 });
  });

  await t.test('a hundred at once each get their own', async () => {
    const numbers = Array.from({ length: 100 }, (_, number) => number);
    assert.deepEqual(await Promise.all(numbers.map((number) => client.call('echo', [number]))), numbers);
  });

  await t.test('discovery', async () => {
    const map = await client.call('cluster_map');
    assert.equal(map.nodes.length, 1);
    assert.match(map.nodes[0].advertised_urls[0], /^(ws|tcp):\/\/127\.0\.0\.1:\d+$/);
  });
});

test('graphs', async (t) => {
  const { client } = await serverAndClient(t);
  const graph = [
    { name: 'first', fun: 'echo', args: [{ user: { id: 7 } }] },
    { name: 'id', fun: 'echo', args: ['first.user.id'] },
    { name: 'both', fun: 'echos', args: ['id', { deep: ['first.user'] }, 'first.nobody'] },
  ];

  await t.test('resolve to the last level', async () => {
    assert.deepEqual(await client.request(graph), { both: [7, { deep: [{ id: 7 }] }, 'first.nobody'] });
    const two = graph.slice(0, 2).concat({ name: 'other', fun: 'echo', kwargs: { arg: 'first' } });
    assert.deepEqual(await client.request(two), { id: 7, other: { user: { id: 7 } } });
  });

  await t.test('tell how they went', async () => {
    const reply = await client.requestDetailed(graph, { intermediateResults: true, executionSummary: true });
    assert.deepEqual(Object.keys(reply.results), ['both']);
    assert.deepEqual(reply.intermediate_results.map((level) => level.level_index), [0, 1, 2]);
    assert.deepEqual(reply.intermediate_results[1].level_results, { id: 7 });
    assert.equal(reply.execution_summary.parallel_commands_executed, 3);
  });

  await t.test('publish their levels', async () => {
    const levels = await client.pubsub.subscribe('progress', { backlogSeconds: 0 });
    await client.requestDetailed(graph, { intermediateResults: true, callbackTopic: 'progress' });
    const { value } = await levels.next();
    assert.deepEqual(value.payload.level_results, { first: { user: { id: 7 } } });
    assert.equal(value.headers.event, 'rpc.intermediate_result');
  });

  await t.test('fail as a whole', async () => {
    const cycle = [{ name: 'a', fun: 'echo', args: ['b'] }, { name: 'b', fun: 'echo', args: ['a'] }];
    await assert.rejects(client.request(cycle), { name: 'RpcError', code: 1003 });
    await assert.rejects(client.request([]), { code: 1003 });
  });
});

test('raw messages', async (t) => {
  const { client } = await serverAndClient(t);
  const reply = await client.send({ role: 'rpc', u: 'mine', cmds: [{ name: 'x', fun: 'echo', args: [1] }] });
  assert.deepEqual([reply.role, reply.u, reply.r], ['rpc-response', 'mine', { x: 1 }]);
  const unknown = await client.send({ role: 'no-such-role' });
  assert.equal(unknown.error.code, 1004);
});
