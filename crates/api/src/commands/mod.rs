//! The server API for back ends that would rather send to a broker: when a command may begin, and what becomes of it.
//!
//! What a command is, is [`fanwave_wire::command`]'s.
//!
//! 1. [`read`] reads it; what is none is told why, as over HTTP.
//! 2. A [`Line`] says when it may begin: what is about the same room, or from the same sender, waits for what came before.
//! 3. [`Clerk::carry_out`] has it answered by the very routes that HTTP has, in the name of a key of its own, and says what
//!    is to become of it: it is done, it is to be asked again, or it is refused, for good ([`letter()`]).
//!
//! Sent twice, it is done once: acts are called after the command's `id` and path, which the log knows again on every server,
//! and messages have their own ids. The module knows no broker; whoever has one drives it (`fanwave::commands`).

mod clerk;
mod letter;
mod line;
#[cfg(test)]
mod tests;

use axum::http::StatusCode;
use fanwave_wire::command::{Command, CommandError};

pub(crate) use self::clerk::Inside;
pub use self::{
    clerk::{Clerk, Outcome, is_scope},
    letter::letter,
    line::{Line, Turn},
};
use crate::{Problem, channels, extract::brief};

/// Reads a command.
///
/// # Errors
///
/// It is none; the problem says why.
pub fn read(bytes: &[u8]) -> Result<Command, Problem> {
    Command::parse(bytes).map_err(|error| {
        let (status, code) = match &error {
            CommandError::Room => return channels::unknown(),
            CommandError::Method => return Problem::method_not_allowed(),
            CommandError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "command_too_large"),
            CommandError::NoRoute => (StatusCode::NOT_FOUND, "not_a_command"),
            _ => (StatusCode::BAD_REQUEST, "malformed_command"),
        };
        Problem::new(status, code, brief(&error))
    })
}
