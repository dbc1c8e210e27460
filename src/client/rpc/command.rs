//! One call of a function, as part of a graph or alone.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::client::Error;

/// A call of a function.
#[derive(Debug, Clone, Serialize)]
#[must_use = "a command does nothing until it is sent"]
pub struct Command {
    name: String,
    fun: String,
    args: Vec<Box<RawValue>>,
    #[serde(serialize_with = "pairs")]
    kwargs: Vec<(String, Box<RawValue>)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_constraint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_cluster: Option<String>,
}

impl Command {
    /// A call of the function `fun` without arguments.
    pub fn new(fun: impl Into<String>) -> Command {
        Command {
            name: LONE.to_owned(),
            fun: fun.into(),
            args: Vec::new(),
            kwargs: Vec::new(),
            locs: Vec::new(),
            function_id: None,
            version_constraint: None,
            target_cluster: None,
        }
    }

    /// One more positional argument.
    pub fn arg<T: Serialize + ?Sized>(mut self, value: &T) -> Result<Command, Error> {
        self.args.push(raw(value)?);
        Ok(self)
    }

    /// All of a tuple, an array or a vector as positional arguments, behind those there are.
    pub fn args<T: Serialize + ?Sized>(mut self, values: &T) -> Result<Command, Error> {
        let text = raw(values)?;
        match text.get().as_bytes().first() {
            Some(b'[') => {
                let more: Vec<Box<RawValue>> = serde_json::from_str(text.get()).map_err(Error::Encode)?;
                self.args.extend(more);
                Ok(self)
            }
            // The unit is no arguments.
            Some(b'n') => Ok(self),
            _ => Err(Error::encode("arguments are a tuple, an array or a vector")),
        }
    }

    /// One more argument by name.
    pub fn kwarg<T: Serialize + ?Sized>(
        mut self,
        name: impl Into<String>,
        value: &T,
    ) -> Result<Command, Error> {
        self.kwargs.push((name.into(), raw(value)?));
        Ok(self)
    }

    /// Resources the function must have.
    pub fn resources<R: Into<String>>(mut self, resources: impl IntoIterator<Item = R>) -> Command {
        self.locs.extend(resources.into_iter().map(Into::into));
        self
    }

    /// The id the function must have.
    pub fn function_id(self, id: impl Into<String>) -> Command {
        Command { function_id: Some(id.into()), ..self }
    }

    /// The versions it may have: `>=1.0.0,<2.0.0`.
    pub fn version(self, constraint: impl Into<String>) -> Command {
        Command { version_constraint: Some(constraint.into()), ..self }
    }

    /// The cluster it must run in.
    pub fn cluster(self, id: impl Into<String>) -> Command {
        Command { target_cluster: Some(id.into()), ..self }
    }

    pub(super) fn named(self, name: String) -> Command {
        Command { name, ..self }
    }
}

/// Name of a command that is alone. Nobody's argument says this by chance: an argument equal to a command's name would be taken
/// for a reference to its result.
pub(super) const LONE: &str = "\u{1}";

fn pairs<S: serde::Serializer>(pairs: &[(String, Box<RawValue>)], out: S) -> Result<S::Ok, S::Error> {
    out.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

fn raw<T: Serialize + ?Sized>(value: &T) -> Result<Box<RawValue>, Error> {
    serde_json::value::to_raw_value(value).map_err(Error::Encode)
}
