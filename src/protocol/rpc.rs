//! `rpc` and `rpc-response`.

use mpreg_storage::json::{Reader, Text, write};

use super::fields::Fields;
use super::limits::RPC_COMMANDS_MAX;
use super::{Error, read_request_id};

/// Function not found.
pub const COMMAND_NOT_FOUND: i64 = 1001;
/// A function failed, or was called wrongly.
pub const EXECUTION_FAILED: i64 = 1003;
/// Unknown role.
pub const INVALID_ROLE: i64 = 1004;
/// A message that cannot be read.
pub const MALFORMED: i64 = 1005;
/// Out of time; the same number as an unknown role.
pub const TIMED_OUT: i64 = 1004;
/// Larger than a message may be.
pub const TOO_LARGE: i64 = 413;
/// Shutting down or overloaded.
pub const UNAVAILABLE: i64 = 503;

/// An RPC request, borrowed from its message.
#[derive(Debug, PartialEq)]
pub struct Request<'a> {
    /// The request id as it stood in the message, quotes included.
    pub u: &'a str,
    /// The commands, in the order of the message. May be empty.
    pub commands: Vec<Command<'a>>,
    /// Put each level's results into the reply.
    pub return_intermediate_results: bool,
    /// Publish each level's results to this topic.
    pub intermediate_result_callback_topic: Option<Text<'a>>,
    /// Put a summary of times into the reply.
    pub include_execution_summary: bool,
    /// Has no effect by itself.
    pub debug_mode: bool,
}

/// One call of a function. Arguments are checked JSON, still as text.
#[derive(Debug, Clone, PartialEq)]
pub struct Command<'a> {
    /// Names the result inside this request.
    pub name: Text<'a>,
    /// The function.
    pub fun: Text<'a>,
    /// JSON array of positional arguments.
    pub args: &'a str,
    /// JSON object of keyword arguments.
    pub kwargs: &'a str,
    /// JSON array of strings: resources the function must have.
    pub locs: &'a str,
    /// The registered id it must have.
    pub function_id: Option<Text<'a>>,
    /// The versions it may have.
    pub version_constraint: Option<Text<'a>>,
    /// The cluster it must run in.
    pub target_cluster: Option<Text<'a>>,
    /// A hint without effect on a lone node.
    pub routing_topic: Option<Text<'a>>,
}

impl<'a> Request<'a> {
    /// Reads the whole message; `reader` stands at its start.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Request<'a>, Error> {
        let mut fields = Fields::open(reader, "message")?;
        let (mut u, mut commands, mut topic) = (None, None, None);
        let (mut intermediate, mut summary, mut debug) = (None, None, None);
        while let Some(name) = fields.next()? {
            match &*name {
                "u" => u = fields.string(0, "u")?,
                "cmds" => commands = fields.enter(1, "cmds")?.map(read_commands).transpose()?,
                "return_intermediate_results" => {
                    intermediate = fields.boolean(2, "return_intermediate_results")?;
                }
                "intermediate_result_callback_topic" => {
                    topic = fields.string(3, "intermediate_result_callback_topic")?;
                }
                "include_execution_summary" => summary = fields.boolean(4, "include_execution_summary")?,
                "debug_mode" => debug = fields.boolean(5, "debug_mode")?,
                "role" => drop(fields.string(6, "role")?),
                "encrypted" if fields.boolean(7, "encrypted")? == Some(true) => {
                    return Err(Error::NotSupported("encrypted messages are"));
                }
                "encrypted" => {}
                _ => fields.pass()?,
            }
        }
        reader.end()?;
        Ok(Request {
            u: read_request_id(u)?,
            commands: commands.ok_or(Error::Missing("cmds"))?,
            return_intermediate_results: intermediate.unwrap_or(false),
            intermediate_result_callback_topic: topic,
            include_execution_summary: summary.unwrap_or(false),
            debug_mode: debug.unwrap_or(false),
        })
    }
}

fn read_commands<'a>(reader: &mut Reader<'a>) -> Result<Vec<Command<'a>>, Error> {
    let mut commands = Vec::new();
    let mut elements = reader.array("cmds")?;
    while elements.next(reader)? {
        if commands.len() == RPC_COMMANDS_MAX {
            let (size, size_max) = (commands.len() + 1, RPC_COMMANDS_MAX);
            return Err(Error::TooLarge { what: "cmds", size, size_max });
        }
        commands.push(Command::read(reader)?);
    }
    Ok(commands)
}

