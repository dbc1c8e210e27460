//! How a command ends: the exit codes of the project, and the line on stderr that goes with them.

use std::fmt;
use std::process::ExitCode;

/// Shown under `--help`.
pub const EXIT_CODES_HELP: &str = "Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 condition failed, \
5 unreachable or timed out, 6 not authorised, 7 damage or loss found, 130 interrupted.";

/// What kind of failure it was; the number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anything without a kind of its own.
    Error = 1,
    /// Flags that make no sense together.
    Usage = 2,
    /// What was asked for does not exist.
    NotFound = 3,
    /// A condition does not hold, or the user does not want to.
    Condition = 4,
    /// Nobody answers, or not in time.
    Unreachable = 5,
    /// The server does not allow it.
    Denied = 6,
    /// Damaged or lost data.
    Damage = 7,
    /// The user wanted an end.
    Interrupted = 130,
}

/// A failed command: its exit code and the reason.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    reason: anyhow::Error,
}

/// What every command returns.
pub type Outcome = Result<(), Failure>;

impl Failure {
    /// A failure of `kind` for `reason`.
    pub fn new(kind: Kind, reason: impl fmt::Display) -> Failure {
        Failure { kind, reason: anyhow::anyhow!("{reason}") }
    }

    /// What kind it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A mistake in the flags.
    pub fn usage(reason: impl fmt::Display) -> Failure {
        Failure::new(Kind::Usage, reason)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:#}", self.reason)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(reason: anyhow::Error) -> Failure {
        Failure { kind: Kind::Error, reason }
    }
}

impl From<std::io::Error> for Failure {
    fn from(reason: std::io::Error) -> Failure {
        Failure { kind: Kind::Error, reason: reason.into() }
    }
}

/// Prints the failure, if any, and turns it into the exit code.
pub fn report(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("mpreg-tools: {failure}");
            ExitCode::from(failure.kind as u8)
        }
    }
}
