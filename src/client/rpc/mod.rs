//! Functions: single calls, graphs of calls, and what there is to call.
//!
//! ```
//! # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mpreg::client::{Client, Command, Graph};
//! use mpreg::rpc::Failure;
//!
//! # let dir = tempfile::tempdir()?;
//! let node = mpreg::Node::new(dir.path()).listen("127.0.0.1:0".parse()?);
//! let node = node
//!     .function("math.add")
//!     .parameters(["a", "b"])
//!     .handler(|a: i64, b: i64| -> Result<i64, Failure> { Ok(a + b) });
//! let node = node.start().await?;
//! let client = Client::connect(&node.url()).await?;
//!
//! let sum: i64 = client.call("math.add", &(1, 2)).await?;
//! assert_eq!(sum, 3);
//!
//! // An argument that is the name of another command is its result.
//! let graph = Graph::new()
//!     .command("first", Command::new("math.add").args(&(1, 2))?)
//!     .command("second", Command::new("math.add").arg("first")?.arg(&10)?);
//! let results = client.run(&graph).await?;
//! assert_eq!(results.get::<i64>("second")?, Some(13));
//! # drop(client);
//! # node.shutdown().await?;
//! # Ok(())
//! # }
//! ```

mod command;
mod discovery;
mod graph;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use command::Command;
pub use discovery::FunctionFilter;
pub use graph::{Graph, Level, Results, Summary};

use super::cache::RpcError;
use super::{Client, Error};
use command::LONE;

impl Client {
    /// Calls a function with positional arguments: a tuple, an array or a vector.
    ///
    /// Errors: [`Error::Node`] with the code `1001` when there is no such function, `1003` when it failed, `1004` when
    /// the node's time limit was reached; [`Error::TimedOut`] when this client's own is reached first, see
    /// [`Client::with_timeout`].
    pub async fn call<R: DeserializeOwned>(
        &self,
        fun: &str,
        args: &(impl Serialize + ?Sized),
    ) -> Result<R, Error> {
        self.run_command(Command::new(fun).args(args)?).await
    }

    /// Calls a function as `command` says.
    pub async fn run_command<R: DeserializeOwned>(&self, command: Command) -> Result<R, Error> {
        let graph = Graph::new().command(LONE, command);
        let results = self.run(&graph).await?;
        results.get(LONE)?.ok_or_else(|| Error::decode("no result of the command"))
    }

    /// Runs a graph of commands.
    pub async fn run(&self, graph: &Graph) -> Result<Results, Error> {
        Results::read(self.send(graph).await?)
    }

    /// Sends `value` there and back: is the node alive?
    pub async fn echo<T: Serialize + ?Sized, R: DeserializeOwned>(&self, value: &T) -> Result<R, Error> {
        self.run_command(Command::new("echo").arg(value)?).await
    }
}

/// An `rpc-response` that brings one thing.
#[derive(Deserialize)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) r: Option<&'a RawValue>,
    pub(super) error: Option<RpcError>,
}

/// The `r` of a reply, or its error.
pub(super) fn result(reply: &RawValue) -> Result<&str, Error> {
    let response: Response<'_> = serde_json::from_str(reply.get()).map_err(Error::Decode)?;
    match (response.r, response.error) {
        (_, Some(error)) => Err(error.into()),
        (Some(result), None) => Ok(result.get()),
        (None, None) => Ok("null"),
    }
}
