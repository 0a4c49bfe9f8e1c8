//! The signature of a question, or of whatever else is told: `t=1795000000,v1=HEX`, an HMAC-SHA256 of the time in seconds, a dot and the body.
//!
//! The time is signed with it, so that whoever checks can refuse what is old: a question that was overheard cannot be
//! asked again later.

use aws_lc_rs::hmac;
use fanwave_live::WallTime;

use crate::config::Secret;

/// Signs a body for the header `Fanwave-Signature`.
#[must_use]
pub fn sign(secret: &Secret, now: WallTime, body: &[u8]) -> String {
    let seconds = now.0 / 1_000;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{seconds}.").as_bytes());
    context.update(body);
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    let hex: String = context
        .sign()
        .as_ref()
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect();
    format!("t={seconds},v1={hex}")
}
