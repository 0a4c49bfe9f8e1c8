//! What is a call, and every way not to be one.

use proptest::prelude::*;

use super::*;
use crate::limits::PRESENCE_PAGE_MAX;

fn parse(method: &str, json: &str) -> Result<Call, CallError> {
    let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
    Call::parse(method, Some(&raw))
}

fn action(method: &str, json: &str) -> Result<Action, CallError> {
    parse(method, json).map(|call| match call {
        Call::Act { room, action } => {
            assert_eq!(room.as_str(), "demo");
            action
        }
        other => panic!("{other:?}"),
    })
}

fn id(text: &str) -> ClientMessageId {
    ClientMessageId(text.into())
}

fn user(text: &str) -> UserId {
    UserId(text.into())
}

#[test]
fn acts_of_moderation() {
    let cases = [
        (
            "delete",
            r#"{"room":"demo","offset":7}"#,
            Action::Delete { offset: Offset(7) },
        ),
        (
            "clear",
            r#"{"room":"demo","user":"u"}"#,
            Action::Clear { user: user("u") },
        ),
        (
            "mute",
            r#"{"room":"demo","user":"u","seconds":600}"#,
            Action::Mute {
                user: user("u"),
                seconds: Some(600),
            },
        ),
        (
            "mute",
            r#"{"room":"demo","user":"u"}"#,
            Action::Mute {
                user: user("u"),
                seconds: None,
            },
        ),
        (
            "ban",
            r#"{"room":"demo","user":"u","seconds":null}"#,
            Action::Ban {
                user: user("u"),
                seconds: None,
            },
        ),
        (
            "pardon",
            r#"{"room":"demo","user":"u"}"#,
            Action::Pardon { user: user("u") },
        ),
        ("mode", r#"{"room":"demo"}"#, Action::Mode(Mode::default())),
        (
            "mode",
            r#"{"room":"demo","slow_seconds":5,"members_only":true,"followers_minutes":10,"shield":true}"#,
            Action::Mode(Mode {
                slow_seconds: 5,
                members_only: true,
                followers_minutes: Some(10),
                shield: true,
                ..Mode::default()
            }),
        ),
        (
            "review",
            r#"{"room":"demo","held":3,"approve":false}"#,
            Action::Review {
                held: Offset(3),
                approve: false,
            },
        ),
        (
            "words",
            r#"{"room":"demo","language":"ko","words":["나쁜말","bad"]}"#,
            Action::Words {
                language: Language::Korean,
                words: vec!["나쁜말".into(), "bad".into()],
            },
        ),
    ];
    for (method, json, expected) in cases {
        assert_eq!(action(method, json), Ok(expected), "{method} {json}");
    }
}

#[test]
fn pins_gifts_and_polls() {
    let pin = action("pin", r#"{"room":"demo","id":"p","text":"hi","offset":9}"#);
    let expected = Action::Pin {
        id: Some(id("p")),
        text: "hi".into(),
        offset: Some(Offset(9)),
    };
    assert_eq!(pin, Ok(expected));
    assert_eq!(
        action("unpin", r#"{"room":"demo","pin":"p"}"#),
        Ok(Action::Unpin { pin: id("p") })
    );
    let gift = action("gift", r#"{"room":"demo","gift":"rose"}"#);
    let expected = Action::Gift {
        id: None,
        gift: "rose".into(),
        count: 1,
        text: None,
    };
    assert_eq!(gift, Ok(expected));
    let json =
        r#"{"room":"demo","id":"q","question":"Encore?","choices":["yes","no"],"seconds":60}"#;
    let expected = Action::OpenPoll {
        id: Some(id("q")),
        question: "Encore?".into(),
        choices: vec!["yes".into(), "no".into()],
        seconds: Some(60),
    };
    assert_eq!(action("poll.open", json), Ok(expected));
    let close = action("poll.close", r#"{"room":"demo","poll":"q"}"#);
    assert_eq!(close, Ok(Action::ClosePoll { poll: id("q") }));
    let room: RoomId = "demo".parse().unwrap();
    let vote = parse("vote", r#"{"room":"demo","poll":"q","choice":1}"#);
    assert_eq!(
        vote,
        Ok(Call::Vote {
            room,
            poll: id("q"),
            choice: 1
        })
    );
}

#[test]
fn taps_languages_and_presence() {
    let room: RoomId = "demo".parse().unwrap();
    let react = parse(
        "react",
        r#"{"room":"demo","batch":"b","taps":{"heart":3,"clap":1}}"#,
    );
    let taps = [("clap", 1), ("heart", 3)].map(|(kind, count)| (kind.parse().unwrap(), count));
    let expected = Call::React {
        room: room.clone(),
        batch: id("b"),
        taps: taps.into(),
    };
    assert_eq!(react, Ok(expected));
    let all = parse("follow", r#"{"room":"demo","languages":"all"}"#);
    assert_eq!(
        all,
        Ok(Call::Follow {
            room: room.clone(),
            languages: Languages::All
        })
    );
    let Ok(Call::Follow { languages, .. }) =
        parse("follow", r#"{"room":"demo","languages":["ko","en"]}"#)
    else {
        panic!("a choice of languages")
    };
    let wanted = Language::ALL
        .into_iter()
        .filter(|language| languages.contains(*language));
    let wanted: Vec<_> = wanted.collect();
    assert_eq!(
        wanted,
        [Language::Unknown, Language::English, Language::Korean]
    );
    let page = parse("presence.page", r#"{"room":"demo","after":"u","limit":5}"#);
    let expected = Call::PresencePage {
        room: room.clone(),
        after: Some(user("u")),
        limit: 5,
    };
    assert_eq!(page, Ok(expected));
    for (limit, granted) in [
        ("0", 1),
        ("100000", PRESENCE_PAGE_MAX),
        ("null", PRESENCE_PAGE_MAX),
    ] {
        let page = parse(
            "presence.page",
            &format!(r#"{{"room":"demo","limit":{limit}}}"#),
        );
        let expected = Call::PresencePage {
            room: room.clone(),
            after: None,
            limit: granted,
        };
        assert_eq!(page, Ok(expected), "{limit}");
    }
}

#[test]
fn a_send_names_a_channel_instead_of_a_room() {
    let json = r#"{"channel":"chat:demo","text":"hi","reply_to":{"offset":3,"user":"u"}}"#;
    let Ok(Call::Send(call)) = parse("send", json) else {
        panic!("a send")
    };
    assert_eq!(
        (call.channel.as_str(), call.message.text.as_str()),
        ("chat:demo", "hi")
    );
    assert_eq!(call.message.reply_to.unwrap().offset, Offset(3));
    assert_eq!(
        parse("send", r#"{"room":"demo","text":"hi"}"#),
        Err(CallError::Shape)
    );
}

#[test]
fn what_cannot_be_is_named() {
    let long = |chars: usize| "가".repeat(chars);
    let many = |count: usize, text: &str| vec![format!("\"{text}\""); count].join(",");
    let cases = [
        ("sing", r#""room":"demo""#.into(), CallError::UnknownMethod),
        ("delete", r#""room":"demo""#.into(), CallError::Shape),
        ("delete", r#""offset":1"#.into(), CallError::Shape),
        (
            "delete",
            r#""room":"demo","offset":-1"#.into(),
            CallError::Shape,
        ),
        (
            "delete",
            r#""room":"a b","offset":1"#.into(),
            CallError::Room,
        ),
        (
            "clear",
            r#""room":"demo","user":"""#.into(),
            CallError::User,
        ),
        (
            "mute",
            r#""room":"demo","user":"u","seconds":0"#.into(),
            CallError::Penalty,
        ),
        (
            "ban",
            format!(
                r#""room":"demo","user":"u","seconds":{}"#,
                PENALTY_SECONDS_MAX + 1
            ),
            CallError::Penalty,
        ),
        (
            "mode",
            format!(r#""room":"demo","slow_seconds":{}"#, SLOW_SECONDS_MAX + 1),
            CallError::Mode,
        ),
        (
            "mode",
            format!(
                r#""room":"demo","followers_minutes":{}"#,
                FOLLOWERS_MINUTES_MAX + 1
            ),
            CallError::Mode,
        ),
        ("pin", r#""room":"demo","text":" ""#.into(), CallError::Pin),
        (
            "pin",
            format!(
                r#""room":"demo","text":"{}""#,
                long(MESSAGE_TEXT_CHARS_MAX + 1)
            ),
            CallError::Pin,
        ),
        ("unpin", r#""room":"demo","pin":"""#.into(), CallError::Id),
        ("gift", r#""room":"demo","gift":"""#.into(), CallError::Gift),
        (
            "gift",
            r#""room":"demo","gift":"rose","count":0"#.into(),
            CallError::Gift,
        ),
        (
            "gift",
            format!(
                r#""room":"demo","gift":"rose","count":{}"#,
                GIFT_COUNT_MAX + 1
            ),
            CallError::Gift,
        ),
        (
            "gift",
            format!(
                r#""room":"demo","gift":"rose","text":"{}""#,
                long(GIFT_TEXT_CHARS_MAX + 1)
            ),
            CallError::Gift,
        ),
        (
            "poll.open",
            format!(
                r#""room":"demo","question":"q","choices":[{}]"#,
                many(1, "a")
            ),
            CallError::Poll,
        ),
        (
            "poll.open",
            format!(
                r#""room":"demo","question":"q","choices":[{}]"#,
                many(POLL_CHOICES_MAX + 1, "a")
            ),
            CallError::Poll,
        ),
        (
            "poll.open",
            format!(
                r#""room":"demo","question":"q","choices":[{}]"#,
                many(2, &long(POLL_CHOICE_CHARS_MAX + 1))
            ),
            CallError::Poll,
        ),
        (
            "poll.open",
            format!(
                r#""room":"demo","question":"q","choices":[{}],"seconds":0"#,
                many(2, "a")
            ),
            CallError::Poll,
        ),
        (
            "vote",
            r#""room":"demo","poll":"q","choice":256"#.into(),
            CallError::Shape,
        ),
        (
            "vote",
            r#""room":"demo","poll":"","choice":2"#.into(),
            CallError::Id,
        ),
        (
            "react",
            r#""room":"demo","batch":"b","taps":{}"#.into(),
            CallError::Taps,
        ),
        (
            "react",
            r#""room":"demo","batch":"b","taps":{"heart":0}"#.into(),
            CallError::Taps,
        ),
        (
            "react",
            r#""room":"demo","batch":"b","taps":{"♥":1}"#.into(),
            CallError::Taps,
        ),
        (
            "words",
            r#""room":"demo","language":"xx","words":[]"#.into(),
            CallError::Language,
        ),
        (
            "words",
            format!(
                r#""room":"demo","language":"und","words":[{}]"#,
                many(WORDS_MAX + 1, "a")
            ),
            CallError::Words,
        ),
        (
            "words",
            format!(
                r#""room":"demo","language":"und","words":[{}]"#,
                many(1, &"a".repeat(WORD_BYTES_MAX + 1))
            ),
            CallError::Words,
        ),
        (
            "follow",
            r#""room":"demo","languages":"some""#.into(),
            CallError::Language,
        ),
        (
            "follow",
            r#""room":"demo","languages":["xx"]"#.into(),
            CallError::Language,
        ),
        (
            "follow",
            r#""room":"demo","languages":7"#.into(),
            CallError::Shape,
        ),
    ];
    for (method, fields, expected) in cases {
        let json = format!("{{{fields}}}");
        assert_eq!(parse(method, &json), Err(expected), "{method} {json}");
    }
    assert_eq!(Call::parse("delete", None), Err(CallError::Shape));
    assert_eq!(parse("delete", r#"["demo",7]"#), Err(CallError::Shape));
}

#[test]
fn the_longest_arguments_are_taken() {
    let words = vec![format!("\"{}\"", "a".repeat(WORD_BYTES_MAX)); WORDS_MAX].join(",");
    let json = format!(r#"{{"room":"demo","language":"und","words":[{words}]}}"#);
    assert!(
        matches!(action("words", &json), Ok(Action::Words { words, .. }) if words.len() == WORDS_MAX)
    );
    let choices = vec![format!("\"{}\"", "💜".repeat(POLL_CHOICE_CHARS_MAX)); POLL_CHOICES_MAX];
    let question = "💜".repeat(POLL_QUESTION_CHARS_MAX);
    let json = format!(
        r#"{{"room":"demo","question":"{question}","choices":[{}],"seconds":{POLL_SECONDS_MAX}}}"#,
        choices.join(",")
    );
    assert!(matches!(
        action("poll.open", &json),
        Ok(Action::OpenPoll { .. })
    ));
}

proptest! {
    #[test]
    fn no_argument_makes_the_parser_fall(
        method in "send|delete|mute|mode|pin|gift|poll\\.open|vote|react|review|words|follow|presence\\.page",
        json in "\\{(\"(room|user|offset|seconds|taps|words|languages|text|id)\":(\"[a-z]{0,4}\"|[0-9]{1,22}|null|\\[\"a\"\\]|\\{\"a\":1\\}),?){0,5}\\}",
    ) {
        if let Ok(raw) = serde_json::from_str::<Box<RawValue>>(&json) {
            prop_assert_ne!(Call::parse(&method, Some(&raw)), Err(CallError::UnknownMethod));
        }
    }
}
