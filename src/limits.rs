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
