//! Functions: what is declared about one, and what runs when it is called.
//!
//! | file | job |
//! |---|---|
//! | `declaration` | what a registration says, read from Rust or from JSON |
//! | `spec` | the same in the protocol's shapes, with its digest |
//! | `types` | Rust types by their JSON names |
//! | `handler` | closures and async functions with typed arguments |
//! | `declare` | the builder of Rust functions |
//! | `failure` | why a call failed |

mod declaration;
mod declare;
mod failure;
mod handler;
mod spec;
mod types;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use declaration::{Declaration, Error as DeclarationError, Example, Kind, Parameter, Scope, Type};
pub use declare::{Accept, Declare, Prepared};
pub use failure::Failure;
pub use handler::{AsyncHandler, Bound, Fallible, Handler, Outcome, Plain, Running};
pub(crate) use spec::{Shapes, hex};
pub use types::TypeSpec;

use serde_json::json;

use super::discovery::Builtin;
use super::version::Version;

/// Runs at once, on the spot.
pub(crate) type QuickCode = dyn Fn(&str, &str) -> Result<String, Failure> + Send + Sync;
/// Begins to run.
pub(crate) type AsyncCode = dyn Fn(&str, &str) -> Result<Running, Failure> + Send + Sync;

/// What runs when a function is called. Texts are `args` and `kwargs`, checked JSON.
#[derive(Clone)]
pub(crate) enum Code {
    /// Never waits and is short: runs on the connection's task.
    Quick(Arc<QuickCode>),
    /// May take its time: runs on a blocking thread.
    Blocking(Arc<QuickCode>),
    /// Runs as a task.
    Async(Arc<AsyncCode>),
    /// Answers from what the node knows about itself.
    Builtin(Builtin),
    /// Runs on one of the connected workers in this pool.
    Workers(u64),
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Code::Quick(_) => "Quick",
            Code::Blocking(_) => "Blocking",
            Code::Async(_) => "Async",
            Code::Builtin(_) => "Builtin",
            Code::Workers(_) => "Workers",
        })
    }
}

/// How results of a pure function are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Memo {
    /// `None`: until they are invalidated.
    pub(crate) ttl: Option<Duration>,
    /// JSON array of cache keys as texts; `[]` when there are none.
    pub(crate) dependencies: String,
    /// How the canonical form of a call begins: `["name","id","version"`.
    pub(crate) prefix: String,
}

/// A registered function: one version of one name. Never changes; what changes is registered anew.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) function_id: String,
    pub(crate) version: Version,
    pub(crate) namespace: String,
    pub(crate) scope: Scope,
    /// Sorted.
    pub(crate) resources: Vec<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) capabilities: Vec<String>,
    pub(crate) idempotent: bool,
    pub(crate) memo: Option<Memo>,
    pub(crate) shapes: Shapes,
    pub(crate) code: Code,
    /// The node's own: nobody takes it away.
    pub(crate) builtin: bool,
}

impl Function {
    /// Checks the declaration and makes a function of it.
    pub(crate) fn new(declaration: &Declaration, code: Code) -> Result<Function, DeclarationError> {
        declaration.check()?;
        let (version, scope) = (declaration.parsed_version()?, declaration.parsed_scope()?);
        let mut resources = declaration.resources.clone();
        resources.sort_unstable();
        resources.dedup();
        let dependencies = json!(declaration.dependencies).to_string();
        Ok(Function {
            name: declaration.name.clone(),
            function_id: declaration.id().to_owned(),
            version,
            namespace: declaration.resolved_namespace().to_owned(),
            scope,
            resources,
            tags: declaration.tags.clone(),
            capabilities: declaration.capabilities.clone(),
            idempotent: declaration.idempotent,
            memo: declaration.memo_ttl().map(|ttl| {
                let identity = json!([declaration.name, declaration.id(), version.to_string()]).to_string();
                Memo { ttl, dependencies, prefix: identity[..identity.len() - 1].to_owned() }
            }),
            shapes: Shapes::of(declaration, version, scope.as_str()),
            code,
            builtin: false,
        })
    }

    /// Whether it has all of these.
    pub(crate) fn has_resources<T: AsRef<str>>(&self, wanted: &[T]) -> bool {
        wanted
            .iter()
            .all(|wanted| self.resources.binary_search_by(|own| own.as_str().cmp(wanted.as_ref())).is_ok())
    }
}
