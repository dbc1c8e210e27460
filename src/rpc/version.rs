//! Versions of functions, and constraints on them.
//!
//! ```text
//! version     v? digits ( . digits ){0,2}         missing parts are 0
//! constraint  term , term ...                     all must hold; nothing = any version
//! term        >=V  >V  <=V  <V  ==V  =V  V        the last three mean exactly V
//! ```
//!
//! Around a constraint, parentheses and the word `version` are dropped, so `(version >=1.0, <2)` is read as
//! `>=1.0,<2`. There is no `^`, `~`, `*` or `||`.
//!
//! ```
//! use mpreg::rpc::version::{Constraint, Version};
//!
//! let constraint: Constraint = ">=1.0.0,<2.0.0".parse()?;
//! assert!(constraint.allows("v1.9".parse()?));
//! assert!(!constraint.allows("2".parse()?));
//! assert!("^1.0".parse::<Constraint>().is_err());
//! # Ok::<(), mpreg::rpc::version::Error>(())
//! ```

use std::fmt;
use std::str::FromStr;

/// Most of a bad text that an error repeats, in bytes.
const SHOWN_BYTES_MAX: usize = 64;

/// A version, ordered by major, minor, patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// First part.
    pub major: u64,
    /// Second part.
    pub minor: u64,
    /// Third part.
    pub patch: u64,
}

/// Why a text is no version or no constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a version; carries the text, shortened.
    #[error("invalid version: {0}")]
    Version(String),
    /// An exact version beside another term.
    #[error("an exact version cannot be combined with other terms")]
    Exact,
    /// A lower bound below one that stands before it.
    #[error("a second lower bound must not be below the first")]
    Lower,
    /// An upper bound above one that stands before it.
    #[error("a second upper bound must not be above the first")]
    Upper,
}

impl Version {
    /// The version of a function that names none: `1.0.0`.
    pub const DEFAULT: Version = Version { major: 1, minor: 0, patch: 0 };
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Version, Error> {
        let bad = || Error::Version(text[..text.floor_char_boundary(SHOWN_BYTES_MAX)].to_owned());
        let trimmed = text.trim();
        let digits = trimmed.strip_prefix('v').unwrap_or(trimmed);
        let mut parts = [0; 3];
        for (index, part) in digits.split('.').enumerate() {
            let place = parts.get_mut(index).ok_or_else(bad)?;
            // `parse` alone would take a sign.
            if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(bad());
            }
            *place = part.parse().map_err(|_| bad())?;
        }
        let [major, minor, patch] = parts;
        Ok(Version { major, minor, patch })
    }
}

/// One side of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bound {
    version: Version,
    inclusive: bool,
}

/// Which versions are meant. The default is any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Constraint {
    exact: Option<Version>,
    lower: Option<Bound>,
    upper: Option<Bound>,
}

impl Constraint {
    /// Whether `version` satisfies every term.
    #[must_use]
    pub fn allows(&self, version: Version) -> bool {
        let above = |bound: Bound| version > bound.version || bound.inclusive && version == bound.version;
        let below = |bound: Bound| version < bound.version || bound.inclusive && version == bound.version;
        self.exact.is_none_or(|exact| exact == version)
            && self.lower.is_none_or(above)
            && self.upper.is_none_or(below)
    }

    fn add(&mut self, operator: &str, version: Version) -> Result<(), Error> {
        if self.exact.is_some() {
            return Err(Error::Exact);
        }
        let inclusive = operator.ends_with('=');
        let bound = Some(Bound { version, inclusive });
        match operator.as_bytes().first() {
            // A later bound replaces an earlier one, which it may only narrow.
            Some(b'>') if self.lower.is_some_and(|lower| version < lower.version) => Err(Error::Lower),
            Some(b'<') if self.upper.is_some_and(|upper| version > upper.version) => Err(Error::Upper),
            Some(b'>') => {
                self.lower = bound;
                Ok(())
            }
            Some(b'<') => {
                self.upper = bound;
                Ok(())
            }
            _ if self.lower.is_some() || self.upper.is_some() => Err(Error::Exact),
            _ => {
                self.exact = Some(version);
                Ok(())
            }
        }
    }
}

