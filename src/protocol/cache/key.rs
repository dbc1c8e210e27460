//! The key of a request.

use std::borrow::Cow;

use mpreg_storage::json::{Reader, Text};
use mpreg_storage::record::key::{self, DEFAULT_VERSION};

use super::Dependency;
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

/// An element of `structure_operation.options.other_sets`.
pub(super) const OTHER_SET: Paths = Paths {
    whole: "structure_operation.options.other_sets",
    namespace: "structure_operation.options.other_sets.namespace",
    identifier: "structure_operation.options.other_sets.identifier",
    version: "structure_operation.options.other_sets.version",
    tags: "structure_operation.options.other_sets.tags",
};

/// `after` of a namespace operation.
pub(super) const AFTER: Paths = Paths {
    whole: "namespace_operation.after",
    namespace: "namespace_operation.after.namespace",
    identifier: "namespace_operation.after.identifier",
    version: "namespace_operation.after.version",
    tags: "namespace_operation.after.tags",
};

/// `key` of an entry of a backup.
pub(super) const BACKED_UP: Paths = Paths {
    whole: "namespace_operation.data.entries.key",
    namespace: "namespace_operation.data.entries.key.namespace",
    identifier: "namespace_operation.data.entries.key.identifier",
    version: "namespace_operation.data.entries.key.version",
    tags: "namespace_operation.data.entries.key.tags",
};

impl<'a> KeyText<'a> {
    /// Reads the key object at which `reader` stands.
    pub(super) fn read(reader: &mut Reader<'a>, paths: &Paths) -> Result<KeyText<'a>, Error> {
        let (key, identified) = KeyText::read_unfinished(reader, paths)?;
        if identified { Ok(key) } else { Err(Error::Missing(paths.identifier)) }
    }

    /// The same, where the identifier may be missing; also says whether it was there.
    pub(super) fn read_unfinished(
        reader: &mut Reader<'a>,
        paths: &Paths,
    ) -> Result<(KeyText<'a>, bool), Error> {
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
        let key = KeyText {
            namespace: namespace.map(Text::decode).ok_or(Error::Missing(paths.namespace))?,
            identifier: identifier.map_or(Cow::Borrowed(""), Text::decode),
            version: version.map_or(Cow::Borrowed(DEFAULT_VERSION), Text::decode),
            tags,
        };
        Ok((key, identifier.is_some()))
    }

    /// Splits `namespace:identifier[:version]`, see [`Dependency::parse`].
    fn from_text(text: Cow<'a, str>) -> Option<KeyText<'a>> {
        let key = |found: Dependency<'a>| KeyText {
            namespace: found.namespace,
            identifier: found.identifier,
            version: found.version,
            tags: None,
        };
        match text {
            Cow::Borrowed(text) => Dependency::parse(text).map(key),
            Cow::Owned(text) => Dependency::parse(&text).map(Dependency::into_owned).map(key),
        }
    }

    /// Appends the stored form to `out`, which is unchanged on an error.
    ///
    /// Refuses an empty namespace or identifier and keys beyond the limits.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        key::encode_into(&self.namespace, &self.identifier, &self.version, out)?;
        Ok(())
    }
}

/// Walks an array of keys, each as an object or as the text `namespace:identifier[:version]`.
pub(super) fn read_references<'a>(
    reader: &mut Reader<'a>,
    paths: &Paths,
    mut each: impl FnMut(KeyText<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    let path = paths.whole;
    let mut elements = reader.array(path)?;
    while elements.next(reader)? {
        let mut ahead = reader.clone();
        let key = if ahead.object("").is_ok() {
            let key = KeyText::read(reader, paths)?;
            if key.namespace.is_empty() || key.identifier.is_empty() {
                return Err(Error::Range { path, wanted: "keys with a namespace and an identifier" });
            }
            key
        } else {
            let wanted = "\"namespace:identifier\" or \"namespace:identifier:version\"";
            let text = reader.string(path)?.decode();
            KeyText::from_text(text).ok_or(Error::Range { path, wanted })?
        };
        each(key)?;
    }
    Ok(())
}
