//! Random lives in a row: each ends in a crash that loses something, and the next goes on from what is left.

use super::*;
use crate::disk::{CrashSpec, Failure, Fault, Keep, OpKind};

/// What must hold across all lives.
#[derive(Default)]
struct Model {
    /// Every frame of the log as it must be read back.
    frames: Vec<Written>,
    durable: Lsn,
    checkpoint: Lsn,
    /// Positions ever handed to a frame.
    used: std::collections::HashSet<(Epoch, Lsn)>,
}

impl Model {
    fn check_opened(&mut self, log: &Log, opened: &Opened, seed: u64) {
        assert!(opened.next_lsn > self.durable, "seed {seed}: lost {} .. {}", opened.next_lsn, self.durable);
        self.frames.retain(|frame| frame.head.first_lsn < opened.next_lsn);
        let kept = self.frames.iter().filter(|frame| frame.head.first_lsn >= opened.first_lsn);
        assert!(read_all(log).iter().eq(kept), "seed {seed}: not a prefix");
        assert!(opened.first_lsn <= self.checkpoint.plus(1), "seed {seed}");
        self.durable = log.durable();
    }

    fn append(&mut self, log: &Log, rng: &SimRng, seed: u64) -> Result<(), Error> {
        let body_len =
            [draw(rng, 20), draw(rng, 400), draw(rng, 400), draw(rng, 20_000)][draw(rng, 4) as usize];
        let frame = next_frame(log, 1 + draw(rng, 4) as u32, body_len as usize);
        for lsn in frame.head.first_lsn.0..=frame.head.last_lsn().unwrap().0 {
            // A frame that failed cleanly may be tried again in the same life, but not in another.
            let fresh = self.used.insert((log.epoch(), Lsn(lsn)));
            assert!(fresh || log.written() < Lsn(lsn), "seed {seed}: {}:{lsn} used twice", log.epoch());
        }
        self.frames.push(frame.clone());
        write(log, &frame).inspect_err(|error| {
            // A clean refusal wrote nothing; a failed write may have.
            if !matches!(error, Error::Write { .. }) {
                self.frames.pop();
            }
        })
    }
}

fn random_spec(rng: &SimRng) -> CrashSpec {
    let keep = |rng: &SimRng| match draw(rng, 6) {
        0 => Keep::None,
        1 => Keep::All,
        2 => Keep::First(draw(rng, 20) as usize),
        3 => Keep::AllBut(draw(rng, 20) as usize),
        4 => Keep::Sectors(rng.next_u64()),
        _ => Keep::Subset(rng.next_u64()),
    };
    let torn_at_bytes = (draw(rng, 4) == 0).then(|| draw(rng, 600));
    CrashSpec { content: keep(rng), names: keep(rng), torn_at_bytes }
}

fn random_faults(disk: &SimDisk, rng: &SimRng) {
    let fault = match draw(rng, 8) {
        0 => Fault::new(Failure::LossySync { seed: rng.next_u64() }).on(OpKind::Sync),
        1 => Fault::new(Failure::ShortWrite { kept_bytes: draw(rng, 300) }).on(OpKind::Write),
        2 => Fault::new(Failure::Io).on(OpKind::Rename),
        3 => Fault::new(Failure::NoSpace).on(OpKind::Write),
        _ => return,
    };
    disk.inject(fault.skip(draw(rng, 40)));
}

/// One life until something fails or it had enough. The faults it met.
fn life(disk: &SimDisk, model: &mut Model, rng: &SimRng, seed: u64) {
    let segment_bytes = 4096 << draw(rng, 4);
    let options = Options { segment_bytes, spare_segments_max: draw(rng, 3) as usize, ..Options::default() };
    random_faults(disk, rng);
    let (log, opened) = match open_with(disk, model.checkpoint.0, &options) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(disk.counters().faults() > 0, "seed {seed}: refused without a fault: {error}");
            return;
        }
    };
    model.check_opened(&log, &opened, seed);
    for _ in 0..draw(rng, 60) {
        let done = match draw(rng, 12) {
            0..8 => model.append(&log, rng, seed),
            8 => log.prepare().map(|_| ()),
            9 => {
                model.checkpoint = log.durable().max(model.checkpoint);
                log.retire(model.checkpoint).map(|_| ())
            }
            _ => log.sync().map(|durable| model.durable = durable),
        };
        if done.is_err() {
            assert!(disk.counters().faults() > 0, "seed {seed}: {done:?}");
            return;
        }
    }
    if draw(rng, 3) == 0 && log.close().is_ok() {
        model.durable = log.durable();
    }
}

#[test]
fn lives_in_a_row_keep_a_prefix_with_everything_durable() {
    let (mut lives, mut faults) = (0, 0);
    for seed in seeds(150) {
        let rng = SimRng::new(seed);
        let mut disk = SimDisk::new();
        let mut model = Model::default();
        for _ in 0..8 {
            life(&disk, &mut model, &rng, seed);
            faults += disk.counters().faults();
            lives += 1;
            disk = disk.crash_image(&random_spec(&rng));
        }
        let (log, opened) = open(&disk, model.checkpoint.0);
        model.check_opened(&log, &opened, seed);
    }
    println!("lives_in_a_row cases={lives} faults={faults} violations=0");
    assert!(faults > 100 || lives < 100, "{faults}");
}
