//! `client`: who sends a write and which of its writes this is, so that a repeated one is applied once.

use std::borrow::Cow;

use mpreg_storage::json::{Reader, Text};

use crate::protocol::Error;
use crate::protocol::fields::Fields;
use crate::protocol::limits::CLIENT_ID_BYTES_MAX;

/// The sender's name and the number of its write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client<'a> {
    /// 1 to 128 bytes, chosen by the client.
    pub id: Cow<'a, str>,
    /// Grows with every new write of this client; a retry repeats it.
    pub seq: u64,
}

impl<'a> Client<'a> {
    /// Reads the client object at which `reader` stands.
    #[cold]
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Client<'a>, Error> {
        let mut fields = Fields::open(reader, "client")?;
        let (mut id, mut seq) = (None, None);
        while let Some(name) = fields.next()? {
            match &*name {
                "id" => id = fields.string(0, "client.id")?,
                "seq" => seq = fields.unsigned(1, "client.seq")?,
                _ => fields.pass()?,
            }
        }
        let id = id.map(Text::decode).ok_or(Error::Missing("client.id"))?;
        match id.len() {
            0 => return Err(Error::Range { path: "client.id", wanted: "1 to 128 bytes long" }),
            size if size > CLIENT_ID_BYTES_MAX => {
                return Err(Error::TooLarge { what: "client.id", size, size_max: CLIENT_ID_BYTES_MAX });
            }
            _ => {}
        }
        Ok(Client { id, seq: seq.ok_or(Error::Missing("client.seq"))? })
    }
}
