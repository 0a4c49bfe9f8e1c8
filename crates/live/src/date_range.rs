//! What happens at a time of the show, as EXT-X-DATERANGE says it (section 4.4.5.1).
//!
//! A text from outside is checked here once: what does not fit a quoted-string or an attribute's name is refused, never
//! repaired, so that what is announced is what players read.

use std::{fmt, sync::Arc, time::Duration};

use thiserror::Error;

use crate::{
    limits::{
        DATE_RANGE_ATTRIBUTES_MAX, DATE_RANGE_BYTES_MAX, DATE_RANGE_NAME_BYTES_MAX,
        DATE_RANGE_SPAN_MAX,
    },
    render::Seconds,
    time::WallTime,
};

/// What is announced; [`DateRange::new`] checks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateRangeSpec {
    /// Names it within its stream, for as long as the stream lives.
    pub id: String,
    /// What kind of thing it is: all ranges of one class mean the same by the same attributes.
    pub class: Option<String>,
    /// When it begins.
    pub start: WallTime,
    /// How long it lasts; zero for a moment, `None` while nobody knows.
    pub duration: Option<Duration>,
    /// Attributes of its class. Their names begin with `X-`.
    pub attributes: Vec<(String, AttributeValue)>,
}

/// The value of an attribute whose name begins with `X-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// A quoted-string.
    Text(String),
    /// A signed-decimal-floating-point number without a fraction.
    Number(i64),
    /// A hexadecimal-sequence of at least one byte.
    Bytes(Vec<u8>),
}

/// Why a date range cannot be announced.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DateRangeError {
    /// No id.
    #[error("a date range needs an id")]
    NoId,
    /// A text that a quoted-string cannot hold (section 4.2), or a tab, which separates ids.
    #[error("{0} holds a quote or a control character")]
    Text(&'static str),
    /// Not the name of an extension attribute, or given twice.
    #[error(
        "an attribute's name is X- and up to {DATE_RANGE_NAME_BYTES_MAX} bytes of A-Z 0-9 -, and each is given once"
    )]
    Name,
    /// A hexadecimal-sequence of nothing.
    #[error("an attribute of bytes needs at least one")]
    NoBytes,
    /// More attributes than [`DATE_RANGE_ATTRIBUTES_MAX`].
    #[error("a date range has at most {DATE_RANGE_ATTRIBUTES_MAX} attributes")]
    TooManyAttributes,
    /// Longer than [`DATE_RANGE_SPAN_MAX`].
    #[error("a date range lasts at most {DATE_RANGE_SPAN_MAX:?}")]
    TooLong,
    /// Its line has more than [`DATE_RANGE_BYTES_MAX`].
    #[error("a date range has at most {DATE_RANGE_BYTES_MAX} bytes")]
    TooManyBytes,
}

/// Something that happens at a time of the show, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateRange {
    id: Arc<str>,
    start: WallTime,
    duration: Option<Duration>,
    /// The attributes as they are written, ID and all.
    line: Box<str>,
    /// The same as JSON.
    json: Box<str>,
}

impl DateRange {
    /// Checks what is to be announced.
    ///
    /// # Errors
    /// [`DateRangeError`] names what no playlist can say.
    pub fn new(spec: &DateRangeSpec) -> Result<Self, DateRangeError> {
        let DateRangeSpec {
            id,
            class,
            start,
            duration,
            attributes,
        } = spec;
        if id.is_empty() {
            return Err(DateRangeError::NoId);
        }
        check_text("the id", id)?;
        if let Some(class) = class {
            check_text("the class", class)?;
        }
        if duration.is_some_and(|duration| duration > DATE_RANGE_SPAN_MAX) {
            return Err(DateRangeError::TooLong);
        }
        check_attributes(attributes)?;
        let line = line(spec);
        if line.len() > DATE_RANGE_BYTES_MAX {
            return Err(DateRangeError::TooManyBytes);
        }
        Ok(Self {
            id: id.as_str().into(),
            start: *start,
            duration: *duration,
            line: line.into(),
            json: json(spec).into(),
        })
    }

