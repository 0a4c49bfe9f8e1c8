//! May this fan say this, here, now?
//!
//! One [`Gate`] stands before each fan and holds nothing but a time: eight bytes, because there are 100,000 of them.
//! What it checks against, the [`Rules`], is shared by all fans of a room and may change while it runs. The gateway
//! asks before it hands a message to the engine; a refusal costs the fan nothing, only an admitted message spends from
//! the allowance.
//!
//! The gate never looks at what a text means (that is moderation), and never answers from a clock of its own.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use fanwave_wire::{Lane, Role, UnixMillis};

use crate::limits::{BURST_DEFAULT, MESSAGE_TEXT_CHARS_MAX, REFILL_DEFAULT};

/// What a room asks of a message. Shared by all its fans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Longest text, in Unicode scalar values after normalising.
    pub text_chars_max: usize,
    /// Messages that a rested fan may send at once.
    pub burst: NonZeroU32,
    /// After how long a fan may send one more; zero sets no limit.
    pub refill: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            text_chars_max: MESSAGE_TEXT_CHARS_MAX,
            burst: NonZeroU32::new(BURST_DEFAULT).unwrap_or(NonZeroU32::MIN),
            refill: REFILL_DEFAULT,
        }
    }
}

/// What somebody wants to say.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// In which lane.
    pub lane: Lane,
    /// What the sender's token says they are.
    pub role: Role,
    /// As it came from the client.
    pub text: &'a str,
}

/// The gate's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Let it in, with this text: trimmed, without control characters.
    Admit {
        /// What to publish.
        text: Arc<str>,
    },
    /// This role may not write to this lane.
    NotAllowed,
    /// Nothing that can be seen is left of the text.
    Empty,
    /// Too many characters.
    TooLong {
        /// What the normalised text has.
        chars: usize,
        /// What the room takes.
        chars_max: usize,
    },
    /// The fan has sent too much lately.
    TooFast {
        /// When one more message will be let in; never longer than one refill.
        retry_after: Duration,
    },
}

/// One fan's allowance: a token bucket, kept as the time at which it will be full again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gate {
    full_at: UnixMillis,
}

impl Gate {
    /// The gate of a fan who has said nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges one message, and spends from the allowance when it is let in.
    pub fn admit(&mut self, now: UnixMillis, rules: &Rules, attempt: Attempt<'_>) -> Verdict {
        if !may_write(attempt.lane, attempt.role) {
            return Verdict::NotAllowed;
        }
        let text = normalise(attempt.text);
        if is_blank(&text) {
            return Verdict::Empty;
        }
        let chars = text.chars().count();
        if chars > rules.text_chars_max {
            return Verdict::TooLong {
                chars,
                chars_max: rules.text_chars_max,
            };
        }
        match self.pass(now, rules) {
            Pass::Taken => Verdict::Admit { text: text.into() },
            Pass::Wait(retry_after) => Verdict::TooFast { retry_after },
        }
    }

    /// Whether the allowance is whole, so that nothing would be lost by forgetting this gate.
    #[must_use]
    pub fn is_rested(&self, now: UnixMillis, rules: &Rules) -> bool {
        let capacity = refill_of(rules).saturating_mul(u64::from(rules.burst.get()));
        // A clock that was set back leaves a time that no bucket could have.
        self.full_at <= now || self.full_at.0 > now.0.saturating_add(capacity)
    }

    /// Takes one token for whatever is not a text, or says how long until there is one.
    ///
    /// A bucket of `burst` tokens that gains one per `refill` is full at `full_at`; each token taken moves that time
    /// one refill further. A token is there as long as the bucket would be full again within `burst` refills.
    pub fn pass(&mut self, now: UnixMillis, rules: &Rules) -> Pass {
        let refill = refill_of(rules);
        let capacity = refill.saturating_mul(u64::from(rules.burst.get()));
        let horizon = now.0.saturating_add(capacity);
        // No bucket is ever emptier than empty. Where it looks so, the clock was set back or the rules became milder,
        // and the fan must not be shut out for the difference.
        let full_at = self.full_at.0.clamp(now.0, horizon);
        let after = full_at.saturating_add(refill);
        if after > horizon {
            return Pass::Wait(Duration::from_millis(after - horizon));
        }
        self.full_at = UnixMillis(after);
        Pass::Taken
    }
}

/// Whether a token was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// It was.
    Taken,
    /// There is none; never longer than one refill.
    Wait(Duration),
}

/// After how many milliseconds there is one token more.
fn refill_of(rules: &Rules) -> u64 {
    u64::try_from(rules.refill.as_millis()).unwrap_or(u64::MAX)
}

/// Fans write to the chat lane; the lossless lane is the artist's and the staff's.
fn may_write(lane: Lane, role: Role) -> bool {
    match (lane, role) {
        (Lane::Chat, _) => true,
        (Lane::Room, role) => role.may_announce(),
        (Lane::Staff | Lane::Vote, _) => false,
    }
}

/// Makes one line of text out of what came, without the characters that act on what stands around them.
///
/// Line breaks and tabs become spaces: a message is one line. Other control characters go, and so do the embeddings,
/// overrides and isolates of the bidirectional algorithm (UAX #9, section 2), which would turn a neighbour's text
/// around. Joiners stay: emoji and several scripts are written with them.
pub(crate) fn normalise(text: &str) -> String {
    let line: String = text
        .chars()
        .filter_map(|c| match c {
            '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => None,
            c if c.is_control() => None,
            c => Some(c),
        })
        .collect();
    let trimmed = line.trim();
    if trimmed.len() == line.len() {
        line
    } else {
        trimmed.to_owned()
    }
}

/// Whether there is nothing to see in a text: it would show as an empty bubble.
pub(crate) fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

/// Characters, other than white space, that leave no mark by themselves.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}' | '\u{FFA0}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests;
