//! Functions listed, described and counted.

use std::cmp::Reverse;
use std::collections::HashMap;

use mpreg_storage::json::write;
use serde_json::json;

use super::Fields;
use crate::rpc::Rpc;
use crate::rpc::catalog::{array, into_text, text_field};
use crate::rpc::function::{Failure, Function, Scope};
use crate::rpc::version::Constraint;

/// Whether a namespace is `filter` or lies in it.
pub(super) fn lies_in(namespace: &str, filter: &str) -> bool {
    namespace == filter || namespace.strip_prefix(filter).is_some_and(|rest| rest.starts_with('.'))
}

/// What functions must be to be listed. Everything absent is no condition.
#[derive(Debug)]
pub(super) struct Filter {
    namespace: Option<String>,
    scope: Option<Scope>,
    capabilities: Vec<String>,
    resources: Vec<String>,
    tags: Vec<String>,
    /// The cluster and the node asked for are these here.
    here: bool,
    name: Option<String>,
    id: Option<String>,
    constraint: Constraint,
    /// Lower case.
    query: Option<String>,
    names: Vec<String>,
    ids: Vec<String>,
    digests: Vec<String>,
    viewer_cluster: String,
    viewer_tenant: Option<String>,
}

impl Filter {
    pub(super) fn read(rpc: &Rpc, fields: &Fields) -> Result<Filter, Failure> {
        let identity = &rpc.catalog.identity;
        let same = |wanted: Option<String>, own: &str| wanted.is_none_or(|wanted| wanted == own);
        let constraint = fields.text("version_constraint")?.unwrap_or_default();
        let viewer = fields.text("viewer_cluster_id")?;
        Ok(Filter {
            namespace: fields.text("namespace")?,
            scope: fields.scope()?,
            capabilities: fields.texts("capabilities")?,
            resources: fields.texts("resources")?,
            tags: fields.texts("tags")?,
            here: same(fields.text("cluster_id")?, &identity.cluster_id)
                && same(fields.text("node_id")?, &identity.node_id),
            name: fields.text("function_name")?,
            id: fields.text("function_id")?,
            constraint: constraint.parse()?,
            query: fields.text("query")?.map(|query| query.to_lowercase()),
            names: fields.texts("function_names")?,
            ids: fields.texts("function_ids")?,
            digests: fields.texts("spec_digests")?,
            viewer_cluster: viewer.unwrap_or_else(|| identity.cluster_id.clone()),
            viewer_tenant: fields.text("viewer_tenant_id")?,
        })
    }

    /// Whether a function is listed.
    pub(super) fn wants(&self, rpc: &Rpc, function: &Function) -> bool {
        let listed = |wanted: &[String], own: &String| wanted.is_empty() || wanted.contains(own);
        self.here
            && self.namespace.as_ref().is_none_or(|filter| lies_in(&function.namespace, filter))
            // What is seen less far than was asked for is hidden.
            && self.scope.is_none_or(|scope| function.scope >= scope)
            && self.name.as_ref().is_none_or(|name| *name == function.name)
            && self.id.as_ref().is_none_or(|id| *id == function.function_id)
            && self.constraint.allows(function.version)
            && function.has_resources(&self.resources)
            && self.tags.iter().all(|tag| function.tags.contains(tag))
            && self.capabilities.iter().all(|wanted| wanted == "rpc" || function.capabilities.contains(wanted))
            && listed(&self.names, &function.name)
            && listed(&self.ids, &function.function_id)
            && listed(&self.digests, &function.shapes.digest)
            && self.query.as_ref().is_none_or(|query| mentions(function, query))
            && rpc.policy.allows_function(function, &self.viewer_cluster, self.viewer_tenant.as_deref())
    }
}

fn mentions(function: &Function, query: &str) -> bool {
    let texts = [&function.name, &function.namespace, &function.shapes.headline, &function.function_id];
    texts.iter().any(|text| text.to_lowercase().contains(query))
}

/// `rpc_list`.
pub(super) fn rpc_list(rpc: &Rpc, fields: &Fields) -> Result<String, Failure> {
    list(rpc, fields, |_, function| write_item(rpc, function, false), "")
}