    /// How long it is known to last.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.duration
    }

    /// All of it as a JSON object, for what goes with the media: `id`, `class`, `start` and `duration_ms` in milliseconds, and
    /// `attributes`.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Its name within its stream.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// When it begins.
    #[must_use]
    pub fn start(&self) -> WallTime {
        self.start
    }

    /// The last time that it is known to last to.
    ///
    /// One of unknown duration is a moment in this: nobody can say that it maps to a later segment, and a playlist that
    /// kept it until somebody can would keep it for good.
    #[must_use]
    pub fn end(&self) -> WallTime {
        self.start.after(self.duration.unwrap_or_default())
    }
}

/// The attribute-list.
impl fmt::Display for DateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Number(number) => write!(f, "{number}"),
            Self::Bytes(bytes) => {
                f.write_str("0x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
            }
        }
    }
}

fn line(spec: &DateRangeSpec) -> String {
    let mut attributes = vec![format!("ID=\"{}\"", spec.id)];
    attributes.extend(spec.class.iter().map(|class| format!("CLASS=\"{class}\"")));
    attributes.push(format!("START-DATE=\"{}\"", spec.start));
    attributes.extend(
        spec.duration
            .map(|span| format!("DURATION={}", Seconds(span))),
    );
    let own = spec.attributes.iter();
    attributes.extend(own.map(|(name, value)| format!("{name}={value}")));
    attributes.join(",")
}

fn json(spec: &DateRangeSpec) -> String {
    let mut fields = vec![format!("\"id\":{}", Quoted(&spec.id))];
    let class = spec.class.iter();
    fields.extend(class.map(|class| format!("\"class\":{}", Quoted(class))));
    fields.push(format!("\"start\":{}", spec.start.0));
    let millis = spec.duration.map(|span| span.as_millis());
    fields.extend(millis.map(|millis| format!("\"duration_ms\":{millis}")));
    let own = spec.attributes.iter().map(|(name, value)| match value {
        AttributeValue::Text(text) => format!("{}:{}", Quoted(name), Quoted(text)),
        AttributeValue::Number(number) => format!("{}:{number}", Quoted(name)),
        AttributeValue::Bytes(_) => format!("{}:\"{value}\"", Quoted(name)),
    });
    let own = own.collect::<Vec<_>>().join(",");
    if !own.is_empty() {
        fields.push(format!("\"attributes\":{{{own}}}"));
    }
    format!("{{{}}}", fields.join(","))
}

/// A checked text as a string of JSON: it holds no quote and no control character, so that a backslash is all there is to escape
/// (RFC 8259 section 7).
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\"))
    }
}

fn check_text(what: &'static str, text: &str) -> Result<(), DateRangeError> {
    if text.chars().any(|c| c == '"' || c.is_control()) {
        Err(DateRangeError::Text(what))
    } else {
        Ok(())
    }
}

