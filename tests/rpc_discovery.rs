//! The discovery functions in the protocol's exact shapes, on both transports, against a whole node.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/wire.rs"]
mod wire;

use mpreg::Node;
use serde_json::{Map, Value, json};
use wire::{Peer, TRANSPORTS, start};

fn functions(node: Node) -> Node {
    node.function("math.add")
        .describe("Adds two numbers.\nNo overflow.")
        .version("1.2")
        .parameters(["a", "b"])
        .tags(["math", "exact"])
        .quick_handler(|a: i64, b: Option<i64>| a + b.unwrap_or(0))
        .function("math.stats.mean")
        .resources(["gpu"])
        .scope("global")
        .tags(["math"])
        .quick_handler(|numbers: Vec<f64>| numbers.iter().sum::<f64>() / numbers.len() as f64)
        .function("private_thing")
        .scope("local")
        .quick_handler(|| "mine")
}

/// The members of an object, sorted.
fn members(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value}")).keys().map(String::as_str).collect()
}

fn names(reply: &Value) -> Vec<&str> {
    reply["items"].as_array().unwrap().iter().map(|item| item["identity"]["name"].as_str().unwrap()).collect()
}

fn is_time(value: &Value) -> bool {
    value.is_f64() && value.as_f64().unwrap() > 1.6e9
}

