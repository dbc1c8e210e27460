//! The nodes of the cluster: this one, until there are others.

use serde_json::{Value, json};

use super::{Fields, object, optional};
use crate::rpc::Rpc;
use crate::rpc::function::{Failure, Scope};

/// What this node does for others.
const CAPABILITIES: [&str; 2] = ["rpc", "cache"];

/// `list_peers`: nobody, as long as the node is alone. The arguments are checked all the same.
pub(super) fn list_peers(_: &Rpc, fields: &Fields) -> Result<String, Failure> {
    fields.scope()?;
    fields.text("cluster_id")?;
    Ok("[]".to_owned())
}

/// `cluster_map`.
pub(super) fn cluster_map(rpc: &Rpc, _: &Fields) -> Result<String, Failure> {
    let cluster_id = &rpc.catalog.identity.cluster_id;
    let map = json!({"cluster_id": cluster_id, "generated_at": rpc.now_s(), "nodes": [node_snapshot(rpc)]});
    Ok(map.to_string())
}

/// `cluster_map_v2`.
pub(super) fn cluster_map_v2(rpc: &Rpc, fields: &Fields) -> Result<String, Failure> {
    let page = fields.page()?;
    let serves = match fields.text("namespace_filter")? {
        None => true,
        Some(filter) => {
            let inside = |namespace: &str| super::functions::lies_in(namespace, &filter);
            !rpc.catalog.registry.page(0, 1, |function| inside(&function.namespace)).0.is_empty()
        }
    };
    let shown = serves && wanted(rpc, fields)?;
    let nodes: Vec<Value> = (shown && page.offset == 0).then(|| node_snapshot(rpc)).into_iter().collect();
    let cluster_id = &rpc.catalog.identity.cluster_id;
    Ok(json!({"cluster_id": cluster_id, "generated_at": rpc.now_s(), "nodes": nodes}).to_string())
}

/// Whether this node passes the filters that nodes have.
pub(super) fn wanted(rpc: &Rpc, fields: &Fields) -> Result<bool, Failure> {
    let identity = &rpc.catalog.identity;
    let same = |wanted: Option<String>, own: &str| wanted.is_none_or(|wanted| wanted == own);
    let capable = fields.texts("capabilities")?.iter().all(|wanted| CAPABILITIES.contains(&wanted.as_str()));
    let equipped = fields.texts("resources")?.iter().all(|wanted| identity.resources.contains(wanted));
    Ok(fields.scope()?.is_none_or(|scope| scope <= Scope::Zone)
        && capable
        && equipped
        && fields.texts("tags")?.is_empty()
        && same(fields.text("cluster_id")?, &identity.cluster_id)
        && same(fields.text("node_id")?, &identity.node_id))
}

/// Every way to reach this node.
pub(super) fn endpoints(rpc: &Rpc) -> Vec<Value> {
    let endpoint = |endpoint: &crate::rpc::identity::Endpoint| {
        json!({
            "connection_type": "client",
            "protocol": endpoint.protocol,
            "host": endpoint.host,
            "port": endpoint.port,
            "endpoint": endpoint.url(),
        })
    };
    rpc.catalog.identity.endpoints().iter().map(endpoint).collect()
}

fn node_snapshot(rpc: &Rpc) -> Value {
    let identity = &rpc.catalog.identity;
    let now_s = rpc.now_s();
    let active_clients = rpc.slots.open();
    json!({
        "node_id": identity.node_id,
        "cluster_id": identity.cluster_id,
        "scope": Scope::Zone.as_str(),
        "resources": identity.resources,
        "capabilities": CAPABILITIES,
        "transport_endpoints": endpoints(rpc),
        "advertised_urls": identity.urls(),
        "advertised_at": now_s,
        "load": {
            "active_clients": active_clients,
            "peer_count": 0,
            "status": "ok",
            "status_timestamp": now_s,
            "messages_processed": rpc.counts.messages(),
            "rpc_responses_skipped": 0,
            "server_messages": 0,
            "other_messages": 0,
            "load_score": active_clients as f64,
        },
    })
}

/// This node as an entry of the catalog.
pub(super) fn node_entry(rpc: &Rpc) -> Value {
    let identity = &rpc.catalog.identity;
    let mut entry = object(json!({
        "node_id": identity.node_id,
        "cluster_id": identity.cluster_id,
        "scope": Scope::Zone.as_str(),
        "tags": [],
        "resources": identity.resources,
        "capabilities": CAPABILITIES,
        "transport_endpoints": endpoints(rpc),
    }));
    optional(&mut entry, "advertised_at", Some(rpc.now_s()));
    optional(&mut entry, "ttl_seconds", Some(crate::rpc::catalog::ENTRY_TTL_S));
    Value::Object(entry)
}
