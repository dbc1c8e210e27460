/** Integers beyond 2^53. */

import assert from 'node:assert/strict';

import { bigIntJson } from '../src/node.js';
import { clientOf, serverAndClient } from './support/clients.js';
import test from './support/limited.js';

test('exact JSON is JSON', () => {
  const values = [
    null, true, 0, -1, 1.5, -0.25, 1e21, 1e-7, 2 ** 53 - 1, -(2 ** 53 - 1), '', 'é"\\\n\u2028𝄞', [], {},
    '12345678901234567890', 'a "12345678901234567890" b', { '98765432109876543210': ['\\', '\\"', 1] },
    { deep: [[{ x: [1, 2, { y: null }] }]], __proto__: null, list: [0.1, 2e300] },
  ];
  for (const value of values) {
    const text = JSON.stringify(value);
    assert.equal(bigIntJson.stringify(value), text);
    assert.deepEqual(bigIntJson.parse(text), JSON.parse(text));
    // The same with a large integer beside it, so that the slow way is taken.
    const beside = `[${text},9007199254740993]`;
    assert.deepEqual(bigIntJson.parse(beside), [JSON.parse(text), 9007199254740993n]);
    assert.equal(bigIntJson.stringify([value, 9007199254740993n]), beside);
  }
});

test('exact JSON keeps integers and nothing else apart', () => {
  const text = '{"a":-9223372036854775808,"b":18446744073709551615,"c":[9007199254740991,9007199254740992],"d":1234567890123456.5}';
  assert.deepEqual(bigIntJson.parse(text), {
    a: -9223372036854775808n, b: 18446744073709551615n, c: [9007199254740991, 9007199254740992n], d: 1234567890123456.5,
  });
  assert.equal(bigIntJson.stringify(bigIntJson.parse(text)), text);
  assert.equal(bigIntJson.stringify({ small: 5n }), '{"small":5}');
  assert.equal(bigIntJson.parse('12345678901234567890e2'), 12345678901234567890e2);
  assert.throws(() => bigIntJson.parse('[12345678901234567890'), SyntaxError);
});

test('exact JSON takes long texts', () => {
  const long = 'x"\\'.repeat(2_000_000);
  const text = JSON.stringify([long, 'n'.repeat(8_000_000)]).replace(/\]$/, ',9007199254740993]');
  assert.equal(bigIntJson.parse(text)[0], long);
  assert.equal(bigIntJson.parse(text)[2], 9007199254740993n);
});

test('large integers over the wire', async (t) => {
  const { server, client } = await serverAndClient(t);
  const exact = await clientOf(t, server, { json: bigIntJson });
  const key = ['big', 'number'];
  await exact.cache.put(key, { count: 9007199254740993n, text: '9007199254740993' });
  assert.deepEqual(await exact.cache.get(key), { count: 9007199254740993n, text: '9007199254740993' });
  // Without it the last digits are rounded; the server's value is not touched by that.
  assert.deepEqual(await client.cache.get(key), { count: 9007199254740992, text: '9007199254740993' });
  assert.equal((await exact.cache.increment(['big', 'counter'], 9007199254740993n)).new_value, 9007199254740993n);
  assert.equal((await exact.cache.increment(['big', 'counter'])).new_value, 9007199254740994n);
  assert.equal(await exact.call('echo', [-9223372036854775808n]), -9223372036854775808n);
  await exact.pubsub.publish('big', 9223372036854775807n);
  const subscription = await exact.pubsub.subscribe('big');
  assert.equal((await subscription.next()).value.payload, 9223372036854775807n);
});
