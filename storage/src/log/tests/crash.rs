//! Crash-point enumeration: the power goes after every single change of a life of the log, the disk keeps what it
//! likes of the unsynced rest, and the log is opened again. Then the power goes once more inside that.

use super::*;
use crate::disk::{CrashSpec, Damage, Failure, Fault, OpKind, Trace};

/// What had been promised when so many changes were done.
#[derive(Debug, Clone, Copy, Default)]
struct Promise {
    at: u64,
    /// Last lsn a sync had returned.
    durable: Lsn,
    /// What the checkpoint holds; segments below may be retired.
    checkpoint: Lsn,
    /// Highest epoch an opening had returned.
    epoch: Epoch,
}

/// A life, and everything that was promised in it.
struct Story {
    trace: Trace,
    promises: Vec<Promise>,
    frames: Vec<Written>,
    /// The epoch each frame was written in, and the number of changes before.
    written_at: Vec<(Epoch, u64)>,
}

struct Teller {
    disk: SimDisk,
    rng: SimRng,
    promise: Promise,
    story: Story,
}

impl Teller {
    fn new(seed: u64, disk: SimDisk) -> Teller {
        disk.start_trace();
        let trace = disk.trace().unwrap();
        let story = Story { trace, promises: Vec::new(), frames: Vec::new(), written_at: Vec::new() };
        Teller { disk, rng: SimRng::new(seed), promise: Promise::default(), story }
    }

    fn note(&mut self) {
        self.promise.at = self.disk.op_count();
        self.story.promises.push(self.promise);
    }

    fn life(&mut self, steps: usize) {
        let (log, opened) = open(&self.disk, self.promise.checkpoint.0);
        self.promise.epoch = opened.epoch;
        self.promise.durable = log.durable();
        self.note();
        for _ in 0..steps {
            match draw(&self.rng, 20) {
                0..12 => self.append(&log),
                12..17 => {
                    self.promise.durable = log.sync().unwrap();
                    self.note();
                }
                17 => _ = log.prepare().unwrap(),
                _ => {
                    // The checkpoint is durable by itself before the log lets go of anything.
                    self.promise.checkpoint = log.durable();
                    self.note();
                    log.retire(self.promise.checkpoint).unwrap();
                }
            }
        }
        if draw(&self.rng, 2) == 0 {
            log.close().unwrap();
            self.promise.durable = log.durable();
            self.note();
        }
    }

    fn append(&mut self, log: &Log) {
        let body_len = if draw(&self.rng, 30) == 0 { 6000 } else { draw(&self.rng, 700) as usize };
        let frame = next_frame(log, 1 + draw(&self.rng, 3) as u32, body_len);
        self.story.written_at.push((log.epoch(), self.disk.op_count()));
        self.story.frames.push(frame.clone());
        write(log, &frame).unwrap();
    }

    fn end(mut self) -> Story {
        self.story.trace = self.disk.trace().unwrap();
        self.story
    }
}

impl Story {
    fn promise_at(&self, ops: u64) -> Promise {
        let kept = self.promises.iter().take_while(|promise| promise.at <= ops);
        kept.last().copied().unwrap_or_default()
    }
}

/// Opens an image and says what is wrong with it.
fn check(
    image: &SimDisk,
    promise: Promise,
    frames: &[Written],
    taken: impl Fn(Lsn) -> Vec<Epoch>,
) -> Result<(Log, Opened), String> {
    let (log, opened) = try_open(image, promise.checkpoint.0).map_err(|error| format!("refused: {error}"))?;
    if opened.next_lsn <= promise.durable {
        return Err(format!("lost lsn {} .. {}", opened.next_lsn, promise.durable));
    }
    if opened.first_lsn > promise.checkpoint.plus(1) {
        return Err(format!("retired too much: begins at {}", opened.first_lsn));
    }
    let found = read_from(&log, opened.first_lsn.0).map_err(|error| error.to_string())?;
    let from = frames.partition_point(|frame| frame.head.first_lsn < opened.first_lsn);
    let to = frames.partition_point(|frame| frame.head.first_lsn < opened.next_lsn);
    if found != frames[from..to] {
        return Err(format!("frames from {} to {} are not those written", opened.first_lsn, opened.next_lsn));
    }
    let fresh = opened.epoch > promise.epoch || opened.clean && opened.epoch == promise.epoch;
    if !fresh || taken(opened.next_lsn).contains(&opened.epoch) {
        return Err(format!("epoch {} at lsn {} was used before", opened.epoch, opened.next_lsn));
    }
    Ok((log, opened))
}

#[derive(Debug, Default)]
struct Tally {
    images: u64,
    second_images: u64,
    letters: std::collections::BTreeMap<char, u64>,
    violations: Vec<String>,
}

