//! Which web pages may open a socket here: the answer to cross-site WebSocket hijacking.
//!
//! A browser always names the page's origin (RFC 6455, section 10.2), and a page cannot forge it. Comparison is exact
//! on scheme, host and port after lower-casing; never by prefix, suffix or pattern. A request without an `Origin`
//! comes from a native client, which has no ambient credentials to abuse, and is let through.

use axum::http::{HeaderMap, header};

/// The configured policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OriginPolicy {
    /// Only pages that were served under the very host and port of the request's `Host` header.
    #[default]
    SameHost,
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
    /// Judges a request by its headers.
    pub(crate) fn judge(&self, headers: &HeaderMap) -> OriginVerdict {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else {
            return OriginVerdict::Allowed;
        };
        // Two origins are no browser's doing: whichever one meant to pass, the other is a trick.
        if origins.next().is_some() {
            return OriginVerdict::Refused;
        }
        let Ok(origin) = origin.to_str() else {
            return OriginVerdict::Refused;
        };
        let origin = origin.to_ascii_lowercase();
        let allowed = match self {
            Self::SameHost => is_same_host(&origin, headers),
            Self::Listed(list) => list
                .iter()
                .any(|listed| listed.eq_ignore_ascii_case(&origin)),
        };
        if allowed {
            OriginVerdict::Allowed
        } else {
            OriginVerdict::Refused
        }
    }
}

/// Whether a lower-cased origin's authority is the one the request was sent to.
fn is_same_host(origin: &str, headers: &HeaderMap) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let Some(host) = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
    else {
        return false;
    };
    // A browser leaves the default port out of `Origin`; a proxy may have put it into `Host`.
    let host = host.to_ascii_lowercase();
    let bare = |text: &str| text.strip_suffix(default_port).unwrap_or(text).to_owned();
    !authority.is_empty() && bare(authority) == bare(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(policy: &OriginPolicy, host: &str, origin: Option<&str>) -> OriginVerdict {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        policy.judge(&headers)
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
            let verdict = judge(&OriginPolicy::SameHost, host, Some(origin));
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
            let verdict = judge(&OriginPolicy::SameHost, "fans.example", Some(origin));
            assert_eq!(verdict, OriginVerdict::Refused, "{origin}");
        }
    }

    #[test]
    fn a_list_is_exact() {
        let policy = OriginPolicy::Listed(vec!["https://fans.example".to_owned()]);
        assert_eq!(
            judge(&policy, "gw.example", Some("https://fans.example")),
            OriginVerdict::Allowed
        );
        for origin in [
            "http://fans.example",
            "https://fans.example:444",
            "https://a.fans.example",
            "https://gw.example",
        ] {
            assert_eq!(
                judge(&policy, "gw.example", Some(origin)),
                OriginVerdict::Refused,
                "{origin}"
            );
        }
    }

    #[test]
    fn a_native_client_sends_none_and_two_are_a_trick() {
        assert_eq!(
            judge(&OriginPolicy::SameHost, "fans.example", None),
            OriginVerdict::Allowed
        );
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "fans.example".parse().unwrap());
        headers.append(header::ORIGIN, "https://fans.example".parse().unwrap());
        headers.append(header::ORIGIN, "https://evil.example".parse().unwrap());
        assert_eq!(
            OriginPolicy::SameHost.judge(&headers),
            OriginVerdict::Refused
        );
    }
}
