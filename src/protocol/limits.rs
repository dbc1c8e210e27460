//! Bounds of what a message may hold, beyond those of the JSON scanner and the store.

/// Longest request id `u`, in bytes as it stands in the message, quotes included. It comes back in
/// every reply, so it must not multiply a client's bytes.
pub const REQUEST_ID_BYTES_MAX: usize = 1024;
/// Most commands in one RPC request.
pub const RPC_COMMANDS_MAX: usize = 1024;
/// Longest time to live, in seconds: about 3,000 years, far inside 64 bits of microseconds.
pub const TTL_SECONDS_MAX: f64 = 1e11;
/// Most of a client's text that an error message repeats, in bytes.
pub const ECHOED_TEXT_BYTES_MAX: usize = 64;

/// Longest id of a subscription, in bytes as it stands in the message, quotes included. Every notification repeats
/// it twice.
pub const SUBSCRIPTION_ID_BYTES_MAX: usize = 512;
/// Longest id of a message, in bytes as it stands in the message, quotes included.
pub const MESSAGE_ID_BYTES_MAX: usize = 1024;
/// Largest message object; what a notification adds keeps it below the largest message of the wire.
pub const MESSAGE_OBJECT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most patterns of one subscription.
pub const PATTERNS_MAX: usize = 256;
/// Longest name of a durable subscription.
pub const DURABLE_NAME_BYTES_MAX: usize = 128;
/// Most values, fields or scored values in one structure operation. One message is one record of the log, applied
/// under one lock: more would keep everybody else waiting for tens of milliseconds.
pub const MEMBERS_MAX: usize = 100_000;
/// Most other sets a union, intersection or difference may name.
pub const OTHER_SETS_MAX: usize = 64;
/// Most tags one invalidation may name.
pub const TAGS_MAX: usize = 256;
/// Longest glob, in bytes: no key is longer.
pub const PATTERN_BYTES_MAX: usize = mpreg_storage::limits::KEY_BYTES_MAX;
/// Longest `client.id`, in bytes.
pub const CLIENT_ID_BYTES_MAX: usize = 128;
/// Longest lease, in milliseconds: who needs more to compute a value asks again.
pub const LEASE_MS_MAX: u64 = 600_000;
/// Longest `options.notification_topic`, in bytes.
pub const NOTIFICATION_TOPIC_BYTES_MAX: usize = 512;
/// Keys a listing holds when the request names no limit.
pub const LIST_KEYS_DEFAULT: u64 = 1000;
/// Most keys one listing holds, whatever the request asks; `has_more` tells of the others.
pub const LIST_KEYS_MAX: u64 = 100_000;
/// Entries named by detailed statistics when the request does not say how many.
pub const SAMPLE_SIZE_DEFAULT: u64 = 10;
/// Most entries named by detailed statistics, whatever the request asks.
pub const SAMPLE_SIZE_MAX: u64 = 1000;
/// Values of a sorted set's top or bottom when the request names no limit.
pub const TOP_DEFAULT: u64 = 10;
/// Longest value that a `structure_result` shows under both of its names. Above it `operation_result` is left out,
/// so that the value itself still fits a message.
pub const RESULT_TWICE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most bytes of values in the reply of an atomic operation. Above it the members that repeat a value are left out.
pub const ATOMIC_VALUES_BYTES_MAX: usize = 16 * 1024 * 1024;
