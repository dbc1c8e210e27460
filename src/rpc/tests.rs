//! The room as a whole, over a real store, without connections.

use std::collections::BTreeMap;
use std::sync::Mutex;

use mpreg_storage::store::Options;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::catalog::tests::Recorder;
use super::*;
use crate::protocol::{Request as Any, parse};

/// An RPC with a store of its own.
struct Room {
    rpc: Arc<Rpc>,
    bus: Arc<Recorder>,
    outbox: Outbox,
    _dir: tempfile::TempDir,
}

impl Room {
    fn new() -> Room {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { free_bytes_min: Some(0), ..Options::new(dir.path()) };
        let bus = Arc::new(Recorder::default());
        let rpc = Rpc::new(Setup {
            identity: Identity::of("n1", "c1"),
            store: Store::open(options).unwrap(),
            bus: Arc::clone(&bus) as Arc<dyn Bus>,
            slots: Slots::new(1, 1),
            timeout: Duration::from_secs(5),
            memory_bytes: 1 << 20,
        });
        Room { rpc, bus, outbox: Outbox::detached(), _dir: dir }
    }

    fn begin(&self, message: &Value) -> (Step, Option<Value>) {
        let text = message.to_string();
        let Ok(Any::Rpc(request)) = parse(text.as_bytes()) else { panic!("an rpc request") };
        let (mut out, mut seen) = (Vec::new(), Seen::default());
        let step =
            self.rpc.answer(&request, &mut Reply { out: &mut out, seen: &mut seen, outbox: &self.outbox });
        (step, (!out.is_empty()).then(|| serde_json::from_slice(&out).unwrap()))
    }

    /// The reply, whichever way it comes.
    async fn answer(&self, message: &Value) -> Value {
        match self.begin(message) {
            (Step::Done, Some(reply)) => reply,
            (Step::Later, None) => loop {
                if let Some(text) = self.outbox.drain().pop() {
                    break serde_json::from_str(&text).unwrap();
                }
                tokio::task::yield_now().await;
            },
            other => panic!("{other:?}"),
        }
    }
}

fn function(room: &Room, value: Value, code: function::Code) {
    let declaration = serde_json::from_value(value).unwrap();
    room.rpc.register(Prepared { declaration, code }).unwrap();
}

#[tokio::test]
async fn built_in_echoes_are_answered_on_the_spot() {
    let room = Room::new();
    let graph = json!({"role": "rpc", "u": "u", "cmds": [
        {"name": "a", "fun": "echo", "args": [1]}, {"name": "b", "fun": "echos", "args": ["a", "a"]},
        {"name": "c", "fun": "echo", "args": ["b"]}]});
    let (step, reply) = room.begin(&graph);
    assert_eq!(step, Step::Done);
    assert_eq!(reply.unwrap()["r"], json!({"c": [1, 1]}));
    assert_eq!(room.outbox.drain(), [""; 0]);
}

#[tokio::test]
async fn each_level_is_published_where_the_request_asks_for_it() {
    let room = Room::new();
    let mut message = json!({"role": "rpc", "u": "q\"1", "return_intermediate_results": true,
        "intermediate_result_callback_topic": "progress.q1", "cmds": [
            {"name": "a", "fun": "echo", "args": [1]}, {"name": "b", "fun": "echo", "args": ["a"]}]});
    let reply = room.answer(&message).await;
    let heard = std::mem::take(&mut *room.bus.0.lock().unwrap());
    assert_eq!(heard.len(), 2);
    for (index, (topic, message_id, payload)) in heard.iter().enumerate() {
        assert_eq!(topic, "progress.q1");
        assert_eq!(*message_id, format!("rpc_intermediate_q\"1_{index}"));
        assert_eq!(*payload, reply["intermediate_results"][index]);
    }
    message["return_intermediate_results"] = false.into();
    room.answer(&message).await;
    assert!(room.bus.0.lock().unwrap().is_empty(), "only together with intermediate results");
}

#[tokio::test]
async fn nothing_is_left_of_requests_that_ended() {
    let room = Room::new();
    let code = function::Code::Async(Arc::new(|_: &str, _: &str| {
        Ok(Box::pin(async {
            tokio::task::yield_now().await;
            Ok("1".to_owned())
        }))
    }));
    function(&room, json!({"name": "later"}), code);
    let commands: Vec<Value> = (0..20).map(|n| json!({"name": n.to_string(), "fun": "later"})).collect();
    for u in 0..50 {
        room.answer(&json!({"role": "rpc", "u": u.to_string(), "cmds": commands})).await;
    }
    let begun = std::time::Instant::now();
    while room.rpc.admission.requests() > 0 {
        assert!(begun.elapsed().as_secs() < 5, "a request is still admitted");
        tokio::task::yield_now().await;
    }
    assert_eq!(room.rpc.running.available_permits(), RPC_RUNNING_MAX);
}

