//! The functions of this node as others see them: the registry, who the node is, and what watchers are told.
//!
//! A change and its delta are one step: deltas leave in the order of the changes.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use mpreg_storage::json::write;

use super::function::Function;
use super::identity::Identity;
use super::registry::Registry;

/// Where deltas of the catalog are published.
pub(crate) const DELTA_TOPIC: &str = "mpreg.discovery.delta";
/// How long others may keep an entry, in seconds.
pub(super) const ENTRY_TTL_S: f64 = 120.0;

/// A message for whoever subscribes to its topic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Announcement<'a> {
    pub(crate) topic: &'a str,
    pub(crate) message_id: &'a str,
    /// JSON object.
    pub(crate) headers: &'a str,
    /// JSON text.
    pub(crate) payload: &'a str,
    /// Name of this node.
    pub(crate) publisher: &'a str,
}

/// One subscription of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscribed {
    pub(crate) subscription_id: String,
    pub(crate) patterns: Vec<String>,
}

/// The way to publish and subscribe, which is another room's. Calls must not wait.
pub(crate) trait Bus: Debug + Send + Sync {
    /// Publishes a message of the node itself.
    fn publish(&self, announcement: &Announcement<'_>);

    /// The subscriptions there are, at most `limit`; only those that hear of `topic` when one is given.
    fn subscriptions(&self, topic: Option<&str>, limit: usize) -> Vec<Subscribed>;
}

/// A bus nobody listens to.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Silent;

#[cfg(test)]
impl Bus for Silent {
    fn publish(&self, announcement: &Announcement<'_>) {
        let Announcement { topic, message_id, headers, payload, publisher } = announcement;
        tracing::trace!(topic, message_id, headers, payload, publisher, "nobody listens");
    }

    fn subscriptions(&self, _: Option<&str>, _: usize) -> Vec<Subscribed> {
        Vec::new()
    }
}

/// What a change did.
#[derive(Debug, Default)]
pub(super) struct Delta {
    pub(super) added: Vec<Arc<Function>>,
    pub(super) removed: Vec<Arc<Function>>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(super) registry: Registry,
    pub(super) identity: Identity,
    pub(super) bus: Arc<dyn Bus>,
    /// Number of the next delta.
    changes: Mutex<u64>,
}

impl Catalog {
    pub(super) fn new(identity: Identity, bus: Arc<dyn Bus>) -> Catalog {
        Catalog { registry: Registry::default(), identity, bus, changes: Mutex::new(0) }
    }

    /// Changes the registry and tells watchers what changed. `now_us` is the wall time. Changes run one after the
    /// other; looking functions up does not wait for them.
    pub(super) fn change<T>(&self, now_us: u64, change: impl FnOnce(&Registry, &mut Delta) -> T) -> T {
        let mut number = self.changes.lock().expect("no change of the catalog panics");
        let mut delta = Delta::default();
        let changed = change(&self.registry, &mut delta);
        if !delta.added.is_empty() || !delta.removed.is_empty() {
            *number += 1;
            self.tell(*number, &delta, now_us);
        }
        changed
    }

    fn tell(&self, number: u64, delta: &Delta, now_us: u64) {
        let changed = || delta.added.iter().chain(&delta.removed);
        let mut namespaces: Vec<&str> = changed().map(|function| function.namespace.as_str()).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        let (node_id, message_id) =
            (&self.identity.node_id, format!("catalog_{}_{number}", self.identity.node_id));
        let payload = self.delta_payload(&message_id, delta, &namespaces, now_us);
        let publish = |topic: &str| {
            let headers = r#"{"event":"catalog.delta"}"#;
            self.bus.publish(&Announcement {
                topic,
                message_id: &message_id,
                headers,
                payload: &payload,
                publisher: node_id,
            });
        };
        publish(DELTA_TOPIC);
        // A watch of a namespace hears of those below it too.
        let mut topics: Vec<&str> = namespaces.iter().flat_map(|namespace| with_parents(namespace)).collect();
        topics.sort_unstable();
        topics.dedup();
        topics.iter().for_each(|namespace| publish(&format!("{DELTA_TOPIC}.{namespace}")));
    }

