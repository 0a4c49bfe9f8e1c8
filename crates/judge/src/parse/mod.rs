//! Reads playlists as a judge has to: strictly, and going on after every fault.
//!
//! A player stops at the first fault; a judge names them all, with their lines. Nothing here panics or grows beyond what
//! was read, whatever a stranger's server sends. The parser shares no code with the servers that are judged.

pub mod attributes;
pub mod date;
pub mod media;
mod multivariant;
mod reader;
mod tags;

use self::tags::Class;
pub use self::{
    attributes::Attributes,
    media::{Hint, Media, Part, Report, Segment},
    multivariant::{Multivariant, Rendition, Variant},
};
use crate::{
    finding::Fault,
    limits::{FAULTS_PER_LOOK_MAX, PLAYLIST_LINES_MAX},
    rules::Rule,
};

/// What a text turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A media playlist.
    Media(Box<Media>),
    /// A multivariant playlist.
    Multivariant(Multivariant),
    /// No playlist.
    Other,
}

/// A text that was read, and what is wrong with it as a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// What it is.
    pub content: Content,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// One line that says something.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    /// Its number, from 1.
    number: usize,
    said: Said<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Said<'a> {
    /// A tag that the draft defines, and what is behind its colon.
    Tag(&'static tags::Tag, &'a str),
    /// A URI.
    Uri(&'a str),
}

/// Reads a playlist.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    let mut faults = Vec::new();
    let text = String::from_utf8_lossy(bytes);
    let text: &str = match text.strip_prefix('\u{feff}') {
        Some(rest) => {
            faults.push(Fault::new(Rule::Syntax, "a byte order mark", "none").at(1));
            rest
        }
        None => &text,
    };
    if std::str::from_utf8(bytes).is_err() {
        faults.push(Fault::new(
            Rule::Syntax,
            "bytes that are not UTF-8",
            "UTF-8",
        ));
    }
    let begins_well = text.lines().next() == Some("#EXTM3U");
    let lines = lines(text, &mut faults);
    let has = |class: Class| {
        let is_of = |line: &Line<'_>| matches!(line.said, Said::Tag(tag, _) if tag.class == class);
        lines.iter().any(is_of)
    };
    let has_media = has(Class::Media) || has(Class::Segment) || has(Class::Metadata);
    let has_variants = has(Class::Multivariant);
    if !begins_well && !has_media && !has_variants {
        return Parsed {
            content: Content::Other,
            faults,
        };
    }
    if !begins_well {
        let first = text.lines().next().unwrap_or_default();
        faults.push(
            Fault::new(
                Rule::Syntax,
                format!("the first line is `{first}`"),
                "#EXTM3U",
            )
            .at(1),
        );
    }
    if has_media && has_variants {
        let other = if has(Class::Media) {
            Class::Multivariant
        } else {
            Class::Segment
        };
        let line = lines
            .iter()
            .find(|line| matches!(line.said, Said::Tag(tag, _) if tag.class == other));
        let number = line.map_or(1, |line| line.number);
        let seen = "tags of a media playlist beside tags of a multivariant one";
        faults.push(Fault::new(Rule::MixedTags, seen, "one kind of tags").at(number));
    }
    duplicates(&lines, &mut faults);
    let content = if has(Class::Media) || (has_media && !has_variants) {
        Content::Media(Box::new(reader::read(&lines, &mut faults)))
    } else {
        Content::Multivariant(multivariant::read(&lines, &mut faults))
    };
    faults.truncate(FAULTS_PER_LOOK_MAX);
    Parsed { content, faults }
}

/// The lines that say something; the others are checked and dropped.
fn lines<'a>(text: &'a str, faults: &mut Vec<Fault>) -> Vec<Line<'a>> {
    let mut found = Vec::new();
    for (index, line) in text.lines().take(PLAYLIST_LINES_MAX).enumerate() {
        let number = index + 1;
        let is_bad = |c: char| c.is_control() && c != '\t';
        if line.contains(is_bad) {
            faults.push(Fault::new(Rule::Syntax, "a control character", "none").at(number));
        }
        if let Some(tag) = line.strip_prefix("#EXT") {
            let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
            match tags::find(name) {
                Some(tag) => {
                    if tag.has_value == value.is_empty() {
                        let expected = if tag.has_value { "a value" } else { "no value" };
                        faults.push(Fault::new(Rule::Syntax, line, expected).at(number));
                    }
                    found.push(Line {
                        number,
                        said: Said::Tag(tag, value),
                    });
                }
                None if name.starts_with("-X-") => {
                    let seen = format!("#EXT{name}");
                    faults
                        .push(Fault::new(Rule::UnknownTag, seen, "a tag of the draft").at(number));
                }
                None => {}
            }
        } else if !line.starts_with('#') && !line.is_empty() {
            if line.contains(char::is_whitespace) {
                let seen = format!("the URI `{line}`");
                faults.push(Fault::new(Rule::Syntax, seen, "no whitespace").at(number));
            }
            found.push(Line {
                number,
                said: Said::Uri(line),
            });
        }
    }
    found
}

/// Tags that may be there once.
fn duplicates(lines: &[Line<'_>], faults: &mut Vec<Fault>) {
    let mut seen: Vec<(&str, usize)> = Vec::new();
    for line in lines {
        let Said::Tag(tag, _) = line.said else {
            continue;
        };
        if !tag.is_once {
            continue;
        }
        match seen.iter().find(|(name, _)| *name == tag.name) {
            Some((_, first)) => {
                let what = format!("#EXT{} again, after line {first}", tag.name);
                faults.push(Fault::new(Rule::Duplicate, what, "once").at(line.number));
            }
            None => seen.push((tag.name, line.number)),
        }
    }
}

#[cfg(test)]
mod tests;
