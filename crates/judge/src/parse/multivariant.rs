//! Multivariant playlists: variants and their renditions.

use super::{
    Line, Said,
    attributes::{Attributes, Definition, Type},
};
use crate::{finding::Fault, rules::Rule};

const STREAM_INF: &[Definition] = &[
    ("BANDWIDTH", Type::Integer, false),
    ("AVERAGE-BANDWIDTH", Type::Integer, false),
    ("CODECS", Type::Quoted, false),
    ("RESOLUTION", Type::Resolution, false),
    ("FRAME-RATE", Type::Decimal, false),
    ("AUDIO", Type::Quoted, false),
    ("VIDEO", Type::Quoted, false),
    ("SUBTITLES", Type::Quoted, false),
];
const MEDIA: &[Definition] = &[
    (
        "TYPE",
        Type::OneOf(&["AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"]),
        false,
    ),
    ("URI", Type::Quoted, false),
    ("GROUP-ID", Type::Quoted, false),
    ("NAME", Type::Quoted, false),
    ("LANGUAGE", Type::Quoted, false),
    ("DEFAULT", Type::OneOf(&["YES", "NO"]), false),
    ("AUTOSELECT", Type::OneOf(&["YES", "NO"]), false),
    ("CHANNELS", Type::Quoted, false),
];

/// EXT-X-STREAM-INF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Its attributes.
    pub attributes: Attributes,
    /// The URI behind it.
    pub uri: String,
}

/// EXT-X-MEDIA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    /// Its attributes.
    pub attributes: Attributes,
}

/// A multivariant playlist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Multivariant {
    /// EXT-X-VERSION, and its line.
    pub version: Option<(u64, usize)>,
    /// Variants.
    pub variants: Vec<Variant>,
    /// Renditions.
    pub renditions: Vec<Rendition>,
}

pub(super) fn read(lines: &[Line<'_>], faults: &mut Vec<Fault>) -> Multivariant {
    let mut read = Multivariant::default();
    let mut waiting: Option<Attributes> = None;
    for line in lines {
        match line.said {
            Said::Tag(tag, value) => {
                let number = line.number;
                match tag.name {
                    "-X-VERSION" => {
                        let version = super::attributes::integer(value);
                        read.version = version.map(|version| (version, number));
                    }
                    "-X-STREAM-INF" => {
                        let of = ("EXT-X-STREAM-INF", number);
                        let list = Attributes::parse(of, value, STREAM_INF, faults);
                        if let Some(before) = waiting.replace(list) {
                            alone(&before, faults);
                        }
                    }
                    "-X-MEDIA" => read.renditions.push(Rendition {
                        attributes: Attributes::parse(
                            ("EXT-X-MEDIA", number),
                            value,
                            MEDIA,
                            faults,
                        ),
                    }),
                    _ => {}
                }
            }
            Said::Uri(uri) => match waiting.take() {
                Some(attributes) => read.variants.push(Variant {
                    attributes,
                    uri: uri.to_owned(),
                }),
                None => {
                    let seen = format!("the URI `{uri}` without EXT-X-STREAM-INF");
                    faults
                        .push(Fault::new(Rule::Syntax, seen, "the tag before it").at(line.number));
                }
            },
        }
    }
    if let Some(before) = waiting {
        alone(&before, faults);
    }
    read
}

fn alone(attributes: &Attributes, faults: &mut Vec<Fault>) {
    let seen = "EXT-X-STREAM-INF without a URI";
    faults.push(Fault::new(Rule::Syntax, seen, "a URI in the next line").at(attributes.line()));
}
