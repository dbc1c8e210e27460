//! The integrations demonstration: cache, publish/subscribe and RPC as one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{check, node, tell};
use crate::cli::demo::peer::Peer;

pub(super) async fn run(dir: &Path) -> anyhow::Result<()> {
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let running = node(dir)
        .function("ml_predict")
        .describe("Predicts, slowly.")
        .parameters(["model", "features"])
        .pure(Duration::from_secs(60))
        .handler(move |model: String, features: Vec<f64>| {
            // Relaxed: it is only counted.
            counted.fetch_add(1, Ordering::Relaxed);
            json!({"model": model, "score": features.iter().sum::<f64>()})
        })
        .function("summarize")
        .parameters(["prediction"])
        .quick_handler(|prediction: Value| format!("{} says {}", prediction["model"], prediction["score"]))
        .start()
        .await?;
    tell("node", &format!("{} serves {}", running.url(), dir.display()))?;
    let (mut peer, mut listener) = (Peer::connect(&running).await?, Peer::connect(&running).await?);
    results_kept(&mut peer, &calls).await?;
    events(&mut peer, &mut listener).await?;
    notifications(&mut peer, &mut listener).await?;
    invalidation(&mut peer, &mut listener).await?;
    drop((peer, listener));
    Ok(running.shutdown().await?)
}

/// RPC and cache: results of pure functions are kept.
async fn results_kept(peer: &mut Peer, calls: &AtomicU64) -> anyhow::Result<()> {
    let graph = json!({"role": "rpc", "u": "1", "cmds": [
        {"name": "predict", "fun": "ml_predict", "args": ["bert-large", [1.0, 2.0, 3.0]]},
        {"name": "final", "fun": "summarize", "args": ["predict"]}]});
    let reply = peer.call(&graph).await?;
    check("rpc, two levels", reply["r"]["final"].is_string(), &reply["r"].to_string())?;
    for _ in 0..9 {
        peer.run("ml_predict", json!(["bert-large", [1.0, 2.0, 3.0]])).await?;
    }
    let count = calls.load(Ordering::Relaxed);
    check("rpc, kept results", count == 1, &format!("10 calls ran the function {count} time"))
}

/// Cache and publish/subscribe: every change is an event, also those from before.
async fn events(peer: &mut Peer, listener: &mut Peer) -> anyhow::Result<()> {
    peer.cache("put", ("user_sessions", "before"), json!({"value": 1})).await?;
    // What is told is durable; this makes it so at once.
    let strong = json!({"value": 2, "options": {"consistency_level": "strong"}});
    peer.cache("put", ("user_sessions", "strong"), strong).await?;
    listener.subscribe("cache.events.user_sessions.#", true).await?;
    for expected in ["before", "strong"] {
        let event = listener.notification().await?;
        let identifier = &event["payload"]["cache_key"]["identifier"];
        check("event, backlog", identifier == expected, &format!("{} of {identifier}", event["topic"]))?;
    }
    peer.cache("delete", ("user_sessions", "before"), json!({})).await?;
    let event = listener.notification().await?;
    let deleted = event["topic"] == "cache.events.user_sessions.cache_delete";
    check("event, live", deleted, &event["topic"].to_string())
}

/// A change is told on a topic of the writer's own, if it is worth it.
async fn notifications(peer: &mut Peer, listener: &mut Peer) -> anyhow::Result<()> {
    listener.subscribe("stock.#", false).await?;
    let store = |level: u64| {
        json!({"value": {"stock_level": level}, "options": {"notify_on_change": true,
            "notification_topic": "stock.low", "notification_payload": {"shop": "west"},
            "notification_condition": {"field_path": "stock_level", "threshold": {"$lt": 10}}}})
    };
    peer.cache("put", ("stock", "sku"), store(12)).await?;
    peer.cache("put", ("stock", "sku"), store(9)).await?;
    let told = listener.notification().await?;
    let (old, new) = (&told["payload"]["old_value"], &told["payload"]["new_value"]);
    check("notify_on_change", new["stock_level"] == 9, &format!("{}: {old} became {new}", told["topic"]))
}

/// Publish/subscribe and cache: an invalidation that is published acts.
async fn invalidation(peer: &mut Peer, listener: &mut Peer) -> anyhow::Result<()> {
    listener.subscribe("cache.invalidation.#", false).await?;
    for namespace in ["ml.models", "mlops"] {
        peer.cache("put", (namespace, "bert"), json!({"value": 1})).await?;
    }
    let reason = json!({"pattern": "ml.*", "reason": "model_updated"});
    peer.publish("cache.invalidation.pattern.ml.*", reason).await?;
    let (gone, kept) = (
        peer.cache("get", ("ml.models", "bert"), json!({})).await?,
        peer.cache("get", ("mlops", "bert"), json!({})).await?,
    );
    let right = gone["status"] == "miss" && kept["status"] == "hit";
    check("published invalidation", right, "ml.* removed ml.models and not mlops")?;
    let told = listener.notification().await?;
    let message = told["topic"] == "cache.invalidation.pattern.ml.*";
    check("published invalidation", message, &format!("subscribers are told: {}", told["payload"]))
}
