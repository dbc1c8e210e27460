//! Topic limits at replay: the newest N messages, N bytes, N seconds of each topic, exactly as they were at the cut.

use super::*;

fn limited(count: u64, bytes: u64, age_us: u64) -> Options {
    Options { limits: Limits { count, bytes, age_us }, ..options() }
}

fn of(topic: &'static str) -> impl Fn(&str) -> bool + Send + 'static {
    move |other| other == topic
}

#[test]
fn a_replay_shows_the_newest_messages_of_each_topic() {
    let life = Life::begin(limited(5, u64::MAX, 1 << 60));
    for nth in 0..200 {
        life.publish("busy", &format!("busy {nth:03}"));
        if nth % 50 == 0 {
            life.publish("quiet", &format!("quiet {nth:03}"));
        }
    }
    life.topics.step().unwrap();
    let expected = [
        "quiet 000",
        "quiet 050",
        "quiet 100",
        "quiet 150",
        "busy 195",
        "busy 196",
        "busy 197",
        "busy 198",
        "busy 199",
    ];
    assert_eq!(texts(&read_from(&life.topics, Start::Earliest)), expected);
    let life = life.kill(limited(5, u64::MAX, 1 << 60));
    assert_eq!(texts(&read_from(&life.topics, Start::Earliest)), expected, "counts survive a restart");
    // Whoever goes on from a position gets everything that is there.
    assert_eq!(read_from(&life.topics, Start::After(position(1, 1))).len(), 203);
}

#[test]
fn a_start_in_the_middle_of_a_segment_counts_what_lies_before() {
    for stop in [false, true] {
        let life = Life::begin(Options { segment_bytes: 64 << 10, ..limited(10, u64::MAX, 1 << 60) });
        let mut times = Vec::new();
        for nth in 0..100 {
            life.clock.advance_us(1);
            times.push(life.publish("t", &format!("{nth:02}")).time_us);
        }
        let life = if stop { life.kill(options()) } else { life };
        let options = Options { segment_bytes: 64 << 10, ..limited(10, u64::MAX, 1 << 60) };
        let life = if stop { life.kill(options) } else { life };
        for (since, first) in [(0, 90), (89, 90), (90, 90), (95, 95)] {
            let seen = read_from(&life.topics, Start::Since { time_us: times[since] });
            let expected: Vec<String> = (first..100).map(|nth| format!("{nth:02}")).collect();
            assert_eq!(texts(&seen), expected, "since {since}, restarted {stop}");
        }
    }
}

#[test]
fn bytes_and_age_are_limits_too() {
    let record = crate::record::message::message_bytes("t", b"00") as u64;
    let life = Life::begin(limited(u64::MAX, 3 * record, 1 << 60));
    life.publish_many(0, 1);
    (0..300).for_each(|nth| _ = life.publish("t", &format!("{:02}", nth % 100)));
    assert_eq!(texts(&read_from(&life.topics, Start::Earliest)), ["97", "98", "99"]);

    let life = Life::begin(limited(u64::MAX, u64::MAX, 10 * SECOND_US));
    for nth in 0..30 {
        life.publish("t", &format!("{nth:02}"));
        life.clock.advance_us(SECOND_US);
    }
    let expected: Vec<String> = (20..30).map(|nth| format!("{nth:02}")).collect();
    assert_eq!(texts(&read_from(&life.topics, Start::Earliest)), expected);
    life.clock.advance_us(8 * SECOND_US);
    assert_eq!(texts(&read_from(&life.topics, Start::Earliest)), ["28", "29"]);
}

#[test]
fn each_topic_has_the_limits_of_its_policy() {
    let policy = |pattern: &str, count| {
        let limits = Limits { count, ..limited(0, u64::MAX, 1 << 60).limits };
        Policy { limits, ..Policy::new(Pattern::new(pattern).unwrap()) }
    };
    let policies = vec![policy("a.b", 1), policy("a.#", 3), policy("none", 0)];
    let life = Life::begin(Options { policies, ..limited(2, u64::MAX, 1 << 60) });
    for nth in 0..50 {
        ["a.b", "a.c", "x", "none"]
            .iter()
            .for_each(|topic| _ = life.publish(topic, &format!("{topic} {nth}")));
    }
    let seen = read_from(&life.topics, Start::Earliest);
    assert_eq!(texts(&seen), ["a.c 47", "a.c 48", "x 48", "a.b 49", "a.c 49", "x 49"]);
}

/// The story: limits taken as they are when a segment is entered would tear a hole into a slow replay, since messages
/// published meanwhile push out some that it has not shown yet.
#[test]
fn what_is_published_during_a_replay_takes_nothing_from_it() {
    for stop_at in [0, 3, 9] {
        let life = Life::begin(limited(20, u64::MAX, 1 << 60));
        (0..100).for_each(|nth| _ = life.publish("t", &format!("{nth:03}")));
        let (cut, ()) = life.topics.subscribe_point(|_| ());
        let mut cursor = life.topics.cursor_through(&cut, Start::Earliest, of("t"));
        let mut seen = Vec::new();
        for _ in 0..stop_at {
            let Step::Message(message) = cursor.next().unwrap() else { panic!("twenty are kept") };
            seen.push(String::from_utf8(message.payload.to_vec()).unwrap());
        }
        (100..300).for_each(|nth| _ = life.publish("t", &format!("{nth:03}")));
        life.topics.step().unwrap();
        seen.extend(read(&mut cursor).unwrap().iter().map(|seen| seen.text().to_owned()));
        let expected: Vec<String> = (80..100).map(|nth| format!("{nth:03}")).collect();
        assert_eq!(seen, expected, "stopped at {stop_at}");
        assert_eq!(cut.position(), position(1, 100));
    }
}

#[test]
fn a_cursor_that_follows_shows_everything_behind_its_cut() {
    let life = Life::begin(limited(2, u64::MAX, 1 << 60));
    (0..10).for_each(|nth| _ = life.publish("t", &format!("{nth}")));
    let mut cursor = life.topics.cursor(Start::Earliest, all);
    assert_eq!(texts(&read(&mut cursor).unwrap()), ["8", "9"]);
    (10..15).for_each(|nth| _ = life.publish("t", &format!("{nth}")));
    assert_eq!(texts(&read(&mut cursor).unwrap()), ["10", "11", "12", "13", "14"]);
}
