//! The loop of one load thread: wait for replies, count them, send what is due.
//!
//! Closed loop: a connection that has all its answers sends its next `depth` requests in one write,
//! as benchmark clients do. Open loop: requests are due at fixed times, whoever is late; one that finds
//! every pipeline full waits, and its latency counts from when it was due.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll;

use super::keys::Keys;
use super::link::Link;
use super::measure::Measured;
use super::message::Template;
use super::plan::{Limit, Operation, Plan};

/// Longest wait for readiness: bounds how late the end of a silent run is noticed.
const WAIT_MAX: Duration = Duration::from_millis(50);
/// A server that answers nothing for this long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// Random letters that values are cut from.
const LETTERS_BYTES: usize = 64 << 10;

/// What all threads of a run share.
pub struct Shared<'a> {
    pub plan: &'a Plan,
    /// Replies counted so far, of all threads: the progress bar reads it.
    pub replies: AtomicU64,
}

/// One thread's load.
pub struct Driver<'a> {
    shared: &'a Shared<'a>,
    links: Vec<Link>,
    keys: Keys,
    get: Template,
    put: Template,
    letters: Vec<u8>,
    measured: Measured,
    /// Requests this thread may still begin.
    remaining: u64,
    /// Open loop: when the next request is due, and the time between two.
    schedule: Option<(Instant, Duration)>,
    /// Open loop: the connection that gets the next request.
    turn: usize,
}