impl FromStr for Constraint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Constraint, Error> {
        let bare =
            text.trim().trim_matches(|character| matches!(character, '(' | ')')).replace("version", "");
        let mut constraint = Constraint::default();
        for term in bare.split(',').map(str::trim).filter(|term| !term.is_empty()) {
            let operator = [">=", "<=", "==", "=", "<", ">"].iter().find(|sign| term.starts_with(**sign));
            let operator = operator.copied().unwrap_or("");
            constraint.add(operator, term[operator.len()..].parse()?)?;
        }
        Ok(constraint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    fn allows(constraint: &str, of: &str) -> bool {
        constraint.parse::<Constraint>().unwrap().allows(version(of))
    }

    #[test]
    fn versions_have_one_to_three_parts() {
        assert_eq!(version("v1"), Version { major: 1, minor: 0, patch: 0 });
        assert_eq!(version(" 1.2 "), Version { major: 1, minor: 2, patch: 0 });
        assert_eq!(version("1.2.3").to_string(), "1.2.3");
        assert_eq!(version("01.002"), version("1.2"));
        assert!(version("1.10.0") > version("1.9.9"));
        for bad in ["", "v", "vv1", "1.2.3.4", "1..2", "1.", ".1", "-1", "+1", "1.0-rc1", "1.x", "1 .0", "V1"]
        {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
        assert!("99999999999999999999".parse::<Version>().is_err());
    }

    #[test]
    fn the_cases_of_the_checklist() {
        for (constraint, yes, no) in [
            (">=1.0.0,<2.0.0", &["1.0.0", "1.99.0"][..], &["0.9.9", "2.0.0"][..]),
            ("==1.2", &["1.2.0"], &["1.2.1", "1.1.9"]),
            ("=1.2", &["1.2.0"], &["1.2.1"]),
            ("v1", &["1.0.0"], &["1.0.1"]),
            ("1.0.0", &["v1"], &["1.0.1"]),
            (">1.0.0", &["1.0.1"], &["1.0.0"]),
            ("<=1.0.0", &["1.0.0", "0.1"], &["1.0.1"]),
            ("(version >= 1.0 , < 2)", &["1.5"], &["2"]),
            ("version", &["7"], &[]),
            ("", &["0"], &[]),
            ("  ,, ", &["0"], &[]),
            (">=1.0, >2.0", &["2.0.1"], &["2.0.0"]),
            ("<3, <=2", &["2.0.0"], &["2.0.1"]),
        ] {
            for version in yes {
                assert!(allows(constraint, version), "{constraint} allows {version}");
            }
            for version in no {
                assert!(!allows(constraint, version), "{constraint} refuses {version}");
            }
        }
    }

    #[test]
    fn what_is_no_constraint() {
        for (text, error) in [
            ("==1.0,>=1.0", Error::Exact),
            (">=1.0,==1.0", Error::Exact),
            ("1.0,1.0", Error::Exact),
            (">=2.0,>=1.0", Error::Lower),
            ("<1.0,<2.0", Error::Upper),
            ("^1.0", Error::Version("^1.0".into())),
            ("~1", Error::Version("~1".into())),
            ("1.*", Error::Version("1.*".into())),
            (">=1 || <3", Error::Version("1 || <3".into())),
            (">=", Error::Version("".into())),
            ("=>1.0", Error::Version(">1.0".into())),
        ] {
            assert_eq!(text.parse::<Constraint>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_handled(text in "[ v0-9.,<>=()a-z^~é]{0,80}") {
            let _ = text.parse::<Constraint>();
            if let Ok(version) = text.parse::<Version>() {
                prop_assert_eq!(version.to_string().parse::<Version>().unwrap(), version);
            }
        }

        #[test]
        fn a_range_is_its_two_terms(low in 0_u64..20, high in 0_u64..20, at in 0_u64..20) {
            let constraint: Constraint = format!(">={low},<{high}").parse().unwrap();
            let version = Version { major: at, minor: 0, patch: 0 };
            prop_assert_eq!(constraint.allows(version), (low..high).contains(&at));
        }
    }
}
