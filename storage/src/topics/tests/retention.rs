//! What leaves, when, and who is told.

use super::*;

/// Ids of the segments whose files of this kind are there.
fn files(life: &Life, suffix: &str) -> Vec<u64> {
    let names = life.disk.files();
    let names = names.iter().filter_map(|path| path.file_name()?.to_str()?.strip_suffix(suffix));
    names.filter_map(|digits| digits.parse().ok()).collect()
}

#[test]
fn bytes_bound_the_log_by_whole_segments_and_a_reader_behind_is_told() {
    let life = Life::begin(Options { bytes_max: 32 << 10, ..unlimited() });
    let published = life.publish_many(1000, 4);
    life.topics.step().unwrap();
    let stats = life.topics.stats();
    assert!(stats.bytes <= 32 << 10 && stats.bytes > 24 << 10, "{stats:?}");
    let first = stats.first;
    assert!(first > published[500].position);
    let seen = read_from(&life.topics, Start::Earliest);
    assert_eq!(seen.len() as u64, 1000 - (first.lsn.0 - 1));
    assert_eq!(seen.len() as u64, stats.messages);
    let seen = read_from(&life.topics, Start::After(published[9].position));
    assert_eq!(seen[0], Seen::Gap(position(1, 11), position(1, first.lsn.0 - 1)));
    assert_eq!(seen.len() as u64, 1 + stats.messages);
    // In front of the oldest record kept nothing is missing.
    let seen = read_from(&life.topics, Start::After(position(1, first.lsn.0 - 1)));
    assert_eq!(seen.len() as u64, stats.messages);
}

#[test]
fn a_cursor_that_is_overtaken_is_told_once_and_goes_on() {
    let life = Life::begin(Options { bytes_max: 32 << 10, ..unlimited() });
    life.publish_many(10, 1);
    let mut cursor = life.topics.cursor(Start::Earliest, all);
    assert!(matches!(cursor.next().unwrap(), Step::Message(_)));
    life.publish_many(1000, 1);
    life.topics.step().unwrap();
    let seen = read(&mut cursor).unwrap();
    let gaps: Vec<usize> = (0..seen.len()).filter(|at| matches!(seen[*at], Seen::Gap(..))).collect();
    assert_eq!(gaps.len(), 1);
    let Seen::Gap(from, to) = seen[gaps[0]] else { unreachable!() };
    let after = match &seen[gaps[0] + 1] {
        Seen::Message(position, ..) => *position,
        Seen::Gap(..) => unreachable!("there is one"),
    };
    assert_eq!(from.lsn.0, 1 + gaps[0] as u64 + 1, "nothing before the gap is missing");
    assert_eq!(to.lsn.plus(1), after.lsn);
    assert_eq!(seen.len() as u64, gaps[0] as u64 + 1 + life.topics.stats().messages);
}

#[test]
fn a_gap_ends_where_the_cursor_does() {
    let life = Life::begin(Options { bytes_max: 32 << 10, ..unlimited() });
    life.publish_many(10, 1);
    let cut = life.topics.cut();
    let mut cursor = life.topics.cursor_through(&cut, Start::Earliest, all);
    life.publish_many(1000, 1);
    life.topics.step().unwrap();
    assert_eq!(read(&mut cursor).unwrap(), [Seen::Gap(position(1, 1), position(1, 10))]);
    cursor.extend(&life.topics.cut());
    let seen = read(&mut cursor).unwrap();
    assert_eq!(
        seen.len() as u64,
        life.topics.stats().messages,
        "what came live in between is not told again"
    );
}