    fn delta_payload(&self, update_id: &str, delta: &Delta, namespaces: &[&str], now_us: u64) -> String {
        let mut out = br#"{"delta":{"update_id":"#.to_vec();
        write::string(&mut out, update_id);
        text_field(&mut out, "cluster_id", &self.identity.cluster_id);
        out.extend_from_slice(br#","sent_at":"#);
        write::seconds(&mut out, now_us);
        out.extend_from_slice(br#","functions":"#);
        array(&mut out, &delta.added, |out, function| self.write_function(function, now_us, out));
        out.extend_from_slice(br#","function_removals":"#);
        array(&mut out, &delta.removed, |out, function| self.write_removal(function, out));
        for kind in ["topics", "queues", "services", "caches", "cache_profiles", "nodes"] {
            let single = &kind[..kind.len() - 1];
            out.extend_from_slice(format!(r#","{kind}":[],"{single}_removals":[]"#).as_bytes());
        }
        let (added, removed) = (delta.added.len(), delta.removed.len());
        out.extend_from_slice(
            format!(
                r#"}},"counts":{{"functions_added":{added},"functions_removed":{removed}}},"namespaces":"#
            )
            .as_bytes(),
        );
        array(&mut out, namespaces, |out, namespace| write::string(out, namespace));
        text_field(&mut out, "source_node", &self.identity.node_id);
        text_field(&mut out, "source_cluster", &self.identity.cluster_id);
        out.extend_from_slice(br#","published_at":"#);
        write::seconds(&mut out, now_us);
        out.push(b'}');
        into_text(out)
    }

    /// Appends a function as an entry of the catalog.
    pub(super) fn write_function(&self, function: &Function, now_us: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"identity":"#);
        out.extend_from_slice(function.shapes.identity.as_bytes());
        self.write_place(function, out);
        out.extend_from_slice(br#","advertised_at":"#);
        write::seconds(out, now_us);
        out.extend_from_slice(br#","ttl_seconds":"#);
        write::float(out, ENTRY_TTL_S);
        out.extend_from_slice(br#","rpc_summary":"#);
        out.extend_from_slice(function.shapes.summary.as_bytes());
        text_field(out, "spec_digest", &function.shapes.digest);
        out.push(b'}');
    }

    /// Appends what entries and listings of a function share: where it is and how it is labelled.
    pub(super) fn write_place(&self, function: &Function, out: &mut Vec<u8>) {
        text_field(out, "node_id", &self.identity.node_id);
        text_field(out, "cluster_id", &self.identity.cluster_id);
        out.extend_from_slice(br#","resources":"#);
        array(out, &function.resources, |out, label| write::string(out, label));
        out.extend_from_slice(br#","tags":"#);
        array(out, &function.tags, |out, label| write::string(out, label));
        text_field(out, "scope", function.scope.as_str());
    }

    fn write_removal(&self, function: &Function, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"identity":"#);
        out.extend_from_slice(function.shapes.identity.as_bytes());
        text_field(out, "cluster_id", &self.identity.cluster_id);
        text_field(out, "node_id", &self.identity.node_id);
        out.push(b'}');
    }
}

/// A namespace and all it lies in, the empty one left out.
fn with_parents(namespace: &str) -> impl Iterator<Item = &str> {
    let dots = namespace.match_indices('.').map(|(at, _)| &namespace[..at]);
    dots.chain([namespace]).filter(|name| !name.is_empty())
}

/// Appends `,"name":"text"`. The name needs no escapes.
pub(super) fn text_field(out: &mut Vec<u8>, name: &str, text: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    write::string(out, text);
}

/// Appends a JSON array.
pub(super) fn array<T>(out: &mut Vec<u8>, elements: &[T], mut element: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, each) in elements.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        element(out, each);
    }
    out.push(b']');
}

/// The text that was written.
pub(super) fn into_text(out: Vec<u8>) -> String {
    String::from_utf8(out).expect("texts and digits were written")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rpc::function::{Code, Declaration};
    use serde_json::{Value, json};

    /// A bus that remembers.
    #[derive(Debug, Default)]
    pub(in crate::rpc) struct Recorder(pub(in crate::rpc) Mutex<Vec<(String, String, Value)>>);

    impl Bus for Recorder {
        fn publish(&self, announcement: &Announcement<'_>) {
            let payload = serde_json::from_str(announcement.payload).unwrap();
            assert!(serde_json::from_str::<Value>(announcement.headers).unwrap().is_object());
            assert_eq!(announcement.publisher, "n1");
            let heard = (announcement.topic.to_owned(), announcement.message_id.to_owned(), payload);
            self.0.lock().unwrap().push(heard);
        }

        fn subscriptions(&self, _: Option<&str>, limit: usize) -> Vec<Subscribed> {
            let one = Subscribed { subscription_id: "s1".to_owned(), patterns: vec!["a.#".to_owned()] };
            vec![one; limit.min(1)]
        }
    }

    fn function(name: &str) -> Function {
        let declaration: Declaration = serde_json::from_value(json!({"name": name})).unwrap();
        Function::new(&declaration, Code::Workers(0)).unwrap()
    }

    #[test]
    fn watchers_hear_of_every_change_in_every_namespace_above_it() {
        let bus = Arc::new(Recorder::default());
        let catalog = Catalog::new(Identity::of("n1", "c1"), Arc::clone(&bus) as Arc<dyn Bus>);
        catalog
            .change(1_500_000, |registry, delta| delta.added.push(registry.add(function("a.b.f")).unwrap()));
        catalog.change(2_000_000, |registry, delta| {
            delta.removed.extend(registry.remove("a.b.f", "1".parse().unwrap()));
        });
        catalog.change(3_000_000, |_, _| ());
        let heard = bus.0.lock().unwrap();
        let topics: Vec<&str> = heard.iter().map(|(topic, ..)| topic.as_str()).collect();
        let each = ["mpreg.discovery.delta", "mpreg.discovery.delta.a", "mpreg.discovery.delta.a.b"];
        assert_eq!(topics, [each, each].concat());
        let (_, message_id, added) = &heard[0];
        assert_eq!(message_id, "catalog_n1_1");
        assert_eq!(added["namespaces"], json!(["a.b"]));
        assert_eq!(added["counts"], json!({"functions_added": 1, "functions_removed": 0}));
        assert_eq!((&added["source_node"], &added["source_cluster"]), (&json!("n1"), &json!("c1")));
        assert_eq!(added["published_at"], 1.5);
        let entry = &added["delta"]["functions"][0];
        assert_eq!(entry["identity"]["name"], "a.b.f");
        for member in ["resources", "node_id", "cluster_id", "scope", "tags", "advertised_at", "ttl_seconds"]
        {
            assert!(!entry[member].is_null(), "{member}");
        }
        for member in [
            "update_id",
            "cluster_id",
            "sent_at",
            "topics",
            "topic_removals",
            "queue_removals",
            "service_removals",
            "caches",
            "cache_removals",
            "cache_profile_removals",
            "node_removals",
        ] {
            assert!(!added["delta"][member].is_null(), "{member}");
        }
        assert_eq!(heard[3].2["delta"]["function_removals"][0]["identity"]["name"], "a.b.f");
    }
}
