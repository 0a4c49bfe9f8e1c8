//! The header `Sec-WebSocket-Extensions`: what a client offers, and what the server takes of it (RFC 6455, section 9.1,
//! and RFC 7692, section 7.1).
//!
//! The one extension is `permessage-deflate`, and it is only taken without context takeover in both directions: a
//! message is then compressed by itself, so that one compressed frame is right for every fan, and an idle connection
//! keeps neither a compressor (270 KB) nor an inflater (50 KB). Both answers of the gateway to a handshake, that behind
//! the HTTP server and that of a reactor's own listener, come from [`negotiate`].

use std::{fmt, num::NonZeroU8};

use thiserror::Error;

/// The name of the extension.
const DEFLATE: &str = "permessage-deflate";

/// The base-2 logarithm of a compressor's window, 9 to 15.
///
/// The extension has 8 as well, which no widespread compressor can write; such an offer is declined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(NonZeroU8);

impl WindowBits {
    /// 512 bytes.
    pub const MIN: Self = Self(NonZeroU8::new(9).expect("nine is not zero"));
    /// 32 KiB, which a peer expects when nothing is said.
    pub const MAX: Self = Self(NonZeroU8::new(15).expect("fifteen is not zero"));

    /// A window of this size, unless no compressor has one.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        match NonZeroU8::new(bits) {
            Some(number) if bits >= Self::MIN.get() && bits <= Self::MAX.get() => {
                Some(Self(number))
            }
            _ => None,
        }
    }

    /// The logarithm.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

/// `permessage-deflate` as the server takes it; its `Display` is the header of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deflate {
    /// What the client has asked the server's window to be at most.
    asked: Option<WindowBits>,
}

impl Deflate {
    /// The largest window the server may compress with.
    #[must_use]
    pub fn server_window(self) -> WindowBits {
        self.asked.unwrap_or(WindowBits::MAX)
    }
}

impl fmt::Display for Deflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A server may demand both without being asked (RFC 7692, sections 7.1.1.1 and 7.1.1.2).
        write!(
            f,
            "{DEFLATE}; server_no_context_takeover; client_no_context_takeover"
        )?;
        match self.asked {
            Some(WindowBits(bits)) => write!(f, "; server_max_window_bits={bits}"),
            None => Ok(()),
        }
    }
}

/// What becomes of a client's offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Negotiated {
    /// The connection has no extension; the answer has no such header.
    Nothing,
    /// Messages may be compressed; the answer carries this.
    Deflate(Deflate),
}

/// The header breaks the grammar: the handshake must be refused with status 400 (RFC 6455, section 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("Sec-WebSocket-Extensions is not a list of extensions")]
pub struct MalformedExtensions;

/// Judges the values of all `Sec-WebSocket-Extensions` lines of a handshake, in their order: the first offer that can
/// be taken is.
///
/// `server_window_min` is the smallest window that the server is ready to compress with: where many share one
/// compressed frame that is the window of that frame.
///
/// # Errors
///
/// A value is not in the header's grammar. An offer that is well formed and cannot be taken is no error: it is passed
/// over.
pub fn negotiate<'a>(
    values: impl IntoIterator<Item = &'a str>,
    server_window_min: WindowBits,
) -> Result<Negotiated, MalformedExtensions> {
    let mut taken = Negotiated::Nothing;
    for value in values {
        let mut rest = Scanner(value);
        while let Some(offer) = rest.next_extension()? {
            // The rest of the header is read on: a grammar is kept as a whole or broken.
            if let (Negotiated::Nothing, Verdict::Acceptable(deflate)) =
                (taken, offer.judge(server_window_min))
            {
                taken = Negotiated::Deflate(deflate);
            }
        }
    }
    Ok(taken)
}

/// Whether an offer can be taken.
enum Verdict {
    Acceptable(Deflate),
    Declined,
}

/// One well-formed element of the list.
struct Offer<'a> {
    name: &'a str,
    params: Vec<Param<'a>>,
}

