//! The catalog: entries of every kind, and where its changes are published.

use mpreg_storage::json::write;
use serde_json::{Value, json};

use super::fields::Page;
use super::functions::Filter;
use super::{Fields, cluster, object, optional};
use crate::rpc::Rpc;
use crate::rpc::catalog::{DELTA_TOPIC, ENTRY_TTL_S, array, into_text, text_field};
use crate::rpc::function::{Failure, Function, Scope};

/// `catalog_query`.
pub(super) fn catalog_query(rpc: &Rpc, fields: &Fields) -> Result<String, Failure> {
    let given = fields.text("entry_type")?.map(|kind| kind.to_lowercase());
    let page = fields.page()?;
    match given.as_deref() {
        Some("functions" | "function") => functions(rpc, fields, page),
        Some("nodes" | "node") => entries(rpc, "nodes", page, here(rpc, fields, cluster::node_entry)?),
        Some("topics" | "topic") => entries(rpc, "topics", page, topics(rpc, fields, page)?),
        Some("caches" | "cache") => entries(rpc, "caches", page, here(rpc, fields, cache_role)?),
        Some("cache_profiles" | "cache_profile") => {
            entries(rpc, "cache_profiles", page, here(rpc, fields, cache_profile)?)
        }
        // A lone cache has neither.
        Some("queues" | "queue") => entries(rpc, "queues", page, Vec::new()),
        Some("services" | "service") => entries(rpc, "services", page, Vec::new()),
        Some(other) => Err(Failure::value(format!(
            "unknown entry_type {:?}",
            other.chars().take(32).collect::<String>()
        ))),
        None => Err(Failure::value("entry_type is required")),
    }
}

fn functions(rpc: &Rpc, fields: &Fields, page: Page) -> Result<String, Failure> {
    let filter = Filter::read(rpc, fields)?;
    let wants = |function: &Function| filter.wants(rpc, function);
    let (functions, more) = rpc.catalog.registry.page(page.offset, page.limit, wants);
    let now_us = rpc.now_us();
    let mut out = br#"{"entry_type":"functions","generated_at":"#.to_vec();
    write::seconds(&mut out, now_us);
    out.extend_from_slice(br#","items":"#);
    array(&mut out, &functions, |out, function| rpc.catalog.write_function(function, now_us, out));
    if more {
        text_field(&mut out, "next_page_token", &page.next_token(functions.len()));
    }
    out.push(b'}');
    Ok(into_text(out))
}

/// A page of entries, of which there are few.
fn entries(rpc: &Rpc, kind: &str, page: Page, all: Vec<Value>) -> Result<String, Failure> {
    let more = all.len() > page.offset.saturating_add(page.limit);
    let items: Vec<Value> = all.into_iter().skip(page.offset).take(page.limit).collect();
    let token = more.then(|| page.next_token(items.len()));
    let mut reply = object(json!({"entry_type": kind, "generated_at": rpc.now_s(), "items": items}));
    optional(&mut reply, "next_page_token", token);
    Ok(Value::Object(reply).to_string())
}

/// The one entry of this node, if it passes the filters.
fn here(rpc: &Rpc, fields: &Fields, entry: fn(&Rpc) -> Value) -> Result<Vec<Value>, Failure> {
    Ok(cluster::wanted(rpc, fields)?.then(|| entry(rpc)).into_iter().collect())
}

fn topics(rpc: &Rpc, fields: &Fields, page: Page) -> Result<Vec<Value>, Failure> {
    if !cluster::wanted(rpc, fields)? {
        return Ok(Vec::new());
    }
    let topic = fields.text("topic")?;
    // One more than is shown tells whether there are more.
    let limit = page.offset.saturating_add(page.limit).saturating_add(1);
    let subscribed = rpc.catalog.bus.subscriptions(topic.as_deref(), limit);
    let entry = |subscribed: crate::rpc::catalog::Subscribed| {
        let mut entry = labelled(rpc);
        entry.insert("subscription_id".to_owned(), subscribed.subscription_id.into());
        entry.insert("patterns".to_owned(), subscribed.patterns.into());
        Value::Object(entry)
    };
    Ok(subscribed.into_iter().map(entry).collect())
}

/// What all entries of this node have.
fn labelled(rpc: &Rpc) -> serde_json::Map<String, Value> {
    let identity = &rpc.catalog.identity;
    object(json!({
        "node_id": identity.node_id,
        "cluster_id": identity.cluster_id,
        "scope": Scope::Zone.as_str(),
        "tags": [],
        "advertised_at": rpc.now_s(),
        "ttl_seconds": ENTRY_TTL_S,
    }))
}

fn cache_role(rpc: &Rpc) -> Value {
    let mut entry = labelled(rpc);
    entry.insert("role".to_owned(), "coordinator".into());
    Value::Object(entry)
}

fn cache_profile(rpc: &Rpc) -> Value {
    // A store that cannot tell has failed, which the node finds out by itself.
    let (used, sync_ms) = rpc
        .store
        .stats()
        .map_or((0.0, 0.0), |stats| (stats.memory.bytes as f64, stats.sync_mean_us as f64 / 1000.0));
    let capacity = rpc.memory_bytes.max(1);
    let mut entry = labelled(rpc);
    for (name, value) in [
        ("region", json!("")),
        ("coordinates", json!({"latitude": 0.0, "longitude": 0.0})),
        ("capacity_mb", json!(capacity >> 20)),
        ("utilization_percent", json!(100.0 * used / capacity as f64)),
        // What its slowest answer takes: a strong write waits for a sync.
        ("avg_latency_ms", json!(sync_ms)),
        ("reliability_score", json!(1.0)),
    ] {
        entry.insert(name.to_owned(), value);
    }
    Value::Object(entry)
}

/// `catalog_watch`: the topic of the deltas, narrowed to a namespace if one is given.
pub(super) fn catalog_watch(rpc: &Rpc, fields: &Fields) -> Result<String, Failure> {
    let namespace = fields.text("namespace")?.filter(|namespace| !namespace.is_empty());
    let topic =
        namespace.as_ref().map_or(DELTA_TOPIC.to_owned(), |namespace| format!("{DELTA_TOPIC}.{namespace}"));
    let cluster_id = fields.text("cluster_id")?.unwrap_or_else(|| rpc.catalog.identity.cluster_id.clone());
    let mut reply = object(json!({"topic": topic, "generated_at": rpc.now_s(), "cluster_id": cluster_id}));
    optional(&mut reply, "scope", fields.scope()?.map(Scope::as_str));
    optional(&mut reply, "namespace", namespace);
    Ok(Value::Object(reply).to_string())
}
