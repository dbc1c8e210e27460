//! A function that this program serves: its declaration and what runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Why a function failed, as its caller is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// A class name: `ValueError`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened.
    pub message: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: impl Into<String>, message: impl ToString) -> Failure {
        Failure { kind: kind.into(), message: message.to_string() }
    }
}

/// A call, as it came.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Name of the function.
    pub fun: String,
    /// The version that was chosen.
    pub version: String,
    /// JSON array of positional arguments.
    pub args: Box<RawValue>,
    /// JSON object of arguments by name.
    pub kwargs: Box<RawValue>,
    /// How long anybody waits for the result.
    pub timeout: Duration,
}

type Answer = Pin<Box<dyn Future<Output = Result<Box<RawValue>, Failure>> + Send>>;

/// A function to serve.
#[derive(Clone)]
pub struct Function {
    pub(super) declaration: Declaration,
    pub(super) run: Arc<dyn Fn(Invocation) -> Answer + Send + Sync>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Declaration {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<Parameter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    returns: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resources: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    idempotent: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pure: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_seconds: Option<f64>,
}

/// A parameter, as `rpc_describe` shows it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name; arguments by name are put in its place.
    pub name: String,
    /// Its type, for people.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether a call must have it. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// What it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
}

impl From<&str> for Parameter {
    fn from(name: &str) -> Parameter {
        Parameter { name: name.to_owned(), ..Parameter::default() }
    }
}

