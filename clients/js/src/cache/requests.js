/** One cache request and its answer. */

import { CacheError, ProtocolError } from '../errors.js';
import { throwError } from '../rpc.js';

const GOOD = ['hit', 'miss', 'partial'];

/**
 * What all cache operations take: `level`, the consistency level `"eventual"` or `"strong"` (synced before the answer);
 * `options`, more of the protocol's options; `timeoutMs`. What only some take is their own.
 */
export class Requests {
  #send;
  #level;

  constructor(send, level) {
    this.#send = send;
    this.#level = level;
  }

  /** The same with another default level. */
  withLevel(level) {
    return new Requests(this.#send, level);
  }

  /** The answer. Rejects with `CacheError` when its status is none of `good`. */
  async ask(operation, members, { level = this.#level, options, timeoutMs } = {}, good = GOOD) {
    const whole = level === undefined ? options : { consistency_level: level, ...options };
    const message = { role: 'cache-request', operation, ...members, options: whole };
    const reply = await this.#send(message, timeoutMs);
    if (reply.role !== 'cache-response') {
      throwError(reply);
      throw new ProtocolError(`an answer of role ${reply.role} to a cache request`);
    }
    if (!good.includes(reply.status)) {
      throw new CacheError(reply);
    }
    return reply;
  }
}