#[tokio::test]
async fn functions_registered_are_told_to_watchers() {
    let room = Room::new();
    function(&room, json!({"name": "math.f"}), function::Code::Quick(Arc::new(|_, _| Ok("1".to_owned()))));
    assert!(room.rpc.unregister("math.f", Version::DEFAULT));
    let heard = room.bus.0.lock().unwrap();
    let counts: Vec<&Value> = heard
        .iter()
        .filter(|(topic, ..)| topic == catalog::DELTA_TOPIC)
        .map(|(.., payload)| &payload["counts"])
        .collect();
    assert_eq!(
        counts,
        [
            &json!({"functions_added": 1, "functions_removed": 0}),
            &json!({"functions_added": 0, "functions_removed": 1})
        ]
    );
}

/// Chapter 4 read slowly: one command after the other over trees, as soon as what it refers to has finished.
fn evaluate(commands: &[(String, Vec<Value>)]) -> Option<BTreeMap<String, Value>> {
    let last: BTreeMap<&str, &Vec<Value>> =
        commands.iter().map(|(name, args)| (name.as_str(), args)).collect();
    let meant = |own: &str, text: &str| -> Option<(String, Option<String>)> {
        if last.contains_key(text) {
            return (text != own).then(|| (text.to_owned(), None));
        }
        let (base, rest) = text.split_once('.')?;
        (last.contains_key(base) && base != own).then(|| (base.to_owned(), Some(rest.to_owned())))
    };
    let (mut results, mut newest): (BTreeMap<String, Value>, Vec<String>) = (BTreeMap::new(), Vec::new());
    while results.len() < last.len() {
        let ready: Vec<&str> = last
            .iter()
            .filter(|(name, args)| {
                let needs = args.iter().filter_map(|arg| meant(name, arg.as_str()?));
                !results.contains_key(**name)
                    && needs.into_iter().all(|(need, _)| results.contains_key(&need))
            })
            .map(|(name, _)| *name)
            .collect();
        if ready.is_empty() {
            return None;
        }
        let finished: Vec<(String, Value)> = ready
            .iter()
            .map(|name| {
                let resolved = last[name].iter().map(|arg| {
                    let found =
                        arg.as_str().and_then(|text| meant(name, text)).and_then(|(base, path)| match path {
                            None => Some(results[&base].clone()),
                            Some(path) => path
                                .split('.')
                                .try_fold(&results[&base], |at, step| at.as_object()?.get(step))
                                .cloned(),
                        });
                    found.unwrap_or_else(|| arg.clone())
                });
                ((*name).to_owned(), Value::Array(resolved.collect()))
            })
            .collect();
        newest = finished.iter().map(|(name, _)| name.clone()).collect();
        results.extend(finished);
    }
    Some(results.into_iter().filter(|(name, _)| newest.contains(name)).collect())
}

fn argument() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => "[a-f](\\.[a-c]){0,2}".prop_map(Value::from),
        1 => any::<i8>().prop_map(Value::from),
        1 => Just(json!({"a": {"b": "leaf"}, "b": 2.0})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_graphs_come_to_what_the_chapter_says(
        commands in prop::collection::vec(("[a-h](\\.a)?", prop::collection::vec(argument(), 0..4)), 1..16)
    ) {
        // Building a store for each case would be the whole run time.
        static ROOM: Mutex<Option<Room>> = Mutex::new(None);
        let mut room = ROOM.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let room = room.get_or_insert_with(Room::new);
        let sent: Vec<Value> =
            commands.iter().map(|(name, args)| json!({"name": name, "fun": "echos", "args": args})).collect();
        let (step, reply) = room.begin(&json!({"role": "rpc", "u": "u", "cmds": sent}));
        prop_assert_eq!(step, Step::Done);
        let reply = reply.unwrap();
        match evaluate(&commands) {
            Some(expected) => prop_assert_eq!(&reply["r"], &json!(expected), "{}", reply),
            None => prop_assert_eq!(&reply["error"]["code"], &json!(1003)),
        }
    }
}
