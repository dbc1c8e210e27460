//! The namespace policy as functions.

use serde_json::{Value, json};

use super::policy::{Entry, Rule, problems};
use super::{Fields, object, optional};
use crate::limits::PAGE_ENTRIES_DEFAULT;
use crate::rpc::Rpc;
use crate::rpc::function::Failure;

/// `namespace_status`.
pub(super) fn status(rpc: &Rpc, fields: &Fields) -> Result<String, Failure> {
    let namespace = fields.text("namespace")?.unwrap_or_default();
    let viewer = fields.text("viewer_cluster_id")?.unwrap_or_else(|| rpc.catalog.identity.cluster_id.clone());
    let tenant = fields.text("viewer_tenant_id")?;
    let decision = rpc.policy.rules().decide(&namespace, &viewer, tenant.as_deref());
    let mut reply = object(json!({
        "namespace": namespace,
        "generated_at": rpc.now_s(),
        "viewer_cluster_id": viewer,
        "viewer_tenant_id": tenant,
        "allowed": decision.allowed,
        "reason": decision.reason,
        "summaries_exported": 0,
    }));
    optional(&mut reply, "rule", decision.rule.map(|rule| json!(rule)));
    Ok(Value::Object(reply).to_string())
}

/// Rules that were given, and what is wrong with them.
struct Given {
    /// `None`: none were given, or they cannot be read.
    rules: Option<Vec<Rule>>,
    count: usize,
    errors: Vec<String>,
}

fn given(fields: &Fields) -> Given {
    let listed = match fields.any("rules") {
        None => return Given { rules: None, count: 0, errors: Vec::new() },
        Some(Value::Array(rules)) => rules.clone(),
        Some(one) => vec![one.clone()],
    };
    let count = listed.len();
    let (mut rules, mut errors) = (Vec::with_capacity(count), Vec::new());
    for (index, rule) in listed.into_iter().enumerate() {
        match serde_json::from_value::<Rule>(rule) {
            Ok(rule) => rules.push(rule),
            Err(error) => errors.push(format!("rule {index}: {error}")),
        }
    }
    errors.extend(problems(&rules));
    Given { rules: Some(rules), count, errors }
}

fn note(rpc: &Rpc, fields: &Fields, event: &'static str, given: &Given) -> Result<(), Failure> {
    let (timestamp, actor, errors) = (rpc.now_s(), fields.text("actor")?, given.errors.clone());
    let valid = errors.is_empty();
    rpc.policy.note(Entry { event, timestamp, actor, valid, rule_count: given.count, errors });
    Ok(())
}

/// `namespace_policy_validate`.
pub(super) fn validate(rpc: &Rpc, fields: &Fields) -> Result<String, Failure> {
    let given = given(fields);
    note(rpc, fields, "validate", &given)?;
    let Given { count, errors, .. } = given;
    let reply = json!({"valid": errors.is_empty(), "generated_at": rpc.now_s(), "rule_count": count, "errors": errors});
    Ok(reply.to_string())
}

/// `namespace_policy_apply`: what is not given stays.
pub(super) fn apply(rpc: &Rpc, fields: &Fields) -> Result<String, Failure> {
    let (enabled, default_allow) = (fields.flag("enabled")?, fields.flag("default_allow")?);
    let given = given(fields);
    note(rpc, fields, "apply", &given)?;
    let Given { rules, count, errors } = given;
    let valid = errors.is_empty();
    if valid {
        let mut policy = rpc.policy.rules();
        policy.enabled = enabled.unwrap_or(policy.enabled);
        policy.default_allow = default_allow.unwrap_or(policy.default_allow);
        policy.rules = rules.unwrap_or_else(|| std::mem::take(&mut policy.rules));
    }
    Ok(json!({"applied": valid, "valid": valid, "generated_at": rpc.now_s(), "rule_count": count, "errors": errors})
        .to_string())
}

/// `namespace_policy_export`.
pub(super) fn export(rpc: &Rpc, _: &Fields) -> Result<String, Failure> {
    let policy = rpc.policy.rules().clone();
    Ok(json!({
        "enabled": policy.enabled,
        "default_allow": policy.default_allow,
        "generated_at": rpc.now_s(),
        "rule_count": policy.rules.len(),
        "rules": policy.rules,
    })
    .to_string())
}

/// `namespace_policy_audit`.
pub(super) fn audit(rpc: &Rpc, fields: &Fields) -> Result<String, Failure> {
    let limit = fields.count("limit")?.unwrap_or(PAGE_ENTRIES_DEFAULT);
    Ok(json!({"generated_at": rpc.now_s(), "entries": rpc.policy.audit(limit)}).to_string())
}
