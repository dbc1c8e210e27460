/** Types of the package, by hand. Times are milliseconds unless a name says seconds. */

// Connecting ---------------------------------------------------------------------------------------------------------

export interface ClientOptions {
  /** For a connection to be made. Default 10,000. */
  connectTimeoutMs?: number;
  /** For the answer of a cache or pub/sub request. Default 10,000. */
  requestTimeoutMs?: number;
  /** For the answer of a call. Default 35,000; the server gives up after 30 s itself (`RpcError` 1004). */
  callTimeoutMs?: number;
  /** After this much silence the server is asked for a sign of life, and as long is waited for it. Default 20,000; 0: never. */
  keepAliveMs?: number;
  /** First wait after a lost connection, doubling up to `backoffMsMax`. Default 100. */
  backoffMs?: number;
  /** Default 10,000. */
  backoffMsMax?: number;
  /** Messages that may wait for one subscriber; beyond, it goes back to reading the backlog. Default 10,000. */
  queueMessagesMax?: number;
  /** How messages are read and written; `bigIntJson` keeps integers beyond 2^53 exact. Default `JSON`. */
  json?: { parse(text: string): any; stringify(value: any): string };
  /** Headers of the upgrade request, such as `Authorization`. Node only. */
  headers?: Record<string, string>;
  /** Called when the connection is there, is lost (with a reason), or was closed. */
  onState?(state: 'open' | 'lost' | 'closed', reason?: string): void;
  /** Called with what no caller can be told of. Default `console.warn`. */
  onWarning?(text: string): void;
}

/** Connects to the first of `urls` that answers. Rejects with `ConnectionFailed` when none does. */
export function connect(urls: string | readonly string[], options?: ClientOptions): Promise<Client>;

/**
 * One connection, shared by all who use it, which comes back by itself. Every request may reject with `RequestTimeout`,
 * `ConnectionLost`, `ClientClosed`, `EncodeError`, `MessageTooLarge` or `ProtocolError`, beside what is named at it.
 */
export interface Client {
  /** Whether there is a connection right now. Requests wait for one. */
  readonly isOpen: boolean;
  readonly pubsub: PubSub;
  readonly cache: Cache;
  /** Calls a function and resolves to its result. Rejects with `RpcError`. */
  call<T = any>(fun: string, args?: readonly unknown[], options?: CallOptions): Promise<T>;
  /** Runs a graph of commands and resolves to the results of its last level. Rejects with `RpcError`. */
  request<T = Record<string, any>>(commands: readonly Command[], options?: { timeoutMs?: number }): Promise<T>;
  /** As `request`, and tells how it went. */
  requestDetailed<T = Record<string, any>>(
    commands: readonly Command[],
    options?: {
      intermediateResults?: boolean;
      executionSummary?: boolean;
      /** Each level is published there, too. */
      callbackTopic?: string;
      timeoutMs?: number;
    },
  ): Promise<{ results: T; intermediate_results: IntermediateResult[]; execution_summary: ExecutionSummary | null }>;
  /** Sends any message of the protocol and resolves to the answer as it came. A missing `u` is filled in. */
  send(message: { role: string; u?: string; [member: string]: unknown }, timeoutMs?: number): Promise<any>;
  /** Closes for good. Requests under way and waiting subscribers end with `ClientClosed`. */
  close(): void;
}

// Calls --------------------------------------------------------------------------------------------------------------

export interface Selection {
  kwargs?: Record<string, unknown>;
  /** Resources that the function must have. */
  locs?: readonly string[];
  functionId?: string;
  /** Such as `">=1.0.0,<2.0.0"`. */
  versionConstraint?: string;
  targetCluster?: string;
  routingTopic?: string;
}

export interface CallOptions extends Selection {
  timeoutMs?: number;
}

/** A string argument that is the name of another command, or `name.field.field`, stands for its result. */
export interface Command extends Selection {
  name: string;
  fun: string;
  args?: readonly unknown[];
}

export interface IntermediateResult {
  request_id: string;
  level_index: number;
  level_results: Record<string, any>;
  accumulated_results: Record<string, any>;
  total_levels: number;
  completed_levels: number;
  timestamp: number;
  execution_time_ms: number;
}

export interface ExecutionSummary {
  request_id: string;
  total_execution_time_ms: number;
  total_levels: number;
  level_execution_times: number[];
  bottleneck_level_index: number;
  average_level_time_ms: number;
  parallel_commands_executed: number;
  cross_cluster_hops: number;
}

