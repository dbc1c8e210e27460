//! Keys: `(namespace, identifier, version)` as one byte string whose order is the order of the parts.
//!
//! ```text
//! escaped(namespace) 00 escaped(identifier) 00 escaped(version)
//! ```
//!
//! Escaping maps byte `00` to `01 01` and byte `01` to `01 02`, which keeps the order and keeps `00`
//! for the separators. The default version is stored as an empty one: most keys carry no version, and
//! eight bytes a key are worth having.

use std::borrow::Cow;
use std::fmt;

use crate::limits::{KEY_BYTES_MAX, NAMESPACE_BYTES_MAX};

/// Version of a key that names none.
pub const DEFAULT_VERSION: &str = "v1.0.0";

/// Why three strings are not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A part that must hold text is empty.
    #[error("key.{part} is empty")]
    Empty {
        /// `namespace` or `identifier`.
        part: &'static str,
    },
    /// A part or the whole is too long.
    #[error("key.{part} has {bytes} bytes, the limit is {bytes_max}")]
    TooLong {
        /// `namespace`, or `identifier` for the whole key.
        part: &'static str,
        /// What it has.
        bytes: usize,
        /// What it may have.
        bytes_max: usize,
    },
    /// Bytes that no key encodes to.
    #[error("not an encoded key")]
    Malformed,
}

/// An encoded key, owned. Cheap to compare and to sort; order = namespace, identifier, version
/// (the default version first).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<[u8]>);

impl Key {
    /// Encodes a key with the default version.
    pub fn new(namespace: &str, identifier: &str) -> Result<Key, Error> {
        Key::with_version(namespace, identifier, DEFAULT_VERSION)
    }

    /// Encodes a key.
    pub fn with_version(namespace: &str, identifier: &str, version: &str) -> Result<Key, Error> {
        let mut out = Vec::with_capacity(namespace.len() + identifier.len() + 2);
        encode_into(namespace, identifier, version, &mut out)?;
        Ok(Key(out.into_boxed_slice()))
    }

    /// Takes bytes that came from [`Key::as_bytes`] and checks them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Key, Error> {
        KeyParts::decode(bytes)?;
        Ok(Key(bytes.into()))
    }

    /// The encoded form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The parts again.
    #[must_use]
    pub fn parts(&self) -> KeyParts<'_> {
        KeyParts::decode(&self.0).expect("a Key is only built from checked bytes")
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Key {
    /// `namespace:identifier:version`, the textual form of the protocol.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.parts();
        write!(f, "{}:{}:{}", parts.namespace, parts.identifier, parts.version)
    }
}

/// The three parts of a key, borrowed where no byte was escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyParts<'a> {
    /// Namespace, never empty.
    pub namespace: Cow<'a, str>,
    /// Identifier, never empty.
    pub identifier: Cow<'a, str>,
    /// Version; [`DEFAULT_VERSION`] when the key names none.
    pub version: Cow<'a, str>,
}

impl<'a> KeyParts<'a> {
    /// Splits an encoded key. [`Error::Malformed`] unless the bytes are exactly what
    /// [`encode_into`] writes.
    pub fn decode(bytes: &'a [u8]) -> Result<KeyParts<'a>, Error> {
        let mut parts = bytes.split(|&byte| byte == 0);
        let mut next = || parts.next().ok_or(Error::Malformed).and_then(unescape);
        let (namespace, identifier, version) = (next()?, next()?, next()?);
        if parts.next().is_some() || namespace.is_empty() || identifier.is_empty() {
            return Err(Error::Malformed);
        }
        let version = match version {
            Cow::Borrowed("") => Cow::Borrowed(DEFAULT_VERSION),
            Cow::Borrowed(DEFAULT_VERSION) => return Err(Error::Malformed),
            other => other,
        };
        Ok(KeyParts { namespace, identifier, version })
    }
}

/// Appends the encoded key to `out`. On an error `out` is as it was.
pub fn encode_into(namespace: &str, identifier: &str, version: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    if namespace.is_empty() {
        return Err(Error::Empty { part: "namespace" });
    }
    if identifier.is_empty() {
        return Err(Error::Empty { part: "identifier" });
    }
    if namespace.len() > NAMESPACE_BYTES_MAX {
        let bytes = namespace.len();
        return Err(Error::TooLong { part: "namespace", bytes, bytes_max: NAMESPACE_BYTES_MAX });
    }
    let start = out.len();
    escape_into(namespace, out);
    out.push(0);
    escape_into(identifier, out);
    out.push(0);
    if version != DEFAULT_VERSION {
        escape_into(version, out);
    }
    let bytes = out.len() - start;
    if bytes > KEY_BYTES_MAX {
        out.truncate(start);
        return Err(Error::TooLong { part: "identifier", bytes, bytes_max: KEY_BYTES_MAX });
    }
    Ok(())
}

/// The encoded prefix all keys of `namespace` share, and no key of another namespace.
#[must_use]
pub fn namespace_prefix(namespace: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(namespace.len() + 1);
    escape_into(namespace, &mut out);
    out.push(0);
    out
}

fn escape_into(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|&byte| byte <= 1) {
        out.extend_from_slice(bytes);
        return;
    }
    for &byte in bytes {
        match byte {
            0 => out.extend_from_slice(&[1, 1]),
            1 => out.extend_from_slice(&[1, 2]),
            other => out.push(other),
        }
    }
}

fn unescape(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    if !bytes.contains(&1) {
        return std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Error::Malformed);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        out.push(match (byte, byte == 1) {
            (_, true) => match rest.next() {
                Some(1) => 0,
                Some(2) => 1,
                _ => return Err(Error::Malformed),
            },
            (other, false) => other,
        });
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| Error::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn default_version_takes_no_room() {
        let key = Key::new("ns", "id").unwrap();
        assert_eq!(key.as_bytes(), b"ns\0id\0");
        assert_eq!(key.parts().version, DEFAULT_VERSION);
        assert_eq!(key, Key::with_version("ns", "id", "v1.0.0").unwrap());
        assert_eq!(key.to_string(), "ns:id:v1.0.0");
    }

    #[test]
    fn bad_parts_are_named() {
        assert_eq!(Key::new("", "a"), Err(Error::Empty { part: "namespace" }));
        assert_eq!(Key::new("a", ""), Err(Error::Empty { part: "identifier" }));
        let long = "x".repeat(KEY_BYTES_MAX);
        assert!(matches!(Key::new("a", &long), Err(Error::TooLong { part: "identifier", .. })));
        assert!(matches!(Key::new(&long, "a"), Err(Error::TooLong { part: "namespace", .. })));
    }

    #[test]
    fn malformed_bytes_are_refused() {
        for bytes in [&b""[..], b"a", b"a\0b", b"a\0b\0c\0d", b"a\0\x01\x03\0", b"a\0\xff\0", b"a\0b\0v1.0.0"]
        {
            assert_eq!(Key::from_bytes(bytes), Err(Error::Malformed), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn round_trip_and_order(a in "[\0-\x02a-c]{1,6}", b in "[\0-\x02a-c]{1,6}", c in "[\0-\x02a-c]{1,6}", d in "[\0-\x02a-c]{1,6}") {
            let left = Key::with_version(&a, &b, "x").unwrap();
            let right = Key::with_version(&c, &d, "x").unwrap();
            let parts = left.parts();
            prop_assert_eq!((parts.namespace.as_ref(), parts.identifier.as_ref()), (a.as_str(), b.as_str()));
            prop_assert_eq!(left.cmp(&right), (&a, &b).cmp(&(&c, &d)));
        }
    }
}
