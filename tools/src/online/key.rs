//! A key on the command line.

use std::fmt;

use clap::Args;
use mpreg::client::Key;

/// One key.
#[derive(Args, Debug, Clone)]
pub struct KeyArguments {
    /// Namespace of the key.
    namespace: String,
    /// Identifier of the key.
    identifier: String,
    /// Version of the key; default v1.0.0.
    #[arg(long, value_name = "VERSION")]
    key_version: Option<String>,
}

impl KeyArguments {
    /// As the client has it.
    pub fn get(&self) -> Key<'_> {
        let version = self.key_version.as_deref();
        Key { namespace: &self.namespace, identifier: &self.identifier, version }
    }
}

impl fmt::Display for KeyArguments {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.key_version.as_deref().unwrap_or("v1.0.0");
        write!(out, "{}:{}:{version}", self.namespace, self.identifier)
    }
}