// Publish and subscribe ----------------------------------------------------------------------------------------------

export interface Message<T = any> {
  topic: string;
  payload: T;
  /** The publisher's clock, Unix seconds. */
  timestamp: number;
  message_id: string;
  publisher: string;
  headers: Record<string, any>;
  /** Position of a stored message, `"epoch:number"`. */
  offset?: string;
  /** It was published before, and stored. */
  backlog: boolean;
}

/**
 * Messages that are missing: from a position to another; or `count` that came, were never stored and had no room.
 * Volatile messages published while nobody was subscribed are not counted.
 */
export interface Gap {
  from: string | null;
  to: string | null;
  count?: number;
}

export interface PublishOptions {
  headers?: Record<string, unknown>;
  /** `volatile`: not stored; `strong`: synced before the ack. The server has a default. */
  level?: 'volatile' | 'eventual' | 'strong';
  messageId?: string;
  timeoutMs?: number;
}

export interface PublishAck {
  success: true;
  offset?: string;
  durability?: 'volatile' | 'eventual' | 'strong';
}

export interface SubscribeOptions<T = any> {
  /** How far back the backlog goes. Default 300; 0: none. */
  backlogSeconds?: number;
  /** Where to begin instead: `{ offset }` is behind that message, `{ time }` Unix seconds. */
  start?: 'latest' | 'earliest' | { offset: string } | { time: number };
  /** A name under which the server keeps the committed position. */
  durable?: string;
  /** Shares the messages of the durable name. */
  shared?: boolean;
  /** Awaited for one message at a time. Without it, iterate over the subscription. */
  onMessage?(message: Message<T>): unknown;
  /** Called with what `onMessage` throws, which is an uncaught error otherwise. */
  onError?(error: unknown, message: Message<T>): void;
  /** Called where messages are missing. Default: a warning. */
  onGap?(gap: Gap): void;
  timeoutMs?: number;
}

export interface PubSub {
  /** The name in `publisher` of what this client publishes. */
  readonly clientId: string;
  /** Resolves once the server has accepted the message. Rejects with `PubSubError`. */
  publish(topic: string, payload: unknown, options?: PublishOptions): Promise<PublishAck>;
  /** `*` in a pattern stands for one segment, `#` for any number. Rejects with `PubSubError`. */
  subscribe<T = any>(patterns: string | readonly string[], options?: SubscribeOptions<T>): Promise<Subscription<T>>;
  /** Publishes and resolves to the first reply. `timeoutMs` is 30,000. Rejects with `RequestTimeout` or `PubSubError`. */
  request<T = any>(
    topic: string,
    payload: unknown,
    options?: { headers?: Record<string, unknown>; level?: PublishOptions['level']; timeoutMs?: number },
  ): Promise<Message<T>>;
  /** Replies to a message that was sent by `request`. Rejects with `PubSubError`. */
  reply(message: Message, payload: unknown, options?: PublishOptions): Promise<PublishAck>;
}

/**
 * Messages in order. Iteration ends after `unsubscribe()`, which leaving a `for await` loop does too, and throws
 * `ClientClosed` when the client is closed.
 */
export interface Subscription<T = any> extends AsyncIterableIterator<Message<T>> {
  next(): Promise<IteratorResult<Message<T>, undefined>>;
  return(value?: any): Promise<IteratorResult<Message<T>, any>>;
  unsubscribe(): Promise<void>;
  /** A durable subscription is done with everything up to `message`. Rejects with `PubSubError`. */
  commit(message: Message<T>): Promise<void>;
}

// The cache ----------------------------------------------------------------------------------------------------------

export type Key =
  | { namespace: string; identifier: string; version?: string; tags?: readonly string[] }
  | readonly [namespace: string, identifier: string, version?: string];

export type Level = 'weak' | 'eventual' | 'strong' | 'quorum';

/** What all cache operations take. */
export interface RequestOptions {
  /** `eventual`: handed to the operating system before the answer; `strong`: synced. The server has a default. */
  level?: Level;
  /** More of the protocol's `options`. */
  options?: Record<string, unknown>;
  timeoutMs?: number;
}

export interface KeyObject {
  namespace: string;
  identifier: string;
  version: string;
  tags: string[];
}

