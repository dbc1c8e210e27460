//! `options.lease`: one of many readers that miss may compute the value, the others wait or take the old one.

use mpreg_storage::json::Reader;

use super::numbers::read_positive;
use crate::protocol::Error;
use crate::protocol::fields::Fields;
use crate::protocol::limits::LEASE_MS_MAX;

/// What a request wants with a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// A get: if there is nothing to read, let me fill it within this time.
    Ask {
        /// 1 to [`LEASE_MS_MAX`].
        ttl_ms: u64,
    },
    /// A put: this is the value the lease was granted for. It is stored only while the token is the newest one
    /// and nobody wrote the key since.
    Fill {
        /// From the reply that granted it.
        token: u64,
    },
    /// A get: the value could not be computed; let somebody else try, and give me the old one if it may still be
    /// used after an error.
    GiveUp {
        /// From the reply that granted it.
        token: u64,
    },
}

impl Lease {
    /// Reads the lease object at which `reader` stands.
    #[cold]
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Lease, Error> {
        let mut fields = Fields::open(reader, "options.lease")?;
        let (mut ttl_ms, mut token, mut failed) = (None, None, None);
        while let Some(name) = fields.next()? {
            match &*name {
                "ttl_ms" => ttl_ms = read_positive(&mut fields, 0, "options.lease.ttl_ms")?,
                "token" => token = fields.unsigned(1, "options.lease.token")?,
                "failed" => failed = fields.boolean(2, "options.lease.failed")?,
                _ => fields.pass()?,
            }
        }
        match (ttl_ms, token, failed.unwrap_or(false)) {
            (_, Some(token), true) => Ok(Lease::GiveUp { token }),
            (_, Some(token), false) => Ok(Lease::Fill { token }),
            (_, None, true) => Err(Error::Missing("options.lease.token")),
            (None, None, false) => Err(Error::Missing("options.lease.ttl_ms")),
            (Some(ttl_ms), None, false) if ttl_ms > LEASE_MS_MAX => {
                Err(Error::Range { path: "options.lease.ttl_ms", wanted: "at most 600000" })
            }
            (Some(ttl_ms), None, false) => Ok(Lease::Ask { ttl_ms }),
        }
    }
}