struct Param<'a> {
    name: &'a str,
    value: Option<&'a str>,
}

impl Offer<'_> {
    /// RFC 7692, section 7.1: an offer with a parameter that is unknown, doubled, or has a value that it must not have
    /// is declined.
    fn judge(&self, server_window_min: WindowBits) -> Verdict {
        if !self.name.eq_ignore_ascii_case(DEFLATE) {
            return Verdict::Declined;
        }
        let mut asked = None;
        for (place, param) in self.params.iter().enumerate() {
            let doubled = self.params[..place]
                .iter()
                .any(|other| other.name == param.name);
            let known = match (param.name, param.value) {
                ("server_no_context_takeover" | "client_no_context_takeover", None) => true,
                // A hint: the client's window is never larger than the inflater's, which is the largest.
                ("client_max_window_bits", value) => {
                    value.is_none_or(|value| window_bits(value).is_some())
                }
                ("server_max_window_bits", Some(value)) => {
                    asked = window_bits(value).and_then(WindowBits::new);
                    asked.is_some_and(|asked| asked >= server_window_min)
                }
                _ => false,
            };
            if doubled || !known {
                return Verdict::Declined;
            }
        }
        Verdict::Acceptable(Deflate { asked })
    }
}

/// "a decimal integer value without leading zeroes between 8 to 15, inclusive".
fn window_bits(value: &str) -> Option<u8> {
    let canonical = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
    let bits = value.parse().ok().filter(|_| canonical)?;
    (8..=WindowBits::MAX.get()).contains(&bits).then_some(bits)
}

/// What of a header's value has not been read.
struct Scanner<'a>(&'a str);

impl<'a> Scanner<'a> {
    /// The next element of the list, after any empty ones.
    fn next_extension(&mut self) -> Result<Option<Offer<'a>>, MalformedExtensions> {
        self.skip_spaces();
        while self.take(',') == Taken::Yes {
            self.skip_spaces();
        }
        if self.0.is_empty() {
            return Ok(None);
        }
        let name = self.token()?;
        let mut params = Vec::new();
        while self.take(';') == Taken::Yes {
            params.push(self.param()?);
        }
        if !self.0.is_empty() && self.take(',') == Taken::No {
            return Err(MalformedExtensions);
        }
        Ok(Some(Offer { name, params }))
    }

    fn param(&mut self) -> Result<Param<'a>, MalformedExtensions> {
        self.skip_spaces();
        let name = self.token()?;
        if self.take('=') == Taken::No {
            return Ok(Param { name, value: None });
        }
        self.skip_spaces();
        let value = if self.take_exactly('"') == Taken::Yes {
            // "the value after quoted-string unescaping MUST conform to the 'token' ABNF": nothing in it needs an
            // escape, and a token has no quote.
            let value = self.token()?;
            if self.take('"') == Taken::No {
                return Err(MalformedExtensions);
            }
            value
        } else {
            self.token()?
        };
        self.skip_spaces();
        Ok(Param {
            name,
            value: Some(value),
        })
    }

    /// A token of HTTP (RFC 9110, section 5.6.2), and the spaces behind it.
    fn token(&mut self) -> Result<&'a str, MalformedExtensions> {
        let end = self
            .0
            .find(|c: char| !c.is_ascii_alphanumeric() && !"!#$%&'*+-.^_`|~".contains(c))
            .unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        if token.is_empty() {
            return Err(MalformedExtensions);
        }
        self.0 = rest;
        self.skip_spaces();
        Ok(token)
    }

    /// Takes a separator and the spaces behind it.
    fn take(&mut self, separator: char) -> Taken {
        let taken = self.take_exactly(separator);
        self.skip_spaces();
        taken
    }

    fn take_exactly(&mut self, separator: char) -> Taken {
        match self.0.strip_prefix(separator) {
            Some(rest) => {
                self.0 = rest;
                Taken::Yes
            }
            None => Taken::No,
        }
    }

    fn skip_spaces(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }
}

