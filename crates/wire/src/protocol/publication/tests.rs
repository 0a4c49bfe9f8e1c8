//! The bytes of what a channel carries, one line per kind.

use serde_json::Value;

use super::*;
use crate::{
    ClientMessageId, Draft, Event, HoldReason, Language, Mode, Offset, ReplyTo, ReportReason, Role,
    Sender, UnixMillis, UserId, limits,
};

fn id(text: &str) -> ClientMessageId {
    ClientMessageId(text.into())
}

fn user(text: &str) -> UserId {
    UserId(text.into())
}

fn line(body: Body, badge: Option<&str>) -> String {
    let sender = Sender {
        badge: badge.map(Into::into),
        ..Sender::new(user("u-9"), "Mo", Role::Moderator)
    };
    let draft = Draft {
        id: id("m-1"),
        sender,
        body,
    };
    let mut out = Vec::new();
    let publication = Publication {
        offset: Offset(8),
        at: UnixMillis(1_700_000_000_000),
        draft,
    };
    encode(&publication, &mut out);
    String::from_utf8(out).unwrap()
}

fn data(event: Event) -> String {
    let line = line(Body::Event(Box::new(event)), None);
    let data = line.strip_prefix(r#"{"offset":8,"data":"#).unwrap();
    let rest = r#","info":{"user":"u-9","client":""}}"#;
    data.strip_suffix(rest).unwrap().to_string()
}

#[test]
fn a_text_says_what_is_known_of_it() {
    let answer = Text {
        language: Language::Korean,
        reply_to: Some(Box::new(ReplyTo {
            offset: Offset(3),
            user: user("u-1"),
        })),
        ..Text::plain("네")
    };
    let lines = [
        line(Body::Text(Text::plain("hi")), None),
        line(Body::Text(answer), Some("VIP")),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {"offset":8,"data":{"id":"m-1","text":"hi","name":"Mo","role":"moderator","at":1700000000000},"info":{"user":"u-9","client":""}}
    {"offset":8,"data":{"id":"m-1","text":"네","name":"Mo","role":"moderator","at":1700000000000,"lang":"ko","reply_to":{"offset":3,"user":"u-1"},"badge":"VIP"},"info":{"user":"u-9","client":""}}
    "#);
}

fn moderation() -> Vec<Event> {
    let mode = Mode {
        slow_seconds: 5,
        followers_minutes: Some(10),
        shield: true,
        ..Mode::default()
    };
    vec![
        Event::Deleted { offset: Offset(7) },
        Event::Cleared {
            user: user("u-1"),
            through: Offset(7),
        },
        Event::Muted {
            user: user("u-1"),
            until: Some(UnixMillis(1_700_000_600_000)),
        },
        Event::Banned {
            user: user("u-1"),
            until: None,
        },
        Event::Pardoned { user: user("u-1") },
        Event::Mode(mode),
        Event::Mode(Mode::default()),
        Event::Held {
            sender: Sender {
                badge: Some("VIP".into()),
                ..Sender::new(user("u-1"), "Ari", Role::Fan)
            },
            id: id("m-7"),
            text: Text {
                language: Language::English,
                ..Text::plain("\"bad\"")
            },
            reason: HoldReason::Word,
        },
        Event::Reviewed {
            held: Offset(2),
            approved: false,
        },
        Event::Reported {
            offset: Offset(7),
            reason: ReportReason::Abuse,
        },
        Event::ReportsDismissed { offset: Offset(7) },
        Event::Words {
            language: Language::Korean,
            words: vec!["나쁜말".into(), "a\"b".into()],
        },
    ]
}

fn festivity() -> Vec<Event> {
    vec![
        Event::Pinned {
            pin: id("p-1"),
            text: "Encore at 21:00".into(),
            offset: Some(Offset(7)),
        },
        Event::Unpinned { pin: id("p-1") },
        Event::Gift {
            gift: "rose".into(),
            count: 3,
            text: Some("for you".into()),
        },
        Event::Gift {
            gift: "rose".into(),
            count: 1,
            text: None,
        },
        Event::PollOpened {
            poll: id("q-1"),
            question: "Encore?".into(),
            choices: vec!["yes".into(), "no".into()],
            until: Some(UnixMillis(1_700_000_060_000)),
        },
        Event::PollClosed {
            poll: id("q-1"),
            counts: vec![120_000, 3],
        },
        Event::Voted { choice: 1 },
    ]
}

#[test]
fn acts_of_moderation() {
    let lines: Vec<String> = moderation().into_iter().map(data).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {"type":"deleted","offset":7,"id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"cleared","user":"u-1","through":7,"id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"muted","user":"u-1","until":1700000600000,"id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"banned","user":"u-1","id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"pardoned","user":"u-1","id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"mode","slow_seconds":5,"members_only":false,"followers_minutes":10,"emoji_only":false,"hold":false,"shield":true,"id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"mode","slow_seconds":0,"members_only":false,"emoji_only":false,"hold":false,"shield":false,"id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"held","message":{"user":"u-1","id":"m-7","text":"\"bad\"","name":"Ari","role":"fan","lang":"en","badge":"VIP"},"reason":"word","id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"reviewed","held":2,"approved":false,"id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"reported","offset":7,"reason":"abuse","id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"reports_dismissed","offset":7,"id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"words","language":"ko","words":["나쁜말","a\"b"],"id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    "#);
}

#[test]
fn what_a_show_is_made_of() {
    let lines: Vec<String> = festivity().into_iter().map(data).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {"type":"pinned","pin":"p-1","text":"Encore at 21:00","offset":7,"id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"unpinned","pin":"p-1","id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"gift","gift":"rose","count":3,"text":"for you","id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"gift","gift":"rose","count":1,"id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"poll_opened","poll":"q-1","question":"Encore?","choices":["yes","no"],"until":1700000060000,"id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"poll_closed","poll":"q-1","counts":[120000,3],"id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    {"type":"voted","choice":1,"id":"m-1","name":"Mo","role":"moderator","at":1700000000000}
    "#);
}

#[test]
fn what_a_room_says_without_keeping_it() {
    let notices = [
        Notice::More {
            language: Language::Korean,
            count: 12,
        },
        Notice::More {
            language: Language::Unknown,
            count: 1,
        },
        Notice::Missed { count: 40 },
        Notice::Reactions {
            counts: [("clap", 3), ("heart", 120)]
                .map(|(kind, count)| (kind.parse().unwrap(), count))
                .into(),
        },
        Notice::Tally {
            poll: id("q-1"),
            counts: vec![120_000, 3],
        },
        Notice::Paused,
        Notice::Resumed,
    ];
    let lines = notices.map(|notice| {
        let mut out = Vec::new();
        encode_notice(&notice, &mut out);
        String::from_utf8(out).unwrap()
    });
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {"data":{"type":"more","lang":"ko","count":12}}
    {"data":{"type":"more","lang":"und","count":1}}
    {"data":{"type":"missed","count":40}}
    {"data":{"type":"reactions","counts":{"clap":3,"heart":120}}}
    {"data":{"type":"tally","poll":"q-1","counts":[120000,3]}}
    {"data":{"type":"paused"}}
    {"data":{"type":"resumed"}}
    "#);
}

/// A field that stands twice would hide one of the two; the names must also be those that the log has.
#[test]
fn an_event_has_each_field_once_and_calls_it_as_the_log_does() {
    for event in moderation().into_iter().chain(festivity()) {
        let stored = serde_json::to_value(&event).unwrap();
        let written = data(event);
        let read: Value = serde_json::from_str(&written).unwrap();
        let names: Vec<&String> = read.as_object().unwrap().keys().collect();
        for name in &names {
            assert!(
                written.matches(&format!("\"{name}\":")).count() == 1 || stored["type"] == "held",
                "{name} in {written}"
            );
        }
        if stored["type"] == "held" {
            continue;
        }
        for (name, value) in stored.as_object().unwrap() {
            assert_eq!(&read[name], value, "{name} in {written}");
        }
    }
}

#[test]
fn the_longest_events_are_within_their_limit() {
    let word = "\u{2028}".repeat(limits::WORD_BYTES_MAX / 3);
    let choice = "\u{2028}".repeat(limits::POLL_CHOICE_CHARS_MAX);
    let longest = [
        Event::Words {
            language: Language::Unknown,
            words: vec![word.into(); limits::WORDS_MAX],
        },
        Event::PollOpened {
            poll: id(&"\"".repeat(limits::CLIENT_MESSAGE_ID_BYTES_MAX)),
            question: "\u{2028}".repeat(limits::POLL_QUESTION_CHARS_MAX).into(),
            choices: vec![choice.into(); limits::POLL_CHOICES_MAX],
            until: Some(UnixMillis(u64::MAX)),
        },
    ];
    for event in longest {
        let name = event.name();
        let bytes = line(Body::Event(Box::new(event)), None).len();
        assert!(bytes <= limits::EVENT_BYTES_MAX, "{name}: {bytes}");
    }
}
