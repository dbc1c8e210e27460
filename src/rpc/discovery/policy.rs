//! The namespace policy: which clusters and tenants may see which namespaces.
//!
//! It decides what discovery shows, nothing else. The rule with the longest namespace that covers the one asked
//! about decides. It lives in memory and begins switched off.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard};

use serde::{Deserialize, Deserializer, Serialize};

use super::functions::lies_in;
use crate::limits::{AUDIT_ENTRIES_MAX, POLICY_RULES_MAX};
use crate::rpc::function::{Function, Scope};

/// A rule, in the shape of the protocol.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Rule {
    #[serde(deserialize_with = "nullable")]
    pub(super) namespace: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) owners: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) visibility: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub(super) visibility_tenants: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) export_scopes: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) allow_summaries: bool,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub(super) cutover_windows: Vec<Window>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy_version: Option<String>,
}

/// A time in which a rule exports differently.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Window {
    pub(super) starts_at: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ends_at: Option<f64>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub(super) export_scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allow_summaries: Option<bool>,
}

fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// Something done to the policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Entry {
    pub(super) event: &'static str,
    pub(super) timestamp: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) actor: Option<String>,
    pub(super) valid: bool,
    pub(super) rule_count: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<String>,
}

/// What the policy says about a viewer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decision {
    pub(super) allowed: bool,
    pub(super) reason: &'static str,
    pub(super) rule: Option<Rule>,
}

/// The rules in force.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) enabled: bool,
    /// Of namespaces without a rule.
    pub(super) default_allow: bool,
    pub(super) rules: Vec<Rule>,
}

/// The policy of a node.
#[derive(Debug)]
pub(in crate::rpc) struct Policy {
    rules: Mutex<Rules>,
    audit: Mutex<VecDeque<Entry>>,
}

impl Default for Policy {
    fn default() -> Policy {
        let rules = Rules { enabled: false, default_allow: true, rules: Vec::new() };
        Policy { rules: Mutex::new(rules), audit: Mutex::default() }
    }
}

impl Policy {
    pub(super) fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().expect("nothing panics while holding the policy")
    }

    /// Whether a viewer is shown a function.
    pub(super) fn allows_function(&self, function: &Function, cluster: &str, tenant: Option<&str>) -> bool {
        let rules = self.rules();
        if !rules.enabled {
            return true;
        }
        // The name says more than the namespace, where it lies in it.
        let named = lies_in(&function.name, &function.namespace) || function.namespace.is_empty();
        let asked = if named { &function.name } else { &function.namespace };
        rules.decide(asked, cluster, tenant).allowed
    }

    pub(super) fn note(&self, entry: Entry) {
        let mut audit = self.audit.lock().expect("nothing panics while holding the audit");
        if audit.len() == AUDIT_ENTRIES_MAX {
            audit.pop_front();
        }
        audit.push_back(entry);
    }

    /// The last `limit` entries, oldest first.
    pub(super) fn audit(&self, limit: usize) -> Vec<Entry> {
        let audit = self.audit.lock().expect("nothing panics while holding the audit");
        audit.iter().skip(audit.len().saturating_sub(limit)).cloned().collect()
    }
}

impl Rules {
    /// Whether `cluster`, or `tenant`, may see `namespace`.
    pub(super) fn decide(&self, namespace: &str, cluster: &str, tenant: Option<&str>) -> Decision {
        let plain = |allowed, reason| Decision { allowed, reason, rule: None };
        if !self.enabled {
            return plain(true, "policy_disabled");
        }
        let covering = self.rules.iter().filter(|rule| lies_in(namespace, &rule.namespace));
        let Some(rule) = covering.max_by_key(|rule| rule.namespace.len()) else {
            return plain(self.default_allow, "no_policy");
        };
        let (allowed, reason) = if rule.visibility.is_empty() && rule.visibility_tenants.is_empty() {
            (true, "visibility_unrestricted")
        } else if tenant.is_some_and(|tenant| rule.visibility_tenants.iter().any(|known| known == tenant)) {
            (true, "tenant_allowed")
        } else if rule.visibility.iter().any(|known| known == cluster) {
            (true, "viewer_allowed")
        } else {
            (false, "viewer_denied")
        };
        Decision { allowed, reason, rule: Some(rule.clone()) }
    }
}

