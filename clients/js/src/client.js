/** The client: calls, and the doors to publish/subscribe and the cache. */

import { Cache } from './cache/cache.js';
import { fullOptions } from './options.js';
import { PubSub } from './pubsub.js';
import { resultsOf, rpcMessage } from './rpc.js';
import { Session } from './session.js';

/**
 * One connection to a node, shared by all who use it, which comes back by itself when it is lost.
 *
 * Every request may reject with `RequestTimeout`, `ConnectionLost`, `ClientClosed`, `EncodeError`, `MessageTooLarge` or
 * `ProtocolError`, beside what its own documentation names.
 */
export class Client {
  #session;
  #options;

  /** Publish and subscribe. */
  pubsub;
  /** The cache, at the server's default level. */
  cache;

  constructor(urls, options) {
    this.#options = options;
    this.pubsub = new PubSub(this, options);
    this.cache = new Cache((message, timeoutMs) => this.send(message, timeoutMs));
    this.#session = new Session(urls, options, {
      onNotification: (message) => this.pubsub.take(message),
      onReopen: (connection) => this.pubsub.restore(connection),
    });
  }

  /**
   * Connects to the first of `urls` (one `ws://` or `wss://` URL, or several) that answers. Rejects with
   * `ConnectionFailed` when none does.
   */
  static async open(urls, givenOptions, openSocket) {
    const list = [urls].flat();
    if (list.length === 0) {
      throw new TypeError('a client needs the URL of a server');
    }
    const client = new Client(list, fullOptions(givenOptions, openSocket));
    await client.#session.open();
    return client;
  }

  /** Whether there is a connection right now. Requests wait for one. */
  get isOpen() {
    return this.#session.isOpen;
  }

  /**
   * Calls a function with positional `args` and resolves to its result. `options`: `kwargs`, `locs` (resources it must
   * have), `functionId`, `versionConstraint` (`">=1.0.0,<2.0.0"`), `targetCluster`, `timeoutMs`. Rejects with
   * `RpcError`. A string argument equal to `fun` is an ordinary string.
   */
  async call(fun, args = [], { timeoutMs, ...selection } = {}) {
    const results = await this.request([{ name: fun, fun, args, ...selection }], { timeoutMs });
    return results[fun];
  }

  /**
   * Runs a graph of commands and resolves to the results of its last level, by name. A string argument that is the name
   * of another command (or `name.field.field`) stands for its result. Rejects with `RpcError`.
   */
  async request(commands, { timeoutMs } = {}) {
    return resultsOf(await this.#run(rpcMessage(commands), timeoutMs));
  }

  /**
   * As `request`, and tells how it went: `{ results, intermediate_results, execution_summary }`. `options`:
   * `intermediateResults` and `executionSummary` (booleans), `callbackTopic` (each level is published there, too),
   * `timeoutMs`.
   */
  async requestDetailed(commands, { timeoutMs, ...wanted } = {}) {
    const reply = await this.#run(rpcMessage(commands, wanted), timeoutMs);
    const { intermediate_results, execution_summary } = reply;
    return { results: resultsOf(reply), intermediate_results, execution_summary };
  }

  /** Sends any message of the protocol and resolves to the answer as it came. A missing `u` is filled in. */
  send(message, timeoutMs = this.#options.requestTimeoutMs) {
    return this.#session.request(message, timeoutMs);
  }

  /** Closes for good. Requests under way and waiting subscribers end with `ClientClosed`. */
  close() {
    this.#session.close();
    this.pubsub.close();
  }

  #run(message, timeoutMs = this.#options.callTimeoutMs) {
    return this.send(message, timeoutMs);
  }
}
