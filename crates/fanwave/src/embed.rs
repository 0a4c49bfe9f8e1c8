//! A show in a frame of somebody else's page: `/embed/{channel}?QUERY&signature=SIGNATURE`.
//!
//! Which pages may frame it and until when stands in the query, and the server's own token secret signs the query together
//! with the channel, byte for byte as it stands: nobody else can let a page in, and nothing has to be stored for one.
//!
//! | parameter | |
//! |---|---|
//! | `origin` | a page that may frame it, once for each; what `frame-ancestors` says |
//! | `expires` | until when, seconds since 1970 |
//! | `show`, `lang`, `theme` | how it looks: the page's business |
//! | `signature` | of all that stands before it; the last |

pub(crate) mod command;

use std::fmt::Write;

use fanwave_wire::{RoomId, UnixMillis, token::TokenKey};
use thiserror::Error;

/// Most pages that one link lets in: each is a part of a header.
pub const ORIGINS_MAX: usize = 16;

/// Longest query that is looked at, bytes: so many origins of the longest host name, and room for the rest.
const QUERY_BYTES_MAX: usize = 8 * 1024;

/// Longest origin, bytes: `https://`, the longest host name, and a port.
const ORIGIN_BYTES_MAX: usize = 8 + 253 + 6;

/// What a signature is derived for; no token and no other secret is derived for the same.
const PURPOSE: &str = "embed";

/// What stands before the signature.
const SIGNATURE: &str = "&signature=";

/// What a link allows.
#[derive(Debug, Clone)]
pub struct Embed {
    /// Which show.
    pub channel: RoomId,
    /// The pages that may frame it.
    pub origins: Vec<String>,
    /// Until when.
    pub expires: UnixMillis,
    /// How it looks: names and values that need no escaping in a query.
    pub look: Vec<(&'static str, &'static str)>,
}

/// Why a link cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MakeError {
    /// Nobody would see it.
    #[error("name the page that may show it: --origin https://shop.example")]
    NoOrigin,
    /// More than [`ORIGINS_MAX`].
    #[error("a link is for at most {ORIGINS_MAX} origins: make another for the others")]
    TooMany,
    /// Not as a browser names a page.
    #[error(
        "\"{0}\" is no origin: http:// or https:// and a host, without a path or a slash at the end"
    )]
    NotAnOrigin(String),
}

/// Why a link lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not signed by this server, or changed since.
    #[error("this address is not signed by this server: make one with `fanwave embed`")]
    Unsigned,
    /// Its time is over.
    #[error("this address has expired: make a new one with `fanwave embed`")]
    Expired,
}

impl Embed {
    /// The address of the link, from the server's root.
    ///
    /// # Errors
    ///
    /// See [`MakeError`].
    pub fn sign(&self, key: &TokenKey) -> Result<String, MakeError> {
        if self.origins.is_empty() {
            return Err(MakeError::NoOrigin);
        }
        if self.origins.len() > ORIGINS_MAX {
            return Err(MakeError::TooMany);
        }
        let mut query = String::new();
        for origin in &self.origins {
            if !is_origin(origin) {
                return Err(MakeError::NotAnOrigin(origin.clone()));
            }
            // Nothing of an origin has to be escaped in a query.
            put(&mut query, "origin", &origin.to_ascii_lowercase());
        }
        put(&mut query, "expires", &(self.expires.0 / 1000).to_string());
        for (name, value) in &self.look {
            put(&mut query, name, value);
        }
        let signature = signature(key, self.channel.as_str(), &query);
        Ok(format!(
            "/embed/{}?{query}{SIGNATURE}{signature}",
            self.channel
        ))
    }
}

/// The pages that may frame a channel by this query, as the value of `frame-ancestors`.
///
/// # Errors
///
/// See [`Refusal`].
pub fn ancestors(
    key: &TokenKey,
    channel: &str,
    query: &str,
    now: UnixMillis,
) -> Result<String, Refusal> {
    let whole = (query.len() <= QUERY_BYTES_MAX).then(|| query.rsplit_once(SIGNATURE));
    let (signed, shown) = whole.flatten().ok_or(Refusal::Unsigned)?;
    // Compared under the key once more: how long that takes says nothing about the right one.
    let digest =
        |text: &str| key.derive(&[PURPOSE.as_bytes(), b"\0compare\0", text.as_bytes()].concat());
    if digest(shown) != digest(&signature(key, channel, signed)) {
        return Err(Refusal::Unsigned);
    }
    let values = |name: &'static str| {
        let pairs = signed.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(move |pair| pair.0 == name).map(|pair| pair.1)
    };
    let expires: u64 = values("expires")
        .next()
        .and_then(|seconds| seconds.parse().ok())
        .ok_or(Refusal::Unsigned)?;
    if now.0 / 1000 >= expires {
        return Err(Refusal::Expired);
    }
    let origins: Vec<&str> = values("origin")
        .filter(|origin| is_origin(origin))
        .collect();
    if origins.is_empty() {
        return Err(Refusal::Unsigned);
    }
    Ok(origins.join(" "))
}

