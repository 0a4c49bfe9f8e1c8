//! What a server does beside the chat, as far as it tells other servers of it.
//!
//! A gateway knows nothing of broadcasts and pages: whoever starts it, and knows, says it here.

use std::fmt;

/// See the module. Asked some times a second: neither may block.
pub trait Beside: fmt::Debug + Send + Sync + 'static {
    /// About how many watch a show at this moment.
    fn viewers(&self) -> u32;

    /// What was sent in answers over HTTP since the start, bytes.
    fn http_bytes(&self) -> u64;
}
