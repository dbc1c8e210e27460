//! How many resident bytes does a key take, all told, after a checkpoint?
//!
//! 1 M puts of 24 byte keys and 64 byte values (durability: eventual), then a checkpoint: everything the process holds
//! more than before is divided by the keys: entries, tables, filter, redb's page cache, buffers, the allocator's
//! slack. Yardstick: the 88 bytes of key and value, and a papaya map of the same. `KEYS` sets the number.

mod support;

use mpreg_storage::store::Options;
use support::ratio::{tell, wanted};
use support::stores::{Scratch, load};
use support::{Key, Value, json_value, key, resident_bytes, scattered, setting};

/// Bytes a key after loading, and after the checkpoint.
fn ours(order: &[u32]) -> (f64, f64) {
    let before = resident_bytes();
    let per_key = || resident_bytes().saturating_sub(before) as f64 / order.len() as f64;
    let scratch = Scratch::new(|options: &mut Options| options.memory_bytes = 512 << 20);
    load(&scratch.store, order, json_value);
    let loaded = per_key();
    scratch.store.checkpoint().expect("a checkpoint succeeds");
    let stats = scratch.store.stats().expect("stats are there");
    println!("memory: {stats:?}");
    (loaded, per_key())
}

fn papaya(order: &[u32]) -> f64 {
    let before = resident_bytes();
    let map: papaya::HashMap<Key, Value, foldhash::fast::RandomState> = papaya::HashMap::default();
    for &number in order {
        map.pin().insert(key(number as usize), json_value(number as usize));
    }
    resident_bytes().saturating_sub(before) as f64 / order.len() as f64
}

fn main() {
    if !wanted("memory/per_key") {
        return;
    }
    let order = scattered(setting("KEYS", 1_000_000), 3);
    let (loaded, checkpointed) = ours(&order);
    println!("memory: {loaded:.0} bytes a key before the checkpoint");
    tell("memory/bytes_per_key_vs_payload", (checkpointed, 88.0), "ours<=200");
    // After ours: what its store gave back to the allocator is used again here, so this one may look small.
    println!("memory: papaya map of the same {:.0} bytes a key", papaya(&order));
}