export interface Entry<T = any> {
  key: KeyObject;
  value: T;
  /** Unix seconds. */
  creation_time: number;
  access_count: number;
  last_access_time: number;
  computation_cost_ms?: number;
  size_bytes?: number;
  dependencies?: string[];
  ttl_seconds?: number | null;
  durability: 'volatile' | 'eventual' | 'strong';
  cache_level?: string;
}

export interface PutOptions extends RequestOptions {
  ttlSeconds?: number;
  /** The protocol's `metadata`. */
  metadata?: Record<string, unknown>;
  constraints?: readonly Record<string, unknown>[];
  ttlConfig?: Record<string, unknown>;
}

/** Tests that must all hold, such as `{ "value.stock": { $gte: 5 } }`. */
export type Conditions = Record<string, unknown>;

export interface CompareOptions extends RequestOptions {
  ttlSeconds?: number;
  conditions?: Conditions;
}

export interface ChangeOptions extends CompareOptions {
  /** Default true. */
  createIfMissing?: boolean;
}

export interface AddOptions extends ChangeOptions {
  /** What a missing number counts as. Default 0. */
  initial?: number | bigint;
}

export interface AtomicResult<T = any> {
  /** False on a conflict, or a miss where nothing may be created. */
  applied: boolean;
  success: boolean;
  old_value?: T | null;
  new_value?: T | null;
  current_value?: T | null;
  constraint_violations: string[];
  error_message: string | null;
  operation_id: string;
}

/** Rejects with `CacheError` when the server refuses. What comes from the server keeps the names of the protocol. */
export interface Cache {
  /** The same cache with a default level. */
  withLevel(level: Level): Cache;
  /** The value, or undefined. */
  get<T = any>(key: Key, options?: RequestOptions): Promise<T | undefined>;
  /** The value with what the server knows about it, or undefined. */
  entry<T = any>(key: Key, options?: RequestOptions): Promise<Entry<T> | undefined>;
  /** Stores any JSON but null. */
  put<T = any>(key: Key, value: T, options?: PutOptions): Promise<Entry<T>>;
  /** Whether there was an entry. `cascade` removes what depends on it, too. */
  delete(key: Key, options?: RequestOptions & { cascade?: boolean }): Promise<boolean>;
  /** How many entries a glob or some tags removed. */
  invalidate(
    what: { pattern: string; tags?: undefined } | { tags: readonly string[]; pattern?: undefined },
    options?: RequestOptions & { cascade?: boolean; reason?: string },
  ): Promise<number>;
  /** Keys as `"namespace:identifier:version"`. */
  query(namespace: string, pattern?: string, options?: RequestOptions): Promise<string[]>;
  stats(options?: RequestOptions): Promise<Record<string, any>>;
  /** Runs an `atomic_operation` of the protocol. */
  atomic<T = any>(key: Key, operation: Record<string, unknown>, options?: RequestOptions): Promise<AtomicResult<T>>;
  /** Stores `value` if `expected` is there; null: if nothing is there. */
  testAndSet<T = any>(key: Key, expected: T | null, value: T, options?: CompareOptions): Promise<AtomicResult<T>>;
  /** As `testAndSet`. */
  compareAndSwap<T = any>(key: Key, expected: T | null, value: T, options?: CompareOptions): Promise<AtomicResult<T>>;
  increment(key: Key, by?: number | bigint, options?: AddOptions): Promise<AtomicResult<number>>;
  decrement(key: Key, by?: number | bigint, options?: AddOptions): Promise<AtomicResult<number>>;
  /** Text to text, the elements of an array or one value to a list. */
  append(key: Key, value: unknown, options?: ChangeOptions): Promise<AtomicResult>;
  prepend(key: Key, value: unknown, options?: ChangeOptions): Promise<AtomicResult>;
  /** Whether there was an entry, which lives `seconds` longer now. */
  extendTtl(key: Key, seconds: number, options?: RequestOptions): Promise<boolean>;
  /** Several operations that happen all or not at all. */
  batch(): Batch;
  namespace(name: string): Namespace;
  asSet<T = any>(key: Key): CacheSet<T>;
  asList<T = any>(key: Key): List<T>;
  asMap<T = any>(key: Key): CacheMap<T>;
  asSortedSet<T = any>(key: Key): SortedSet<T>;
  asCounter(key: Key): Counter;
  asQueue<T = any>(key: Key): Queue<T>;
  asStack<T = any>(key: Key): Stack<T>;
}