/// An origin as a browser writes it, of characters that neither a query nor a policy could read as something else.
fn is_origin(text: &str) -> bool {
    let authority = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    text.len() <= ORIGIN_BYTES_MAX
        && authority.is_some_and(|host| {
            let legal = |b: u8| b.is_ascii_alphanumeric() || b"-.:".contains(&b);
            !host.is_empty() && host.bytes().all(legal)
        })
}

fn put(query: &mut String, name: &str, value: &str) {
    let joint = if query.is_empty() { "" } else { "&" };
    // Writing to a string cannot fail.
    let _ = write!(query, "{joint}{name}={value}");
}

/// No channel's id has a question mark: where it ends is never in doubt.
fn signature(key: &TokenKey, channel: &str, query: &str) -> String {
    key.derive(format!("{PURPOSE}\0{channel}?{query}").as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

    fn key(byte: u8) -> TokenKey {
        TokenKey::new(&[byte; 32]).unwrap()
    }

    fn embed() -> Embed {
        Embed {
            channel: "demo".parse().unwrap(),
            origins: vec![
                "https://Shop.example".to_owned(),
                "http://127.0.0.1:8081".to_owned(),
            ],
            expires: UnixMillis(NOW.0 + 60_000),
            look: vec![("show", "chat"), ("theme", "light")],
        }
    }

    fn query(embed: &Embed) -> String {
        let link = embed.sign(&key(1)).unwrap();
        link.strip_prefix("/embed/demo?").unwrap().to_owned()
    }

    #[test]
    fn a_signed_link_names_its_pages() {
        let query = query(&embed());
        assert!(query.starts_with(
            "origin=https://shop.example&origin=http://127.0.0.1:8081&expires=1795000060&show=chat&theme=light&signature="
        ));
        assert_eq!(
            ancestors(&key(1), "demo", &query, NOW).as_deref(),
            Ok("https://shop.example http://127.0.0.1:8081")
        );
    }

    #[test]
    fn it_ends_when_it_says() {
        let query = query(&embed());
        let at = |ms| ancestors(&key(1), "demo", &query, UnixMillis(NOW.0 + ms));
        assert!(at(59_999).is_ok());
        assert_eq!(at(60_000), Err(Refusal::Expired));
    }

    #[test]
    fn it_is_for_one_channel_and_one_server() {
        let query = query(&embed());
        assert_eq!(
            ancestors(&key(1), "other", &query, NOW),
            Err(Refusal::Unsigned)
        );
        assert_eq!(
            ancestors(&key(2), "demo", &query, NOW),
            Err(Refusal::Unsigned)
        );
        for unsigned in [
            "",
            "signature=",
            "&signature=",
            "origin=https://a.example&expires=9999999999",
        ] {
            assert_eq!(
                ancestors(&key(1), "demo", unsigned, NOW),
                Err(Refusal::Unsigned),
                "{unsigned}"
            );
        }
    }

    #[test]
    fn a_link_that_lets_in_nobody_or_everybody_is_not_made() {
        let with = |origins: &[&str]| {
            let origins = origins.iter().map(ToString::to_string).collect();
            Embed { origins, ..embed() }.sign(&key(1))
        };
        assert_eq!(with(&[]), Err(MakeError::NoOrigin));
        assert_eq!(
            with(&["https://a.example"; ORIGINS_MAX + 1]),
            Err(MakeError::TooMany)
        );
        let long = format!("https://{}", "a".repeat(300));
        for wrong in [
            "*",
            "https://",
            "https://*.example",
            "https://a.example/",
            "a.example",
            "https://a.example; script-src *",
            &long,
        ] {
            assert_eq!(
                with(&[wrong]),
                Err(MakeError::NotAnOrigin(wrong.to_owned()))
            );
        }
        assert!(with(&["https://a.example"; ORIGINS_MAX]).is_ok());
    }

    proptest! {
        /// Whatever is changed, put in or taken out: the signature does not fit any more.
        #[test]
        fn no_other_query_is_taken(at in any::<prop::sample::Index>(), byte in 0x21u8..0x7f, how in 0..3) {
            let query = query(&embed());
            let at = at.index(query.len());
            let mut bytes = query.clone().into_bytes();
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
            let changed = String::from_utf8(bytes).unwrap();
            prop_assume!(changed != query);
            prop_assert_eq!(ancestors(&key(1), "demo", &changed, NOW), Err(Refusal::Unsigned));
        }

        #[test]
        fn what_strangers_send_is_refused(channel in ".*", query in ".*") {
            prop_assert_eq!(ancestors(&key(1), &channel, &query, NOW), Err(Refusal::Unsigned));
        }
    }
}
