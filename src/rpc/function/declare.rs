//! The builder of Rust functions.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::Code;
use super::declaration::{Declaration, Example, Kind, Parameter, Type};
use super::handler::{AsyncHandler, Bound, Handler};
use super::types::TypeSpec;

/// Who takes a finished function: a node before its start, or a running one.
pub trait Accept: Sized {
    /// What is left to go on with.
    type Accepted;

    #[doc(hidden)]
    fn accept(self, prepared: Prepared) -> Self::Accepted;
}

/// A declaration with its code.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(crate) declaration: Declaration,
    pub(crate) code: Code,
}

/// A function in the making: say what it is, then give its code with one of the `handler` methods.
///
/// | method | runs | for |
/// |---|---|---|
/// | [`quick_handler`](Declare::quick_handler) | where the request is read | what takes microseconds and never waits |
/// | [`handler`](Declare::handler) | on a blocking thread | everything else that is not async |
/// | [`async_handler`](Declare::async_handler) | as a task | what awaits |
///
/// Arguments are read with serde, from positions or keywords. A wrong number, an unknown keyword or a value of
/// another type fails the call with 1003 before any code runs; an `Option` may be left out. The result is anything
/// that serialises, or a `Result` of it with a [`Failure`](super::Failure).
#[derive(Debug)]
#[must_use = "a function without a handler is not registered"]
pub struct Declare<T> {
    target: T,
    declaration: Declaration,
    names: Vec<String>,
}

impl<T: Accept> Declare<T> {
    /// Begins; callers use `Node::function` or `Running::function`.
    pub(crate) fn new(target: T, name: &str) -> Declare<T> {
        let declaration = Declaration { name: name.to_owned(), ..Declaration::default() };
        Declare { target, declaration, names: Vec::new() }
    }

    fn with(mut self, change: impl FnOnce(&mut Declaration)) -> Declare<T> {
        change(&mut self.declaration);
        self
    }

    /// Its version, 1 to 3 numbers; default `1.0.0`. Several versions of one name may be registered.
    pub fn version(self, version: &str) -> Declare<T> {
        self.with(|declaration| declaration.version = Some(version.to_owned()))
    }

    /// Its id; default the name.
    pub fn id(self, id: &str) -> Declare<T> {
        self.with(|declaration| declaration.function_id = Some(id.to_owned()))
    }

    /// Documentation; the first line is the summary.
    pub fn describe(self, doc: &str) -> Declare<T> {
        self.with(|declaration| declaration.doc = doc.to_owned())
    }

    /// Names of the parameters in their order; default `arg0`, `arg1` and so on.
    pub fn parameters<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Declare<T> {
        self.names = names.into_iter().map(str::to_owned).collect();
        self
    }

    /// What the result is.
    pub fn returns(self, doc: &str) -> Declare<T> {
        self.with(|declaration| declaration.returns_doc = doc.to_owned())
    }

    /// Resources callers may ask for.
    pub fn resources<'n>(self, resources: impl IntoIterator<Item = &'n str>) -> Declare<T> {
        self.with(|declaration| declaration.resources = resources.into_iter().map(str::to_owned).collect())
    }

    /// Labels to search by.
    pub fn tags<'n>(self, tags: impl IntoIterator<Item = &'n str>) -> Declare<T> {
        self.with(|declaration| declaration.tags = tags.into_iter().map(str::to_owned).collect())
    }

    /// Its namespace; default the name up to its last dot.
    pub fn namespace(self, namespace: &str) -> Declare<T> {
        self.with(|declaration| declaration.namespace = Some(namespace.to_owned()))
    }

    /// `local`, `zone` (default), `region` or `global`.
    pub fn scope(self, scope: &str) -> Declare<T> {
        self.with(|declaration| declaration.scope = Some(scope.to_owned()))
    }

    /// Shows a call in the description.
    pub fn example(self, name: &str, request: Value, response: Value) -> Declare<T> {
        let (request, response) = (Some(request), Some(response));
        let example = Example { name: name.to_owned(), description: String::new(), request, response };
        self.with(|declaration| declaration.examples.push(example))
    }

    /// Equal arguments have equal results: they are kept in the cache, namespace `rpc.results`, for `ttl`, and
    /// calls of the same at the same time run once. A result of null is not kept.
    pub fn pure(self, ttl: impl Into<Option<Duration>>) -> Declare<T> {
        let ttl = ttl.into().map(|ttl| ttl.as_secs_f64());
        self.with(|declaration| {
            declaration.pure = true;
            declaration.ttl_seconds = ttl;
        })
    }

    /// Cache keys (`namespace:identifier:version`) that kept results depend on.
    pub fn depends_on<'n>(self, keys: impl IntoIterator<Item = &'n str>) -> Declare<T> {
        self.with(|declaration| declaration.dependencies = keys.into_iter().map(str::to_owned).collect())
    }

    /// A closure that may take its time: it runs on a blocking thread. It goes on to its end even when its caller
    /// has gone or waits no longer.
    pub fn handler<A, M>(self, handler: impl Handler<A, M>) -> T::Accepted {
        self.finish_plain(handler, |code| Code::Blocking(Arc::from(code)))
    }

    /// A closure that runs where the request is read, without a thread or task of its own. It must be short and
    /// never wait: it holds up everything else of its connection, and other connections too.
    pub fn quick_handler<A, M>(self, handler: impl Handler<A, M>) -> T::Accepted {
        self.finish_plain(handler, |code| Code::Quick(Arc::from(code)))
    }

    /// An async function or a closure that returns a future. It is dropped when its caller has gone or waits no
    /// longer.
    pub fn async_handler<A, M, H: AsyncHandler<A, M>>(self, handler: H) -> T::Accepted {
        let (types, returns) = (H::parameters(), H::returns());
        self.finish(types, returns, |fun, names| {
            Code::Async(Arc::new(move |args: &str, kwargs: &str| {
                handler.call(&Bound::new(&fun, &names, args, kwargs)?)
            }))
        })
    }

    fn finish_plain<A, M, H: Handler<A, M>>(
        self,
        handler: H,
        wrap: impl FnOnce(Box<super::QuickCode>) -> Code,
    ) -> T::Accepted {
        let (types, returns) = (H::parameters(), H::returns());
        self.finish(types, returns, |fun, names| {
            wrap(Box::new(move |args: &str, kwargs: &str| {
                handler.call(&Bound::new(&fun, &names, args, kwargs)?)
            }))
        })
    }

    fn finish(
        self,
        types: Vec<TypeSpec>,
        returns: TypeSpec,
        code: impl FnOnce(String, Vec<String>) -> Code,
    ) -> T::Accepted {
        let Declare { target, mut declaration, mut names } = self;
        names.truncate(types.len());
        names.extend((names.len()..types.len()).map(|place| format!("arg{place}")));
        let parameter = |(name, of): (&String, TypeSpec)| Parameter {
            name: name.clone(),
            kind: Kind::PositionalOrKeyword,
            required: Some(!of.is_optional),
            default: of.is_optional.then_some(Value::Null),
            of: Some(Type::Spec(of)),
            doc: String::new(),
        };
        declaration.parameters = names.iter().zip(types).map(parameter).collect();
        declaration.returns = Some(Type::Spec(returns));
        let code = code(declaration.name.clone(), names);
        target.accept(Prepared { declaration, code })
    }
}