fn check_attributes(attributes: &[(String, AttributeValue)]) -> Result<(), DateRangeError> {
    if attributes.len() > DATE_RANGE_ATTRIBUTES_MAX {
        return Err(DateRangeError::TooManyAttributes);
    }
    for (index, (name, value)) in attributes.iter().enumerate() {
        let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
        let rest = name.strip_prefix("X-").unwrap_or_default();
        let fits = (1..=DATE_RANGE_NAME_BYTES_MAX).contains(&rest.len()) && rest.bytes().all(legal);
        if !fits
            || attributes[..index]
                .iter()
                .any(|(earlier, _)| earlier == name)
        {
            return Err(DateRangeError::Name);
        }
        match value {
            AttributeValue::Text(text) => check_text("an attribute", text)?,
            AttributeValue::Bytes(bytes) if bytes.is_empty() => {
                return Err(DateRangeError::NoBytes);
            }
            AttributeValue::Bytes(_) | AttributeValue::Number(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_m3u8::{
        HlsLine, Reader,
        config::ParsingOptions,
        tag::{KnownTag, hls::Tag},
    };

    use super::*;

    fn moment(id: &str) -> DateRangeSpec {
        DateRangeSpec {
            id: id.to_owned(),
            class: None,
            start: WallTime(1_795_374_000_500),
            duration: Some(Duration::ZERO),
            attributes: Vec::new(),
        }
    }

    #[test]
    fn every_attribute_in_its_own_form() {
        let spec = DateRangeSpec {
            class: Some("org.example.song".into()),
            duration: Some(Duration::from_millis(183_250)),
            attributes: vec![
                (
                    "X-TITLE".into(),
                    AttributeValue::Text("Für Elise, live".into()),
                ),
                ("X-TRACK".into(), AttributeValue::Number(-7)),
                ("X-ISRC-2".into(), AttributeValue::Bytes(vec![0xDE, 0x07])),
            ],
            ..moment("song-1")
        };
        insta::assert_snapshot!(
            DateRange::new(&spec).unwrap(),
            @r#"ID="song-1",CLASS="org.example.song",START-DATE="2026-11-22T19:00:00.500Z",DURATION=183.25000,X-TITLE="Für Elise, live",X-TRACK=-7,X-ISRC-2=0xDE07"#
        );
        insta::assert_snapshot!(
            DateRange::new(&spec).unwrap().json(),
            @r#"{"id":"song-1","class":"org.example.song","start":1795374000500,"duration_ms":183250,"attributes":{"X-TITLE":"Für Elise, live","X-TRACK":-7,"X-ISRC-2":"0xDE07"}}"#
        );
        assert_eq!(
            DateRange::new(&spec).unwrap().end(),
            WallTime(1_795_374_183_750)
        );
        let bare = DateRangeSpec {
            duration: None,
            ..moment(r"back\slash")
        };
        insta::assert_snapshot!(
            DateRange::new(&bare).unwrap().json(),
            @r#"{"id":"back\\slash","start":1795374000500}"#
        );
    }

    #[test]
    fn what_no_playlist_can_say_is_refused() {
        let with = |name: &str, value| DateRangeSpec {
            attributes: vec![(name.into(), value)],
            ..moment("a")
        };
        let text = |text: &str| AttributeValue::Text(text.into());
        let cases = [
            (moment(""), DateRangeError::NoId),
            (moment("a\"b"), DateRangeError::Text("the id")),
            (moment("a\tb"), DateRangeError::Text("the id")),
            (
                DateRangeSpec {
                    class: Some("a\n#EXT-X-ENDLIST".into()),
                    ..moment("a")
                },
                DateRangeError::Text("the class"),
            ),
            (
                with("X-A", text("\r")),
                DateRangeError::Text("an attribute"),
            ),
            (with("X-", text("a")), DateRangeError::Name),
            (with("A", text("a")), DateRangeError::Name),
            (with("X-a", text("a")), DateRangeError::Name),
            (
                with("X-A", AttributeValue::Bytes(Vec::new())),
                DateRangeError::NoBytes,
            ),
            (
                with("X-A", text(&"a".repeat(DATE_RANGE_BYTES_MAX))),
                DateRangeError::TooManyBytes,
            ),
            (
                DateRangeSpec {
                    duration: Some(DATE_RANGE_SPAN_MAX + Duration::from_nanos(1)),
                    ..moment("a")
                },
                DateRangeError::TooLong,
            ),
            (
                DateRangeSpec {
                    attributes: vec![("X-A".into(), text("a")); 2],
                    ..moment("a")
                },
                DateRangeError::Name,
            ),
            (
                DateRangeSpec {
                    attributes: vec![("X-A".into(), text("a")); DATE_RANGE_ATTRIBUTES_MAX + 1],
                    ..moment("a")
                },
                DateRangeError::TooManyAttributes,
            ),
        ];
        for (spec, error) in cases {
            assert_eq!(DateRange::new(&spec), Err(error), "{spec:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_one_line_that_reads_as_it_was_meant(
            id in "(?s).{0,12}", class in prop::option::of("(?s).{0,12}"), name in "X?-?[A-Za-z]{0,4}", text in "(?s).{0,12}",
            start in 0..WallTime::MAX.0,
        ) {
            let spec = DateRangeSpec {
                id, class, start: WallTime(start), duration: None, attributes: vec![(name, AttributeValue::Text(text))],
            };
            if let Ok(range) = DateRange::new(&spec) {
                let playlist = format!("#EXTM3U\n#EXT-X-DATERANGE:{range}\n");
                let mut reader = Reader::from_str(&playlist, ParsingOptions::default());
                prop_assert!(reader.read_line().unwrap().is_some());
                let Some(HlsLine::KnownTag(KnownTag::Hls(Tag::Daterange(tag)))) = reader.read_line().unwrap() else {
                    return Err(TestCaseError::fail("not a date range"));
                };
                prop_assert_eq!(tag.id(), spec.id.as_str());
                prop_assert_eq!(tag.class(), spec.class.as_deref());
                prop_assert!(reader.read_line().unwrap().is_none());
            }
        }
    }
}
