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
