//! `docs/protocol-extensions.md` shows JSON: every example is JSON, and what a client would send is understood.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use mpreg::protocol::parse;

/// The JSON blocks of the page.
fn examples(page: &str) -> Vec<&str> {
    page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap().trim()).collect()
}

#[test]
fn every_example_is_json_and_every_request_is_understood() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/protocol-extensions.md");
    let page = std::fs::read_to_string(page).unwrap();
    let examples = examples(&page);
    let mut requests = 0;
    for example in &examples {
        let value: serde_json::Value =
            serde_json::from_str(example).unwrap_or_else(|error| panic!("{error}: {example}"));
        let role = value["role"].as_str().unwrap_or_default();
        let from_a_client = matches!(
            role,
            "rpc" | "rpc-register" | "rpc-unregister" | "rpc-heartbeat" | "rpc-result" | "cache-request"
        ) || matches!(
            role,
            "pubsub-publish" | "pubsub-subscribe" | "pubsub-unsubscribe" | "pubsub-commit"
        );
        if from_a_client {
            requests += 1;
            assert!(parse(example.as_bytes()).is_ok(), "{example}");
        }
    }
    assert!(requests >= 5 && examples.len() >= 10, "{requests} requests of {} examples", examples.len());
}
