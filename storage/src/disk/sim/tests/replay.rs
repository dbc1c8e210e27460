//! A replayed trace stands where the traced disk stood, at every operation.

use proptest::prelude::*;

use super::*;

/// One random call; numbers are reduced to what exists.
#[derive(Debug, Clone)]
enum Step {
    Write { name: u8, offset: u64, bytes: usize, fill: u8 },
    SetLen { name: u8, len: u64 },
    Sync { name: u8 },
    SyncDir,
    Rename { from: u8, to: u8 },
    Remove { name: u8 },
    FailSync { seed: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = 0u8..3;
    let step = prop_oneof![
        6 => (name.clone(), 0u64..10_000, 1usize..9_000, any::<u8>())
            .prop_map(|(name, offset, bytes, fill)| Step::Write { name, offset, bytes, fill }),
        1 => (name.clone(), 0u64..10_000).prop_map(|(name, len)| Step::SetLen { name, len }),
        3 => name.clone().prop_map(|name| Step::Sync { name }),
        2 => Just(Step::SyncDir),
        2 => (name.clone(), name.clone()).prop_map(|(from, to)| Step::Rename { from, to }),
        1 => name.prop_map(|name| Step::Remove { name }),
        1 => any::<u64>().prop_map(|seed| Step::FailSync { seed }),
    ];
    prop::collection::vec(step, 1..30)
}

/// Errors are fine (a name may be gone, the machine may have stopped); only the state is compared.
fn run(disk: &SimDisk, steps: &[Step]) {
    let path = |name: u8| wal(&name.to_string());
    let file = |name: u8| disk.open(&path(name), OpenMode::Create);
    for step in steps {
        _ = match step {
            Step::Write { name, offset, bytes, fill } => {
                file(*name).and_then(|file| file.write_at(*offset, &vec![*fill; *bytes]))
            }
            Step::SetLen { name, len } => file(*name).and_then(|file| file.set_len(*len)),
            Step::Sync { name } => file(*name).and_then(|file| file.sync_data()),
            Step::SyncDir => disk.sync_dir(DIR.as_ref()),
            Step::Rename { from, to } => disk.rename(&path(*from), &path(*to)),
            Step::Remove { name } => disk.remove(&path(*name)),
            Step::FailSync { seed } => {
                disk.inject(Fault::new(Failure::LossySync { seed: *seed }));
                Ok(())
            }
        };
    }
}

/// Names and content.
fn state(disk: &SimDisk) -> Vec<(PathBuf, Vec<u8>)> {
    let content = |path: PathBuf| (path.clone(), disk.read_file(&path).expect("a listed file is there"));
    disk.files().into_iter().map(content).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Stopping a run after k operations and replaying k operations of its trace give the same
    /// images, for every k and every sort of outcome.
    #[test]
    fn replay_and_stopped_run_agree(steps in steps(), seed: u64) {
        let traced = disk_with_dir();
        traced.start_trace();
        run(&traced, &steps);
        let trace = traced.trace().expect("the trace was started");
        let mut replay = trace.replay();
        for ops in 0..=trace.ops().len() as u64 {
            let stopped = disk_with_dir();
            stopped.stop_after_ops(ops);
            run(&stopped, &steps);
            prop_assert_eq!(replay.pending(), stopped.pending());
            for spec in replay.specs(seed, 3) {
                prop_assert_eq!(state(&replay.image(&spec)), state(&stopped.crash_image(&spec)), "{:?}", spec);
            }
            prop_assert_eq!(replay.step().is_some(), ops < trace.ops().len() as u64);
        }
    }

    /// Without failures, what is synced survives every outcome and a kill loses nothing.
    #[test]
    fn what_is_synced_survives_every_outcome(steps in steps(), seed: u64) {
        let disk = disk_with_dir();
        let harmless: Vec<Step> = steps.into_iter().filter(|step| !matches!(step, Step::FailSync { .. })).collect();
        run(&disk, &harmless);
        prop_assert_eq!(state(&disk.crash_image(&CrashSpec::EVERYTHING)), state(&disk));
        for path in disk.files() {
            disk.open(&path, OpenMode::ReadWrite).and_then(|file| file.sync_data()).unwrap();
        }
        sync_wal(&disk);
        let settled = state(&disk);
        prop_assert_eq!(&state(&disk.crash_image(&CrashSpec::NOTHING)), &settled);
        // Nothing that happens to one new file touches the others.
        create(&disk, "later").write_at(0, &[1; 9_000]).unwrap();
        for spec in CrashSpec::spread(disk.pending(), seed, 4) {
            let mut found = state(&disk.crash_image(&spec));
            found.retain(|(path, _)| *path != wal("later"));
            prop_assert_eq!(&found, &settled, "{:?}", spec);
        }
    }
}

/// How many images a second? Run with `--ignored --nocapture`; the goal is 5,000 on small files.
#[test]
#[ignore = "a measurement"]
fn images_a_second() {
    let disk = disk_with_dir();
    let segments: Vec<_> = (0..4).map(|number| create(&disk, &number.to_string())).collect();
    segments.iter().for_each(|segment| segment.write_at(0, &[1; 64 * 1024]).unwrap());
    disk.start_trace();
    for round in 0..500u64 {
        let segment = &segments[(round % 4) as usize];
        segment.write_at(round * 100, &[2; 300]).unwrap();
        if round % 5 == 0 {
            segment.sync_data().unwrap();
        }
    }
    let clock = crate::disk::OsClock::new();
    let trace = disk.trace().expect("the trace was started");
    let mut replay = trace.replay();
    let mut images = 0u64;
    while replay.step().is_some() {
        for spec in replay.specs(1, 8) {
            images += u64::from(replay.image(&spec).read_file(&wal("0")).is_some());
        }
    }
    let seconds = clock.monotonic_us() as f64 / 1e6;
    println!(
        "images={images} ops={} secs={seconds:.2} images_per_sec={:.0}",
        trace.ops().len(),
        images as f64 / seconds
    );
}
