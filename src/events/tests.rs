//! The message of an event is the one that `docs/protocol-extensions.md` shows.

use mpreg_storage::record::Key;
use mpreg_storage::store::{EventsFrom, Level, Options, Store};
use serde_json::Value;

use super::StoreEvents;
use crate::pubsub::{EventLog, Followed, Told};

fn store(values: bool) -> (Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path());
    (options.free_bytes_min, options.event_values) = (Some(0), values);
    (Store::open(options).unwrap(), dir)
}

fn told(store: &Store, values: bool, wanted: &mut dyn FnMut(&str) -> bool) -> Vec<Told> {
    let mut follow = StoreEvents::new(store.clone(), "mpreg", values).follow(EventsFrom::Earliest).unwrap();
    let mut told = Vec::new();
    while follow.step(wanted, true, &mut told).unwrap() != Followed::End {}
    told
}

#[test]
fn the_example_of_the_page_is_what_is_written() {
    let page = include_str!("../../docs/protocol-extensions.md");
    let example =
        page.split("```json\n").find(|block| block.contains("cache.events.stock.cache_put")).unwrap();
    let mut expected: Value = serde_json::from_str(example.split("```").next().unwrap()).unwrap();
    let (store, _dir) = store(true);
    let key = Key::new("stock", "sku").unwrap();
    for value in [r#"{"left":12}"#, r#"{"left":9}"#] {
        store.put(key.as_bytes(), value.as_bytes(), Level::Strong).unwrap();
    }
    let told = told(&store, true, &mut |_| true);
    let actual: Value = serde_json::from_slice(&told[1].draft.message).unwrap();
    let message = &mut expected["message"];
    message["timestamp"] = actual["timestamp"].clone();
    message["payload"]["timestamp"] = actual["timestamp"].clone();
    message["payload"]["event_id"] = told[1].id.to_string().into();
    message["message_id"] = format!("cache-event-{}", told[1].id).into();
    assert_eq!(*message, actual);
    assert_eq!(*told[1].draft.message_id, *format!("\"cache-event-{}\"", told[1].id));
}

#[test]
fn what_nobody_wants_is_not_made() {
    let (store, _dir) = store(false);
    for namespace in ["a", "b", "mpreg.lease"] {
        store.put(Key::new(namespace, "k").unwrap().as_bytes(), b"1", Level::Strong).unwrap();
    }
    let mut asked = Vec::new();
    let told = told(&store, false, &mut |topic| {
        asked.push(topic.to_owned());
        topic.starts_with("cache.events.b.")
    });
    assert_eq!(asked, ["cache.events.a.cache_put", "cache.events.b.cache_put"]);
    assert_eq!(told.len(), 1);
    assert!(!String::from_utf8_lossy(&told[0].draft.message).contains("new_value"));
}
