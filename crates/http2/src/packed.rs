//! The head of an answer as it is written. No connection has a table of its own for what it says, so a head means the same on
//! all of them, and is packed once for all who are answered alike.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::hpack;

/// Bytes that a head is expected to take.
const BYTES_USUAL: usize = 512;

/// See the module. A clone is the same head.
#[derive(Debug, Clone)]
pub struct Packed {
    /// A header block (RFC 7541) without frames.
    pub(crate) block: Bytes,
    /// How urgent the answer says it is, where it does.
    pub(crate) priority: Option<HeaderValue>,
}

impl Packed {
    /// Packs a head. The fields are those of HTTP/2, whose names have no capitals.
    #[must_use]
    pub fn new(status: StatusCode, headers: &HeaderMap) -> Self {
        let mut block = Vec::with_capacity(BYTES_USUAL);
        hpack::status(&mut block, status.as_u16());
        for (name, value) in headers {
            hpack::field(&mut block, name.as_str().as_bytes(), value.as_bytes());
        }
        Self {
            block: block.into(),
            priority: headers.get("priority").cloned(),
        }
    }
}
