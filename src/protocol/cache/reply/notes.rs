//! Members of a reply that few have: broken constraints, leases, negative entries, replays.

use super::{write_count, write_flag, write_name, write_strings};

/// What few replies have to say besides. `Default` says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notes<'a> {
    /// Each constraint the value breaks, in words; a put shows them here, an atomic operation in its result.
    pub constraint_violations: &'a [String],
    /// How a request for a lease went.
    pub lease: Option<LeaseReply>,
    /// The miss was put: there is no such thing, no need to look.
    pub negative: bool,
    /// The write was done before; this is that answer again.
    pub replayed: bool,
}

/// How a request for a lease went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseReply {
    /// Who fills.
    pub state: LeaseState,
    /// There when granted: goes with the put. Grows from grant to grant of all keys.
    pub token: Option<u64>,
    /// The entry in the reply is past its time to live.
    pub stale: bool,
}

/// Who fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// You.
    Granted,
    /// Somebody else; ask again soon.
    Filling,
    /// Nobody has to.
    None,
}

impl Notes<'_> {
    #[cold]
    pub(super) fn write_violations_into(&self, out: &mut Vec<u8>) {
        if !self.constraint_violations.is_empty() {
            write_name(out, "constraint_violations");
            write_strings(out, self.constraint_violations);
        }
    }

    #[cold]
    pub(super) fn write_into(&self, out: &mut Vec<u8>) {
        if let Some(lease) = self.lease {
            lease.write_into(out);
        }
        if self.negative {
            write_flag(out, "negative", true);
        }
        if self.replayed {
            write_flag(out, "replayed", true);
        }
    }
}

impl LeaseReply {
    fn write_into(self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.state {
            LeaseState::Granted => br#","lease":{"state":"granted""#,
            LeaseState::Filling => br#","lease":{"state":"filling""#,
            LeaseState::None => br#","lease":{"state":"none""#,
        });
        if let Some(token) = self.token {
            write_count(out, "token", token);
        }
        if self.stale {
            write_flag(out, "stale", true);
        }
        out.push(b'}');
    }
}
