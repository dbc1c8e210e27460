/** The real server, as a process of its own: `MPREG_SERVER`, or what cargo built last in this repository. */

import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const START_MS_MAX = 60_000;

function binary() {
  if (process.env.MPREG_SERVER) {
    return process.env.MPREG_SERVER;
  }
  const built = ['release', 'debug'].map((profile) => join(ROOT, 'target', profile, 'mpreg')).filter(existsSync);
  if (built.length === 0) {
    throw new Error('no server: set MPREG_SERVER or run `cargo build -p mpreg`');
  }
  return built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}

/** A server with a data directory of its own, which survives a kill and a start. */
export class Server {
  url;
  #data;
  #process;
  #listen = '127.0.0.1:0';

  /** Starts one; it ends with the test `t`. */
  static async start(t) {
    const server = new Server();
    server.#data = await mkdtemp(join(tmpdir(), 'mpreg-js-'));
    t.after(() => server.#dispose());
    await server.start();
    return server;
  }

  /** Starts it again, on the same port and data. */
  async start() {
    const options = ['--log', 'warn', '--listen', this.#listen, '--data', this.#data];
    const child = spawn(binary(), ['serve', ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#process = child;
    const timer = setTimeout(() => child.kill('SIGKILL'), START_MS_MAX);
    for await (const line of createInterface({ input: child.stdout })) {
      this.url = line.match(/^MPREG_URL=(.*)$/)?.[1] ?? this.url;
      if (line === 'ready') {
        break;
      }
    }
    clearTimeout(timer);
    if (this.url === undefined || child.exitCode !== null) {
      throw new Error(`the server did not start (${child.exitCode ?? child.signalCode})`);
    }
    child.stdout.resume();
    this.#listen = new URL(this.url).host;
  }

  /** Ends it at once, as a crash would; resolves when it is gone. */
  kill() {
    return this.#end('SIGKILL');
  }

  /** Stops it in its tracks: connections stay open and nothing answers. */
  freeze() {
    this.#process.kill('SIGSTOP');
  }

  thaw() {
    this.#process.kill('SIGCONT');
  }

  async #end(signal) {
    const child = this.#process;
    if (child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => { child.once('exit', resolve); });
      child.kill(signal);
      await gone;
    }
  }

  async #dispose() {
    await this.kill();
    await rm(this.#data, { recursive: true, force: true });
  }
}
