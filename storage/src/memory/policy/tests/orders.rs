//! Who leaves first, policy by policy.

use super::*;

#[test]
fn lru_evicts_in_the_order_of_last_use() {
    let mut stage = Stage::new(PolicyKind::Lru);
    (0..5).for_each(|number| stage.insert(number, PLAIN));
    [0, 3, 1, 0].into_iter().for_each(|number| stage.read(number));
    assert_eq!(stage.drain(), [2, 4, 3, 1, 0]);
}

#[test]
fn lfu_evicts_in_the_order_of_reads_and_then_of_last_use() {
    let mut stage = Stage::new(PolicyKind::Lfu);
    (0..5).for_each(|number| stage.insert(number, PLAIN));
    [0, 0, 0, 1, 2, 2, 1, 4].into_iter().for_each(|number| stage.read(number));
    assert_eq!(stage.drain(), [3, 4, 2, 1, 0], "0, 1, 2, 2 and 3 reads; 2 was used before 1");
}

#[test]
fn lfu_starts_counting_anew_with_each_version() {
    let mut stage = Stage::new(PolicyKind::Lfu);
    (0..2).for_each(|number| stage.insert(number, PLAIN));
    [0, 0, 1].into_iter().for_each(|number| stage.read(number));
    stage.overwrite(0, PLAIN);
    stage.clean(0);
    assert_eq!(stage.drain(), [0, 1]);
}

#[test]
fn ttl_evicts_in_the_order_of_expiry_and_the_eternal_last() {
    let mut stage = Stage::new(PolicyKind::Ttl);
    for (number, life) in [(0, 0), (1, 50), (2, 10), (3, 1 << 40), (4, 0), (5, 30)] {
        stage.insert(number, Traits { life, ..PLAIN });
    }
    stage.read(0);
    assert_eq!(stage.drain(), [2, 5, 1, 3, 4, 0], "of the eternal ones 4 was used before 0");
}

#[test]
fn ttl_believes_the_new_version() {
    for (life, order) in [(5, [0, 1]), (90, [1, 0])] {
        let mut stage = Stage::new(PolicyKind::Ttl);
        stage.insert(0, Traits { life: 50, ..PLAIN });
        stage.insert(1, Traits { life: 60, ..PLAIN });
        stage.overwrite(0, Traits { life, ..PLAIN });
        stage.clean(0);
        assert_eq!(stage.drain(), order);
    }
}

#[test]
fn cost_evicts_what_saves_least() {
    let mut stage = Stage::new(PolicyKind::CostBased);
    stage.insert(0, Traits { cost_ms: 9000.0, ..PLAIN });
    stage.insert(1, Traits { cost_ms: 100.0, ..PLAIN });
    stage.insert(2, Traits { cost_ms: 100.0, value_bytes: 1000, ..PLAIN });
    stage.insert(3, PLAIN);
    stage.insert(4, Traits { cost_ms: 10.0, ..PLAIN });
    [3, 3, 3, 1, 2, 4, 4].into_iter().for_each(|number| stage.read(number));
    // 0 was never read and 3 cost nothing: both score 0, and 0 was used before. Then the large one; 4 is younger than 1 and
    // was read twice, but that does not make up for a tenth of the cost.
    assert_eq!(stage.drain(), [0, 3, 2, 4, 1]);
}

#[test]
fn cost_falls_with_age() {
    let mut stage = Stage::new(PolicyKind::CostBased);
    (0..2).for_each(|number| stage.insert(number, Traits { cost_ms: 100.0, ..PLAIN }));
    (0..9).for_each(|_| stage.read(0));
    (0..10).for_each(|_| stage.read(1));
    stage.now_us += 1000 * TICK_US;
    stage.insert(2, Traits { cost_ms: 30.0, ..PLAIN });
    stage.read(2);
    assert_eq!(stage.drain(), [0, 1, 2], "ten reads in 1,000 ticks are worth less than one in one");
}

