/** What a client can be told, with the defaults. Times are milliseconds. */

const DEFAULTS = {
  /** For a connection to be made. */
  connectTimeoutMs: 10_000,
  /** For the answer of a cache or pub/sub request. The server answers within 10 s or not at all. */
  requestTimeoutMs: 10_000,
  /** For the answer of a call. The server itself gives up after 30 s, which is an `RpcError` 1004. */
  callTimeoutMs: 35_000,
  /** After this much silence the server is asked for a sign of life, and as long is waited for it. 0: never. */
  keepAliveMs: 20_000,
  /** The first wait after a lost connection; it doubles up to `backoffMsMax`. */
  backoffMs: 100,
  backoffMsMax: 10_000,
  /** Messages that may wait for one subscriber; beyond, it goes back to reading the backlog. */
  queueMessagesMax: 10_000,
  /** `parse` and `stringify`; `bigIntJson` keeps integers beyond 2^53 exact. */
  json: JSON,
  /** Headers of the upgrade request, such as `Authorization`. Node only: a browser sends none. */
  headers: {},
  /** Called with `"open"`, `"lost"` and a reason, `"closed"`. */
  onState() {},
  /** Called with a text when something went wrong that no caller can be told of. */
  onWarning: (text) => console.warn(`mpreg: ${text}`),
};

/** The options in full. Throws `TypeError` for one that does not exist. */
export function fullOptions(given, openSocket) {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(DEFAULTS, name)) {
      throw new TypeError(`no option is called ${name}`);
    }
  }
  return { ...DEFAULTS, ...given, openSocket };
}
