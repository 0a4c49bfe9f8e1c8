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
    ];
    for (method, json, expected) in cases {
        assert_eq!(action(method, json), Ok(expected), "{method} {json}");
    }
}

#[test]
fn rules_and_reviews() {
    let cases = [
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
            "report",
            r#"{"room":"demo","offset":7,"reason":"private"}"#,
            Action::Report {
                offset: Offset(7),
                reason: ReportReason::Private,
            },
        ),
        (
            "reports.dismiss",
            r#"{"room":"demo","offset":7}"#,
            Action::DismissReports { offset: Offset(7) },
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

fn refused(method: &str, fields: &str, expected: CallError) {
    let json = format!(r#"{{"room":"demo",{fields}}}"#);
    assert_eq!(parse(method, &json), Err(expected), "{method} {json}");
}

fn long(chars: usize) -> String {
    "가".repeat(chars)
}

fn many(count: usize, text: &str) -> String {
    vec![format!("\"{text}\""); count].join(",")
}

#[test]
fn what_is_no_call_at_all() {
    refused("sing", r#""x":1"#, CallError::UnknownMethod);
    refused("delete", r#""x":1"#, CallError::Shape);
    refused("delete", r#""offset":-1"#, CallError::Shape);
    refused("vote", r#""poll":"q","choice":256"#, CallError::Shape);
    refused("follow", r#""languages":7"#, CallError::Shape);
    assert_eq!(Call::parse("delete", None), Err(CallError::Shape));
    assert_eq!(parse("delete", r#"["demo",7]"#), Err(CallError::Shape));
    assert_eq!(parse("delete", r#"{"offset":1}"#), Err(CallError::Shape));
    let wrong_room = r#"{"room":"a b","offset":1}"#;
    assert_eq!(parse("delete", wrong_room), Err(CallError::Room));
}

#[test]
fn acts_of_moderation_have_their_bounds() {
    refused("clear", r#""user":"""#, CallError::User);
    refused("mute", r#""user":"u","seconds":0"#, CallError::Penalty);
    let over = format!(r#""user":"u","seconds":{}"#, PENALTY_SECONDS_MAX + 1);
    refused("ban", &over, CallError::Penalty);
    let over = format!(r#""slow_seconds":{}"#, SLOW_SECONDS_MAX + 1);
    refused("mode", &over, CallError::Mode);
    let over = format!(r#""followers_minutes":{}"#, FOLLOWERS_MINUTES_MAX + 1);
    refused("mode", &over, CallError::Mode);
    refused(
        "words",
        r#""language":"xx","words":[]"#,
        CallError::Language,
    );
    let words = |list: String| format!(r#""language":"und","words":[{list}]"#);
    refused("words", &words(many(WORDS_MAX + 1, "a")), CallError::Words);
    let word = "a".repeat(WORD_BYTES_MAX + 1);
    refused("words", &words(many(1, &word)), CallError::Words);
    refused("words", &words(many(1, " ")), CallError::Words);
}

#[test]
fn pins_and_gifts_have_their_bounds() {
    refused("pin", r#""text":" ""#, CallError::Pin);
    let over = format!(r#""text":"{}""#, long(MESSAGE_TEXT_CHARS_MAX + 1));
    refused("pin", &over, CallError::Pin);
    refused("unpin", r#""pin":"""#, CallError::Id);
    refused("gift", r#""gift":"""#, CallError::Gift);
    refused("gift", r#""gift":"rose","count":0"#, CallError::Gift);
    let over = format!(r#""gift":"rose","count":{}"#, GIFT_COUNT_MAX + 1);
    refused("gift", &over, CallError::Gift);
    let over = format!(
        r#""gift":"rose","text":"{}""#,
        long(GIFT_TEXT_CHARS_MAX + 1)
    );
    refused("gift", &over, CallError::Gift);
}

#[test]
fn polls_taps_and_languages_have_their_bounds() {
    let poll = |question: &str, choices: String, more: &str| {
        let fields = format!(r#""question":"{question}","choices":[{choices}]{more}"#);
        refused("poll.open", &fields, CallError::Poll);
    };
    poll("q", many(POLL_CHOICES_MIN - 1, "a"), "");
    poll("q", many(POLL_CHOICES_MAX + 1, "a"), "");
    poll("q", many(2, &long(POLL_CHOICE_CHARS_MAX + 1)), "");
    poll("q", many(2, "a"), r#","seconds":0"#);
    poll(&long(POLL_QUESTION_CHARS_MAX + 1), many(2, "a"), "");
    refused("vote", r#""poll":"","choice":2"#, CallError::Id);
    refused("react", r#""batch":"b","taps":{}"#, CallError::Taps);
    refused(
        "react",
        r#""batch":"b","taps":{"heart":0}"#,
        CallError::Taps,
    );
    refused("react", r#""batch":"b","taps":{"♥":1}"#, CallError::Taps);
    let kinds: Vec<String> = (0..=REACTION_KINDS_MAX)
        .map(|n| format!("\"k{n}\":1"))
        .collect();
    let over = format!(r#""batch":"b","taps":{{{}}}"#, kinds.join(","));
    refused("react", &over, CallError::Taps);
    refused("report", r#""offset":1,"reason":"""#, CallError::Reason);
    refused("report", r#""offset":1,"reason":"Spam""#, CallError::Reason);
    refused("report", r#""offset":-1,"reason":"spam""#, CallError::Shape);
    refused("report", r#""offset":1"#, CallError::Shape);
    refused("follow", r#""languages":"some""#, CallError::Language);
    refused("follow", r#""languages":["xx"]"#, CallError::Language);
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
        method in "send|delete|mute|mode|pin|gift|poll\\.open|vote|react|report|reports\\.dismiss|review|words|follow|presence\\.page",
        json in "\\{(\"(room|user|offset|reason|seconds|taps|words|languages|text|id)\":(\"[a-z]{0,4}\"|[0-9]{1,22}|null|\\[\"a\"\\]|\\{\"a\":1\\}),?){0,5}\\}",
    ) {
        if let Ok(raw) = serde_json::from_str::<Box<RawValue>>(&json) {
            prop_assert_ne!(Call::parse(&method, Some(&raw)), Err(CallError::UnknownMethod));
        }
    }
}