/// What is wrong with rules; empty: nothing.
pub(super) fn problems(rules: &[Rule]) -> Vec<String> {
    let mut found = Vec::new();
    if rules.len() > POLICY_RULES_MAX {
        found.push(format!("{} rules, the limit is {POLICY_RULES_MAX}", rules.len()));
    }
    let mut seen = HashSet::new();
    for (index, rule) in rules.iter().enumerate() {
        if rule.namespace.is_empty() {
            found.push(format!("rule {index}: namespace is empty"));
        } else if !seen.insert(&rule.namespace) {
            found.push(format!("rule {index}: namespace {} has a rule already", rule.namespace));
        }
        let windows = rule.cutover_windows.iter();
        for scope in rule.export_scopes.iter().chain(windows.clone().flat_map(|window| &window.export_scopes))
        {
            if Scope::read(scope).is_none() {
                found.push(format!("rule {index}: unknown scope {scope}"));
            }
        }
        for window in windows {
            if window.ends_at.is_some_and(|ends_at| ends_at <= window.starts_at) {
                found.push(format!("rule {index}: a cutover window ends before it starts"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules(value: serde_json::Value) -> Vec<Rule> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn every_reason() {
        let mut policy = Rules {
            enabled: false,
            default_allow: false,
            rules: rules(json!([
                {"namespace": "a"},
                {"namespace": "a.b", "visibility": ["c1"], "visibility_tenants": ["t1"]},
            ])),
        };
        let reason = |policy: &Rules, namespace: &str, cluster: &str, tenant: Option<&str>| {
            let decision = policy.decide(namespace, cluster, tenant);
            (decision.allowed, decision.reason)
        };
        assert_eq!(reason(&policy, "a.b", "c2", None), (true, "policy_disabled"));
        policy.enabled = true;
        assert_eq!(reason(&policy, "a", "c2", None), (true, "visibility_unrestricted"));
        assert_eq!(reason(&policy, "a.b.c", "c2", None), (false, "viewer_denied"));
        assert_eq!(reason(&policy, "a.b", "c1", None), (true, "viewer_allowed"));
        assert_eq!(reason(&policy, "a.b", "c2", Some("t1")), (true, "tenant_allowed"));
        assert_eq!(reason(&policy, "a.bc", "c2", None), (true, "visibility_unrestricted"), "not in a.b");
        assert_eq!(reason(&policy, "ab", "c1", None), (false, "no_policy"));
        policy.default_allow = true;
        assert_eq!(reason(&policy, "ab", "c1", None), (true, "no_policy"));
    }

    #[test]
    fn bad_rules_are_named() {
        assert!(
            problems(&rules(json!([{"namespace": "a", "export_scopes": ["zone"], "owners": null}])))
                .is_empty()
        );
        let bad = problems(&rules(json!([
            {"namespace": ""},
            {"namespace": "a"},
            {"namespace": "a", "export_scopes": ["moon"]},
            {"namespace": "b", "cutover_windows": [{"starts_at": 5, "ends_at": 4}]},
        ])));
        assert_eq!(bad.len(), 4, "{bad:?}");
        assert_eq!(
            problems(&vec![Rule { namespace: "x".into(), ..Rule::default() }; POLICY_RULES_MAX + 1]).len(),
            POLICY_RULES_MAX + 1
        );
    }

    #[test]
    fn the_audit_keeps_the_last() {
        let policy = Policy::default();
        for number in 0..AUDIT_ENTRIES_MAX + 5 {
            let timestamp = number as f64;
            policy.note(Entry {
                event: "apply",
                timestamp,
                actor: None,
                valid: true,
                rule_count: 0,
                errors: vec![],
            });
        }
        let last = policy.audit(2);
        assert_eq!(last.len(), 2);
        assert_eq!(last[1].timestamp, (AUDIT_ENTRIES_MAX + 4) as f64);
        assert_eq!(policy.audit(usize::MAX).len(), AUDIT_ENTRIES_MAX);
    }
}
