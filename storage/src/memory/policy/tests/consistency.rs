//! Bookkeeping: what holds for every policy, whatever happens in whatever order.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[test]
fn everything_admitted_leaves_once() {
    for kind in PolicyKind::ALL {
        let mut stage = Stage::new(kind);
        (0..1000).for_each(|number| stage.insert(number, PLAIN));
        (0..1000).step_by(3).for_each(|number| stage.read(number));
        let mut gone = stage.drain();
        gone.sort_unstable();
        assert_eq!(gone, (0..1000).collect::<Vec<_>>(), "{kind:?}");
        assert_eq!(stage.evict(), None);
    }
}

#[test]
fn the_dirty_are_passed_over_and_the_forgotten_do_not_count() {
    for kind in PolicyKind::ALL {
        let mut stage = Stage::new(kind);
        (0..100).for_each(|number| stage.insert(number, if number % 2 == 0 { DIRTY } else { PLAIN }));
        (0..100).step_by(5).for_each(|number| stage.remove(number));
        let mut gone = stage.drain();
        gone.sort_unstable();
        let clean: Vec<u64> = (0..100).filter(|number| number % 2 == 1 && number % 5 != 0).collect();
        assert_eq!(gone, clean, "{kind:?}");
    }
}

#[test]
fn churn_does_not_grow_the_queues() {
    for kind in PolicyKind::ALL {
        let mut stage = Stage::new(kind);
        (0..100).for_each(|number| stage.insert(number, PLAIN));
        for round in 0..50_000 {
            stage.remove(round);
            stage.insert(round + 100, PLAIN);
        }
        assert!(stage.policy.nodes() < 400, "{kind:?} keeps {} nodes for 100 entries", stage.policy.nodes());
        assert_eq!(stage.drain().len(), 100);
    }
}

#[test]
fn overwriting_does_not_grow_the_queues_either() {
    for kind in PolicyKind::ALL {
        let mut stage = Stage::new(kind);
        (0..100).for_each(|number| stage.insert(number, PLAIN));
        for round in 0..50_000 {
            stage.overwrite(round % 100, PLAIN);
            stage.clean(round % 100);
        }
        assert!(stage.policy.nodes() < 400, "{kind:?} keeps {} nodes for 100 entries", stage.policy.nodes());
        assert_eq!(stage.drain().len(), 100);
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Insert { dirty: bool },
    Overwrite,
    Clean,
    Read,
    Remove,
    Evict,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<bool>().prop_map(|dirty| Step::Insert { dirty }),
        2 => Just(Step::Overwrite),
        3 => Just(Step::Clean),
        4 => Just(Step::Read),
        1 => Just(Step::Remove),
        2 => Just(Step::Evict),
    ]
}

/// Does a step if the number's state allows it.
fn perform(stage: &mut Stage, step: Step, number: u64) {
    let name = format!(r#"["n:{}:v1.0.0"]"#, number / 2);
    let (life, cost_ms) = (number % 5, number as f64);
    let traits = Traits { life, cost_ms, dependencies: &name, value_bytes: number as usize, ..PLAIN };
    match (step, stage.entries.contains_key(&number)) {
        (Step::Insert { dirty }, false) => stage.insert(number, Traits { dirty, ..traits }),
        (Step::Overwrite, true) => stage.overwrite(number, traits),
        (Step::Clean, true) if stage.entries[&number].is_dirty() => stage.clean(number),
        (Step::Read, true) => stage.read(number),
        (Step::Remove, true) => stage.remove(number),
        (Step::Evict, _) => {
            let clean = stage.entries.values().any(|entry| !entry.is_dirty());
            assert_eq!(stage.evict().is_some(), clean, "something leaves exactly when something may");
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 64 } else { 1000 }))]

    #[test]
    fn any_order_of_things_keeps_the_books(steps in vec((step(), 0..40_u64), 1..300)) {
        for kind in PolicyKind::ALL {
            let mut stage = Stage::new(kind);
            for &(step, number) in &steps {
                perform(&mut stage, step, number);
                for entry in stage.entries.values() {
                    prop_assert!(entry.is_dirty() || entry.queue() != 0, "{kind:?}: clean and in no queue");
                }
            }
            let clean = stage.entries.values().filter(|entry| !entry.is_dirty()).count();
            prop_assert_eq!(stage.drain().len(), clean, "{:?}", kind);
            prop_assert!(stage.entries.values().all(|entry| entry.is_dirty() && entry.queue() == 0));
        }
    }
}