/** Up to 1,024 operations. */
export interface Batch {
  readonly size: number;
  get(key: Key): Batch;
  put(key: Key, value: unknown, options?: Pick<PutOptions, 'ttlSeconds' | 'metadata' | 'constraints' | 'ttlConfig'>): Batch;
  delete(key: Key): Batch;
  increment(key: Key, by?: number | bigint, options?: Omit<AddOptions, keyof RequestOptions>): Batch;
  testAndSet(key: Key, expected: unknown, value: unknown, options?: Omit<CompareOptions, keyof RequestOptions>): Batch;
  atomic(key: Key, operation: Record<string, unknown>): Batch;
  structure(key: Key, structureType: string, operation: string, members?: Record<string, unknown>): Batch;
  /** One result an operation, as the server answers it. Rejects with `CacheError`: nothing was done then. */
  run(options?: RequestOptions): Promise<any[]>;
}

/** Patterns are globs on the identifier. */
export interface Namespace {
  /** Runs an operation with members as the protocol has them; its `namespace_result`. */
  run(operationType: string, members?: Record<string, unknown>, options?: RequestOptions): Promise<Record<string, any>>;
  clear(
    pattern?: string,
    options?: RequestOptions & { conditions?: Conditions; maxEntries?: number; dryRun?: boolean },
  ): Promise<{ count: number; hasMore: boolean }>;
  statistics(options?: RequestOptions & { breakdown?: boolean }): Promise<Record<string, any>>;
  count(pattern?: string, options?: RequestOptions): Promise<number>;
  /** By identifier and version, a thousand at once. */
  keys(pattern?: string, options?: RequestOptions): AsyncGenerator<KeyObject, void, undefined>;
  backup(
    options?: RequestOptions & { pattern?: string; compression?: boolean; limit?: number; offset?: number },
  ): Promise<{ data: any; count: number; checksum: string; nextOffset: number | undefined }>;
  restore(
    data: unknown,
    options?: RequestOptions & { mergeStrategy?: 'overwrite' | 'skip_existing' | 'newest' },
  ): Promise<{ restored: number; skipped: number }>;
}

export interface Structure {
  /** Runs an operation with members as the protocol has them; its `structure_result`. */
  run(operation: string, members?: Record<string, unknown>, options?: RequestOptions): Promise<Record<string, any>>;
  /** The `value` of that result, null on a miss. */
  value(operation: string, members?: Record<string, unknown>, options?: RequestOptions): Promise<any>;
}

export interface Collection extends Structure {
  /** Empties it; an empty structure stays. */
  clear(options?: RequestOptions): Promise<void>;
  size(options?: RequestOptions): Promise<number>;
}

export interface CacheSet<T = any> extends Collection {
  /** How many are new. */
  add(values: readonly T[], options?: RequestOptions): Promise<number>;
  /** How many there were. */
  remove(values: readonly T[], options?: RequestOptions): Promise<number>;
  has(value: T, options?: RequestOptions): Promise<boolean>;
  members(options?: RequestOptions): Promise<T[]>;
  union(others: readonly Key[], options?: RequestOptions): Promise<T[]>;
  intersection(others: readonly Key[], options?: RequestOptions): Promise<T[]>;
  difference(others: readonly Key[], options?: RequestOptions): Promise<T[]>;
}

/** Negative indexes count from the end; ends are exclusive. */
export interface List<T = any> extends Collection {
  /** The index of the last. */
  append(values: readonly T[], options?: RequestOptions): Promise<number>;
  prepend(values: readonly T[], options?: RequestOptions): Promise<void>;
  insert(index: number, values: readonly T[], options?: RequestOptions): Promise<void>;
  popFront(options?: RequestOptions): Promise<T | undefined>;
  popBack(options?: RequestOptions): Promise<T | undefined>;
  /** Rejects with `CacheError` where there is none. */
  get(index: number, options?: RequestOptions): Promise<T>;
  range(start?: number, end?: number, options?: RequestOptions): Promise<T[]>;
  /** Whether there was one. */
  remove(values: readonly T[], options?: RequestOptions): Promise<boolean>;
}

