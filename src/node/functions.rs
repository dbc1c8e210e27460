//! Functions of the program that embeds a node.

use super::{Node, Running};
use crate::rpc;
use crate::rpc::function::{Accept, Declare, Prepared};

impl Node {
    /// Declares a function that clients can call; see [`Declare`] for what can be said about it. What is wrong with
    /// it is told by [`Node::start`].
    ///
    /// ```
    /// let node = mpreg::Node::new("data")
    ///     .function("text.shout")
    ///     .describe("Says it louder.")
    ///     .parameters(["text"])
    ///     .quick_handler(|text: String| text.to_uppercase());
    /// # drop(node);
    /// ```
    pub fn function(self, name: &str) -> Declare<Node> {
        Declare::new(self, name)
    }
}

impl Accept for Node {
    type Accepted = Node;

    fn accept(mut self, prepared: Prepared) -> Node {
        self.functions.push(prepared);
        self
    }
}

impl Running {
    /// Declares a function on a running node: clients can call it from then on.
    pub fn function(&self, name: &str) -> Declare<&Running> {
        Declare::new(self, name)
    }
}

impl Accept for &Running {
    type Accepted = Result<(), rpc::Error>;

    fn accept(self, prepared: Prepared) -> Result<(), rpc::Error> {
        self.register(prepared)
    }
}
