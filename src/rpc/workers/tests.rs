//! The hub without connections: places, leases and what is left behind.

use serde_json::json;

use super::*;
use crate::limits::WORKER_WAITING_MAX;
use crate::protocol::worker::{Register, read_id};
use crate::rpc::catalog::Silent;
use crate::rpc::identity::Identity;
use crate::rpc::registry::Selector;
use crate::rpc::version::Constraint;
use crate::session::Outbox;

struct Stage {
    hub: Arc<Hub>,
    catalog: Arc<Catalog>,
}

impl Stage {
    fn new() -> Stage {
        let catalog = Arc::new(Catalog::new(Identity::of("n", "c"), Arc::new(Silent)));
        Stage { hub: Hub::new(Arc::clone(&catalog)), catalog }
    }

    fn join(&self, functions: &str, max_in_flight: u64) -> (WorkerId, Outbox) {
        let outbox = Outbox::detached();
        let message = Register {
            u: "\"r\"",
            functions,
            worker: None,
            max_in_flight: Some(max_in_flight),
            lease_ms: None,
        };
        let (worker, _) = self.hub.register(None, &outbox, &message, 0).unwrap();
        (worker, outbox)
    }

    fn call(&self, name: &str) -> tokio::task::JoinHandle<Result<String, Failure>> {
        let wanted = Selector { name, function_id: None, constraint: Constraint::default(), resources: &[] };
        let function = self.catalog.registry.select(&wanted).unwrap();
        let crate::rpc::function::Code::Workers(pool) = function.code else { panic!("served by workers") };
        let hub = Arc::clone(&self.hub);
        tokio::spawn(async move {
            let deadline = Instant::now() + std::time::Duration::from_secs(30);
            let errand =
                Errand { function: &function, pool, args: "[]", kwargs: "{}", resources: &[], deadline };
            hub.call(&errand).await
        })
    }
}

/// Ids of the invocations that were sent.
fn invocations(outbox: &Outbox) -> Vec<u64> {
    let sent = outbox.drain();
    let messages = sent.iter().map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
    let invoked = messages.filter(|message| message["role"] == "rpc-invoke");
    invoked.map(|message| read_id(&message["u"].to_string()).unwrap()).collect()
}

async fn settled() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn callers_that_go_leave_nothing_behind() {
    let stage = Stage::new();
    let (worker, outbox) = stage.join(r#"[{"name":"f"}]"#, 2);
    let calls: Vec<_> = (0..5).map(|_| stage.call("f")).collect();
    settled().await;
    let running = invocations(&outbox);
    assert_eq!((running.len(), stage.hub.in_flight()), (2, 2));
    calls.iter().for_each(|call| call.abort());
    settled().await;
    let told = outbox.drain();
    assert_eq!(told.iter().filter(|text| text.contains("rpc-cancel")).count(), 2);
    assert_eq!(stage.hub.in_flight(), 2, "the worker still runs them");
    for id in running {
        stage.hub.finish(worker, id, Ok("1".to_owned()));
    }
    assert_eq!(stage.hub.in_flight(), 0);
    // Both places are free again, and nobody gone stands in line.
    let calls: Vec<_> = (0..2).map(|_| stage.call("f")).collect();
    settled().await;
    for id in invocations(&outbox) {
        stage.hub.finish(worker, id, Ok("2".to_owned()));
    }
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok("2".to_owned()));
    }
}

