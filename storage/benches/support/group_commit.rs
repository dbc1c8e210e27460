//! The yardstick "bare group commit": the same bytes into a preallocated file, nothing around it.
//!
//! Writers put a record into a common buffer and wait; one log thread takes whatever is there, writes it
//! with one `pwrite`, syncs, and wakes everybody. The file was filled with zeros and is used in a circle,
//! so that a sync never writes file metadata.

#![allow(clippy::disallowed_methods)] // bare means without the seams

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};

/// Bytes of a put of a 24 byte key and a 64 byte value in the log: head, archived operation, payload.
pub const RECORD_BYTES: usize = 140;
/// Bytes of envelope and frame head in front of each group.
pub const GROUP_BYTES: usize = 80;
const FILE_BYTES: u64 = 64 << 20;

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    records: u64,
    closed: bool,
}

pub struct GroupCommit {
    file: File,
    queue: Mutex<Queue>,
    filled: Condvar,
    /// Records that are durable. A lock of its own: fifty woken writers must not stand in the way of new records.
    done: Mutex<u64>,
    synced: Condvar,
    syncs: AtomicU64,
}

impl GroupCommit {
    pub fn create(dir: &Path) -> GroupCommit {
        let file = File::create(dir.join("bare.log")).expect("a file can be made");
        let zeros = vec![0; 1 << 20];
        for at in 0..FILE_BYTES >> 20 {
            file.write_all_at(&zeros, at << 20).expect("a file can be filled");
        }
        file.sync_all().expect("a file can be synced");
        let (filled, synced) = (Condvar::new(), Condvar::new());
        GroupCommit {
            file,
            queue: Mutex::default(),
            filled,
            done: Mutex::new(0),
            synced,
            syncs: AtomicU64::new(0),
        }
    }

    /// One writer's turn: hands a record in and waits until it is durable.
    pub fn put(&self, record: &[u8; RECORD_BYTES]) {
        let mut queue = self.queue.lock().expect("no bench panics");
        queue.bytes.extend_from_slice(record);
        queue.records += 1;
        let mine = queue.records;
        self.filled.notify_one();
        drop(queue);
        let done = self.done.lock().expect("no bench panics");
        drop(self.synced.wait_while(done, |done| *done < mine).expect("no bench panics"));
    }

    /// The log thread: runs until `close`.
    fn serve(&self) {
        let mut offset = 0;
        loop {
            let queue = self.queue.lock().expect("no bench panics");
            let waiting = |queue: &mut Queue| queue.bytes.is_empty() && !queue.closed;
            let mut queue = self.filled.wait_while(queue, waiting).expect("no bench panics");
            if queue.bytes.is_empty() {
                return;
            }
            let mut group = std::mem::take(&mut queue.bytes);
            let records = queue.records;
            drop(queue);
            group.resize(group.len() + GROUP_BYTES, 1);
            self.write_synced(&group, &mut offset);
            *self.done.lock().expect("no bench panics") = records;
            self.synced.notify_all();
        }
    }

    /// One write and one sync, at `offset`, which moves on.
    pub fn write_synced(&self, bytes: &[u8], offset: &mut u64) {
        if *offset + bytes.len() as u64 > FILE_BYTES {
            *offset = 0;
        }
        self.file.write_all_at(bytes, *offset).expect("a write succeeds");
        self.file.sync_data().expect("a sync succeeds");
        *offset += bytes.len() as u64;
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }

    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Runs `work` beside the log thread.
    pub fn serving<R>(&self, work: impl FnOnce() -> R) -> R {
        std::thread::scope(|scope| {
            self.queue.lock().expect("no bench panics").closed = false;
            scope.spawn(|| self.serve());
            let worked = work();
            self.close();
            worked
        })
    }

    fn close(&self) {
        self.queue.lock().expect("no bench panics").closed = true;
        self.filled.notify_all();
    }
}
