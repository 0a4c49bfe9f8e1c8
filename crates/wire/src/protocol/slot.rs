//! When and where a client that is sent away should come back: its *return slot*.
//!
//! The slot stands behind the words of a disconnect's reason, on every transport alike:
//!
//! ```text
//! shutdown; after=740; prefer=wss://b.example
//! ```
//!
//! `after` is milliseconds from the arrival of the reason, `prefer` is where to, and is left out where anywhere is right.
//! Fields that a client does not know it passes over. The reason is never JSON: the published JavaScript client takes one
//! that is for advice of another kind. A client that knows nothing of slots comes back by its own backoff.

use std::fmt;

use super::DisconnectCode;
use crate::limits::{CLOSE_REASON_BYTES_MAX, SLOT_PREFER_BYTES_MAX};

/// A return slot; see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnSlot<'a> {
    /// After so many milliseconds.
    pub after_ms: u32,
    /// Where to; empty: anywhere.
    pub prefer: &'a str,
}

/// Room for the words of a code, the separators and the largest number.
const _: () = assert!(
    "shutdown; after=4294967295; prefer=".len() + SLOT_PREFER_BYTES_MAX <= CLOSE_REASON_BYTES_MAX,
    "a slot fits a close frame whole"
);

impl<'a> ReturnSlot<'a> {
    /// The slot in a disconnect's reason, if there is one.
    #[must_use]
    pub fn parse(reason: &'a str) -> Option<Self> {
        let (mut after_ms, mut prefer) = (None, "");
        for field in reason.split("; ").skip(1) {
            match field.split_once('=') {
                Some(("after", number)) => after_ms = number.parse().ok(),
                Some(("prefer", place)) => prefer = place,
                _ => {}
            }
        }
        Some(Self {
            after_ms: after_ms?,
            prefer,
        })
    }

    /// Whether a text can stand in a slot as the place to go to: one word of printable ASCII without a semicolon, at most
    /// [`SLOT_PREFER_BYTES_MAX`] bytes. Empty is anywhere.
    #[must_use]
    pub fn can_prefer(place: &str) -> bool {
        place.len() <= SLOT_PREFER_BYTES_MAX
            && place.bytes().all(|b| b.is_ascii_graphic() && b != b';')
    }
}

impl fmt::Display for ReturnSlot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after={}", self.after_ms)?;
        if !self.prefer.is_empty() {
            write!(f, "; prefer={}", self.prefer)?;
        }
        Ok(())
    }
}

/// A disconnect as it is said: the code, and the slot where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// Why.
    pub code: DisconnectCode,
    /// When and where to come back.
    pub slot: Option<ReturnSlot<'a>>,
}

impl From<DisconnectCode> for Disconnect<'_> {
    fn from(code: DisconnectCode) -> Self {
        Self { code, slot: None }
    }
}

/// The reason, as it goes into a close frame or a push.
impl fmt::Display for Disconnect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.reason())?;
        match self.slot {
            Some(slot) => write!(f, "; {slot}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(slot: ReturnSlot<'_>) -> String {
        Disconnect {
            code: DisconnectCode::Shutdown,
            slot: Some(slot),
        }
        .to_string()
    }

    #[test]
    fn the_form_of_a_reason() {
        let anywhere = ReturnSlot {
            after_ms: 740,
            prefer: "",
        };
        let somewhere = ReturnSlot {
            after_ms: 0,
            prefer: "wss://b.example",
        };
        let lines = [
            said(anywhere),
            said(somewhere),
            Disconnect::from(DisconnectCode::Slow).to_string(),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r"
        shutdown; after=740
        shutdown; after=0; prefer=wss://b.example
        slow
        ");
    }

    #[test]
    fn a_reason_without_a_slot_has_none() {
        for code in DisconnectCode::ALL {
            assert_eq!(ReturnSlot::parse(code.reason()), None, "{code:?}");
        }
        for reason in [
            "",
            "; ",
            "shutdown; after=",
            "shutdown; after=-1",
            "after=5",
        ] {
            assert_eq!(ReturnSlot::parse(reason), None, "{reason}");
        }
    }

    #[test]
    fn what_is_not_known_is_passed_over() {
        let slot = ReturnSlot::parse("shutdown; room=demo; after=5; and more; prefer=ws://a=b");
        let wanted = ReturnSlot {
            after_ms: 5,
            prefer: "ws://a=b",
        };
        assert_eq!(slot, Some(wanted));
    }

    #[test]
    fn a_place_is_one_short_word() {
        let longest = "x".repeat(SLOT_PREFER_BYTES_MAX);
        for good in ["", "wss://b.example:8443/path?x=1", &longest] {
            assert!(ReturnSlot::can_prefer(good), "{good}");
        }
        for bad in ["a b", "a;b", "a\n", "é", &format!("{longest}x")] {
            assert!(!ReturnSlot::can_prefer(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_said_is_read(after_ms: u32, prefer in "[!-:<-~]{0,80}") {
            let slot = ReturnSlot { after_ms, prefer: &prefer };
            prop_assert!(ReturnSlot::can_prefer(&prefer));
            let reason = said(slot);
            prop_assert!(reason.len() <= CLOSE_REASON_BYTES_MAX);
            prop_assert_eq!(ReturnSlot::parse(&reason), Some(slot));
            prop_assert!(!reason.starts_with(['{', '[', '"']), "never JSON");
        }

        #[test]
        fn no_reason_is_too_strange(reason in any::<String>()) {
            let _ = ReturnSlot::parse(&reason);
        }
    }
}