/// Whether a separator stood there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The answer to one line, with any window.
    fn answer(value: &str) -> Result<String, MalformedExtensions> {
        Ok(match negotiate([value], WindowBits::MIN)? {
            Negotiated::Nothing => String::new(),
            Negotiated::Deflate(deflate) => deflate.to_string(),
        })
    }

    const PLAIN: &str =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    #[test]
    fn what_browsers_and_libraries_offer_is_taken() {
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate;client_max_window_bits=10",
            "Permessage-Deflate ; server_no_context_takeover ; client_no_context_takeover",
            "x-webkit-deflate-frame, permessage-deflate",
            ", ,permessage-deflate,",
            "permessage-deflate; client_max_window_bits=\"8\"",
        ] {
            assert_eq!(answer(offer).as_deref(), Ok(PLAIN), "{offer}");
        }
    }

    #[test]
    fn a_window_that_is_asked_for_is_kept() {
        for bits in 9..=15 {
            let offer = format!("permessage-deflate; server_max_window_bits={bits}");
            let expected = format!("{PLAIN}; server_max_window_bits={bits}");
            assert_eq!(answer(&offer), Ok(expected));
            let Ok(Negotiated::Deflate(deflate)) = negotiate([&*offer], WindowBits::MIN) else {
                panic!("an acceptable offer")
            };
            assert_eq!(deflate.server_window().get(), bits);
        }
    }

    #[test]
    fn of_several_offers_the_first_acceptable_one_is_taken() {
        let offers = "permessage-deflate; server_max_window_bits=10, permessage-deflate; server_max_window_bits=15, \
                      permessage-deflate";
        let taken = negotiate([offers], WindowBits::MAX).map(|taken| format!("{taken:?}"));
        assert_eq!(
            taken.as_deref(),
            Ok("Deflate(Deflate { asked: Some(WindowBits(15)) })")
        );
        let lines = [
            "foo; bar=1",
            "permessage-deflate; unknown",
            "permessage-deflate",
        ];
        assert_eq!(
            negotiate(lines, WindowBits::MAX),
            Ok(Negotiated::Deflate(Deflate { asked: None }))
        );
    }

    #[test]
    fn an_offer_that_cannot_be_taken_is_declined() {
        for offer in [
            "",
            "foo",
            "permessage-deflate; unknown",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; server_max_window_bits=+9",
            "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; client_max_window_bits=x",
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
        ] {
            assert_eq!(answer(offer).as_deref(), Ok(""), "{offer}");
        }
        assert_eq!(
            negotiate(
                ["permessage-deflate; server_max_window_bits=14"],
                WindowBits::MAX
            ),
            Ok(Negotiated::Nothing)
        );
    }

    #[test]
    fn what_is_no_list_of_extensions_is_refused() {
        for header in [
            "permessage-deflate;",
            "permessage-deflate; =1",
            "permessage-deflate; server_max_window_bits=",
            "permessage-deflate; server_max_window_bits=\"9",
            "permessage-deflate; server_max_window_bits=\"9 \\9\"",
            "permessage-deflate foo",
            "; server_max_window_bits",
            "permessage-deflate, \u{1F49C}",
            "permessage-deflate, foo=bar",
        ] {
            assert_eq!(answer(header), Err(MalformedExtensions), "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_header_has_an_answer(value in "\\PC*", words in "(permessage-deflate|[;,= \"]|server_max_window_bits|1[0-9]){0,12}") {
            for value in [&value, &words] {
                if let Ok(Negotiated::Deflate(deflate)) = negotiate([value.as_str()], WindowBits::MIN) {
                    // An answer is itself an offer that can be taken, as it stands.
                    prop_assert_eq!(answer(&deflate.to_string()), Ok(deflate.to_string()));
                }
            }
        }
    }
}
