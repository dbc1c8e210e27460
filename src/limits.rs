//! Every bound of the network side, with its name and its reason. Sizes are bytes, times milliseconds or seconds.
//!
//! Those an operator may move are defaults here and settings in [`crate::config`].

/// Largest message in either direction: clients refuse more, so we never send more.
pub const MESSAGE_BYTES_MAX: usize = 20 * 1024 * 1024;
/// Most fragments of one WebSocket message.
pub const FRAGMENTS_MAX: usize = 1024;
/// A message in the stream form of TCP may be this many times as long as an ordinary one: 100 MiB unless the operator
/// sets another limit for those.
pub const STREAM_MESSAGES: usize = 5;
/// Most chunks of one stream. Their heads stay in the buffer until its end: 1 MiB at most.
pub const STREAM_CHUNKS_MAX: usize = 128 * 1024;
/// Most messages handled before their replies are settled and written.
pub const BATCH_MESSAGES_MAX: usize = 1024;
/// Messages of a batch that are read before the first of them is handled, so that memory is fetched for all at
/// once. More than a processor fetches at a time would gain nothing.
pub const RUN_MESSAGES_MAX: usize = 16;
/// A batch's replies are settled and written in pieces of about this size.
pub const FLUSH_BYTES: usize = 1024 * 1024;
/// Receive buffer of an idle connection; about seventy requests of the guide.
pub const INBOX_BYTES: usize = 16 * 1024;
/// Least free room offered to a read.
pub const READ_BYTES_MIN: usize = 4 * 1024;
/// A buffer that grew beyond this is given back once it is empty.
pub const BUFFER_KEEP_BYTES: usize = 64 * 1024;
/// Bytes of a refused message kept to find its role and `u`.
pub const SALVAGE_BYTES: usize = 4 * 1024;

/// Longest HTTP head of an upgrade request.
pub const UPGRADE_HEAD_BYTES_MAX: usize = 8 * 1024;
/// Most headers of an upgrade request.
pub const UPGRADE_HEADERS_MAX: usize = 64;
/// From the first byte of an upgrade request to its last.
pub const UPGRADE_MS: u64 = 5_000;

/// Connections in all.
pub const CONNECTIONS_MAX: usize = 10_000;
/// Connections of one address; loopback is exempt.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 2_000;
/// Request and reply memory of all connections beyond their idle buffers.
pub const MEMORY_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Step of a connection's watch; the times below are multiples of it.
pub const TICK_MS: u64 = 5_000;
/// A silent WebSocket peer is pinged after this.
pub const PING_AFTER_MS: u64 = 20_000;
/// A WebSocket peer silent for this long, pings and all, is gone.
pub const SILENCE_MS_MAX: u64 = 45_000;
/// A started message must keep up [`PROGRESS_BYTES_PER_SECOND`] after this.
pub const PROGRESS_AFTER_MS: u64 = 10_000;
/// Least pace of a started message.
pub const PROGRESS_BYTES_PER_SECOND: u64 = 16 * 1024;
/// A peer that reads nothing of its replies for this long is closed.
pub const WRITE_STALL_MS_MAX: u64 = 30_000;
/// After our last bytes, how long the peer may take to close before we do.
pub const LINGER_MS: u64 = 2_000;
/// Bytes thrown away while lingering.
pub const LINGER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// TCP keep-alive: idle time before the first probe, in seconds.
pub const KEEPALIVE_IDLE_S: u64 = 60;
/// TCP keep-alive: between probes, in seconds.
pub const KEEPALIVE_INTERVAL_S: u64 = 15;
/// TCP keep-alive: unanswered probes until the peer counts as gone.
pub const KEEPALIVE_PROBES: u32 = 3;
/// Unacknowledged sent bytes close the connection after this, in seconds.
pub const USER_TIMEOUT_S: u64 = 30;

