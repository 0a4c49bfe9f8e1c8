//! What a client's frames mean, once they are whole.

use super::{CloseCode, violation::Violation};

/// What a client said: never to be logged, it may be a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// Wants a pong with the same payload, at most 125 bytes.
    Ping(&'a [u8]),
    /// Answers a ping, or comes unasked.
    Pong(&'a [u8]),
    /// The client ends the connection. Everything after it is ignored. The answer is a close frame with the same code.
    Close {
        /// Why; a client may leave it out.
        code: Option<CloseCode>,
        /// In words; may be empty.
        reason: &'a str,
    },
}

/// The payload of a text message, or the reason of a close.
pub(super) fn text(payload: &[u8]) -> Result<&str, Violation> {
    simdutf8::basic::from_utf8(payload).map_err(|_| Violation::InvalidUtf8)
}

/// The payload of a close: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer"
/// (section 5.5.1).
pub(super) fn parse_close(payload: &[u8]) -> Result<Event<'_>, Violation> {
    if payload.is_empty() {
        return Ok(Event::Close {
            code: None,
            reason: "",
        });
    }
    let (number, reason) = payload
        .split_first_chunk::<2>()
        .ok_or(Violation::CloseFrame)?;
    let code = CloseCode::new(u16::from_be_bytes(*number)).ok_or(Violation::CloseFrame)?;
    Ok(Event::Close {
        code: Some(code),
        reason: text(reason)?,
    })
}
