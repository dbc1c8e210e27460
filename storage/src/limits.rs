//! Every bound of the engine, with its name. Sizes are bytes unless the name says otherwise.

/// Longest namespace, in bytes of UTF-8.
pub const NAMESPACE_BYTES_MAX: usize = 128;
/// Longest encoded key: namespace, identifier and version together (`reliability.md`: key 4 KiB).
pub const KEY_BYTES_MAX: usize = 4 * 1024;
/// Longest value, as JSON text.
pub const VALUE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest encoded extras (cost, dependencies, tags and the other metadata) of one entry.
pub const EXTRAS_BYTES_MAX: usize = 64 * 1024;
/// Longest a blocking call waits for room before it answers busy, in microseconds. Clients give up at 10 s.
pub const ROOM_WAIT_US_MAX: u64 = 8_000_000;
/// Most operations in one batch.
pub const BATCH_OPS_MAX: usize = 1024;
/// Deepest nesting of a JSON text.
pub const JSON_DEPTH_MAX: usize = 64;
/// Most values (scalars, arrays, objects) in one JSON text.
pub const JSON_NODES_MAX: usize = 1_000_000;
/// Largest frame body. One group commit never grows beyond it; a single record always fits.
pub const FRAME_BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Page cache of the table file when nobody says otherwise.
pub const TABLE_CACHE_BYTES_DEFAULT: usize = 16 * 1024 * 1024;
/// Largest table file of which every page is verified at opening when nobody says otherwise.
pub const TABLE_CHECK_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
/// Bits of the negative filter per key when nobody says otherwise; about 1 % false "maybe".
pub const FILTER_BITS_PER_KEY_DEFAULT: u32 = 10;
/// Keys the negative filter has room for at least, so that a young store does not rebuild it all the time.
pub const FILTER_KEYS_MIN: u64 = 64 * 1024;
/// Changed rows from which on a checkpoint also gives back the pages it replaced, at the price of a
/// second, empty commit.
pub const TABLE_RECLAIM_ROWS_MIN: u64 = 4096;
/// Pace at which stored data is read to find damage: a disk hardly notices, and a gigabyte takes two minutes.
pub const SCRUB_BYTES_PER_SECOND: u64 = 8 * 1024 * 1024;
/// Time between two steps of that, in microseconds.
pub const SCRUB_STEP_US: u64 = 50_000;
/// Cells of dropped structures that one checkpoint removes; the rest waits for the next ones.
pub const CELLS_DROPPED_PER_CHECKPOINT_MAX: usize = 64 * 1024;
/// Problems a verification lists one by one; it counts the others.
pub const VERIFY_PROBLEMS_MAX: usize = 100;
/// Length of a log segment file unless the operator sets another.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
/// Shortest log segment file; small segments are for tests.
pub const SEGMENT_BYTES_MIN: u64 = 4 * 1024;
/// Longest log segment file that may be asked for. Longer than one frame body, whatever is asked.
pub const SEGMENT_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Shortest file an opening begins with when there is no spare: a start must not wait for a whole segment of
/// zeros. The part of an ordinary segment it takes otherwise is `SEGMENT_FIRST_PART`.
pub const SEGMENT_FIRST_BYTES_MIN: u64 = 64 * 1024;
/// See [`SEGMENT_FIRST_BYTES_MIN`]: one part in so many.
pub const SEGMENT_FIRST_PART: u64 = 16;
/// Longest name of a log ("main", "topics"), in ASCII bytes.
pub const LOG_NAME_BYTES_MAX: usize = 16;
