//! Who waits for which position: parked threads and suspended tasks in one list.

use std::task::Waker;
use std::thread::Thread;

use crate::record::Lsn;

/// Something that can be woken once.
#[derive(Debug)]
pub enum Sleeper {
    /// A parked thread.
    Thread(Thread),
    /// A suspended task.
    Task(Waker),
}

impl Sleeper {
    /// The calling thread; park after registering it.
    #[must_use]
    pub fn current_thread() -> Sleeper {
        Sleeper::Thread(std::thread::current())
    }

    /// Wakes it. Call without holding a lock.
    pub fn wake(self) {
        match self {
            Sleeper::Thread(thread) => thread.unpark(),
            Sleeper::Task(waker) => waker.wake(),
        }
    }
}

/// See the module. Sleepers may be woken for nothing; they check and come back.
#[derive(Debug, Default)]
pub struct Waiters {
    sleepers: Vec<(Lsn, Sleeper)>,
}

impl Waiters {
    /// Registers one sleeper for `lsn`.
    pub fn add(&mut self, lsn: Lsn, sleeper: Sleeper) {
        self.sleepers.push((lsn, sleeper));
    }

    /// How many sleep here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sleepers.len()
    }

    /// True when nobody sleeps here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sleepers.is_empty()
    }

    /// Takes out one of those waiting above `through`, who will lead the next sync, and everyone at or below
    /// it. The leader comes first: woken before the others, it syncs while they are still being woken.
    #[must_use]
    pub fn take_through(&mut self, through: Lsn) -> Vec<Sleeper> {
        let mut taken: Vec<Sleeper> =
            self.sleepers.extract_if(.., |(lsn, _)| *lsn <= through).map(|(_, sleeper)| sleeper).collect();
        if let Some((_, leader)) = self.sleepers.pop() {
            taken.push(leader);
            let last = taken.len() - 1;
            taken.swap(0, last);
        }
        taken
    }

    /// Takes out everyone.
    #[must_use]
    pub fn take_all(&mut self) -> Vec<Sleeper> {
        self.sleepers.drain(..).map(|(_, sleeper)| sleeper).collect()
    }
}