/// Walks the trace of a story; every `nth` image dies a second time during recovery.
fn enumerate(story: &Story, seed: u64, each_max: usize, nth: u64, tally: &mut Tally) {
    let mut replay = story.trace.replay();
    loop {
        let ops = replay.op_count();
        let promise = story.promise_at(ops);
        // Frames begun by then, from this lsn on: their positions must not be given away again.
        let taken = |next: Lsn| {
            let both = story.frames.iter().zip(&story.written_at);
            let begun = both.filter(|(frame, (_, at))| *at <= ops && frame.head.last_lsn() >= Some(next));
            begun.map(|(_, (epoch, _))| *epoch).collect()
        };
        for spec in replay.specs(seed ^ ops, each_max) {
            let image = replay.image(&spec);
            let twice = tally.images.is_multiple_of(nth);
            if twice {
                image.start_trace();
            }
            tally.images += 1;
            match check(&image, promise, &story.frames, taken) {
                Ok((log, opened)) => {
                    *tally.letters.entry(opened.ending.letter).or_default() += 1;
                    if twice {
                        second_crash(&image, log, &opened, promise, &story.frames, tally);
                    }
                }
                Err(what) => tally.violations.push(format!("seed {seed} after op {ops} {spec:?}: {what}")),
            }
        }
        if replay.step().is_none() {
            return;
        }
    }
}

/// The same again for everything the recovery itself did, and two frames more.
fn second_crash(
    image: &SimDisk,
    log: Log,
    opened: &Opened,
    before: Promise,
    frames: &[Written],
    tally: &mut Tally,
) {
    let opened_at = image.op_count();
    let to = frames.partition_point(|frame| frame.head.first_lsn < opened.next_lsn);
    let mut frames = frames[..to].to_vec();
    frames.push(append(&log, 1, 300));
    log.sync().unwrap();
    let synced_at = image.op_count();
    frames.push(append(&log, 1, 300));
    drop(log);
    let trace = image.trace().unwrap();
    let mut replay = trace.replay();
    while replay.step().is_some() {
        let ops = replay.op_count();
        let mut promise = before;
        if ops >= opened_at {
            promise.epoch = opened.epoch;
            promise.durable = opened.next_lsn.prev();
        }
        if ops >= synced_at {
            promise.durable = opened.next_lsn;
        }
        for spec in replay.specs(ops, 2) {
            tally.second_images += 1;
            if let Err(what) = check(&replay.image(&spec), promise, &frames, |_| Vec::new()) {
                tally.violations.push(format!("second crash after op {ops} {spec:?}: {what}"));
            }
        }
    }
}

fn tell(seed: u64, disk: SimDisk) -> Story {
    let mut teller = Teller::new(seed, disk);
    for _ in 0..3 {
        teller.life(25);
    }
    teller.end()
}

#[test]
fn no_crash_loses_what_was_promised() {
    let mut tally = Tally::default();
    for seed in seeds(6) {
        enumerate(&tell(seed, SimDisk::new()), seed, 3, 40, &mut tally);
    }
    let Tally { images, second_images, letters, violations } = &tally;
    println!(
        "no_crash_loses cases={images} second={second_images} rows={letters:?} violations={}",
        violations.len()
    );
    assert!(violations.is_empty(), "{} violations, first: {}", violations.len(), violations[0]);
    assert!(*images > 10_000 && *second_images > 5_000, "{tally:?}");
    for letter in ['A', 'B', 'D', 'F', 'H'] {
        assert!(letters.contains_key(&letter), "row {letter} never came up: {letters:?}");
    }
}

/// The longer form: `LOG_SOAK=200 cargo test -p mpreg-storage log::tests::crash -- --ignored`.
#[test]
#[ignore = "soak"]
fn no_crash_loses_what_was_promised_soak() {
    let seeds = std::env::var("LOG_SOAK").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(50);
    let mut tally = Tally::default();
    for seed in 1000..1000 + seeds {
        enumerate(&tell(seed, SimDisk::new()), seed, 8, 25, &mut tally);
        assert!(tally.violations.is_empty(), "{}", tally.violations[0]);
    }
    println!("soak cases={} second={} rows={:?}", tally.images, tally.second_images, tally.letters);
}

/// The enumeration can fail: with syncs that do nothing it does.
#[test]
fn a_skipped_sync_is_noticed() {
    for kind in [OpKind::Sync, OpKind::SyncDir] {
        let disk = SimDisk::new();
        disk.inject(Fault::new(Failure::LyingSync).on(kind).times(u64::MAX));
        let mut tally = Tally::default();
        enumerate(&tell(1, disk.clone()), 1, 2, u64::MAX, &mut tally);
        assert!(disk.counters().lying_syncs > 10);
        assert!(tally.violations.len() > 100, "{kind:?}: {} of {}", tally.violations.len(), tally.images);
    }
}

/// The story: an opening superseded its oldest segment, put it away first, and died. The oldest file left
/// had no header, and the next opening took that for damage.
#[test]
fn a_crash_while_tidying_leaves_an_oldest_file_with_a_header() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    append_many(&log, 60, 100);
    drop(log);
    let before = disk.crash_image(&CrashSpec::EVERYTHING);
    // Of three segments nothing reached the disk but the header of the third.
    for (id, from, len) in [(1, 96, 4000), (2, 0, 4096), (3, 96, 4000)] {
        let bytes = vec![0; len];
        before.damage(&segment_path(id), Damage::Overwrite { offset: from, bytes }).unwrap();
    }
    before.start_trace();
    assert_eq!(open(&before, 0).1.next_lsn, Lsn(1));
    let trace = before.trace().unwrap();
    let mut replay = trace.replay();
    let mut images = 0;
    while replay.step().is_some() {
        for spec in [CrashSpec::NOTHING, CrashSpec::EVERYTHING] {
            let (_, opened) = open(&replay.image(&spec), 0);
            assert_eq!(opened.next_lsn, Lsn(1));
            images += 1;
        }
    }
    assert!(images > 20, "{images}");
}
