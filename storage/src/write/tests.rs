//! The write core on its own: what it allows, in which order.

use super::core::{Bounds, Refusal, Start, WriteCore};
use crate::record::Lsn;

fn bounds() -> Bounds {
    Bounds {
        unsynced_bytes_max: 100,
        unsynced_age_us_max: 1_000,
        dirty_bytes_max: 300,
        checkpoint_bytes: 100,
        checkpoint_interval_us: 10_000,
        batch_bytes_max: 50,
    }
}

fn core_at(last: u64) -> WriteCore {
    let start =
        Start { last: Lsn(last), index: 3, term: 1, checkpoint: Lsn(last), time_us: 5_000_000, hlc: 0 };
    WriteCore::new(bounds(), start)
}

fn stage(core: &mut WriteCore, bytes: usize) -> Lsn {
    let (lsn, body) = core.stage();
    body.resize(body.len() + bytes, 0);
    lsn
}

fn write(core: &mut WriteCore) -> Lsn {
    let write = core.begin_write().expect("something is staged");
    let last = write.last_lsn();
    core.end_write(write, true, 0);
    last
}

#[test]
fn one_frame_holds_everything_staged() {
    let mut core = core_at(7);
    assert_eq!(stage(&mut core, 10), Lsn(8));
    assert_eq!(stage(&mut core, 10), Lsn(9));
    let frame = core.begin_write().unwrap();
    assert_eq!((frame.head.first_lsn, frame.head.count, frame.head.index), (Lsn(8), 2, 4));
    assert_eq!(frame.frame.len(), 20);
    assert!(core.begin_write().is_none(), "one write at a time");
    assert_eq!(stage(&mut core, 10), Lsn(10), "staging goes on meanwhile");
    core.end_write(frame, true, 0);
    assert_eq!(core.positions().written, Lsn(9));
    assert_eq!(write(&mut core), Lsn(10));
}

#[test]
fn durable_moves_only_with_a_sync_and_never_past_it() {
    let mut core = core_at(0);
    assert!(core.begin_sync(0).is_none(), "nothing to sync");
    stage(&mut core, 1);
    assert!(core.begin_sync(0).is_none(), "staged is not written");
    write(&mut core);
    assert!(core.begin_sync(0).is_some());
    assert!(core.begin_sync(0).is_none(), "one sync at a time");
    stage(&mut core, 1);
    write(&mut core);
    core.end_sync(Some(Lsn(1)));
    assert_eq!((core.positions().durable, core.positions().written), (Lsn(1), Lsn(2)));
}

#[test]
fn a_failed_sync_or_write_is_final() {
    for fail_write in [true, false] {
        let mut core = core_at(0);
        stage(&mut core, 1);
        let frame = core.begin_write().unwrap();
        core.end_write(frame, !fail_write, 0);
        if !fail_write {
            core.begin_sync(0).unwrap();
            core.end_sync(None);
        }
        assert_eq!(core.admit(0), Err(Refusal::Poisoned));
        assert!(
            core.begin_write().is_none() && core.begin_sync(0).is_none() && core.begin_checkpoint().is_none()
        );
        assert_eq!(core.positions().durable, Lsn(0));
    }
}

#[test]
fn a_stalled_disk_holds_writers_by_bytes_and_by_age() {
    let mut core = core_at(0);
    stage(&mut core, 40);
    let frame = core.begin_write().unwrap();
    core.end_write(frame, true, 5_000);
    assert_eq!(core.admit(5_999), Ok(()));
    assert_eq!(core.admit(6_000), Err(Refusal::Unsynced), "by age");
    stage(&mut core, 60);
    assert_eq!(core.admit(5_000), Err(Refusal::BatchFull));
    write(&mut core);
    assert_eq!(core.admit(5_000), Err(Refusal::Unsynced), "by bytes");
    core.begin_sync(6_500).unwrap();
    core.end_sync(Some(Lsn(2)));
    assert_eq!(core.admit(9_000), Ok(()));
}

#[test]
fn staged_bytes_are_at_risk_and_a_sync_that_covers_all_leaves_none() {
    let mut core = core_at(0);
    stage(&mut core, 40);
    write(&mut core);
    core.begin_sync(0).unwrap();
    stage(&mut core, 45);
    assert_eq!(core.admit(0), Ok(()));
    let second = core.begin_write().unwrap();
    stage(&mut core, 20);
    assert_eq!(core.admit(0), Err(Refusal::Unsynced), "40 written, 45 on their way, 20 staged");
    core.end_write(second, true, 0);
    write(&mut core);
    // The sync began to look at the log later than it was decided.
    core.end_sync(Some(Lsn(3)));
    assert_eq!((core.unsynced_bytes(), core.admit(0)), (0, Ok(())));
}

#[test]
fn a_checkpoint_freezes_and_a_failed_one_keeps_all_dirty() {
    let mut core = core_at(0);
    stage(&mut core, 1);
    core.add_dirty(120, 0);
    assert!(core.checkpoint_due(0));
    write(&mut core);
    let checkpoint = core.begin_checkpoint().unwrap();
    assert_eq!(checkpoint.through, Lsn(1));
    assert!(core.begin_checkpoint().is_none() && !core.checkpoint_due(0), "one at a time");
    stage(&mut core, 1);
    core.add_dirty(200, 0);
    assert_eq!(core.admit(0), Err(Refusal::Dirty), "frozen bytes count too");
    core.end_checkpoint(false, 0);
    assert_eq!((core.dirty_bytes(), core.positions().checkpoint), (320, Lsn(0)));
    write(&mut core);
    core.begin_sync(0).unwrap();
    core.end_sync(Some(Lsn(2)));
    core.begin_checkpoint().unwrap();
    core.end_checkpoint(true, 0);
    let positions = core.positions();
    assert_eq!((positions.checkpoint, positions.checkpoint_before, core.dirty_bytes()), (Lsn(2), Lsn(0), 0));
}

#[test]
#[should_panic(expected = "L2 must not run ahead of the log")]
fn a_checkpoint_ahead_of_the_log_is_an_invariant_failure() {
    let mut core = core_at(0);
    stage(&mut core, 1);
    core.begin_checkpoint().unwrap();
    core.end_checkpoint(true, 0);
}

#[test]
fn state_time_never_goes_back() {
    let mut core = core_at(0);
    assert_eq!(core.advance_time(1), 5_000_000);
    assert_eq!(core.advance_time(6_000_000), 6_000_000);
    assert_eq!(core.advance_time(5_500_000), 6_000_000);
}
