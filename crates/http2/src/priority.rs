//! How urgent an answer is (RFC 9218): the peer says it with the request or later, and what an answer says of itself goes before.

/// Least urgent there is.
const URGENCY_MAX: u8 = 7;

/// Order among answers: what is smaller goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Priority {
    pub(crate) urgency: u8,
    /// Whether a piece of it is of use: such answers take turns.
    pub(crate) incremental: bool,
}

impl Default for Priority {
    /// Section 4: what is not said.
    fn default() -> Self {
        Self {
            urgency: 3,
            incremental: false,
        }
    }
}

impl Priority {
    /// Takes what a field says, a dictionary of which `u` and `i` count (section 4). What cannot be read is left out: it is a
    /// wish, and no reason to end anything.
    pub(crate) fn take(&mut self, field: &[u8]) {
        for member in field.split(|&byte| byte == b',') {
            match member.trim_ascii() {
                [b'u', b'=', digit @ b'0'..=b'7'] => {
                    self.urgency = (digit - b'0').min(URGENCY_MAX);
                }
                b"i" | b"i=?1" => self.incremental = true,
                b"i=?0" => self.incremental = false,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_changes_what_it_says_and_nothing_else() {
        for (field, urgency, incremental) in [
            (&b""[..], 3, false),
            (b"u=0", 0, false),
            (b"u=7, i", 7, true),
            (b" i=?1 ,u=2", 2, true),
            (b"i, i=?0", 3, false),
            (b"u=8", 3, false),
            (b"u=-1,x=\"u=1\"", 3, false),
            (b"u", 3, false),
        ] {
            let mut priority = Priority::default();
            priority.take(field);
            let expected = Priority {
                urgency,
                incremental,
            };
            assert_eq!(priority, expected, "{}", field.escape_ascii());
        }
    }
}