impl<'a> Command<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Command<'a>, Error> {
        let mut fields = Fields::open(reader, "cmds")?;
        let (mut command_name, mut fun, mut args, mut kwargs, mut locs) = (None, None, None, None, None);
        let (mut function_id, mut version, mut cluster, mut topic) = (None, None, None, None);
        while let Some(name) = fields.next()? {
            match &*name {
                "name" => command_name = fields.string(0, "cmds.name")?,
                "fun" => fun = fields.string(1, "cmds.fun")?,
                "args" => args = fields.raw_array(2, "cmds.args")?,
                "kwargs" => kwargs = fields.raw_object(3, "cmds.kwargs")?,
                "locs" => locs = fields.raw_strings(4, "cmds.locs")?,
                "function_id" => function_id = fields.string(5, "cmds.function_id")?,
                "version_constraint" => version = fields.string(6, "cmds.version_constraint")?,
                "target_cluster" => cluster = fields.string(7, "cmds.target_cluster")?,
                "routing_topic" => topic = fields.string(8, "cmds.routing_topic")?,
                _ => fields.pass()?,
            }
        }
        Ok(Command {
            name: command_name.ok_or(Error::Missing("cmds.name"))?,
            fun: fun.ok_or(Error::Missing("cmds.fun"))?,
            args: args.unwrap_or("[]"),
            kwargs: kwargs.unwrap_or("{}"),
            locs: locs.unwrap_or("[]"),
            function_id,
            version_constraint: version,
            target_cluster: cluster,
            routing_topic: topic,
        })
    }

    /// The positional arguments, each as its exact JSON text.
    #[must_use]
    pub fn arguments(&self) -> Vec<&'a str> {
        let mut reader = Reader::new(self.args);
        let mut found = Vec::new();
        // The text was checked when the request was read, so no error ends the walk early.
        let Ok(mut elements) = reader.array("args") else { return found };
        while let Ok(true) = elements.next(&mut reader) {
            let Ok(argument) = reader.raw() else { break };
            found.push(argument);
        }
        found
    }

    /// The keyword arguments in the order of the message, each value as its exact JSON text.
    #[must_use]
    pub fn keywords(&self) -> Vec<(Text<'a>, &'a str)> {
        let mut reader = Reader::new(self.kwargs);
        let mut found = Vec::new();
        let Ok(mut members) = reader.object("kwargs") else { return found };
        while let Ok(Some(name)) = members.next(&mut reader) {
            let Ok(argument) = reader.raw() else { break };
            found.push((name, argument));
        }
        found
    }
}

/// Appends the reply of a request that succeeded.
///
/// `u` is the quoted request id, `results` the quoted names and JSON texts of the last level; names
/// must differ.
pub fn write_success<'r>(out: &mut Vec<u8>, u: &str, results: impl IntoIterator<Item = (&'r str, &'r [u8])>) {
    out.extend_from_slice(br#"{"role":"rpc-response","u":"#);
    out.extend_from_slice(u.as_bytes());
    out.extend_from_slice(br#","r":{"#);
    for (index, (name, result)) in results.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(result);
    }
    out.extend_from_slice(br#"},"error":null,"intermediate_results":[],"execution_summary":null}"#);
}

/// What went wrong with an RPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure<'a> {
    /// One of the codes above.
    pub code: i64,
    /// The protocol's words for the code.
    pub message: &'a str,
    /// What exactly; never internals.
    pub details: Option<&'a str>,
    /// A class name such as `CommandNotFound`.
    pub kind: &'a str,
}

/// Appends the reply of a request that failed. `u` is the quoted request id.
pub fn write_failure(out: &mut Vec<u8>, u: &str, failure: &Failure<'_>) {
    out.extend_from_slice(br#"{"role":"rpc-response","u":"#);
    out.extend_from_slice(u.as_bytes());
    out.extend_from_slice(br#","r":null,"error":{"code":"#);
    write::signed(out, failure.code);
    out.extend_from_slice(br#","message":"#);
    write::string(out, failure.message);
    out.extend_from_slice(br#","details":"#);
    match failure.details {
        Some(details) => write::string(out, details),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(br#","type":"#);
    write::string(out, failure.kind);
    out.extend_from_slice(br#"},"intermediate_results":[],"execution_summary":null}"#);
}
