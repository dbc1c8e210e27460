/** The package in a real browser, without a bundler. Skipped where there is no Chromium. */

import assert from 'node:assert/strict';

import { findBrowser, openPage, servePages } from './support/browser.js';
import test from './support/limited.js';
import { Server } from './support/server.js';

test('a page calls, subscribes and caches', async (t) => {
  const browser = findBrowser();
  if (browser === undefined) {
    t.skip('no Chromium: install one, or name it in CHROMIUM');
    return;
  }
  const server = await Server.start(t);
  let found;
  const result = new Promise((resolve) => { found = resolve; });
  const origin = await servePages(t, {
    '/restart': () => server.kill().then(() => server.start()),
    '/result': (body) => found(JSON.parse(body)),
  });
  const { gone } = await openPage(t, browser, `${origin}/tests/support/page.html?server=${server.url}`);
  assert.deepEqual(await Promise.race([result, gone]), {
    echo: { text: 'é ☃ 𝄞' },
    graph: { second: [7, 8] },
    failed: ['RpcError', 1001],
    value: { x: 1 },
    added: 2,
    counted: 5,
    backlog: ['stored'],
    live: 'live',
    pending: 'ConnectionLost',
    resumed: 'after the restart',
    kept: { x: 1 },
    exact: '9007199254740993',
    states: ['open', 'lost', 'open', 'closed'],
    refused: 'ConnectionFailed',
  });
});
