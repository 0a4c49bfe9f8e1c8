//! The head of a request, gathered field by field, and what makes one malformed (RFC 9113, section 8.3).

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header,
    uri::{Authority, PathAndQuery, Scheme},
};

use crate::priority::Priority;

/// What a field counts beside its name and value (RFC 9113, section 6.5.2).
const FIELD_OVERHEAD_BYTES: usize = 32;

/// Fields that the head of a request of ours rarely has more of.
const FIELDS_USUAL: usize = 12;

/// Fields that speak of the connection, of which there are none here (section 8.2.2).
const OF_THE_CONNECTION: [&str; 5] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// A head as far as it has come.
#[derive(Debug)]
pub(crate) struct Gathering {
    bytes: usize,
    bytes_max: usize,
    method: Option<Method>,
    scheme: Option<Scheme>,
    authority: Option<Authority>,
    path: Option<PathAndQuery>,
    headers: HeaderMap,
    priority: Priority,
    regular: bool,
    malformed: bool,
}

/// What a block of header fields has come to.
#[derive(Debug)]
pub(crate) enum Gathered {
    /// A request, how urgent it is, and the length that it states.
    Request(Box<Request<()>>, Priority, Option<u64>),
    /// More than is taken.
    TooLarge,
    /// What no request is.
    Malformed,
}

impl Gathering {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes: 0,
            bytes_max,
            method: None,
            scheme: None,
            authority: None,
            path: None,
            headers: HeaderMap::with_capacity(FIELDS_USUAL),
            priority: Priority::default(),
            regular: false,
            malformed: false,
        }
    }

    pub(crate) fn take(&mut self, name: &[u8], value: &[u8]) {
        self.bytes += name.len() + value.len() + FIELD_OVERHEAD_BYTES;
        if self.malformed || self.bytes > self.bytes_max {
            return;
        }
        let taken = match name.strip_prefix(b":") {
            // Section 8.3: before all others.
            Some(_) if self.regular => None,
            Some(name) => self.pseudo(name, value),
            None => self.field(name, value),
        };
        self.malformed |= taken.is_none();
    }

    /// None if it may not be there.
    fn pseudo(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        match name {
            b"method" => put(&mut self.method, Method::from_bytes(value).ok()?),
            b"scheme" => put(&mut self.scheme, scheme(value)?),
            b"authority" => put(&mut self.authority, Authority::try_from(value).ok()?),
            // Not empty, and nothing that another server reads as an address of somewhere else.
            b"path" if value.starts_with(b"/") || value == b"*" => {
                put(&mut self.path, PathAndQuery::try_from(value).ok()?)
            }
            _ => None,
        }
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        self.regular = true;
        // Refuses capitals, too.
        let name = HeaderName::from_lowercase(name).ok()?;
        if OF_THE_CONNECTION.contains(&name.as_str()) || name == header::TE && value != b"trailers"
        {
            return None;
        }
        // Section 8.2.1.
        if value.trim_ascii().len() != value.len() {
            return None;
        }
        if name == "priority" {
            self.priority.take(value);
        }
        let value = HeaderValue::from_bytes(value).ok()?;
        self.headers.try_append(name, value).ok()?;
        Some(())
    }

    pub(crate) fn finish(self) -> Gathered {
        if self.bytes > self.bytes_max {
            return Gathered::TooLarge;
        }
        let priority = self.priority;
        match self.request() {
            Some((request, length)) => Gathered::Request(Box::new(request), priority, length),
            None => Gathered::Malformed,
        }
    }

    fn request(self) -> Option<(Request<()>, Option<u64>)> {
        if self.malformed {
            return None;
        }
        let method = self.method?;
        let mut uri = http::uri::Parts::default();
        uri.authority = self.authority;
        if method == Method::CONNECT {
            // Section 8.5.
            if self.scheme.is_some() || self.path.is_some() || uri.authority.is_none() {
                return None;
            }
        } else {
            uri.path_and_query = Some(self.path?);
            let scheme = self.scheme?;
            if uri.authority.is_some() {
                uri.scheme = Some(scheme);
            }
        }
        // Section 8.3.1: the field is the authority, where both are there.
        let mut hosts = self.headers.get_all(header::HOST).iter();
        let host = hosts.next();
        if hosts.next().is_some() {
            return None;
        }
        if let (Some(authority), Some(host)) = (&uri.authority, host)
            && !authority
                .as_str()
                .as_bytes()
                .eq_ignore_ascii_case(host.as_bytes())
        {
            return None;
        }
        let mut lengths = self.headers.get_all(header::CONTENT_LENGTH).iter();
        let length = match lengths.next() {
            Some(length) => Some(whole_number(length.as_bytes())?),
            None => None,
        };
        if lengths.next().is_some() {
            return None;
        }
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from_parts(uri).ok()?;
        *request.version_mut() = http::Version::HTTP_2;
        *request.headers_mut() = self.headers;
        Some((request, length))
    }
}

/// Fills what may be there once.
fn put<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn scheme(value: &[u8]) -> Option<Scheme> {
    match value {
        b"https" => Some(Scheme::HTTPS),
        b"http" => Some(Scheme::HTTP),
        other => Scheme::try_from(other).ok(),
    }
}

/// Digits, and nothing else (RFC 9110, section 8.6).
fn whole_number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