#[test]
fn age_retires_sealed_segments_and_the_newest_index_remembers_them() {
    let limits = Limits { age_us: 60 * SECOND_US, ..Limits::default() };
    let options = Options { limits, ..unlimited() };
    let life = Life::begin(options.clone());
    life.publish_many(200, 4);
    life.topics.step().unwrap();
    let sealed = files(&life, ".index").len();
    assert!(sealed >= 3 && life.topics.stats().segments == sealed + 1);
    life.clock.advance_us(30 * SECOND_US);
    life.topics.step().unwrap();
    assert_eq!(life.topics.stats().segments, sealed + 1, "young enough");
    life.clock.advance_us(30 * SECOND_US + 1);
    life.topics.step().unwrap();
    assert_eq!(life.topics.stats().segments, 1);
    assert_eq!(files(&life, ".index").len(), 1, "one stays, as the memory of what is gone");
    assert!(read_from(&life.topics, Start::Earliest).is_empty(), "what is left of them is too old to show");
    let next = life.publish("t", "after").position;
    let life = life.kill(options.clone());
    assert_eq!(life.publish("t", "again").position, position(2, next.lsn.0 + 1));
    assert_eq!(texts(&read_from(&life.topics, Start::Earliest)), ["after", "again"]);
    drop(life.kill(options));
}

#[test]
fn many_topics_retire_segments_as_many_bytes_do() {
    let life = Life::begin(Options { topics_max: 100, ..unlimited() });
    for nth in 0..500 {
        life.publish(&format!("reply.{nth}"), "x");
    }
    life.topics.step().unwrap();
    let stats = life.topics.stats();
    assert!(stats.topics <= 100 + 60 && stats.topics as u64 == stats.messages, "{stats:?}");
    assert_eq!(life.topics.top_topics(usize::MAX).len(), stats.topics);
}

#[test]
fn subscriptions_outlive_the_segments_they_were_recorded_in() {
    let options = Options { bytes_max: 32 << 10, ..unlimited() };
    let mut life = Life::begin(options.clone());
    let reached = life.publish("t", "1").position;
    life.topics.commit("billing", reached, Level::Strong).unwrap();
    life.topics.commit("gone", reached, Level::Eventual).unwrap();
    assert!(life.topics.remove_subscription("gone", Level::Eventual).unwrap());
    assert!(!life.topics.remove_subscription("gone", Level::Eventual).unwrap());
    for round in 0..3 {
        life.publish_many(1000, 3);
        life.topics.step().unwrap();
        assert!(life.topics.stats().first.lsn > Lsn(500), "the record of the commit is retired");
        assert_eq!(life.topics.resume("billing"), Some(reached));
        life = life.kill(options.clone());
        assert_eq!(life.topics.resume("billing"), Some(reached), "round {round}");
        assert_eq!(life.topics.resume("gone"), None);
    }
    let known = life.topics.subscriptions();
    assert_eq!((known.len(), &*known[0].name), (1, "billing"));
    assert!(known[0].lag_records > 3000);
}

#[test]
fn positions_of_a_subscription_only_go_forward() {
    let life = Life::begin(options());
    let published = life.publish_many(10, 1);
    let commit = |nth: usize| life.topics.commit("group", published[nth].position, Level::Eventual);
    commit(5).unwrap();
    commit(3).unwrap();
    assert_eq!(life.topics.resume("group"), Some(published[5].position));
    commit(7).unwrap();
    let life = life.kill(options());
    assert_eq!(life.topics.resume("group"), Some(published[7].position));
    let long = "n".repeat(crate::limits::SUBSCRIPTION_NAME_BYTES_MAX + 1);
    assert!(matches!(life.topics.stage_commit(&long, published[1].position), Err(Error::TooLarge { .. })));
}

#[test]
fn retired_files_are_used_again_once_no_cursor_reads_them() {
    let life = Life::begin(Options { bytes_max: 32 << 10, ..unlimited() });
    for _ in 0..20 {
        life.publish_many(100, 1);
        life.topics.step().unwrap();
    }
    let made = life.disk.counters().calls(crate::disk::OpKind::Create);
    for _ in 0..20 {
        life.publish_many(100, 1);
        life.topics.step().unwrap();
    }
    let made = life.disk.counters().calls(crate::disk::OpKind::Create) - made;
    // The temporary file of each index is one.
    assert!(made < 100, "{made}");
    assert!(!files(&life, ".spare").is_empty());
}