#[test]
fn dependency_aware_evicts_what_fewest_depend_on() {
    let mut stage = Stage::new(PolicyKind::DependencyAware);
    (0..3).for_each(|number| stage.insert(number, PLAIN));
    for (number, dependencies) in [
        (3, r#"["n:0:v1.0.0","n:1:v1.0.0"]"#),
        (4, r#"["n:0:v1.0.0"]"#),
        (5, r#"["n:1:v1.0.0"]"#),
        (6, r#"["n:0:v1.0.0"]"#),
    ] {
        stage.insert(number, Traits { dependencies, ..PLAIN });
    }
    stage.remove(5);
    // 0 has three dependents, 1 has one left, the others none; these go by last use and take their weight with them.
    assert_eq!(stage.evict(), Some(2));
    assert_eq!(stage.evict(), Some(3), "the only dependent of 1");
    assert_eq!(stage.drain(), [1, 4, 6, 0]);
}

#[test]
fn s4lru_moves_up_by_reads_and_down_by_overflow() {
    let mut stage = Stage::new(PolicyKind::S4Lru { segments: 4 });
    (0..8).for_each(|number| stage.insert(number, PLAIN));
    // 0 goes to the top, 1 to segment 2, 2 to segment 1; the rest leaves from the tail of segment 0.
    [0, 0, 0, 1, 1, 2].into_iter().for_each(|number| stage.read(number));
    let first: Vec<u64> = (0..5).filter_map(|_| stage.evict()).collect();
    assert_eq!(first, [3, 4, 5, 6, 7]);
    assert_eq!(stage.drain(), [2, 1, 0]);
}

#[test]
fn s4lru_keeps_the_shares_of_its_segments() {
    for segments in [1, 4, 15, 200] {
        let mut stage = Stage::new(PolicyKind::S4Lru { segments });
        (0..100).for_each(|number| stage.insert(number, PLAIN));
        (0..100).for_each(|number| (0..20).for_each(|_| stage.read(number)));
        for number in 100..300 {
            stage.insert(number, PLAIN);
            stage.evict().unwrap();
        }
        // All were read to the top, and all but its share overflowed downwards again, where the new ones push them out.
        let kept = (0..100).filter(|number| stage.entries.contains_key(number)).count();
        let wanted = if segments == 1 { 0..1 } else { 50..100 };
        assert!(wanted.contains(&kept), "{kept} of 100 warm ones kept by {segments} segments");
    }
}

#[test]
fn s3fifo_lets_a_scan_pass_through() {
    for kind in [PolicyKind::S3Fifo, PolicyKind::Adaptive] {
        let mut stage = Stage::new(kind);
        (0..100).for_each(|number| stage.insert(number, PLAIN));
        (0..3).for_each(|_| (0..100).for_each(|number| stage.read(number)));
        for number in 1000..3000 {
            stage.insert(number, PLAIN);
            stage.evict().unwrap();
        }
        let kept = (0..100).filter(|number| stage.entries.contains_key(number)).count();
        assert!(kept >= 90, "{kept} of 100 warm entries survived 2,000 passers-by");
    }
}

#[test]
fn s3fifo_remembers_who_left_too_early() {
    let mut stage = Stage::new(PolicyKind::S3Fifo);
    (0..101).for_each(|number| stage.insert(number, PLAIN));
    assert_eq!(stage.evict(), Some(0), "the first filling settled in the main queue, its oldest leaves");
    stage.insert(200, PLAIN);
    let gone = stage.evict().unwrap();
    assert!((85..101).contains(&gone), "{gone}: the oldest of those that did not fit the main queue");
    stage.insert(gone, PLAIN);
    let proven = &stage.entries[&gone];
    assert_eq!(proven.queue(), stage.entries[&50].queue(), "back at once: no probation");
    assert_ne!(proven.queue(), stage.entries[&200].queue());
}

#[test]
fn s3fifo_settles_the_first_filling_of_any_size() {
    let mut stage = Stage::new(PolicyKind::S3Fifo);
    (0..5000).for_each(|number| stage.insert(number, PLAIN));
    for number in 5000..5100 {
        stage.insert(number, PLAIN);
        stage.evict().unwrap();
    }
    let main = stage.entries[&4000].queue();
    let settled = stage.entries.values().filter(|entry| entry.queue() == main).count();
    assert!((4400..=4600).contains(&settled), "{settled} of 5,000 settled, a tenth is on probation");
}
