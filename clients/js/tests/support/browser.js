/** A headless Chromium, where there is one, and pages of this package for it. */

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const NAMES = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const TYPES = { '.html': 'text/html', '.js': 'text/javascript' };

/** Path of the browser: `CHROMIUM`, or the first of the usual names in the path; undefined where there is none. */
export function findBrowser() {
  const folders = process.env.PATH.split(delimiter);
  const paths = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return process.env.CHROMIUM || paths.find(existsSync);
}

/** Opens `url` in a browser that ends with the test `t`; rejects if it ends before. */
export async function openPage(t, browser, url) {
  const profile = await mkdtemp(join(tmpdir(), 'mpreg-chromium-'));
  const options = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'];
  const child = spawn(browser, [...options, `--user-data-dir=${profile}`, '--remote-debugging-port=0', url], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // A group of its own, to end its helpers with it.
    detached: true,
  });
  let said = '';
  child.stderr.on('data', (text) => { said = `${said}${text}`.slice(-4000); });
  const gone = new Promise((resolve) => { child.once('exit', resolve); child.once('error', resolve); });
  t.after(async () => {
    if (child.pid !== undefined && child.exitCode === null) {
      process.kill(-child.pid, 'SIGKILL');
    }
    await gone;
    await rm(profile, { recursive: true, force: true, maxRetries: 10 });
  });
  return { gone: gone.then(() => { throw new Error(`the browser ended: ${said}`); }) };
}

/**
 * Serves the files of this package, and `posts[path](body)` to what pages post. Resolves to the origin, such as
 * `http://127.0.0.1:4000`.
 */
export async function servePages(t, posts) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    try {
      if (request.method === 'POST') {
        request.setEncoding('utf8');
        let body = '';
        for await (const text of request) {
          body += text;
        }
        await posts[pathname](body);
        response.end();
      } else {
        const file = await readFile(join(ROOT, normalize(pathname)));
        response.writeHead(200, { 'Content-Type': TYPES[extname(pathname)] ?? 'text/plain' }).end(file);
      }
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.after(() => {
    server.closeAllConnections?.();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}