#[tokio::test]
async fn a_lone_node_shows_itself_and_can_be_dialled_as_it_says() {
    let (running, _dir) =
        start(|node| node.configure(|config| config.cluster_id = "test-cluster".to_owned())).await;
    for transport in TRANSPORTS {
        let mut peer = Peer::connect(&running, transport).await;
        for arguments in [json!([]), json!([{}]), json!([{"scope": "local"}]), json!([null])] {
            assert_eq!(peer.run("list_peers", arguments).await.unwrap(), json!([]));
        }
        let map = peer.run("cluster_map", json!([])).await.unwrap();
        assert_eq!(members(&map), ["cluster_id", "generated_at", "nodes"]);
        assert_eq!((&map["cluster_id"], is_time(&map["generated_at"])), (&json!("test-cluster"), true));
        let [node] = map["nodes"].as_array().unwrap().as_slice() else { panic!("{map}") };
        assert_eq!(node["node_id"], running.store().node_id());
        assert_eq!(node["capabilities"], json!(["rpc", "cache"]));
        assert_eq!(node["resources"], json!([]));
        assert!(is_time(&node["advertised_at"]));
        for member in [
            "active_clients",
            "peer_count",
            "messages_processed",
            "rpc_responses_skipped",
            "server_messages",
            "other_messages",
        ] {
            assert!(node["load"][member].is_u64(), "{member}");
        }
        assert!(node["load"]["load_score"].is_f64() && node["load"]["status"] == "ok");
        let [url] = node["advertised_urls"].as_array().unwrap().as_slice() else { panic!("{node}") };
        assert_eq!(url, &json!(running.url()));
        let client = mpreg::client::Client::connect(url.as_str().unwrap()).await.unwrap();
        assert_eq!(client.echo::<_, i64>(&5).await.unwrap(), 5);
        for endpoint in node["transport_endpoints"].as_array().unwrap() {
            assert_eq!(members(endpoint), ["connection_type", "endpoint", "host", "port", "protocol"]);
            let client =
                mpreg::client::Client::connect(endpoint["endpoint"].as_str().unwrap()).await.unwrap();
            assert_eq!(client.echo::<_, i64>(&5).await.unwrap(), 5);
        }
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_second_map_is_filtered() {
    let (running, _dir) = start(functions).await;
    let mut peer = Peer::connect(&running, "ws").await;
    for (arguments, shown) in [
        (json!({}), 1),
        (json!({"scope": "zone", "capabilities": "rpc"}), 1),
        (json!({"capabilities": ["rpc", "queue"]}), 0),
        (json!({"resources": ["gpu"]}), 0),
        (json!({"cluster_id": "elsewhere"}), 0),
        (json!({"scope": "global"}), 0),
        (json!({"namespace_filter": "math.stats"}), 1),
        (json!({"namespace_filter": "mat"}), 0),
        (json!({"page_token": "1:10"}), 0),
        (json!({"limit": 5, "viewer_tenant_id": "t"}), 1),
    ] {
        let map = peer.run("cluster_map_v2", json!([arguments])).await.unwrap();
        assert_eq!(map["nodes"].as_array().unwrap().len(), shown, "{arguments}");
        assert_eq!(members(&map), ["cluster_id", "generated_at", "nodes"]);
    }
    for (fun, arguments) in [
        ("cluster_map_v2", json!({"scope": "moon"})),
        ("list_peers", json!({"scope": "moon"})),
        ("rpc_list", json!({"limit": 0})),
        ("rpc_list", json!({"version_constraint": "^1"})),
        ("rpc_describe", json!({"mode": "moon"})),
        ("catalog_query", json!({"entry_type": "moons"})),
        ("catalog_query", json!({})),
        ("catalog_query", json!(5)),
    ] {
        assert_eq!(peer.run(fun, json!([arguments])).await.unwrap_err()["code"], 1003, "{fun} {arguments}");
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn functions_are_listed_described_and_counted() {
    let (running, _dir) = start(functions).await;
    let node_id = running.store().node_id().to_owned();
    for transport in TRANSPORTS {
        let mut peer = Peer::connect(&running, transport).await;
        let listed = peer.run("rpc_list", json!([{"function_name": "math.add"}])).await.unwrap();
        let digest = listed["items"][0]["spec_digest"].clone();
        let identity = json!({"name": "math.add", "function_id": "math.add", "version": "1.2.0"});
        assert_eq!(
            listed["items"],
            json!([{"identity": identity, "namespace": "math", "node_id": node_id, "cluster_id": "mpreg",
                "resources": [], "tags": ["math", "exact"], "scope": "zone", "spec_digest": digest, "summary": {
                    "identity": identity, "namespace": "math", "summary": "Adds two numbers.", "parameter_count": 2,
                    "required_parameter_count": 1, "spec_version": "1", "spec_digest": digest,
                    "return_type": {"display": "integer", "args": [], "is_optional": false}}}])
        );
        assert_eq!(members(&listed), ["generated_at", "items"]);
        for (filter, found) in [
            (json!({"namespace": "math"}), json!(["math.add", "math.stats.mean"])),
            (json!({"namespace": "math.stats"}), json!(["math.stats.mean"])),
            (json!({"namespace": "mat"}), json!([])),
            (json!({"tags": "exact"}), json!(["math.add"])),
            (json!({"resources": ["gpu"]}), json!(["math.stats.mean"])),
            (json!({"scope": "global"}), json!(["math.stats.mean"])),
            (json!({"scope": "region", "query": "MEAN"}), json!(["math.stats.mean"])),
            (json!({"query": "TWO numbers"}), json!(["math.add"])),
            (json!({"function_id": "math.add", "version_constraint": ">1.2"}), json!([])),
            (json!({"node_id": "elsewhere"}), json!([])),
            (
                json!({"cluster_id": "mpreg", "node_id": node_id, "query": "private"}),
                json!(["private_thing"]),
            ),
            (json!({"scope": "cluster", "query": "private"}), json!([])),
            (json!({"scope": "local", "query": "private"}), json!(["private_thing"])),
        ] {
            let reply = peer.run("rpc_list", json!([filter])).await.unwrap();
            assert_eq!(json!(names(&reply)), found, "{filter}");
        }
        for fun in ["rpc_describe", "rpc_describe_local"] {
            let described = peer
                .run_with(
                    fun,
                    json!([]),
                    json!({"function_names": ["math.add"], "mode": "scatter", "max_nodes": 3}),
                )
                .await
                .unwrap();
            assert_eq!(members(&described), ["errors", "generated_at", "items"]);
            let spec = &described["items"][0]["spec"];
            assert_eq!(spec["doc"]["description"], "No overflow.");
            assert_eq!(
                spec["parameters"][1]["type_spec"],
                json!({"display": "integer", "args": [], "is_optional": true})
            );
            assert_eq!(
                spec["parameters"][1]["default"],
                json!({"has_default": true, "encoding": "json", "json_value": null})
            );
            assert_eq!((&spec["spec_digest"], &spec["identity"]), (&digest, &identity));
        }
        let short = peer
            .run("rpc_describe", json!([{"spec_digests": digest, "detail_level": "summary"}]))
            .await
            .unwrap();
        assert_eq!((names(&short), short["items"][0].get("spec")), (vec!["math.add"], None));
        let report = peer.run("rpc_report", json!([{"namespace": "math"}])).await.unwrap();
        let expected: Map<String, Value> = serde_json::from_value(json!({"total_functions": 2,
            "namespace_counts": [{"key": "math", "count": 1}, {"key": "math.stats", "count": 1}],
            "cluster_counts": [{"key": "mpreg", "count": 2}],
            "tag_counts": [{"key": "math", "count": 2}, {"key": "exact", "count": 1}]}))
        .unwrap();
        for (name, value) in expected {
            assert_eq!(report[&name], value, "{name}");
        }
        assert_eq!(members(&report).len(), 5);
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn every_built_in_function_describes_itself() {
    let (running, _dir) = start(|node| node).await;
    let mut peer = Peer::connect(&running, "tcp").await;
    let described = peer.run("rpc_describe", json!([{"tags": "builtin"}])).await.unwrap();
    for must in [
        "echo",
        "echos",
        "list_peers",
        "cluster_map",
        "cluster_map_v2",
        "catalog_query",
        "catalog_watch",
        "rpc_list",
        "rpc_describe",
        "rpc_report",
        "rpc_describe_local",
        "namespace_status",
        "namespace_policy_validate",
        "namespace_policy_apply",
        "namespace_policy_export",
        "namespace_policy_audit",
    ] {
        let found =
            described["items"].as_array().unwrap().iter().find(|item| item["identity"]["name"] == must);
        let spec = &found.unwrap_or_else(|| panic!("{must} is missing"))["spec"];
        for parameter in spec["parameters"].as_array().unwrap() {
            let kinds =
                ["positional_only", "positional_or_keyword", "var_positional", "keyword_only", "var_keyword"];
            assert!(kinds.contains(&parameter["kind"].as_str().unwrap()));
            assert!(["none", "json", "repr"].contains(&parameter["default"]["encoding"].as_str().unwrap()));
        }
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn entries_of_the_catalog() {
    let (running, _dir) = start(functions).await;
    for transport in TRANSPORTS {
        let mut peer = Peer::connect(&running, transport).await;
        let mut entries = Map::new();
        for kind in ["functions", "nodes", "queues", "topics", "services", "caches", "cache_profiles"] {
            let reply = peer.run("catalog_query", json!([{"entry_type": kind}])).await.unwrap();
            assert_eq!(reply["entry_type"], kind);
            assert!(is_time(&reply["generated_at"]));
            let single = peer
                .run_with("catalog_query", json!([]), json!({"entry_type": kind.trim_end_matches('s')}))
                .await
                .unwrap();
            assert_eq!(single["entry_type"], kind);
            entries.insert(kind.to_owned(), reply["items"].clone());
        }
        let reply = peer
            .run("catalog_query", json!([{"entry_type": "functions", "function_name": "math.add"}]))
            .await
            .unwrap();
        let shared = ["node_id", "cluster_id", "scope", "tags", "advertised_at", "ttl_seconds"];
        let has = |entry: &Value, more: &[&str]| {
            shared
                .iter()
                .chain(more)
                .for_each(|member| assert!(!entry[*member].is_null(), "{member} of {entry}"))
        };
        has(&reply["items"][0], &["identity", "resources", "rpc_summary", "spec_digest"]);
        has(&entries["nodes"][0], &["resources", "capabilities", "transport_endpoints"]);
        has(&entries["caches"][0], &["role"]);
        has(
            &entries["cache_profiles"][0],
            &[
                "region",
                "coordinates",
                "capacity_mb",
                "utilization_percent",
                "avg_latency_ms",
                "reliability_score",
            ],
        );
        assert_eq!((&entries["queues"], &entries["services"]), (&json!([]), &json!([])));
        assert_eq!(
            peer.run("catalog_query", json!([{"entry_type": "node", "node_id": "x"}])).await.unwrap()["items"],
            json!([])
        );

        let watch = peer.run("catalog_watch", json!([])).await.unwrap();
        assert_eq!(members(&watch), ["cluster_id", "generated_at", "topic"]);
        assert_eq!(watch["topic"], "mpreg.discovery.delta");
        let watch =
            peer.run("catalog_watch", json!([{"namespace": "math", "scope": "cluster"}])).await.unwrap();
        assert_eq!(
            (&watch["topic"], &watch["namespace"], &watch["scope"]),
            (&json!("mpreg.discovery.delta.math"), &json!("math"), &json!("zone"))
        );
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn pages_of_many_functions() {
    let (running, _dir) = start(|node| {
        (0..450).fold(node, |node, n| node.function(&format!("many.f{n:03}")).quick_handler(|| 1))
    })
    .await;
    let mut peer = Peer::connect(&running, "tcp").await;
    for fun in ["rpc_list", "rpc_describe", "catalog_query"] {
        let (mut seen, mut token) = (Vec::new(), Value::Null);
        loop {
            let arguments = json!([{"namespace": "many", "entry_type": "functions", "page_token": token}]);
            let reply = peer.run(fun, arguments).await.unwrap();
            seen.extend(names(&reply).into_iter().map(str::to_owned));
            assert!(reply["items"].as_array().unwrap().len() <= 200);
            match reply.get("next_page_token") {
                Some(next) => token = next.clone(),
                None => break,
            }
        }
        assert_eq!(seen.len(), 450, "{fun}");
        assert!(seen.is_sorted(), "each once and in order");
    }
    let last = peer.run("rpc_list", json!([{"namespace": "many", "limit": 450}])).await.unwrap();
    assert_eq!(last.get("next_page_token"), None, "absent at the end");
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_namespace_policy_hides_what_a_viewer_may_not_see() {
    let (running, _dir) = start(functions).await;
    for transport in TRANSPORTS {
        let mut peer = Peer::connect(&running, transport).await;
        let status = peer.run("namespace_status", json!([{"namespace": "math"}])).await.unwrap();
        assert_eq!((&status["allowed"], &status["reason"]), (&json!(true), &json!("policy_disabled")));
        assert_eq!(
            (&status["viewer_cluster_id"], &status["viewer_tenant_id"]),
            (&json!("mpreg"), &Value::Null)
        );
        assert!(status.get("viewer_tenant_id").is_some(), "always there");
        let rules = json!([{"namespace": "math", "visibility": ["other"], "visibility_tenants": ["t1"], "policy_version": "7"}]);
        let bad =
            peer.run("namespace_policy_validate", json!([{"rules": [{"namespace": ""}]}])).await.unwrap();
        assert_eq!(
            (&bad["valid"], &bad["rule_count"], bad["errors"].as_array().unwrap().len()),
            (&json!(false), &json!(1), 1)
        );
        let refused = peer
            .run("namespace_policy_apply", json!([{"rules": [{"namespace": ""}], "enabled": true}]))
            .await
            .unwrap();
        assert_eq!((&refused["applied"], &refused["valid"]), (&json!(false), &json!(false)));
        let applied = peer
            .run_with(
                "namespace_policy_apply",
                json!([]),
                json!({"rules": rules, "enabled": true, "actor": "ada"}),
            )
            .await
            .unwrap();
        assert_eq!((&applied["applied"], &applied["errors"]), (&json!(true), &json!([])));
        let export = peer.run("namespace_policy_export", json!([])).await.unwrap();
        assert_eq!(
            (&export["enabled"], &export["default_allow"], &export["rule_count"]),
            (&json!(true), &json!(true), &json!(1))
        );
        assert_eq!(export["rules"][0]["policy_version"], "7");
        for (viewer, shown) in [
            (json!({"namespace": "math"}), 0),
            (json!({"namespace": "math", "viewer_cluster_id": "other"}), 2),
            (json!({"namespace": "math", "viewer_tenant_id": "t1"}), 2),
            (json!({"query": "private"}), 1),
        ] {
            let reply = peer.run("rpc_list", json!([viewer])).await.unwrap();
            assert_eq!(names(&reply).len(), shown, "{viewer}");
        }
        let status = peer.run("namespace_status", json!([{"namespace": "math.stats"}])).await.unwrap();
        assert_eq!((&status["allowed"], &status["reason"]), (&json!(false), &json!("viewer_denied")));
        assert_eq!(status["rule"]["namespace"], "math");
        let audit = peer.run("namespace_policy_audit", json!([{"limit": 2}])).await.unwrap();
        assert_eq!(audit["entries"].as_array().unwrap().len(), 2);
        assert_eq!(
            (&audit["entries"][1]["event"], &audit["entries"][1]["actor"], &audit["entries"][1]["valid"]),
            (&json!("apply"), &json!("ada"), &json!(true))
        );
        assert_eq!(audit["entries"][0]["errors"].as_array().unwrap().len(), 1);
        peer.run("namespace_policy_apply", json!([{"enabled": false, "rules": []}])).await.unwrap();
        assert_eq!(
            peer.run("rpc_list", json!([{"namespace": "math"}])).await.unwrap()["items"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
    }
    running.shutdown().await.unwrap();
}