/// Cache replies leave within this; clients give up at 10 s. What is not known by then is `unknown`.
pub const REPLY_MS_MAX: u64 = 8_000;
/// Cold keys of one batch fetched in one hop to the blocking pool.
pub const COLD_KEYS_MAX: usize = 256;
/// Hops to the blocking pool running at once.
pub const COLD_HOPS_MAX: usize = 8;
/// Threads that may block: those of the hops, and some for starting and stopping. Each keeps memory of its own in the
/// allocator, so a burst of cold reads must not make hundreds of them.
pub const BLOCKING_THREADS_MAX: usize = COLD_HOPS_MAX + 4;
/// How long a stop waits for connections to finish.
pub const DRAIN_MS: u64 = 30_000;
/// Compiled size of a client's regular expression.
pub(crate) const PATTERN_COMPILED_BYTES_MAX: usize = 256 * 1024;
/// Compiled regular expressions kept by each worker.
pub(crate) const PATTERNS_CACHED_MAX: usize = 64;
/// How long the answer of a numbered write is kept for its repetitions: 24 h.
pub(crate) const RETRY_KEPT_US: u64 = 24 * 3600 * 1_000_000;
/// How long one request may work on many entries; its caller gives up at 10 s.
pub(crate) const BULK_MS_MAX: u64 = 6_000;
/// A backup in parts ends a part behind this, or behind its first entry: the longest value still fits a message then.
pub(crate) const BACKUP_PART_BYTES: usize = 2 * 1024 * 1024;
/// Longest backup as plain text.
pub(crate) const RESTORE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes that may wait for a connection to read; a push beyond is refused, and its sender must deal with that.
pub const OUTBOX_BYTES_MAX: usize = 8 * 1024 * 1024;
/// No connection's queue ever holds more, its last and largest message included.
pub const OUTBOX_BYTES_HARD: usize = 32 * 1024 * 1024;
/// What a queue may hold without a part of the shared memory budget, and the step in which it takes parts of it.
pub const OUTBOX_KEEP_BYTES: usize = 64 * 1024;
/// A queue that grew to more places than this is given back once it is empty.
pub const OUTBOX_KEEP_MESSAGES: usize = 256;
/// Calls of one connection without a reply; beyond, nothing more is read from it.
pub const CALLS_MAX: usize = 1_024;
/// Bytes of the requests of those calls; beyond, nothing more is read either.
pub const CALL_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Longest topic.
pub const TOPIC_BYTES_MAX: usize = 512;
/// Longest pattern of a subscription.
pub const PATTERN_BYTES_MAX: usize = 256;
/// Most wildcards in one pattern.
pub const PATTERN_WILDCARDS_MAX: usize = 8;
/// Subscriptions of one connection.
pub const SUBSCRIPTIONS_MAX: usize = 1_024;
/// Volatile messages kept for a subscription while it reads the backlog.
pub const HELD_MESSAGES_MAX: usize = 1_024;
/// Their bytes.
pub const HELD_BYTES_MAX: usize = 256 * 1024;
/// A subscription reads on in the backlog when less than this waits for its connection.
pub const OUTBOX_BYTES_LOW: usize = 256 * 1024;
/// Bytes of backlog read in one hop to a blocking thread.
pub const BACKLOG_CHUNK_BYTES: usize = 1024 * 1024;
/// Such hops running at once.
pub const BACKLOG_HOPS_MAX: usize = 16;
/// Messages a subscription may lack to be brought up to date in one step, while nothing else is delivered.
pub const BACKLOG_LAST_MESSAGES_MAX: usize = 256;
/// Messages delivered before those who got some are woken.
pub const DELIVERY_MESSAGES_MAX: usize = 64;
/// How long a delivery may stand still before somebody looks after it.
pub const DELIVERY_STALL_MS: u64 = 20;
/// Messages a member of a group may have without acknowledging one of them.
pub const GROUP_UNACKNOWLEDGED_MAX: usize = 256;
/// How long the teller of events waits for a log that is full.
pub const FOLLOW_RETRY_MS: u64 = 100;
/// How long a group waits for a member whose connection is full.
pub const GROUP_RETRY_MS: u64 = 20;
/// Longest time a message may be kept, in seconds.
pub const TOPIC_AGE_S_MAX: u64 = 24 * 3600;
/// Most text of one RPC that stands in one place: the arguments of a command with results in them, or a result.
pub const RPC_TEXT_BYTES_MAX: usize = MESSAGE_BYTES_MAX;
/// Results one RPC keeps for its later levels, all together.
pub const RPC_RESULTS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest name, id, tag or resource of a function.
pub const FUNCTION_NAME_BYTES_MAX: usize = 256;
/// Most tags, resources, parameters, examples or dependencies of one function.
pub const FUNCTION_LABELS_MAX: usize = 64;
/// Longest documentation of a function, and longest declaration a worker sends.
pub const FUNCTION_DECLARATION_BYTES_MAX: usize = 64 * 1024;
/// Functions of a node, each version counted.
pub const FUNCTIONS_MAX: usize = 100_000;
/// Versions of one function.
pub const FUNCTION_VERSIONS_MAX: usize = 64;

/// Requests of a node that run apart from their connections; more are answered `unavailable`.
pub const RPC_REQUESTS_MAX: usize = 32 * 1024;
/// Memory of those requests' arguments.
pub const RPC_REQUESTS_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Commands of a node that run at once; more wait, up to the time limit of their request.
pub const RPC_RUNNING_MAX: usize = 32 * 1024;
/// Workers connected to a node.
pub const WORKERS_MAX: usize = 10_000;
/// Functions in one registration of a worker.
pub const WORKER_FUNCTIONS_MAX: usize = 1024;
/// Calls that wait for a busy worker; more are answered `unavailable`.
pub const WORKER_WAITING_MAX: usize = 16 * 1024;
/// Calls a worker takes at once unless it says otherwise.
pub const WORKER_IN_FLIGHT_DEFAULT: u64 = 16;
/// Most calls a worker may take at once.
pub const WORKER_IN_FLIGHT_MAX: u64 = 1024;
/// How long a worker may be silent unless it says otherwise, in milliseconds.
pub const WORKER_LEASE_MS_DEFAULT: u64 = 15_000;
/// Shortest lease.
pub const WORKER_LEASE_MS_MIN: u64 = 1_000;
/// Longest lease.
pub const WORKER_LEASE_MS_MAX: u64 = 600_000;
/// How often leases are looked at.
pub const WORKER_LEASE_STEP_MS: u64 = 250;
/// A TCP peer that has ended its sending side gets the replies that are ready within this; then it counts as gone.
pub const HALF_CLOSED_MS: u64 = 2_000;
/// Entries of one page of a discovery function unless the caller says otherwise.
pub const PAGE_ENTRIES_DEFAULT: usize = 200;
/// Most entries of one page.
pub const PAGE_ENTRIES_MAX: usize = 2_000;
/// Rules of the namespace policy.
pub const POLICY_RULES_MAX: usize = 1_000;
/// Entries the audits keep.
pub const AUDIT_ENTRIES_MAX: usize = 1_000;
