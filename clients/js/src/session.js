/** A connection that comes back: requests outlive it in the queue, not on the wire. */

import { delays, Pause } from './backoff.js';
import { Connection } from './connection.js';
import { ClientClosed, ConnectionFailed, ConnectionLost } from './errors.js';
import { newId } from './ids.js';

/**
 * Keeps one connection to one of `urls`, as long as it is not closed. A lost one is replaced with back-off, without an
 * end; requests made meanwhile wait for it within their time limit.
 */
export class Session {
  #urls;
  #options;
  #onNotification;
  #onReopen;
  #connection;
  #turn = 0;
  #closed = false;
  #pause;
  #waiting = new Set();

  /** `handlers.onReopen(connection)` is called with each connection but the first, before any request uses it. */
  constructor(urls, options, { onNotification, onReopen }) {
    this.#urls = urls;
    this.#options = options;
    this.#onNotification = onNotification;
    this.#onReopen = onReopen;
  }

  /** The first connection: each URL is tried once. Rejects with the `ConnectionFailed` of the last. */
  async open() {
    for (let left = this.#urls.length; left > 0; left -= 1) {
      try {
        await this.#connect(() => {});
        return;
      } catch (error) {
        if (left === 1 || this.#closed) {
          throw error;
        }
      }
    }
  }

  get isOpen() {
    return this.#connection?.isOpen ?? false;
  }

  /**
   * As `Connection.request`; waits for a connection where there is none. `timeoutMs` is for both together. `message` may
   * be a function that makes the message when there is a connection.
   */
  async request(message, timeoutMs) {
    const deadline = performance.now() + timeoutMs;
    let left = timeoutMs;
    while (!this.isOpen) {
      await this.#reopened(left);
      left = Math.max(0, deadline - performance.now());
    }
    const made = typeof message === 'function' ? message() : message;
    return this.#connection.request({ u: newId(), ...made }, left);
  }

  /** Closes for good: every request, waiting or under way, ends with `ClientClosed`. */
  close() {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    this.#pause?.wake();
    this.#release(new ClientClosed());
    this.#connection?.close();
    this.#options.onState('closed');
  }

  /** One attempt. What `prepare(connection)` sends goes before everything else. */
  async #connect(prepare) {
    const url = this.#urls[this.#turn];
    this.#turn = (this.#turn + 1) % this.#urls.length;
    const connection = await Connection.open(url, this.#options, {
      onNotification: this.#onNotification,
      onLost: (lost, reason) => this.#lose(lost, reason),
    });
    if (this.#closed) {
      connection.close();
      throw new ClientClosed();
    }
    if (!connection.isOpen) {
      throw new ConnectionFailed(url, 'closed at once');
    }
    this.#connection = connection;
    prepare(connection);
    this.#options.onState('open');
    this.#release();
  }

  #lose(connection, reason) {
    if (connection !== this.#connection) {
      return;
    }
    this.#connection = undefined;
    if (!this.#closed) {
      this.#options.onState('lost', reason);
      this.#reconnect();
    }
  }

  async #reconnect() {
    for (const ms of delays(this.#options.backoffMs, this.#options.backoffMsMax)) {
      this.#pause = new Pause(ms);
      await this.#pause.over;
      if (this.#closed) {
        return;
      }
      try {
        await this.#connect(this.#onReopen);
        return;
      } catch {
        // The next attempt says whether it was for good; whoever waits has a time limit.
      }
    }
  }

  /** Resolves once there is a connection. */
  #reopened(timeoutMs) {
    if (this.#closed) {
      return Promise.reject(new ClientClosed());
    }
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      waiter.timer = setTimeout(() => {
        this.#waiting.delete(waiter);
        reject(new ConnectionLost(`none within ${timeoutMs} ms`, false));
      }, timeoutMs);
      this.#waiting.add(waiter);
    });
  }

  #release(error) {
    for (const { resolve, reject, timer } of this.#waiting) {
      clearTimeout(timer);
      if (error === undefined) {
        resolve();
      } else {
        reject(error);
      }
    }
    this.#waiting.clear();
  }
}
