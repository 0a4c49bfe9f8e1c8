//! Addresses of http and https, and how a reference in a playlist becomes one (RFC 3986, section 5.2).

use std::fmt;

use thiserror::Error;

/// Where something is: scheme, host and port, path, query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Whether over TLS.
    pub is_https: bool,
    /// Host, and port where one is named.
    pub authority: String,
    /// From the slash on.
    pub path: String,
    /// Without the question mark.
    pub query: Option<String>,
}

/// Text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no address: write http://HOST/PATH.m3u8 or https://HOST/PATH.m3u8")]
pub struct AddressError {
    text: String,
}

impl Address {
    /// Reads an absolute URL. A fragment is dropped.
    ///
    /// # Errors
    ///
    /// It is of another scheme, has no host, holds a name and password, or characters that no URL has.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let error = || AddressError {
            text: text.to_owned(),
        };
        let is_bad = |c: char| c.is_whitespace() || c.is_control() || !c.is_ascii();
        let (scheme, rest) = text.split_once("://").ok_or_else(error)?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(error()),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if authority.is_empty() || authority.contains('@') || text.contains(is_bad) {
            return Err(error());
        }
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (rest, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self {
            is_https,
            authority: authority.to_owned(),
            path: path.to_owned(),
            query,
        })
    }

    /// What a reference in a playlist at this address means.
    #[must_use]
    pub fn resolve(&self, reference: &str) -> Option<Self> {
        let reference = reference.split('#').next().unwrap_or_default();
        if reference.is_empty() {
            return Some(self.clone());
        }
        if reference.contains("://")
            && reference.find("://") < Some(reference.find(['/', '?']).unwrap_or(usize::MAX))
        {
            return Self::parse(reference).ok();
        }
        let scheme = if self.is_https { "https" } else { "http" };
        if let Some(rest) = reference.strip_prefix("//") {
            return Self::parse(&format!("{scheme}://{rest}")).ok();
        }
        let (path, query) = match reference.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (reference, None),
        };
        if path.chars().any(|c| c.is_whitespace() || c.is_control()) || !reference.is_ascii() {
            return None;
        }
        let path = if path.is_empty() {
            self.path.clone()
        } else if path.starts_with('/') {
            without_dots(path)
        } else {
            let folder = self.path.rfind('/').map_or("/", |end| &self.path[..=end]);
            without_dots(&format!("{folder}{path}"))
        };
        Some(Self {
            path,
            query,
            ..self.clone()
        })
    }

    /// The same with these parameters added to the query.
    #[must_use]
    pub fn with(&self, parameters: &str) -> Self {
        let query = match (&self.query, parameters) {
            (query, "") => query.clone(),
            (Some(query), _) => Some(format!("{query}&{parameters}")),
            (None, _) => Some(parameters.to_owned()),
        };
        Self {
            query,
            ..self.clone()
        }
    }

    /// Path and query, as a request line has them.
    #[must_use]
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The host without brackets, and the port.
    #[must_use]
    pub fn host_and_port(&self) -> (&str, u16) {
        let usual = if self.is_https { 443 } else { 80 };
        let (host, port) = match self.authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(usual)),
            _ => (self.authority.as_str(), usual),
        };
        (host.trim_start_matches('[').trim_end_matches(']'), port)
    }
}

/// RFC 3986, section 5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.split('/').skip(1) {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    let slash = if ends_in_folder && !kept.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{slash}", kept.join("/"))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.target())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples of RFC 3986, section 5.4, as far as playlists have them.
    #[test]
    fn references_are_resolved_as_the_rfc_says() {
        let base = Address::parse("http://a/b/c/d?q").unwrap();
        for (reference, whole) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("g?u=x://y", "http://a/b/c/g?u=x://y"),
            ("", "http://a/b/c/d?q"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("https://h:1/x.m3u8#f", "https://h:1/x.m3u8"),
        ] {
            let found = base
                .resolve(reference)
                .map(|found| found.to_string())
                .unwrap();
            assert_eq!(found, whole, "{reference}");
        }
        assert_eq!(base.resolve("a b"), None);
        assert_eq!(base.resolve("data://x"), None);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "x",
            "ftp://a/b",
            "http://",
            "http://u:p@h/",
            "http://a b/",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_have_ports() {
        let of = |text| {
            let address = Address::parse(text).unwrap();
            let (host, port) = address.host_and_port();
            (host.to_owned(), port)
        };
        assert_eq!(of("http://h/"), ("h".to_owned(), 80));
        assert_eq!(of("https://h/"), ("h".to_owned(), 443));
        assert_eq!(of("http://[::1]:8/"), ("::1".to_owned(), 8));
        assert_eq!(of("http://[::1]/"), ("::1".to_owned(), 80));
    }
}