/** A dotted field is a path into nested maps, unless there is a field of that very name. */
export interface CacheMap<T = any> extends Collection {
  /** How many fields were written. */
  set(fields: Record<string, T>, options?: RequestOptions): Promise<number>;
  get(fields: readonly string[], options?: RequestOptions): Promise<Record<string, T>>;
  /** How many there were. */
  remove(fields: readonly string[], options?: RequestOptions): Promise<number>;
  /** The new number. */
  increment(field: string, by?: number | bigint, options?: RequestOptions): Promise<number>;
  has(field: string, options?: RequestOptions): Promise<boolean>;
  keys(options?: RequestOptions): Promise<string[]>;
  values(options?: RequestOptions): Promise<T[]>;
  items(options?: RequestOptions): Promise<[string, T][]>;
}

export interface Scored<T> {
  value: T;
  score: number;
}

export interface SortedSet<T = any> extends Collection {
  /** How many are new; others get the new score. */
  add(scored: readonly Scored<T>[], options?: RequestOptions): Promise<number>;
  /** Whether there was one. */
  remove(values: readonly T[], options?: RequestOptions): Promise<boolean>;
  score(value: T, options?: RequestOptions): Promise<number | undefined>;
  /** 0 for the lowest score. */
  rank(value: T, options?: RequestOptions): Promise<number | undefined>;
  /** Highest first. */
  top(limit?: number, options?: RequestOptions): Promise<Scored<T>[]>;
  /** Lowest first. */
  bottom(limit?: number, options?: RequestOptions): Promise<Scored<T>[]>;
  /** Takes the member with the lowest score. */
  popMin(options?: RequestOptions): Promise<Scored<T> | undefined>;
  popMax(options?: RequestOptions): Promise<Scored<T> | undefined>;
  /** Both ends included. */
  rangeByScore(min?: number, max?: number, options?: RequestOptions): Promise<Scored<T>[]>;
  /** The end excluded. */
  rangeByRank(start?: number, end?: number, options?: RequestOptions): Promise<Scored<T>[]>;
}

export interface Counter extends Structure {
  increment(by?: number | bigint, options?: RequestOptions): Promise<number>;
  decrement(by?: number | bigint, options?: RequestOptions): Promise<number>;
  set(number: number | bigint, options?: RequestOptions): Promise<void>;
  get(options?: RequestOptions): Promise<number | undefined>;
  reset(options?: RequestOptions): Promise<void>;
}

export interface Queue<T = any> extends Collection {
  enqueue(values: readonly T[], options?: RequestOptions): Promise<void>;
  dequeue(options?: RequestOptions): Promise<T | undefined>;
  peek(options?: RequestOptions): Promise<T | undefined>;
}

export interface Stack<T = any> extends Collection {
  /** The last of them topmost. */
  push(values: readonly T[], options?: RequestOptions): Promise<void>;
  pop(options?: RequestOptions): Promise<T | undefined>;
  peek(options?: RequestOptions): Promise<T | undefined>;
}

// Errors and constants -----------------------------------------------------------------------------------------------

/** Base of all errors of this package. */
export class MpregError extends Error {
  readonly cause?: unknown;
}

export class ConnectionFailed extends MpregError {
  readonly url: string;
}

export class ConnectionLost extends MpregError {
  /** The request was on its way: it may have been carried out. */
  readonly sent: boolean;
}

export class ClientClosed extends MpregError {}

/** Whether the request was carried out is unknown. */
export class RequestTimeout extends MpregError {
  readonly timeoutMs: number;
}

/** The request cannot be written as JSON. */
export class EncodeError extends MpregError {}

export class MessageTooLarge extends MpregError {
  readonly bytes: number;
}

/** The server sent something that the protocol does not allow. */
export class ProtocolError extends MpregError {}

export class RpcError extends MpregError {
  /** 1001 no such function, 1003 it failed, 1004 out of time, 1005 malformed, ... */
  readonly code: number;
  readonly details: any;
  /** The class of what went wrong, where the server names one. */
  readonly type?: string;
}

export class CacheError extends MpregError {
  /** `CACHE_WRONG_TYPE` and the like; empty where the server names none. */
  readonly code: string;
  readonly status: 'error' | 'conflict' | 'timeout';
  /** The whole answer. */
  readonly reply: any;
}

export class PubSubError extends MpregError {}

/** Integers beyond 2^53 as `bigint`, for `ClientOptions.json`. */
export const bigIntJson: { parse(text: string): any; stringify(value: any): string };

/** Neither side takes a larger message: 20 MiB. */
export const MESSAGE_BYTES_MAX: number;
