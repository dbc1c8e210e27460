//! What each command beyond get, put and delete needs, what it may leave out, and what is said about the rest.

mod atomic;
mod batch;
mod extensions;
mod namespace;
mod options;
mod results;
mod structure;
mod structure_refusals;

use super::{Command, Request};
use crate::protocol::{self, parse};

/// The key most of these messages have.
const KEY: &str = r#""key":{"namespace":"n","identifier":"i"}"#;

/// Reads a cache request with these members besides role and `u`. Errors come without their place.
fn read(members: &str) -> Result<Request<'static>, String> {
    let message = format!(r#"{{"role":"cache-request","u":"1",{members}}}"#);
    match parse(message.leak().as_bytes()) {
        Ok(protocol::Request::Cache(request)) => Ok(request),
        Ok(other) => panic!("{other:?}"),
        Err(rejection) => {
            let message = rejection.error().to_string();
            Err(message.split(" (byte ").next().unwrap_or_default().to_owned())
        }
    }
}

fn command(members: &str) -> Result<Command<'static>, String> {
    read(members).map(|request| request.command)
}

/// Each of these members is refused with these words.
#[track_caller]
fn refused(cases: &[(&str, &str)]) {
    for (members, message) in cases {
        assert_eq!(read(members).err().as_deref(), Some(*message), "{members}");
    }
}
