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
/// Largest structure, in bytes of memory, that leaves memory as a whole; of larger ones nodes leave one by one.
pub const STRUCTURE_WHOLE_BYTES_MAX: u64 = 1024 * 1024;
/// Longest field of a map, in bytes of UTF-8.
pub const FIELD_BYTES_MAX: usize = 4 * 1024;
/// Most keys one cascade follows.
pub const CASCADE_KEYS_MAX: usize = 1_000_000;
/// Longest body of a batch: the records of its operations together.
pub const BATCH_BYTES_MAX: usize = 20 * 1024 * 1024;
/// Most operations in one batch.
pub const BATCH_OPS_MAX: usize = 1024;
/// Most records in one batch: an operation may take two and a notice.
pub const BATCH_PARTS_MAX: usize = 4 * BATCH_OPS_MAX;
/// Longest value that is kept beside a change for whoever follows the log.
pub const EVENT_VALUE_BYTES_MAX: usize = 1024 * 1024;
/// Deepest nesting of a JSON text.
pub const JSON_DEPTH_MAX: usize = 64;
/// Most values (scalars, arrays, objects) in one JSON text.
pub const JSON_NODES_MAX: usize = 1_000_000;
/// Most tests in the conditions of one operation. Each test of a value is a pass over the value.
pub const CONDITIONS_MAX: usize = 32;
/// Most choices in one `$in` or `$nin`.
pub const CONDITION_CHOICES_MAX: usize = 256;
/// Most constraints on one value. Each is a pass over the value.
pub const CONSTRAINTS_MAX: usize = 32;
/// Most fields the constraints on one value may require together. Each dotted one is a pass over the value.
pub const CONSTRAINT_FIELDS_MAX: usize = 64;
/// Longest part of a client's word that an error message repeats.
pub const ECHO_BYTES_MAX: usize = 64;
/// Longest glob pattern.
pub const GLOB_BYTES_MAX: usize = 256;
/// Most wildcards for any run of characters in one glob pattern, neighbours counted once.
pub const GLOB_STARS_MAX: usize = 8;
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
/// Most items in one leaf of a tree.
pub const LEAF_ITEMS_MAX: usize = 128;
/// Most bytes of items in one leaf of a tree, lengths included; a longer item has a leaf of its own.
pub const LEAF_BYTES_MAX: usize = 4 * 1024;
/// Most children of one inner node of a tree.
pub const INNER_CHILDREN_MAX: usize = 64;
/// Bytes of separating keys from which on an inner node of a tree is split below
/// [`INNER_CHILDREN_MAX`], down to [`INNER_CHILDREN_SPLIT_MIN`] children.
pub const INNER_KEY_BYTES_MAX: usize = 4 * 1024;
/// Inner nodes of no more children are never split, however long their keys: the tree has to narrow.
pub const INNER_CHILDREN_SPLIT_MIN: usize = 16;
/// Longest item of a tree, key and value together: the longest value and some key.
pub const ITEM_BYTES_MAX: usize = VALUE_BYTES_MAX + KEY_BYTES_MAX;
/// Highest level of a root, leaves being level 0. Halves of a split node have at least eight children, so a tree
/// this high would have taken more insertions than a `u64` counts.
pub const TREE_LEVELS_MAX: u8 = 24;
/// Most items or children a stored node of a tree may claim. Above what is written today, so that the
/// limits above may be raised.
pub const CELL_COUNT_MAX: usize = 1024;
/// Longest stored node of a tree. Inner nodes with the longest keys are the longest.
pub const CELL_BYTES_MAX: usize = 1 << 30;
/// Longest topic of a published message, in bytes of UTF-8.
pub const TOPIC_BYTES_MAX: usize = 512;
/// Longest message object, as JSON text. A message takes no more than a transport carries.
pub const MESSAGE_BYTES_MAX: usize = 20 * 1024 * 1024;
/// Longest name of a durable subscription, in bytes of UTF-8.
pub const SUBSCRIPTION_NAME_BYTES_MAX: usize = 160;
/// Most durable subscriptions.
pub const SUBSCRIPTIONS_MAX: usize = 10_000;
/// Longest topic pattern, in bytes.
pub const TOPIC_PATTERN_BYTES_MAX: usize = 256;
/// Most wildcards in a topic pattern.
pub const TOPIC_WILDCARDS_MAX: usize = 8;
/// Most policies of the backlog.
pub const TOPIC_POLICIES_MAX: usize = 1024;
