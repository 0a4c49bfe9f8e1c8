//! Close codes (RFC 6455, section 7.4, and the IANA registry).

use crate::protocol::DisconnectCode;

/// A code that may stand in a close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The server goes down, or the browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer breaks the framing rules.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// The peer sent a kind of data that is not taken, such as binary where text is spoken.
    pub const UNSUPPORTED: Self = Self(1003);
    /// Text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// A policy forbids it, and no other code fits.
    pub const POLICY: Self = Self(1008);
    /// A message that is too big.
    pub const TOO_BIG: Self = Self(1009);
    /// The server failed.
    pub const INTERNAL: Self = Self(1011);
    /// The server is overloaded; come again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// The code of this number, unless the number must never be sent.
    ///
    /// "1004, 1005, 1006 and 1015 are reserved and MUST NOT be set as a status code in a Close control frame";
    /// numbers under 1000 are not used, 1016 to 2999 are for revisions of the specification that do not exist,
    /// numbers from 5000 on are undefined.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        match number {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(number)),
            _ => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// All disconnect codes are legal close codes; the protocol's tests see to it.
    pub(crate) const fn from_disconnect(code: DisconnectCode) -> Self {
        Self(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_must_not_be_sent_are_no_codes() {
        for number in [
            0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
        ] {
            assert_eq!(CloseCode::new(number), None, "{number}");
        }
    }

    #[test]
    fn registered_and_private_numbers_are_codes() {
        for number in [
            1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
            4000, 4999,
        ] {
            assert_eq!(CloseCode::new(number).map(CloseCode::number), Some(number));
        }
    }
}