impl<'a> Driver<'a> {
    /// Opens this thread's share of the connections.
    pub fn connect(shared: &'a Shared<'a>, mut keys: Keys, thread: usize) -> io::Result<Driver<'a>> {
        let plan = shared.plan;
        let share =
            |all: u64| all / plan.threads as u64 + u64::from((thread as u64) < all % plan.threads as u64);
        let links =
            (0..share(plan.connections as u64)).map(|_| Link::open(plan)).collect::<io::Result<_>>()?;
        let length = LETTERS_BYTES + plan.value_bytes;
        let letters =
            (0..length).map(|_| b"abcdefghijklmnopqrstuvwxyz012345"[(keys.bits() % 32) as usize]).collect();
        Ok(Driver {
            shared,
            links,
            keys,
            get: Template::asking(plan),
            put: Template::put(plan),
            letters,
            measured: Measured::new(),
            remaining: match plan.limit {
                Limit::Operations(count) => share(count),
                Limit::Time(_) => u64::MAX,
            },
            schedule: plan
                .rate
                .map(|rate| (Instant::now(), Duration::from_secs_f64(plan.threads as f64 / rate))),
            turn: 0,
        })
    }

    /// Runs from `begin` until the plan's limit.
    pub fn run(mut self, begin: Instant) -> io::Result<Measured> {
        let poll = self.watch()?;
        let warm = begin + self.shared.plan.warmup;
        let end = match self.shared.plan.limit {
            Limit::Time(time) => Some(warm + time),
            Limit::Operations(_) => None,
        };
        self.schedule = self.schedule.map(|(_, interval)| (begin, interval));
        let mut clock = Clock { warm, warming: warm > begin, last_reply: begin };
        self.start_all()?;
        let mut events = Vec::with_capacity(1024);
        loop {
            events.clear();
            wait(&poll, &mut events, self.next_due())?;
            let now = Instant::now();
            if clock.ends_warmup(now) {
                self.measured = Measured::new();
            }
            for event in &events {
                self.serve(event.data.u64() as usize, &mut clock)?;
            }
            self.send_due(now)?;
            if end.is_some_and(|end| now >= end) || self.finished() {
                break;
            }
            clock.check_silence(now, self.schedule.is_some())?;
        }
        let until = end.unwrap_or(clock.last_reply);
        self.measured.elapsed = until.saturating_duration_since(warm);
        Ok(self.measured)
    }

    fn watch(&self) -> io::Result<rustix::fd::OwnedFd> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (number, link) in self.links.iter().enumerate() {
            epoll::add(
                &poll,
                link.socket(),
                epoll::EventData::new_u64(number as u64),
                epoll::EventFlags::IN,
            )?;
        }
        Ok(poll)
    }

    fn start_all(&mut self) -> io::Result<()> {
        if self.schedule.is_some() {
            return self.send_due(Instant::now());
        }
        (0..self.links.len()).try_for_each(|number| self.refill(number))
    }

    /// Takes what connection `number` received and, in the closed loop, sends its next requests.
    fn serve(&mut self, number: usize, clock: &mut Clock) -> io::Result<()> {
        let measured = &mut self.measured;
        let mut answers = 0;
        let link = &mut self.links[number];
        link.receive(|answer| {
            answers += 1;
            measured.record(answer.verdict, answer.latency, answer.payload);
        })?;
        if answers > 0 {
            clock.last_reply = Instant::now();
            // Relaxed: only a progress bar looks at it.
            self.shared.replies.fetch_add(answers, Ordering::Relaxed);
        }
        if self.schedule.is_none() && link.under_way() == 0 {
            return self.refill(number);
        }
        if link.output.is_empty() { Ok(()) } else { self.push(number) }
    }

    /// Closed loop: the next `depth` requests of a connection, in one write.
    fn refill(&mut self, number: usize) -> io::Result<()> {
        let now = Instant::now();
        for _ in 0..self.shared.plan.depth {
            if self.remaining == 0 {
                break;
            }
            self.append(number, now);
        }
        self.push(number)
    }

    /// Open loop: every request that is due and finds room.
    fn send_due(&mut self, now: Instant) -> io::Result<()> {
        let Some((mut due, interval)) = self.schedule else { return Ok(()) };
        while due <= now && self.remaining > 0 {
            let Some(number) = self.with_room() else { break };
            self.append(number, due);
            due += interval;
        }
        self.schedule = Some((due, interval));
        for number in 0..self.links.len() {
            if !self.links[number].output.is_empty() {
                self.push(number)?;
            }
        }
        Ok(())
    }

    /// The next connection in turn whose pipeline is not full.
    fn with_room(&mut self) -> Option<usize> {
        let count = self.links.len();
        let number = (0..count)
            .map(|step| (self.turn + step) % count)
            .find(|&n| self.links[n].under_way() < self.shared.plan.depth)?;
        self.turn = (number + 1) % count;
        Some(number)
    }

    fn append(&mut self, number: usize, start: Instant) {
        self.remaining -= 1;
        let link = &mut self.links[number];
        let id = link.begin(start);
        let key = self.keys.next();
        let reads = match self.shared.plan.operation {
            Operation::Get | Operation::Echo | Operation::Graph => true,
            Operation::Put => false,
            Operation::Mixed { read_ratio } => self.keys.fraction() < read_ratio,
        };
        if reads {
            self.get.append(id, key, &[], &mut link.output);
        } else {
            let from = (self.keys.bits() % LETTERS_BYTES as u64) as usize;
            self.put.append(id, key, &self.letters[from..], &mut link.output);
        }
    }

    /// Writes a connection's output; the rare one the kernel does not take at once is retried, reading
    /// meanwhile so that neither side waits for the other.
    fn push(&mut self, number: usize) -> io::Result<()> {
        let until = Instant::now() + SILENCE_MAX;
        let (link, measured) = (&mut self.links[number], &mut self.measured);
        while !link.flush()? {
            if !link.receive(|answer| measured.record(answer.verdict, answer.latency, answer.payload))? {
                std::thread::yield_now();
            }
            if Instant::now() > until {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server reads nothing for 20 s"));
            }
        }
        Ok(())
    }

    fn finished(&self) -> bool {
        self.remaining == 0 && self.links.iter().all(|link| link.under_way() == 0)
    }

    fn next_due(&self) -> Duration {
        let until = |(due, _): (Instant, Duration)| due.saturating_duration_since(Instant::now());
        self.schedule.filter(|_| self.remaining > 0).map_or(WAIT_MAX, until).min(WAIT_MAX)
    }
}

fn wait(poll: &rustix::fd::OwnedFd, events: &mut Vec<epoll::Event>, at_most: Duration) -> io::Result<()> {
    let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(at_most.subsec_nanos()) };
    match epoll::wait(poll, rustix::buffer::spare_capacity(events), Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The times the loop looks at.
struct Clock {
    warm: Instant,
    warming: bool,
    last_reply: Instant,
}

impl Clock {
    /// True once, when the warm-up is over.
    fn ends_warmup(&mut self, now: Instant) -> bool {
        let ends = self.warming && now >= self.warm;
        self.warming &= !ends;
        ends
    }

    fn check_silence(&self, now: Instant, open_loop: bool) -> io::Result<()> {
        if !open_loop && now.saturating_duration_since(self.last_reply) > SILENCE_MAX {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no reply for 20 s"));
        }
        Ok(())
    }
}
