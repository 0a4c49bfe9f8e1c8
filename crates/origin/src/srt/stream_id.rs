//! What a caller's stream id says: which channel, which key.
//!
//! * `#!::r=CHANNEL,m=publish,u=KEY`: the form of SRT's access control guidelines. Without `u`, `r` is the key.
//! * `publish:KEY`, as other servers have it.
//! * `KEY`.
//!
//! A key may have a folder before it, and arguments behind a question mark, as in an RTMP address.

use thiserror::Error;

use crate::ingest::{Wish, shortened};

/// Begins the form of the guidelines.
const STANDARD: &str = "#!::";

/// Why a stream id is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum StreamIdError {
    /// It says nothing that is understood.
    #[error("its stream id names no key")]
    Malformed,
    /// It wants to play, or to send files.
    #[error("its stream id asks for something else than publishing")]
    Mode,
}

impl StreamIdError {
    /// The code by SRT's access control guidelines: that of HTTP.
    pub(super) fn http_status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Mode => 405,
        }
    }
}

pub(super) fn read(stream_id: &[u8]) -> Result<Wish, StreamIdError> {
    let text = std::str::from_utf8(stream_id).map_err(|_| StreamIdError::Malformed)?;
    // libsrt pads it to whole words.
    let text = text.trim_end_matches('\0');
    if let Some(fields) = text.strip_prefix(STANDARD) {
        return standard(fields);
    }
    if text.starts_with("#!") {
        return Err(StreamIdError::Malformed);
    }
    if text.starts_with("request:") || text.starts_with("read:") {
        return Err(StreamIdError::Mode);
    }
    named(text.strip_prefix("publish:").unwrap_or(text))
}

/// `name=value` between commas; what is not known is passed over.
fn standard(fields: &str) -> Result<Wish, StreamIdError> {
    let (mut resource, mut user) = (None, None);
    for field in fields.split(',') {
        match field.split_once('=').ok_or(StreamIdError::Malformed)? {
            ("r", value) => resource = Some(value),
            ("u", value) => user = Some(value),
            ("m", "publish") | ("t", "stream") => {}
            ("m" | "t", _) => return Err(StreamIdError::Mode),
            _ => {}
        }
    }
    match (user, resource) {
        (Some(key), channel) => Ok(Wish {
            channel: channel.map(|channel| shortened(channel).to_owned()),
            ..named(key)?
        }),
        (None, Some(key)) => named(key),
        (None, None) => Err(StreamIdError::Malformed),
    }
}

/// A key, perhaps with a folder before it.
fn named(text: &str) -> Result<Wish, StreamIdError> {
    let (path, arguments) = text.split_once('?').unwrap_or((text, ""));
    let (app, name) = path.rsplit_once('/').unwrap_or(("", path));
    if name.is_empty() {
        return Err(StreamIdError::Malformed);
    }
    let mut wish = Wish::of(&format!("{name}?{arguments}"));
    shortened(app).clone_into(&mut wish.app);
    "live".clone_into(&mut wish.kind);
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Channel, folder, key and arguments.
    fn parts(text: &str) -> Result<(Option<String>, String, String, String), StreamIdError> {
        let wish = read(text.as_bytes())?;
        let (name, arguments) = (wish.name.expose(), wish.arguments.expose());
        Ok((
            wish.channel,
            wish.app,
            name.to_owned(),
            arguments.to_owned(),
        ))
    }

    fn all(
        channel: Option<&str>,
        app: &str,
        name: &str,
        arguments: &str,
    ) -> Result<(Option<String>, String, String, String), StreamIdError> {
        let own = str::to_owned;
        Ok((channel.map(own), own(app), own(name), own(arguments)))
    }

    #[test]
    fn every_form_names_the_key() {
        let key = "demo-key-1234";
        for id in [
            "demo-key-1234",
            "publish:demo-key-1234",
            "#!::r=demo-key-1234,m=publish",
            "#!::u=demo-key-1234",
            "demo-key-1234\0\0",
        ] {
            assert_eq!(parts(id), all(None, "", key, ""), "{id}");
        }
        assert_eq!(
            parts("#!::r=demo,m=publish,u=demo-key-1234"),
            all(Some("demo"), "", key, "")
        );
        assert_eq!(
            parts("#!::u=demo-key-1234,t=stream,h=a.example,r=demo"),
            all(Some("demo"), "", key, "")
        );
        assert_eq!(
            parts("live/demo-key-1234?a=b"),
            all(None, "live", key, "a=b")
        );
        assert_eq!(
            parts("publish:ana?token=7"),
            all(None, "", "ana", "token=7")
        );
    }

    #[test]
    fn what_is_no_wish_to_publish_is_refused() {
        for id in [
            "",
            "\0\0\0\0",
            "#!",
            "#!{}",
            "#!::",
            "#!::x",
            "#!::h=a.example",
            "live/",
            "?a=b",
            "#!::u=",
        ] {
            assert_eq!(parts(id), Err(StreamIdError::Malformed), "{id}");
        }
        for id in [
            "#!::r=demo,m=request",
            "#!::m=bidirectional,u=x",
            "#!::t=file,u=x",
            "request:demo",
            "read:demo",
        ] {
            assert_eq!(parts(id), Err(StreamIdError::Mode), "{id}");
        }
        assert_eq!(read(&[0xff, 0xfe]).err(), Some(StreamIdError::Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_wish_or_an_error(id in proptest::collection::vec(any::<u8>(), 0..520)) {
            if let Ok(wish) = read(&id) {
                prop_assert!(!wish.name.expose().is_empty() && wish.name.expose().len() <= id.len());
            }
        }
    }
}
