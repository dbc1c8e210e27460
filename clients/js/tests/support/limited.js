/** Tests that hang fail. */

import nodeTest from 'node:test';

const MS_MAX = 60_000;

export default function test(name, run) {
  return nodeTest(name, { timeout: MS_MAX }, run);
}
