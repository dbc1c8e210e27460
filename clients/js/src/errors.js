/**
 * Every error this package raises. All derive from `MpregError`.
 *
 * | what to do        | errors                                                                                   |
 * |-------------------|------------------------------------------------------------------------------------------|
 * | connect elsewhere | `ConnectionFailed`                                                                       |
 * | retry, maybe      | `ConnectionLost` (`sent`: it may have been carried out), `RequestTimeout`                |
 * | mend the request  | `EncodeError`, `MessageTooLarge`, `RpcError`, `CacheError`, `PubSubError`                |
 * | mend the program  | `ClientClosed`, `ProtocolError`                                                          |
 */

/** Base of all errors of this package. `cause` is what led to it, where there is something. */
export class MpregError extends Error {
  constructor(message, cause) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = this.constructor.name;
  }
}

/** No connection could be made to `url`. */
export class ConnectionFailed extends MpregError {
  constructor(url, reason, cause) {
    super(`cannot connect to ${url}: ${reason}`, cause);
    this.url = url;
  }
}

/** The connection ended before the answer came. `sent`: the request was on its way, it may have been carried out. */
export class ConnectionLost extends MpregError {
  constructor(reason, sent) {
    const outcome = sent ? 'whether the request was carried out is unknown' : 'the request was not sent';
    super(`connection lost (${reason}); ${outcome}`);
    this.sent = sent;
  }
}

/** The client was closed. */
export class ClientClosed extends MpregError {
  constructor() {
    super('the client is closed');
  }
}

/** No answer within `timeoutMs` milliseconds. Whether the request was carried out is unknown. */
export class RequestTimeout extends MpregError {
  constructor(timeoutMs) {
    super(`no answer within ${timeoutMs} ms; whether the request was carried out is unknown`);
    this.timeoutMs = timeoutMs;
  }
}

/** The request cannot be written as JSON: a cycle, or a BigInt without `json: bigIntJson`. */
export class EncodeError extends MpregError {}

/** The request has `bytes` bytes, more than a message may have. */
export class MessageTooLarge extends MpregError {
  constructor(bytes, bytesMax) {
    super(`a message of ${bytes} bytes; at most ${bytesMax} are allowed`);
    this.bytes = bytes;
  }
}

/** The server sent something that the protocol does not allow. */
export class ProtocolError extends MpregError {}

/**
 * The server answered with an error. `code` is the protocol's number (1001 no such function, 1003 it failed, 1004 out
 * of time, 1005 malformed), `details` any JSON value, `type` the class of what went wrong where the server names one.
 */
export class RpcError extends MpregError {
  constructor({ code = -1, message = '', details = null, type }) {
    super(details ? `${code} ${message}: ${typeof details === 'string' ? details : JSON.stringify(details)}`
      : `${code} ${message}`);
    this.code = code;
    this.details = details;
    this.type = type;
  }
}

/**
 * The server refused a cache operation. `code` is its word (`CACHE_WRONG_TYPE`, ...; empty where it names none),
 * `status` `error`, `conflict` or `timeout`, `reply` the whole answer.
 */
export class CacheError extends MpregError {
  constructor(reply) {
    super(reply.error_message ?? `a reply of status ${reply.status}`);
    this.code = reply.error_code ?? '';
    this.status = reply.status;
    this.reply = reply;
  }
}

/** The server refused a publish, a subscription or a commit. */
export class PubSubError extends MpregError {}
