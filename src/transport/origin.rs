//! Which browser pages may connect: none but those of this machine, unless the operator lists more.

use std::net::IpAddr;

/// The `Origin` rule. An absent header is always allowed and never asked about here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    listed: Vec<String>,
}

impl Origins {
    /// `listed` holds origins as browsers send them (`https://host:port`), or `*` for all.
    pub(crate) fn new(listed: &[String]) -> Origins {
        Origins { listed: listed.iter().map(|origin| origin.trim_end_matches('/').to_owned()).collect() }
    }

    /// Whether a page of `origin` may connect.
    pub(crate) fn allow(&self, origin: &str) -> bool {
        is_loopback(origin) || self.listed.iter().any(|one| one == "*" || one.eq_ignore_ascii_case(origin))
    }
}

fn is_loopback(origin: &str) -> bool {
    let Some((_, authority)) = origin.split_once("://") else { return false };
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(host, _)| host),
        None => authority.split(':').next().unwrap_or(""),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_allowed_and_look_alikes_are_not() {
        let none = Origins::default();
        for origin in ["http://localhost:3000", "https://LOCALHOST", "http://127.0.0.1", "http://[::1]:9002"]
        {
            assert!(none.allow(origin), "{origin}");
        }
        for origin in [
            "null",
            "https://localhost.evil.example",
            "http://127.0.0.1.evil",
            "https://a.example",
            "http://[::1",
        ] {
            assert!(!none.allow(origin), "{origin}");
        }
    }

    #[test]
    fn the_list_adds_to_it() {
        let some = Origins::new(&["https://a.example/".to_owned()]);
        assert!(some.allow("https://A.example") && !some.allow("http://a.example"));
        assert!(Origins::new(&["*".to_owned()]).allow("null"));
    }
}