#[tokio::test]
async fn a_turn_given_to_a_caller_that_goes_is_passed_on() {
    let stage = Stage::new();
    let (worker, outbox) = stage.join(r#"[{"name":"f"}]"#, 1);
    let (first, second, third) = (stage.call("f"), stage.call("f"), stage.call("f"));
    settled().await;
    let [id] = invocations(&outbox)[..] else { panic!("one at a time") };
    // The second has its turn and goes before it could use it.
    stage.hub.finish(worker, id, Ok("1".to_owned()));
    second.abort();
    settled().await;
    let [id] = invocations(&outbox)[..] else { panic!("the third has its turn") };
    stage.hub.finish(worker, id, Ok("3".to_owned()));
    assert_eq!(first.await.unwrap(), Ok("1".to_owned()));
    assert_eq!(third.await.unwrap(), Ok("3".to_owned()));
    assert_eq!(stage.hub.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn leases_end_unless_something_is_said() {
    let stage = Stage::new();
    let (silent, _) = stage.join(r#"[{"name":"f"},{"name":"g"}]"#, 1);
    let (talking, _) = stage.join(r#"[{"name":"g"}]"#, 1);
    for _ in 0..5 {
        tokio::time::advance(std::time::Duration::from_secs(5)).await;
        assert!(stage.hub.renew(talking).is_some());
        stage.hub.expire(0);
    }
    assert_eq!(stage.hub.workers(), 1);
    assert!(stage.hub.renew(silent).is_none());
    let known =
        |name: &str| stage.catalog.registry.version(name, crate::rpc::version::Version::DEFAULT).is_some();
    assert!(!known("f") && known("g"), "what nobody serves is gone, what somebody serves is not");
}

#[tokio::test]
async fn a_worker_that_does_not_read_is_passed_over() {
    let stage = Stage::new();
    let (_, full) = stage.join(r#"[{"name":"f"}]"#, 8);
    while full.push(crate::session::Push::whole(vec![b'x'; 1 << 20])).is_ok() {}
    let (worker, outbox) = stage.join(r#"[{"name":"f"}]"#, 8);
    let call = stage.call("f");
    settled().await;
    let [id] = invocations(&outbox)[..] else { panic!("the other one is asked") };
    stage.hub.finish(worker, id, Ok("1".to_owned()));
    assert_eq!(call.await.unwrap(), Ok("1".to_owned()));
    assert_eq!(stage.hub.in_flight(), 0);
}

#[tokio::test]
async fn the_least_busy_is_asked() {
    let stage = Stage::new();
    let (_, one) = stage.join(r#"[{"name":"f"}]"#, 100);
    let (_, two) = stage.join(r#"[{"name":"f"}]"#, 100);
    let _calls: Vec<_> = (0..40).map(|_| stage.call("f")).collect();
    settled().await;
    assert_eq!((invocations(&one).len(), invocations(&two).len()), (20, 20));
}

#[tokio::test]
async fn the_line_is_bounded() {
    let stage = Stage::new();
    let _worker = stage.join(r#"[{"name":"f"}]"#, 1);
    let calls: Vec<_> = (0..WORKER_WAITING_MAX + 1).map(|_| stage.call("f")).collect();
    settled().await;
    assert_eq!(stage.call("f").await.unwrap().unwrap_err().code(), 503);
    drop(calls);
}

#[test]
fn a_failed_registration_leaves_everything_as_it_was() {
    let stage = Stage::new();
    let (worker, outbox) = stage.join(r#"[{"name":"f","doc":"old"}]"#, 1);
    let again = |functions: &str, known| {
        let message = Register { u: "\"r\"", functions, worker: None, max_in_flight: None, lease_ms: None };
        stage.hub.register(known, &outbox, &message, 0)
    };
    let bad = r#"[{"name":"f","doc":"new"},{"name":"g"},{"name":"h","function_id":"f"}]"#;
    for known in [Some(worker), None] {
        assert!(again(bad, known).is_err());
        let headline = |name: &str| {
            let known = stage.catalog.registry.version(name, crate::rpc::version::Version::DEFAULT);
            known.map(|function| function.shapes.headline.clone())
        };
        assert_eq!((headline("f").as_deref(), headline("g")), (Some("old"), None));
        assert_eq!(stage.hub.workers(), 1);
    }
    let (same, reply) = again(r#"[{"name":"g"}]"#, Some(worker)).unwrap();
    assert_eq!(same, worker);
    assert_eq!(reply["max_in_flight"], json!(16));
}