/// `rpc_describe` and `rpc_describe_local`: on a lone node all modes come to the same.
pub(super) fn rpc_describe(rpc: &Rpc, fields: &Fields) -> Result<String, Failure> {
    let one_of = |name: &'static str, words: &[&str]| {
        let word = fields.text(name)?;
        match word.as_deref() {
            Some(word) if !words.contains(&word) => {
                Err(Failure::value(format!("{name} must be one of {}", words.join(", "))))
            }
            _ => Ok(word),
        }
    };
    one_of("mode", &["auto", "local", "node", "catalog", "scatter"])?;
    let detail = one_of("detail_level", &["full", "summary"])?;
    let full = detail.as_deref() != Some("summary");
    list(rpc, fields, |_, function| write_item(rpc, function, full), r#","errors":[]"#)
}

/// A page of functions; `extra` follows the items.
fn list(
    rpc: &Rpc,
    fields: &Fields,
    item: impl Fn(&Rpc, &Function) -> Vec<u8>,
    extra: &str,
) -> Result<String, Failure> {
    let (filter, page) = (Filter::read(rpc, fields)?, fields.page()?);
    let wants = |function: &Function| filter.wants(rpc, function);
    let (functions, more) = rpc.catalog.registry.page(page.offset, page.limit, wants);
    let mut out = br#"{"generated_at":"#.to_vec();
    write::seconds(&mut out, rpc.now_us());
    out.extend_from_slice(br#","items":"#);
    array(&mut out, &functions, |out, function| out.extend(item(rpc, function)));
    out.extend_from_slice(extra.as_bytes());
    if more {
        text_field(&mut out, "next_page_token", &page.next_token(functions.len()));
    }
    out.push(b'}');
    Ok(into_text(out))
}

/// An `RpcItem`.
fn write_item(rpc: &Rpc, function: &Function, with_spec: bool) -> Vec<u8> {
    let mut out = br#"{"identity":"#.to_vec();
    out.extend_from_slice(function.shapes.identity.as_bytes());
    if !function.namespace.is_empty() {
        text_field(&mut out, "namespace", &function.namespace);
    }
    rpc.catalog.write_place(function, &mut out);
    out.extend_from_slice(br#","summary":"#);
    out.extend_from_slice(function.shapes.summary.as_bytes());
    if with_spec {
        out.extend_from_slice(br#","spec":"#);
        out.extend_from_slice(function.shapes.spec.as_bytes());
    }
    text_field(&mut out, "spec_digest", &function.shapes.digest);
    out.push(b'}');
    out
}

/// `rpc_report`.
pub(super) fn rpc_report(rpc: &Rpc, fields: &Fields) -> Result<String, Failure> {
    let filter = Filter::read(rpc, fields)?;
    let (mut total, mut namespaces, mut tags) = (0_usize, HashMap::new(), HashMap::new());
    rpc.catalog.registry.page(0, 0, |function| {
        if filter.wants(rpc, function) {
            total += 1;
            *namespaces.entry(function.namespace.clone()).or_default() += 1;
            function.tags.iter().for_each(|tag| *tags.entry(tag.clone()).or_default() += 1);
        }
        // Nothing is taken, so that every function is looked at.
        false
    });
    let clusters = HashMap::from([(rpc.catalog.identity.cluster_id.clone(), total)]);
    Ok(json!({
        "generated_at": rpc.now_s(),
        "total_functions": total,
        "namespace_counts": counted(namespaces),
        "cluster_counts": counted(if total == 0 { HashMap::new() } else { clusters }),
        "tag_counts": counted(tags),
    })
    .to_string())
}

/// `[{key, count}]`, the most frequent first.
fn counted(counts: HashMap<String, usize>) -> Vec<serde_json::Value> {
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_unstable_by(|left, right| (Reverse(left.1), &left.0).cmp(&(Reverse(right.1), &right.0)));
    counts.into_iter().map(|(key, count)| json!({"key": key, "count": count})).collect()
}
