//! Which web pages may open a socket here: the answer to cross-site WebSocket hijacking.
//!
//! A browser always names the page's origin (RFC 6455, section 10.2), and a page cannot forge it. Comparison is exact
//! on scheme, host and port after lower-casing; never by prefix, suffix or pattern. A request without an `Origin`
//! comes from a native client, which has no ambient credentials to abuse, and is let through; one with two is not.

/// The configured policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OriginPolicy {
    /// Only pages that were served under the very host and port of the request's `Host` header.
    #[default]
    SameHost,
    /// Those, and these origins: the pages of other regions.
    SameHostOr(Vec<String>),
    /// Only these origins, each as a browser writes it: `https://fans.example` or `http://localhost:8080`.
    Listed(Vec<String>),
}

/// What the policy says about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OriginVerdict {
    /// Upgrade it.
    Allowed,
    /// Answer 403.
    Refused,
}

impl OriginPolicy {
    /// Judges a page by its origin and the host it asks, both as in the request's headers.
    pub(crate) fn judge(&self, origin: &[u8], host: Option<&[u8]>) -> OriginVerdict {
        let is_own = || host.is_some_and(|host| is_same_host(origin, host));
        let is_in = |list: &[String]| {
            list.iter()
                .any(|listed| listed.as_bytes().eq_ignore_ascii_case(origin))
        };
        let allowed = match self {
            Self::SameHost => is_own(),
            Self::SameHostOr(list) => is_own() || is_in(list),
            Self::Listed(list) => is_in(list),
        };
        if allowed {
            OriginVerdict::Allowed
        } else {
            OriginVerdict::Refused
        }
    }
}

/// Whether an origin's authority is the one the request was sent to.
fn is_same_host(origin: &[u8], host: &[u8]) -> bool {
    // A browser leaves the default port out of `Origin`; a proxy may have put it into `Host`.
    let schemes: [(&[u8], &[u8]); 2] = [(b"http://", b":80"), (b"https://", b":443")];
    schemes.into_iter().any(|(scheme, default_port)| {
        let bare = |text| <[u8]>::strip_suffix(text, default_port).unwrap_or(text);
        match origin.split_at_checked(scheme.len()) {
            Some((named, authority)) => {
                named.eq_ignore_ascii_case(scheme)
                    && !authority.is_empty()
                    && bare(authority).eq_ignore_ascii_case(bare(host))
            }
            None => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(policy: &OriginPolicy, host: &str, origin: &str) -> OriginVerdict {
        policy.judge(origin.as_bytes(), Some(host.as_bytes()))
    }

    #[test]
    fn same_host_takes_the_own_page_only() {
        let allowed = [
            ("fans.example", "https://fans.example"),
            ("fans.example:8080", "http://fans.example:8080"),
            ("Fans.Example", "https://FANS.example"),
            ("fans.example:443", "https://fans.example"),
            ("[::1]:8080", "http://[::1]:8080"),
        ];
        for (host, origin) in allowed {
            let verdict = judge(&OriginPolicy::SameHost, host, origin);
            assert_eq!(verdict, OriginVerdict::Allowed, "{origin} at {host}");
        }
        let refused = [
            "null",
            "",
            "https://",
            "https://evil.example",
            "https://fans.example.evil.example",
            "https://evilfans.example",
            "https://fans.example:8443",
            "https://fans.example@evil.example",
            "file://fans.example",
        ];
        for origin in refused {
            let verdict = judge(&OriginPolicy::SameHost, "fans.example", origin);
            assert_eq!(verdict, OriginVerdict::Refused, "{origin}");
        }
    }

    #[test]
    fn a_list_is_exact() {
        let policy = OriginPolicy::Listed(vec!["https://fans.example".to_owned()]);
        assert_eq!(
            judge(&policy, "gw.example", "https://fans.example"),
            OriginVerdict::Allowed
        );
        for origin in [
            "http://fans.example",
            "https://fans.example:444",
            "https://a.fans.example",
            "https://gw.example",
        ] {
            assert_eq!(
                judge(&policy, "gw.example", origin),
                OriginVerdict::Refused,
                "{origin}"
            );
        }
    }

    #[test]
    fn the_own_page_and_those_of_other_regions() {
        let policy = OriginPolicy::SameHostOr(vec!["https://kr.fans.example".to_owned()]);
        for origin in ["https://kr.fans.example", "https://eu.fans.example"] {
            let verdict = judge(&policy, "eu.fans.example", origin);
            assert_eq!(verdict, OriginVerdict::Allowed, "{origin}");
        }
        for origin in ["http://kr.fans.example", "https://us.fans.example"] {
            let verdict = judge(&policy, "eu.fans.example", origin);
            assert_eq!(verdict, OriginVerdict::Refused, "{origin}");
        }
    }

    #[test]
    fn without_a_host_nothing_is_the_same() {
        let verdict = OriginPolicy::SameHost.judge(b"https://fans.example", None);
        assert_eq!(verdict, OriginVerdict::Refused);
    }
}
