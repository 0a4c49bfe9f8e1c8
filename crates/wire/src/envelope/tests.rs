use proptest::prelude::*;

use super::*;
use crate::{ClientMessageId, Event, Language, ReplyTo, Sender, Text, UserId};

fn text_record() -> Record {
    Record {
        at: UnixMillis(0x0102_0304_0506_0708),
        draft: Draft {
            id: ClientMessageId("m1".into()),
            sender: Sender {
                user: UserId("u7".into()),
                name: "민지".into(),
                role: Role::Member,
                badge: Some("VIP".into()),
            },
            body: Body::Text(Text {
                text: "hi 🎤".into(),
                language: Language::Korean,
                reply_to: Some(Box::new(ReplyTo {
                    offset: Offset(9),
                    user: UserId("a".into()),
                })),
            }),
        },
    }
}

fn event_record() -> Record {
    let event = Event::Deleted { offset: Offset(7) };
    Record {
        at: UnixMillis(1),
        draft: Draft {
            id: ClientMessageId("d".into()),
            sender: Sender::new(UserId("mod".into()), "M", Role::Moderator),
            body: Body::Event(Box::new(event)),
        },
    }
}

fn batch(first: u64, records: &[Record]) -> Batch {
    let places = (first..).map(Offset);
    let publications = places
        .zip(records)
        .map(|(offset, record)| Arc::new(record.clone().at_offset(offset)));
    Batch {
        channel: "chat:demo".parse().unwrap(),
        epoch: Epoch("e1".into()),
        publications: publications.collect(),
    }
}

/// What stands on each line of an annotated dump, as bytes.
fn golden(lines: &[(&str, &[u8])]) -> Vec<u8> {
    lines
        .iter()
        .flat_map(|(_, bytes)| bytes.iter().copied())
        .collect()
}

#[test]
fn a_text_looks_like_this() {
    let expected = golden(&[
        ("version", &[1]),
        ("a text", &[0]),
        ("at", &[1, 2, 3, 4, 5, 6, 7, 8]),
        ("id", b"\0\x02m1"),
        ("user", b"\0\x02u7"),
        ("name", b"\0\x06\xEB\xAF\xBC\xEC\xA7\x80"),
        ("member", &[1]),
        ("badge", b"\x01\0\x03VIP"),
        ("language", b"\0\x02ko"),
        ("answers", &[1, 0, 0, 0, 0, 0, 0, 0, 9]),
        ("of", b"\0\x01a"),
        ("text", b"\0\0\0\x07hi \xF0\x9F\x8E\xA4"),
    ]);
    assert_eq!(text_record().encode(), expected);
    assert_eq!(Record::decode(&expected), Ok(text_record()));
}

#[test]
fn an_event_looks_like_this() {
    let expected = golden(&[
        ("version", &[1]),
        ("an event", &[1]),
        ("at", &[0, 0, 0, 0, 0, 0, 0, 1]),
        ("id", b"\0\x01d"),
        ("user", b"\0\x03mod"),
        ("name", b"\0\x01M"),
        ("moderator", &[2]),
        ("no badge", &[0]),
        ("event", b"\0\0\0\x1d{\"type\":\"deleted\",\"offset\":7}"),
    ]);
    assert_eq!(event_record().encode(), expected);
    assert_eq!(Record::decode(&expected), Ok(event_record()));
}

#[test]
fn a_batch_looks_like_this_and_can_be_put_together_from_its_pieces() {
    let batch = batch(5, &[text_record(), event_record()]);
    let opening = golden(&[("version", &[1]), ("channel", b"\x09chat:demo")]);
    assert_eq!(Batch::opening(&batch.channel), opening);
    let expected = [
        opening.as_slice(),
        b"\x02e1",
        &[0, 0, 0, 0, 0, 0, 0, 5],
        &Batch::framed(&text_record().encode()),
        &Batch::framed(&event_record().encode()),
    ]
    .concat();
    assert_eq!(batch.encode(), expected);
    assert_eq!(Batch::decode(&expected), Ok(batch));
}

