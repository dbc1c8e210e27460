//! Promise: whatever goes through the memory, the process does not grow beyond the bound and a little more.
//!
//! Gigabytes are written, filled, overwritten, deleted and evicted through a bound of 8 MiB by two threads; what is
//! resident afterwards must stay far below that. A leak of one entry in twenty would show. (Garbage waits while a pinned
//! thread is off its processor, so a machine busy with other things needs the slack.)

use mpreg_storage::memory::{Memory, Options, PolicyKind};
use mpreg_storage::record::{EntryFields, EntryKind, Lsn};

const BYTES_MAX: u64 = 8 << 20;
/// The bound, garbage that waits for its epoch, thread stacks and what malloc keeps.
const GROWTH_BYTES_MAX: u64 = 96 << 20;
const ROUNDS: u64 = 500_000;

fn fields(kind: EntryKind, value: &[u8]) -> EntryFields<'_> {
    EntryFields {
        kind,
        lsn: Lsn(1),
        created_us: 1,
        expires_us: 0,
        access_count: 0,
        last_access_us: 1,
        value,
        extras: b"",
    }
}

#[cfg(target_os = "linux")]
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("linux tells what is resident");
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("the second word is a number of pages") * 4096
}

/// One thread's share: keys below 50,000, values up to 4 KiB and now and then one of 200 KiB.
fn churn(memory: &Memory, thread: u64) {
    let bytes = vec![b'v'; 200 * 1024];
    for round in 0..ROUNDS {
        let number = round.wrapping_mul(0x9e37_79b9_7f4a_7c15 + 2 * thread) % 50_000;
        let key = number.to_be_bytes();
        let value_bytes = if round % 500 == 0 { bytes.len() } else { (round * 37 % 4096) as usize };
        let value = fields(EntryKind::Value, &bytes[..value_bytes]);
        match round % 4 {
            0 => drop(memory.fill(memory.fill_token(&key), &key, &value)),
            1 => memory.clean(&memory.apply(&key, &fields(EntryKind::Tombstone, b"")).entry),
            _ => memory.clean(&memory.apply(&key, &value).entry),
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn churn_does_not_grow_the_process() {
    for policy in [PolicyKind::Adaptive, PolicyKind::Lru, PolicyKind::DependencyAware] {
        let memory = Memory::new(&Options { bytes_max: BYTES_MAX, policy, ..Options::default() });
        let before_bytes = resident_bytes();
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let memory = &memory;
                scope.spawn(move || churn(memory, thread));
            }
        });
        let grown_bytes = resident_bytes().saturating_sub(before_bytes);
        println!("policy={policy:?} grown_bytes={grown_bytes} {:?}", memory.stats());
        assert!(memory.stats().bytes <= BYTES_MAX);
        assert!(grown_bytes <= GROWTH_BYTES_MAX, "grew by {grown_bytes} bytes");
    }
}
