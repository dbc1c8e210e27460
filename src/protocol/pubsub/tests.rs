//! Every leniency of the protocol, every limit, and the exact bytes of what we say.

use super::*;
use crate::limits::TOPIC_BYTES_MAX;
use crate::protocol::limits::{DURABLE_NAME_BYTES_MAX, MESSAGE_ID_BYTES_MAX, PATTERNS_MAX};
use crate::protocol::{OperationIds, Request as Any, parse};
use mpreg_storage::record::{Epoch, Lsn};

fn command(text: &str) -> Command<'_> {
    match parse(text.as_bytes()) {
        Ok(Any::PubSub(request)) => request.command,
        other => panic!("{other:?}"),
    }
}

fn refusal(text: &str) -> String {
    parse(text.as_bytes()).unwrap_err().error().to_string()
}

fn published(message: &str) -> String {
    let text = format!(r#"{{"role":"pubsub-publish","u":"p","message":{message}}}"#);
    let Command::Publish(publish) = command(&text) else { panic!() };
    let mut out = Vec::new();
    publish.message.write_into(1_700_000_000_500_000, &mut OperationIds::new(0, 0), &mut out);
    String::from_utf8(out).unwrap()
}

fn subscribe(subscription: &str) -> String {
    format!(r#"{{"role":"pubsub-subscribe","u":"s","subscription":{subscription}}}"#)
}

fn position(epoch: u64, lsn: u64) -> Offset {
    mpreg_storage::record::Position { epoch: Epoch(epoch), lsn: Lsn(lsn) }.into()
}

#[test]
fn a_whole_message_is_delivered_byte_for_byte() {
    for message in [
        r#"{"topic":"a","payload": {"x":1.0, "y":[ ]} ,"timestamp":1700000000,"message_id":"m","publisher":""}"#,
        r#"{ "more":1,"topic":"a","payload":null,"timestamp":1.5,"message_id":"\u0041","publisher":"p","headers":{"k":null},"routing_path":null,"current_hop":null}"#,
    ] {
        assert_eq!(published(message), message);
        let expected = if message.contains("u0041") { "\"\\u0041\"" } else { "\"m\"" };
        assert_eq!(message_id(message.as_bytes()), Some(expected));
    }
}

#[test]
fn gaps_are_filled() {
    let id = "00000000-0000-8000-9000-000000000001";
    assert_eq!(
        published(r#"{"topic":"a.\u0062"}"#),
        format!(
            r#"{{"topic":"a.\u0062","payload":null,"timestamp":1700000000.5,"message_id":"{id}","publisher":"","headers":{{}},"routing_path":null,"current_hop":null}}"#
        )
    );
    assert_eq!(
        published(
            r#"{"topic":"a","payload":1,"timestamp":2,"message_id":"m","publisher":"p","headers":null,"routing_path":["n1"],"current_hop":3}"#
        ),
        r#"{"topic":"a","payload":1,"timestamp":2,"message_id":"m","publisher":"p","headers":{},"routing_path":["n1"],"current_hop":3}"#,
        "clients do not take null headers"
    );
}

#[test]
fn what_clients_would_choke_on_is_refused() {
    for (message, error) in [
        (r#"{}"#, "message.topic is required"),
        (r#"{"topic":null}"#, "message.topic is required"),
        (r#"{"topic":5}"#, "message.topic must be a string"),
        (r#"{"topic":"a","message_id":5}"#, "message.message_id must be a string"),
        (r#"{"topic":"a","headers":[]}"#, "message.headers must be an object"),
        (r#"{"topic":"a","timestamp":"now"}"#, "message.timestamp must be a number"),
        (r#"{"topic":"a","routing_path":[1]}"#, "message.routing_path must be a string"),
        (r#"{"topic":"a","current_hop":1.5}"#, "message.current_hop must be an integer"),
        (r#"{"topic":"a","topic":"b"}"#, "message.topic: appears twice"),
    ] {
        let found = refusal(&format!(r#"{{"role":"pubsub-publish","u":"p","message":{message}}}"#));
        assert!(found.starts_with(error.split(':').next().unwrap()), "{message}: {found}");
    }
    assert_eq!(refusal(r#"{"role":"pubsub-publish","u":"p"}"#), "message is required");
    assert!(refusal(r#"{"role":"pubsub-publish","u":"p","encrypted":true}"#).contains("encrypted"));
}

#[test]
fn limits_hold_at_the_limit_and_one_above() {
    let message = |topic: usize, id: usize| {
        let (topic, id) = ("t".repeat(topic), "i".repeat(id - 2));
        format!(r#"{{"role":"pubsub-publish","u":"p","message":{{"topic":"{topic}","message_id":"{id}"}}}}"#)
    };
    assert!(parse(message(TOPIC_BYTES_MAX, MESSAGE_ID_BYTES_MAX).as_bytes()).is_ok());
    assert!(refusal(&message(TOPIC_BYTES_MAX + 1, 9)).starts_with("message.topic has 513"));
    assert!(refusal(&message(1, MESSAGE_ID_BYTES_MAX + 1)).starts_with("message.message_id has 1025"));
    let named = |id: usize, patterns: usize, durable: usize| {
        let (id, patterns) = ("i".repeat(id - 2), vec!["\"a\""; patterns].join(","));
        let durable = "d".repeat(durable);
        subscribe(&format!(r#"{{"subscription_id":"{id}","patterns":[{patterns}],"durable":"{durable}"}}"#))
    };
    assert!(parse(named(SUBSCRIPTION_ID_BYTES_MAX, PATTERNS_MAX, DURABLE_NAME_BYTES_MAX).as_bytes()).is_ok());
    assert!(refusal(&named(SUBSCRIPTION_ID_BYTES_MAX + 1, 1, 1)).starts_with("subscription_id has"));
    assert!(refusal(&named(9, PATTERNS_MAX + 1, 1)).starts_with("subscription.patterns has 257"));
    assert!(refusal(&named(9, 1, DURABLE_NAME_BYTES_MAX + 1)).contains("subscription.durable"));
    assert!(refusal(&named(9, 1, 0)).contains("subscription.durable"));
}

#[test]
fn levels_of_a_publish() {
    for (options, level) in [
        ("null", None),
        ("{}", None),
        (r#"{"consistency_level":null,"more":1}"#, None),
        (r#"{"consistency_level":"volatile"}"#, Some(Level::Volatile)),
        (r#"{"consistency_level":"eventual"}"#, Some(Level::Eventual)),
        (r#"{"consistency_level":"quorum"}"#, Some(Level::Strong)),
    ] {
        let text =
            format!(r#"{{"role":"pubsub-publish","u":"p","message":{{"topic":"a"}},"options":{options}}}"#);
        let Command::Publish(publish) = command(&text) else { panic!() };
        assert_eq!(publish.level, level, "{options}");
    }
}

#[test]
fn a_subscription_as_the_python_client_sends_it() {
    let text = subscribe(
        r#"{"subscription_id":"01JS","patterns":[{"pattern":"cache.events.#","exact_match":false}],"subscriber":"pubsub_client_01JC","created_at":1700000000.5,"get_backlog":true,"backlog_seconds":300}"#,
    );
    let Command::Subscribe(subscribe) = command(&text) else { panic!() };
    let pattern = PatternText { text: "cache.events.#".into(), exact: false };
    assert_eq!(
        subscribe,
        Subscribe {
            id: "\"01JS\"",
            patterns: vec![pattern],
            backlog_us: 300_000_000,
            start: None,
            durable: None,
            shared: false
        }
    );
}

#[test]
fn subscriptions_are_read_leniently() {
    let read = |more: &str| {
        let text = subscribe(&format!(r#"{{"subscription_id":"s"{more}}}"#));
        let Command::Subscribe(subscribe) = command(&text) else { panic!() };
        (subscribe.patterns.len(), subscribe.backlog_us, subscribe.start)
    };
    assert_eq!(read(r#","patterns":["a",{"pattern":"b.*"}]"#), (2, 300_000_000, None));
    assert_eq!(read(r#","patterns":["a"],"get_backlog":false"#), (1, 0, None));
    assert_eq!(read(r#","patterns":["a"],"get_backlog":null,"backlog_seconds":0.5"#), (1, 500_000, None));
    assert_eq!(read(r#","patterns":["a"],"backlog_seconds":-3"#), (1, 0, None));
    assert_eq!(read(r#","patterns":["a"],"backlog_seconds":1e300"#), (1, u64::MAX, None));
    for (start, expected) in [
        (r#""latest""#, Start::Latest),
        (r#""earliest""#, Start::Earliest),
        (r#"{"offset":"3:17"}"#, Start::After(position(3, 17))),
        (r#"{"time":1.5}"#, Start::Since(1_500_000)),
        (r#"{"event_offset":"3:17:2"}"#, Start::After("3:17:2".parse().unwrap())),
        (
            r#"{"offset":"1:4","event_offset":"3:17:2"}"#,
            Start::AfterBoth("1:4".parse().unwrap(), "3:17:2".parse().unwrap()),
        ),
    ] {
        assert_eq!(read(&format!(r#","patterns":["a"],"start":{start}"#)).2, Some(expected));
    }
    for (more, error) in [
        ("", "subscription.patterns is required"),
        (r#","patterns":[]"#, "subscription.patterns is required"),
        (r#","patterns":[{}]"#, "subscription.patterns.pattern is required"),
        (r#","patterns":[5]"#, "subscription.patterns.pattern must be a string"),
        (r#","patterns":["a"],"start":"now""#, "subscription.start does not know"),
        (r#","patterns":["a"],"start":{}"#, "subscription.start.offset or time is required"),
        (r#","patterns":["a"],"start":{"offset":"3"}"#, "subscription.start.offset must be epoch:offset"),
        (
            r#","patterns":["a"],"start":{"offset":"1:4","event_offset":"1:4"}"#,
            "subscription.start.event_offset must be the offset of an event",
        ),
        (
            r#","patterns":["a"],"start":{"time":1,"event_offset":"1:4:0"}"#,
            "subscription.start.event_offset must be the offset of an event",
        ),
        (r#","patterns":["a"],"shared":true"#, "subscription.durable is required"),
    ] {
        let found = refusal(&subscribe(&format!(r#"{{"subscription_id":"s"{more}}}"#)));
        assert!(found.starts_with(error), "{more}: {found}");
    }
    assert_eq!(refusal(&subscribe(r#"{"patterns":["a"]}"#)), "subscription_id is required");
}

#[test]
fn unsubscribe_and_commit() {
    assert_eq!(
        command(r#"{"role":"pubsub-unsubscribe","u":"x","subscription_id":"s"}"#),
        Command::Unsubscribe("\"s\"")
    );
    assert_eq!(
        command(r#"{"role":"pubsub-commit","u":"x","subscription_id":"s","offset":"2:9"}"#),
        Command::Commit(Commit { subscription_id: "\"s\"", offset: position(2, 9) })
    );
    assert_eq!(refusal(r#"{"role":"pubsub-unsubscribe","u":"x"}"#), "subscription_id is required");
    assert_eq!(refusal(r#"{"role":"pubsub-commit","u":"x","subscription_id":"s"}"#), "offset is required");
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn acks() {
    assert_eq!(
        text(|out| write_ack(out, "\"01JQ\"", Ack::default())),
        r#"{"role":"pubsub-ack","operation_id":"01JQ","success":true,"error":null,"u":"ack_01JQ"}"#
    );
    let ack = Ack { offset: Some(position(1, 17)), durability: Some(Level::Strong), ..Ack::default() };
    assert_eq!(
        text(|out| write_ack(out, "\"q\"", ack)),
        r#"{"role":"pubsub-ack","operation_id":"q","success":true,"error":null,"offset":"1:17","durability":"strong","u":"ack_q"}"#
    );
}

#[test]
fn notifications_and_gaps() {
    let notification = |kind, offset| {
        text(|out| {
            write_notification(out, kind, br#"{"topic":"a"}"#, "\"m1\"", offset);
            write_tail(out, "\"s1\"");
        })
    };
    assert_eq!(
        notification(NotificationKind::Live, Some(position(1, 5))),
        r#"{"role":"pubsub-notification","message":{"topic":"a"},"offset":"1:5","u":"notification_m1_s1","subscription_id":"s1"}"#
    );
    assert_eq!(
        notification(NotificationKind::Backlog, None),
        r#"{"role":"pubsub-notification","message":{"topic":"a"},"u":"backlog_m1_s1","subscription_id":"s1"}"#
    );
    let gap = |gap| {
        text(|out| {
            write_gap(out, gap);
            write_tail(out, "\"s1\"");
        })
    };
    assert_eq!(
        gap(Gap { span: Some((position(1, 2), position(1, 9))), count: None }),
        r#"{"role":"pubsub-notification","gap":{"from":"1:2","to":"1:9"},"u":"gap_s1","subscription_id":"s1"}"#
    );
    assert_eq!(
        gap(Gap { span: None, count: Some(3) }),
        r#"{"role":"pubsub-notification","gap":{"from":null,"to":null,"count":3},"u":"gap_s1","subscription_id":"s1"}"#
    );
}