#[test]
fn a_version_that_is_not_known_is_refused_by_its_number() {
    let unknown = Err(EnvelopeError::Version { found: 2 });
    let mut record = text_record().encode();
    record[0] = 2;
    assert_eq!(Record::decode(&record), unknown);
    let mut bytes = batch(1, &[text_record()]).encode();
    bytes[0] = 2;
    assert_eq!(Batch::decode(&bytes).map(drop), unknown.clone().map(drop));
    // A batch of a known version with one record of an unknown one.
    let mut bytes = batch(1, &[event_record()]).encode();
    bytes.extend(Batch::framed(&record));
    assert_eq!(Batch::decode(&bytes).map(drop), unknown.map(drop));
}

#[test]
fn a_batch_says_something_at_places_that_exist_and_not_too_much() {
    assert_eq!(
        Batch::decode(&batch(1, &[]).encode()),
        Err(EnvelopeError::Length)
    );
    for first in [0, u64::MAX] {
        let mut bytes = batch(5, &[text_record()]).encode();
        let place = Batch::opening(&batch(5, &[]).channel).len() + "_e1".len();
        bytes[place..place + 8].copy_from_slice(&first.to_be_bytes());
        assert_eq!(Batch::decode(&bytes), Err(EnvelopeError::Value));
    }
    let most = vec![event_record(); BATCH_RECORDS_MAX];
    assert!(Batch::decode(&batch(1, &most).encode()).is_ok());
    let more = vec![event_record(); BATCH_RECORDS_MAX + 1];
    assert_eq!(
        Batch::decode(&batch(1, &more).encode()),
        Err(EnvelopeError::Value)
    );
}

#[test]
fn no_change_of_a_byte_is_overlooked() {
    let whole = batch(5, &[text_record(), event_record()]);
    let bytes = whole.encode();
    for place in 0..bytes.len() {
        for flip in [1, 0x80, 0xFF] {
            let mut changed = bytes.clone();
            changed[place] ^= flip;
            assert_ne!(
                Batch::decode(&changed).as_ref(),
                Ok(&whole),
                "byte {place} xor {flip}"
            );
        }
        let cut = Batch::decode(&bytes[..place]);
        assert_ne!(cut.as_ref(), Ok(&whole), "cut at {place}");
    }
}

fn any_text() -> impl Strategy<Value = Arc<str>> {
    "\\PC{0,40}".prop_map(Into::into)
}

fn any_record() -> impl Strategy<Value = Record> {
    let sender = (
        any_text(),
        any_text(),
        prop::sample::select(ROLES.to_vec()),
        prop::option::of(any_text()),
    )
        .prop_map(|(user, name, role, badge)| Sender {
            user: UserId(user.as_ref().into()),
            name,
            role,
            badge,
        });
    let said = (
        any_text(),
        prop::sample::select(Language::ALL.to_vec()),
        prop::option::of((any::<u64>(), any_text())),
    )
        .prop_map(|(text, language, reply)| {
            let reply_to = reply.map(|(offset, user)| {
                Box::new(ReplyTo {
                    offset: Offset(offset),
                    user: UserId(user.as_ref().into()),
                })
            });
            Body::Text(Text {
                text,
                language,
                reply_to,
            })
        });
    let happened = (any_text(), any::<u64>()).prop_map(|(user, until)| {
        let (user, until) = (UserId(user.as_ref().into()), Some(UnixMillis(until)));
        Body::Event(Box::new(Event::Banned { user, until }))
    });
    let body = prop_oneof![said, happened];
    (any::<u64>(), any_text(), sender, body).prop_map(|(at, id, sender, body)| Record {
        at: UnixMillis(at),
        draft: Draft {
            id: ClientMessageId(id),
            sender,
            body,
        },
    })
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_the_same(
        records in prop::collection::vec(any_record(), 1..6),
        first in 1..u64::MAX - 10,
    ) {
        for record in &records {
            prop_assert_eq!(Record::decode(&record.encode()), Ok(record.clone()));
        }
        let whole = batch(first, &records);
        prop_assert_eq!(Batch::decode(&whole.encode()), Ok(whole));
    }
}
