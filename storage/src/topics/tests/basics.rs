//! Publishing and reading, through segments, restarts and the one being written.

use super::*;

#[test]
fn a_message_comes_back_as_it_was_published() {
    let life = Life::begin(options());
    let first = life.publish("orders.new", r#"{"payload":1}"#);
    assert_eq!((first.position, first.time_us), (position(1, 1), WALL_US));
    life.clock.advance_us(5);
    let second = life.publish("users", "2");
    assert_eq!((second.position, second.time_us), (position(1, 2), WALL_US + 5));
    let mut cursor = life.topics.cursor(Start::Earliest, all);
    let Step::Message(message) = cursor.next().unwrap() else { panic!("one was published") };
    let expected = Message {
        position: first.position,
        time_us: WALL_US,
        topic: "orders.new",
        payload: br#"{"payload":1}"#,
    };
    assert_eq!(message, expected);
    assert_eq!(texts(&read(&mut cursor).unwrap()), ["2"]);
    assert_eq!(cursor.next().unwrap(), Step::End);
    life.publish("users", "3");
    assert_eq!(texts(&read(&mut cursor).unwrap()), ["3"], "the cursor follows");
}

#[test]
fn nothing_is_told_before_it_is_handed_over_nor_a_strong_message_before_it_is_durable() {
    let life = Life::begin(options());
    let topics = &life.topics;
    let mut queue = Vec::new();
    let (first, ()) = topics.stage("t", b"1", Level::Eventual, |staged| queue.push(staged)).unwrap();
    let (strong, ()) = topics.stage("t", b"2", Level::Strong, |staged| queue.push(staged)).unwrap();
    let (third, ()) = topics.stage("t", b"3", Level::Eventual, |staged| queue.push(staged)).unwrap();
    assert_eq!(queue, [first, strong, third]);
    assert!(read_from(topics, Start::Earliest).is_empty());
    topics.hand_over(third.position).unwrap();
    assert_eq!((topics.written(), topics.released()), (third.position, first.position));
    let mut cursor = topics.cursor(Start::Earliest, all);
    assert_eq!(texts(&read(&mut cursor).unwrap()), ["1"]);
    topics.durable(strong.position).wait().unwrap();
    assert_eq!((topics.durable_position(), topics.released()), (third.position, third.position));
    assert_eq!(texts(&read(&mut cursor).unwrap()), ["2", "3"]);
}

#[test]
fn starts_are_where_they_say_over_many_segments() {
    let life = Life::begin(unlimited());
    let mut published = Vec::new();
    for nth in 0..400 {
        life.clock.advance_us(10);
        published.push(life.publish("t", &format!("{nth:03}")));
        if nth % 100 == 50 {
            life.topics.step().unwrap();
        }
    }
    assert!(life.topics.stats().segments > 3);
    let seen = read_from(&life.topics, Start::Earliest);
    let expected: Vec<String> = (0..400).map(|nth| format!("{nth:03}")).collect();
    assert_eq!(texts(&seen), expected);
    assert!(read_from(&life.topics, Start::Latest).is_empty());
    for nth in [0, 1, 57, 100, 250, 398, 399] {
        let at = published[nth];
        let after = read_from(&life.topics, Start::After(at.position));
        assert_eq!(texts(&after), expected[nth + 1..], "after {nth}");
        let since = |time_us| read_from(&life.topics, Start::Since { time_us });
        assert_eq!(texts(&since(at.time_us)), expected[nth..], "since {nth}");
        assert_eq!(texts(&since(at.time_us + 1)), expected[nth + 1..], "just after {nth}");
    }
}

#[test]
fn a_filter_is_asked_once_for_each_topic_of_a_segment() {
    let life = Life::begin(unlimited());
    life.publish_many(500, 10);
    let segments = life.topics.stats().segments;
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let mut cursor = life.topics.cursor(Start::Earliest, move |topic| {
        counter.fetch_add(1, Ordering::Relaxed);
        topic == "t3" || topic == "t7"
    });
    let seen = read(&mut cursor).unwrap();
    let expected: Vec<String> = (0..500)
        .filter(|nth| nth % 10 == 3 || nth % 10 == 7)
        .map(|nth| format!("message {nth:06}"))
        .collect();
    assert_eq!(texts(&seen), expected);
    assert_eq!(asked.load(Ordering::Relaxed), 10 * segments);
}

#[test]
fn a_cursor_stays_in_place_while_its_segment_is_sealed_stored_and_retired() {
    let life = Life::begin(unlimited());
    life.publish_many(10, 3);
    let mut cursor = life.topics.cursor(Start::Earliest, all);
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..5 {
        let Step::Message(message) = cursor.next().unwrap() else { panic!("ten were published") };
        seen.push(String::from_utf8(message.payload.to_vec()).unwrap());
    }
    for nth in 10..300 {
        life.publish(&format!("t{}", nth % 3), &format!("message {nth:06}"));
        if nth == 150 {
            life.topics.step().unwrap();
        }
    }
    seen.extend(read(&mut cursor).unwrap().iter().map(|seen| seen.text().to_owned()));
    let expected: Vec<String> = (0..300).map(|nth| format!("message {nth:06}")).collect();
    assert_eq!(seen, expected);
}

#[test]
fn work_is_bounded_in_each_step() {
    let life = Life::begin(Options { segment_bytes: 1 << 20, ..unlimited() });
    let mut last = None;
    for nth in 0..20_000 {
        let topic = if nth == 19_999 { "wanted" } else { "other" };
        last = Some(life.topics.stage_blocking(topic, b"x", Level::Eventual).unwrap());
    }
    life.topics.hand_over(last.unwrap().position).unwrap();
    let mut cursor = life.topics.cursor(Start::Earliest, |topic| topic == "wanted");
    let mut pauses = 0;
    while cursor.next().unwrap() == Step::Pause {
        pauses += 1;
    }
    assert!((2..6).contains(&pauses), "{pauses}");
    assert_eq!(cursor.next().unwrap(), Step::End);
}

#[test]
fn restarts_keep_everything_and_never_use_a_position_twice() {
    let mut life = Life::begin(unlimited());
    let mut expected = Vec::new();
    for round in 0..4 {
        for nth in 0..60 {
            let text = format!("{round} {nth}");
            let published = life.publish("t", &text);
            expected.push(Seen::Message(published.position, "t".to_owned(), text));
        }
        if round % 2 == 0 {
            life = life.kill(unlimited());
        } else {
            life.topics.close().unwrap();
            life = life.kill(unlimited());
        }
        assert_eq!(read_from(&life.topics, Start::Earliest), expected, "round {round}");
    }
    // Unclean stops after rounds 0 and 2 began new epochs, the clean ones did not.
    assert_eq!(expected[60].clone(), Seen::Message(position(2, 61), "t".to_owned(), "1 0".to_owned()));
    assert_eq!(life.topics.opened().epoch, Epoch(3));
    let positions: Vec<Position> = expected
        .iter()
        .map(|seen| match seen {
            Seen::Message(position, ..) => *position,
            Seen::Gap(..) => unreachable!("nothing was retired"),
        })
        .collect();
    assert!(positions.is_sorted_by(|one, two| one < two));
}

#[test]
fn a_clean_stop_leaves_nothing_to_be_read_again() {
    let life = Life::begin(unlimited());
    life.publish_many(300, 7);
    life.topics.close().unwrap();
    let before = life.topics.top_topics(10);
    assert!(life.topics.publish("t", b"x", Level::Eventual).unwrap_err().is_fatal());
    let reads = life.disk.counters().calls(crate::disk::OpKind::Read);
    let life = life.kill(unlimited());
    assert!(life.topics.opened().clean);
    let headers = life.disk.counters().calls(crate::disk::OpKind::Read) - reads;
    assert!(headers < 4 * life.topics.stats().segments as u64 + 10, "{headers} reads");
    assert_eq!(life.topics.top_topics(10), before);
}

#[test]
fn limits_on_sizes_have_names_and_volatile_topics_are_known() {
    let volatile = Policy { volatile: true, ..Policy::new(Pattern::new("reply.#").unwrap()) };
    let life = Life::begin(Options { policies: vec![volatile], ..options() });
    let publish = |topic: &str| life.topics.publish(topic, b"x", Level::Eventual);
    let longest = "t".repeat(crate::limits::TOPIC_BYTES_MAX);
    assert!(publish(&longest).is_ok());
    assert!(matches!(publish(&format!("{longest}t")), Err(Error::TooLarge { what: "topic", .. })));
    assert!(life.topics.policy("reply.1").unwrap().volatile);
    assert_eq!(life.topics.stats().messages, 1);
}

/// Where a cursor stands is the position of the last record it has looked at, whichever life that is of: the first
/// segment of a life begins with records of the life before.
#[test]
fn a_cursor_stands_in_the_life_of_what_it_read_last() {
    let mut life = Life::begin(options());
    life.publish_many(3, 1);
    life = life.kill(options());
    let mut cursor = life.topics.cursor(Start::Earliest, all);
    let mut last = Position::default();
    for round in 0..3 {
        let published = life.publish_many(2, 1);
        for seen in read(&mut cursor).unwrap() {
            let Seen::Message(position, ..) = seen else { panic!("{seen:?}") };
            last = position;
        }
        assert_eq!((last, cursor.position()), (published[1].position, last), "round {round}");
        assert_eq!(last.epoch, Epoch(2));
    }
}