impl Function {
    /// A function with typed arguments: `args` is a tuple with one member for each, in order. Arguments by name find their
    /// place by [`Function::parameters`]; what does not fit fails the call with `TypeError`.
    pub fn new<A, R, F>(name: impl Into<String>, run: impl Fn(A) -> F + Send + Sync + 'static) -> Function
    where
        A: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        F: Future<Output = Result<R, Failure>> + Send + 'static,
    {
        let run = Arc::new(run);
        Function::raw(name, move |call: Invocation| {
            let run = Arc::clone(&run);
            async move {
                let args: A = serde_json::from_str(call.args.get())
                    .map_err(|error| Failure::new("TypeError", format!("arguments: {error}")))?;
                if call.kwargs.get() != "{}" {
                    let message = format!("unexpected arguments by name: {}", call.kwargs);
                    return Err(Failure::new("TypeError", message));
                }
                let result = run(args).await?;
                serde_json::value::to_raw_value(&result).map_err(|error| Failure::new("BadResult", error))
            }
        })
    }

    /// A function that gets its call as it came and gives JSON text.
    pub fn raw<F>(name: impl Into<String>, run: impl Fn(Invocation) -> F + Send + Sync + 'static) -> Function
    where
        F: Future<Output = Result<Box<RawValue>, Failure>> + Send + 'static,
    {
        Function {
            declaration: Declaration { name: name.into(), ..Declaration::default() },
            run: Arc::new(move |call| Box::pin(run(call))),
        }
    }

    /// Its version; default `1.0.0`.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Function {
        self.declaration.version = Some(version.into());
        self
    }

    /// Its id; default its name.
    #[must_use]
    pub fn function_id(mut self, id: impl Into<String>) -> Function {
        self.declaration.function_id = Some(id.into());
        self
    }

    /// What it does.
    #[must_use]
    pub fn describe(mut self, doc: impl Into<String>) -> Function {
        self.declaration.doc = Some(doc.into());
        self
    }

    /// Its parameters, in order.
    #[must_use]
    pub fn parameters<P: Into<Parameter>>(mut self, parameters: impl IntoIterator<Item = P>) -> Function {
        self.declaration.parameters = parameters.into_iter().map(Into::into).collect();
        self
    }

    /// The type of its result, for people.
    #[must_use]
    pub fn returns(mut self, kind: impl Into<String>) -> Function {
        self.declaration.returns = Some(kind.into());
        self
    }

    /// What this program has that others may lack; callers can ask for it.
    #[must_use]
    pub fn resources<R: Into<String>>(mut self, resources: impl IntoIterator<Item = R>) -> Function {
        self.declaration.resources = resources.into_iter().map(Into::into).collect();
        self
    }

    /// Words to find it by.
    #[must_use]
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Function {
        self.declaration.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// A promise: running it twice does no harm. A call whose worker is lost is then tried on another.
    #[must_use]
    pub fn idempotent(mut self) -> Function {
        self.declaration.idempotent = true;
        self
    }

    /// A promise: equal arguments give equal results. The node keeps them for this long; `None`: until they are evicted.
    #[must_use]
    pub fn pure(mut self, ttl: impl Into<Option<Duration>>) -> Function {
        self.declaration.pure = true;
        self.declaration.ttl_seconds = ttl.into().map(|ttl| ttl.as_secs_f64());
        self
    }

    /// Arguments by name put in the places of their parameters, as far as there are any.
    pub(super) fn placed(&self, mut call: Invocation) -> Invocation {
        if call.kwargs.get() == "{}" || self.declaration.parameters.is_empty() {
            return call;
        }
        if let Some((args, kwargs)) = place(&self.declaration.parameters, &call) {
            (call.args, call.kwargs) = (args, kwargs);
        }
        call
    }
}

/// `None` where the names do not fit: the call goes on as it is, and fails where its arguments are read.
fn place(parameters: &[Parameter], call: &Invocation) -> Option<(Box<RawValue>, Box<RawValue>)> {
    let mut args: Vec<Box<RawValue>> = serde_json::from_str(call.args.get()).ok()?;
    let mut kwargs: serde_json::Map<String, Value> = serde_json::from_str(call.kwargs.get()).ok()?;
    for parameter in parameters.get(args.len()..)? {
        if kwargs.is_empty() {
            break;
        }
        // One left out before one that is given reads as null.
        let value = kwargs.remove(&parameter.name).unwrap_or(Value::Null);
        args.push(serde_json::value::to_raw_value(&value).ok()?);
    }
    let raw = |text: Result<Box<RawValue>, _>| text.ok();
    Some((raw(serde_json::value::to_raw_value(&args))?, raw(serde_json::value::to_raw_value(&kwargs))?))
}

impl std::fmt::Debug for Function {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Function").field("declaration", &self.declaration).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(args: &str, kwargs: &str) -> Invocation {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let (args, kwargs) = (raw(args), raw(kwargs));
        Invocation { fun: "f".into(), version: "1.0.0".into(), args, kwargs, timeout: Duration::MAX }
    }

    #[test]
    fn names_find_their_places() {
        let function = Function::new("f", |_: (u8, u8, u8)| async { Ok::<_, Failure>(0) });
        let function = function.parameters(["a", "b", "c"]);
        let placed = |args, kwargs| {
            let call = function.placed(call(args, kwargs));
            (call.args.get().to_owned(), call.kwargs.get().to_owned())
        };
        let pair = |args: &str, kwargs: &str| (args.to_owned(), kwargs.to_owned());
        assert_eq!(placed("[1.0]", r#"{"c":3,"b":2}"#), pair("[1.0,2,3]", "{}"));
        assert_eq!(placed("[]", r#"{"b":2}"#), pair("[null,2]", "{}"));
        assert_eq!(placed("[1,2,3]", "{}"), pair("[1,2,3]", "{}"));
        assert_eq!(placed("[1]", r#"{"a":2}"#), pair("[1,null,null]", r#"{"a":2}"#));
        assert_eq!(placed("[1,2,3,4]", r#"{"a":2}"#), pair("[1,2,3,4]", r#"{"a":2}"#));
    }

    #[tokio::test]
    async fn what_does_not_fit_is_a_type_error() {
        let function = Function::new("f", |(a,): (u8,)| async move { Ok::<_, Failure>(a + 1) });
        let run = |args: &str, kwargs: &str| (function.run)(call(args, kwargs));
        assert_eq!(run("[1]", "{}").await.unwrap().get(), "2");
        for (args, kwargs) in [("[]", "{}"), ("[\"x\"]", "{}"), ("[1,2]", "{}"), ("[1]", "{\"b\":1}")] {
            assert_eq!(run(args, kwargs).await.unwrap_err().kind, "TypeError", "{args} {kwargs}");
        }
    }
}
