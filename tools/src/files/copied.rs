//! Bytes of a file, copied where a mapping would change under the reader.

use std::fmt;
use std::io;
use std::ops::Deref;

use mpreg_storage::disk::{DiskFile, MappedBytes};

/// See the module.
pub(super) struct Copied(Vec<u8>);

impl Copied {
    /// The first `bytes` of a file.
    pub(super) fn first(file: &dyn DiskFile, bytes: u64) -> io::Result<Box<dyn MappedBytes>> {
        let mut copied = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
        file.read_at(0, &mut copied)?;
        Ok(Box::new(Copied(copied)))
    }
}

impl fmt::Debug for Copied {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} bytes", self.0.len())
    }
}

impl Deref for Copied {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl MappedBytes for Copied {}
