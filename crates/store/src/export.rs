//! What was said, as files that other programs read.

use std::sync::Arc;

use fanwave_wire::{Epoch, Event, Offset, Publication};
use serde::Serialize;

use crate::limits::READ_MAX;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One object a line (<https://jsonlines.org>).
    JsonLines,
    /// A table (RFC 4180) with a heading, for spreadsheets.
    Csv,
}

/// A piece of a file.
#[derive(Debug)]
pub(crate) struct Exported {
    /// Whole lines.
    pub(crate) bytes: Vec<u8>,
    /// Behind which offset of its run the next piece begins; `None` after the last.
    pub(crate) next: Option<Offset>,
}

/// The columns of a table.
const HEADING: &str = "offset,at,user,name,role,id,language,text,reply_to,event,epoch\r\n";

impl Format {
    /// What a file begins with.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::JsonLines => "",
            Self::Csv => HEADING,
        }
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::JsonLines => "application/jsonl",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    /// A page of at most [`READ_MAX`] messages as a piece of a file; one that is full has more behind it.
    pub(crate) fn piece(self, epoch: &Epoch, page: &[Arc<Publication>]) -> Exported {
        let mut bytes = Vec::new();
        for publication in page {
            self.write(epoch, publication, &mut bytes);
        }
        let last = page.last().filter(|_| page.len() == READ_MAX);
        Exported {
            bytes,
            next: last.map(|publication| publication.offset),
        }
    }

    /// Writes one message. `at` is in milliseconds since 1970-01-01 UTC; an event is JSON; offsets are comparable only
    /// within an epoch.
    pub fn write(self, epoch: &Epoch, publication: &Publication, to: &mut Vec<u8>) {
        match self {
            Self::JsonLines => write_json(epoch, publication, to),
            Self::Csv => write_row(epoch, publication, to),
        }
    }
}

/// The fields of an object, in this order.
#[derive(Debug, Serialize)]
struct Line<'m> {
    offset: u64,
    at: u64,
    user: &'m str,
    name: &'m str,
    role: &'m str,
    id: &'m str,
    language: Option<&'m str>,
    text: Option<&'m str>,
    reply_to: Option<u64>,
    event: Option<&'m Event>,
    epoch: &'m str,
}

fn write_json(epoch: &Epoch, publication: &Publication, to: &mut Vec<u8>) {
    let Publication { offset, at, draft } = publication;
    let text = draft.body.as_text();
    let reply = text.and_then(|text| text.reply_to.as_ref());
    let line = Line {
        offset: offset.0,
        at: at.0,
        user: &draft.sender.user.0,
        name: &draft.sender.name,
        role: draft.sender.role.name(),
        id: &draft.id.0,
        language: text.map(|text| text.language.code()),
        text: text.map(|text| &*text.text),
        reply_to: reply.map(|reply| reply.offset.0),
        event: draft.body.as_event(),
        epoch: &epoch.0,
    };
    let line = serde_json::to_string(&line).expect("texts and numbers are JSON");
    to.extend(line.bytes());
    to.push(b'\n');
}

fn write_row(epoch: &Epoch, publication: &Publication, to: &mut Vec<u8>) {
    let Publication { offset, at, draft } = publication;
    let text = draft.body.as_text();
    let reply = text.and_then(|text| text.reply_to.as_ref());
    let event = draft.body.as_event();
    let cells = [
        offset.0.to_string(),
        at.0.to_string(),
        cell(&draft.sender.user.0),
        cell(&draft.sender.name),
        draft.sender.role.name().to_owned(),
        cell(&draft.id.0),
        text.map_or("", |text| text.language.code()).to_owned(),
        cell(text.map_or("", |text| &text.text)),
        reply.map_or_else(String::new, |reply| reply.offset.0.to_string()),
        event
            .and_then(|event| serde_json::to_string(event).ok())
            .map_or_else(String::new, |event| cell(&event)),
        cell(&epoch.0),
    ];
    to.extend(cells.join(",").bytes());
    to.extend(b"\r\n");
}

/// A text as a cell: in quotes, and never a formula. A spreadsheet calculates what begins with one of these, also what a
/// stranger has written (<https://owasp.org/www-community/attacks/CSV_Injection>); behind an apostrophe it is text.
fn cell(text: &str) -> String {
    let guard = match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => "'",
        false => "",
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use fanwave_wire::{Body, ClientMessageId, Draft, Role, Sender, Text, UnixMillis, UserId};
    use proptest::prelude::*;

    use super::*;

    fn said(body: Body) -> Publication {
        Publication {
            offset: Offset(7),
            at: UnixMillis(1_800_000_000_000),
            draft: Draft {
                id: ClientMessageId("m-7".into()),
                sender: Sender {
                    user: UserId("fan-1".into()),
                    name: "미나".into(),
                    role: Role::Fan,
                    badge: None,
                },
                body,
            },
        }
    }

    fn written(format: Format, body: Body) -> String {
        let mut written = Vec::new();
        format.write(&Epoch("one".into()), &said(body), &mut written);
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn a_text_and_an_event_are_a_line_each() {
        let text = || Body::Text(Text::plain("\"최고다\", she said"));
        let event = || Body::Event(Box::new(Event::Deleted { offset: Offset(3) }));
        assert_eq!(
            written(Format::JsonLines, text()),
            "{\"offset\":7,\"at\":1800000000000,\"user\":\"fan-1\",\"name\":\"미나\",\"role\":\"fan\",\"id\":\"m-7\",\
             \"language\":\"und\",\"text\":\"\\\"최고다\\\", she said\",\"reply_to\":null,\"event\":null,\"epoch\":\"one\"}\n"
        );
        assert_eq!(
            written(Format::Csv, text()),
            "7,1800000000000,\"fan-1\",\"미나\",fan,\"m-7\",und,\"\"\"최고다\"\", she said\",,,\"one\"\r\n"
        );
        assert_eq!(
            written(Format::Csv, event()),
            "7,1800000000000,\"fan-1\",\"미나\",fan,\"m-7\",,\"\",,\"{\"\"type\"\":\"\"deleted\"\",\"\"offset\"\":3}\",\"one\"\r\n"
        );
    }

    #[test]
    fn no_spreadsheet_calculates_what_a_stranger_wrote() {
        let row = written(
            Format::Csv,
            Body::Text(Text::plain("=HYPERLINK(\"http://evil\")")),
        );
        assert!(
            row.contains("\"'=HYPERLINK(\"\"http://evil\"\")\""),
            "{row}"
        );
    }

    proptest! {
        #[test]
        fn a_message_is_one_line_whatever_is_in_it(text in any::<String>()) {
            let line = written(Format::JsonLines, Body::Text(Text::plain(text.as_str())));
            prop_assert_eq!(line.matches('\n').count(), 1);
            let object: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(object["text"].as_str(), Some(text.as_str()));
        }
    }
}
