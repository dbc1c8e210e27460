//! The key of a request.

use std::borrow::Cow;

use mpreg_storage::json::{Reader, Text};
use mpreg_storage::record::key::{self, DEFAULT_VERSION};

use crate::protocol::Error;
use crate::protocol::fields::Fields;

/// A key as a request names it, borrowed from the message.
///
/// Identity is (namespace, identifier, version); the tags only describe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyText<'a> {
    /// May be empty here; encoding refuses that.
    pub namespace: Cow<'a, str>,
    /// May be empty here; encoding refuses that.
    pub identifier: Cow<'a, str>,
    /// `v1.0.0` when the request names none.
    pub version: Cow<'a, str>,
    /// JSON array of strings as the request has it; `None` when absent or empty.
    pub tags: Option<&'a str>,
}

/// The paths of a key's members, for errors.
pub(super) struct Paths {
    whole: &'static str,
    namespace: &'static str,
    identifier: &'static str,
    version: &'static str,
    tags: &'static str,
}

/// `key` of a request.
pub(super) const KEY: Paths = Paths {
    whole: "key",
    namespace: "key.namespace",
    identifier: "key.identifier",
    version: "key.version",
    tags: "key.tags",
};

/// An element of `metadata.dependencies`.
pub(super) const DEPENDENCY: Paths = Paths {
    whole: "metadata.dependencies",
    namespace: "metadata.dependencies.namespace",
    identifier: "metadata.dependencies.identifier",
    version: "metadata.dependencies.version",
    tags: "metadata.dependencies.tags",
};

impl<'a> KeyText<'a> {
    /// Reads the key object at which `reader` stands.
    pub(super) fn read(reader: &mut Reader<'a>, paths: &Paths) -> Result<KeyText<'a>, Error> {
        let mut fields = Fields::open(reader, paths.whole)?;
        let (mut namespace, mut identifier, mut version, mut tags) = (None, None, None, None);
        while let Some(name) = fields.next()? {
            match &*name {
                "namespace" => namespace = fields.string(0, paths.namespace)?,
                "identifier" => identifier = fields.string(1, paths.identifier)?,
                "version" => version = fields.string(2, paths.version)?,
                "tags" => tags = fields.raw_strings(3, paths.tags)?,
                _ => fields.pass()?,
            }
        }
        let required = |text: Option<Text<'a>>, path| text.map(Text::decode).ok_or(Error::Missing(path));
        Ok(KeyText {
            namespace: required(namespace, paths.namespace)?,
            identifier: required(identifier, paths.identifier)?,
            version: version.map_or(Cow::Borrowed(DEFAULT_VERSION), Text::decode),
            tags,
        })
    }

    /// Appends the stored form to `out`, which is unchanged on an error.
    ///
    /// Refuses an empty namespace or identifier and keys beyond the limits.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        key::encode_into(&self.namespace, &self.identifier, &self.version, out)?;
        Ok(())
    }
}
