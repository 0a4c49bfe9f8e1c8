//! Ids and secrets that nobody can guess, and that never meet twice.

use std::fmt::Write;

use axum::http::StatusCode;

use crate::Problem;

/// So many random bytes, as hexadecimal digits.
pub(crate) fn random_hex<const BYTES: usize>() -> Result<String, Problem> {
    let mut random = [0_u8; BYTES];
    getrandom::fill(&mut random).map_err(|error| {
        tracing::error!(%error, "the system's random source failed");
        let words = "nothing can be made right now";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", words)
    })?;
    let text = String::with_capacity(2 * BYTES);
    Ok(random.iter().fold(text, |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
