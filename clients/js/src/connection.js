/** Requests over one WebSocket, until it ends. */

import { ClientClosed, ConnectionFailed, ConnectionLost, EncodeError, MessageTooLarge, ProtocolError, RequestTimeout }
  from './errors.js';
import { newId } from './ids.js';

/** Neither side takes a larger message. */
export const MESSAGE_BYTES_MAX = 20 * 1024 * 1024;

const OPEN = 1;
const CLOSE_NORMAL = 1000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * A connection that is open, or over for good. Requests are pipelined; answers find theirs by `u`. However it ends,
 * every request under way ends with an error.
 */
export class Connection {
  #socket;
  #json;
  #onNotification;
  #onLost;
  #pending = new Map();
  #lost;
  #heardAt = performance.now();
  #keepAlive;

  /**
   * Connects. Rejects with `ConnectionFailed`, also when `connectTimeoutMs` goes by.
   *
   * `handlers.onNotification(message)` takes what nobody asked for, `handlers.onLost(connection, reason)` is called
   * once, when the connection is over.
   */
  static open(url, options, handlers) {
    return new Promise((resolve, reject) => {
      let socket;
      try {
        socket = options.openSocket(url, options);
      } catch (error) {
        reject(new ConnectionFailed(url, error.message, error));
        return;
      }
      let cause;
      const fail = (reason) => {
        clearTimeout(timer);
        reject(new ConnectionFailed(url, reason, cause));
      };
      const timer = setTimeout(() => {
        fail(`no answer within ${options.connectTimeoutMs} ms`);
        socket.close();
      }, options.connectTimeoutMs);
      socket.binaryType = 'arraybuffer';
      socket.onerror = (event) => { cause = event.error; };
      socket.onclose = (event) => fail(cause?.message || event.reason || `closed with code ${event.code}`);
      socket.onopen = () => {
        clearTimeout(timer);
        resolve(new Connection(socket, options, handlers));
      };
    });
  }

  constructor(socket, options, handlers) {
    this.#socket = socket;
    this.#json = options.json;
    this.#onNotification = handlers.onNotification;
    this.#onLost = handlers.onLost;
    let cause;
    socket.onmessage = (event) => this.#take(event.data);
    socket.onerror = (event) => { cause = event.error?.message; };
    socket.onclose = (event) => this.#end(cause || event.reason || `closed with code ${event.code}`);
    if (options.keepAliveMs > 0) {
      this.#keepAlive = setInterval(() => this.#checkAlive(options), options.keepAliveMs);
    }
  }

  /** Whether requests can be sent. */
  get isOpen() {
    return this.#lost === undefined && this.#socket.readyState === OPEN;
  }

  /**
   * Sends `message`, which has a `u` of its own, and resolves to the answer. Rejects with `RequestTimeout` after
   * `timeoutMs` milliseconds, `ConnectionLost`, `ClientClosed`, `EncodeError` or `MessageTooLarge`.
   */
  async request(message, timeoutMs) {
    const text = this.#encode(message);
    if (!this.isOpen) {
      throw new ConnectionLost(this.#lost ?? 'closing', false);
    }
    if (this.#pending.has(message.u)) {
      throw new EncodeError(`request id ${JSON.stringify(message.u)} is in use`);
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(message.u);
        reject(new RequestTimeout(timeoutMs));
      }, timeoutMs);
      this.#pending.set(message.u, { resolve, reject, timer });
      this.#socket.send(text);
    });
  }

  /** Closes; requests under way end with `ClientClosed`. */
  close() {
    this.#end('closed', () => new ClientClosed());
  }

  /** Gives the connection up; requests under way end with `ConnectionLost`. */
  abort(reason) {
    this.#end(reason);
  }

  #encode(message) {
    let text;
    try {
      text = this.#json.stringify(message);
    } catch (error) {
      throw new EncodeError(`the request cannot be written as JSON: ${error.message}`, error);
    }
    // A character of a string has at most three bytes: the exact count is only needed above that.
    const bytes = text.length * 3 > MESSAGE_BYTES_MAX ? encoder.encode(text).length : text.length;
    if (bytes > MESSAGE_BYTES_MAX) {
      throw new MessageTooLarge(bytes, MESSAGE_BYTES_MAX);
    }
    return text;
  }

  #take(data) {
    this.#heardAt = performance.now();
    let message;
    try {
      message = this.#json.parse(typeof data === 'string' ? data : decoder.decode(data));
    } catch (error) {
      this.abort(new ProtocolError('the server sent something that is not JSON', error).message);
      return;
    }
    if (message.role === 'pubsub-notification') {
      this.#onNotification(message);
      return;
    }
    // An answer to a request that ran out of time finds nobody.
    const u = message.role === 'pubsub-ack' ? message.operation_id : message.u;
    const waiting = this.#pending.get(u);
    if (waiting !== undefined) {
      this.#pending.delete(u);
      clearTimeout(waiting.timer);
      waiting.resolve(message);
    }
  }

  /** A peer that vanished says nothing: after silence it is asked for a sign of life. */
  #checkAlive({ keepAliveMs }) {
    if (performance.now() - this.#heardAt < keepAliveMs) {
      return;
    }
    const echo = { role: 'rpc', u: newId(), cmds: [{ name: 'alive', fun: 'echo', args: [1] }] };
    this.request(echo, keepAliveMs).catch(() => this.abort('the server is silent'));
  }

  #end(reason, errorOf = () => new ConnectionLost(reason, true)) {
    if (this.#lost !== undefined) {
      return;
    }
    this.#lost = reason;
    clearInterval(this.#keepAlive);
    this.#socket.onmessage = null;
    this.#socket.close(CLOSE_NORMAL);
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(errorOf());
    }
    this.#pending.clear();
    this.#onLost(this, reason);
  }
}
