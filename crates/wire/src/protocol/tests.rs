//! The protocol's bytes, held fast: a change of any of them breaks clients that are out in the world.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json, value::RawValue};

use super::*;
use crate::{
    Body, Channel, ClientMessageId, Draft, Epoch, Language, Offset, Publication, ReplyTo, Role,
    Sender, Text, UnixMillis, UserId,
    limits::{self, COMMANDS_PER_FRAME_MAX, PUBLICATION_BYTES_MAX},
};

fn parse(frame: &str) -> Result<Vec<Command>, ProtocolError> {
    parse_commands(frame, COMMANDS_PER_FRAME_MAX)
}

fn one(frame: &str) -> Command {
    let mut commands = parse(frame).unwrap();
    assert_eq!(commands.len(), 1, "{frame}");
    commands.remove(0)
}

fn channel(text: &str) -> Channel {
    text.parse().unwrap()
}

fn epoch() -> Epoch {
    Epoch("xyz".into())
}

fn publication(offset: u64, text: &str) -> Publication {
    let sender = Sender {
        user: UserId("u-1".into()),
        name: "Ari".into(),
        role: Role::Fan,
        badge: None,
    };
    let draft = Draft {
        id: ClientMessageId("m-1".into()),
        sender,
        body: Body::Text(Text::plain(text)),
    };
    Publication {
        offset: Offset(offset),
        at: UnixMillis(1_700_000_000_000),
        draft,
    }
}

fn reply(id: u32, response: Response<'_>) -> String {
    let mut out = Vec::new();
    Reply { id, response }.encode(&mut out);
    String::from_utf8(out).unwrap()
}

fn push(push: Push<'_>) -> String {
    let mut out = Vec::new();
    push.encode(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_frame_of_a_browser_that_connects() {
    // As npm centrifuge writes it: connect first, then one subscribe per subscription, in one frame.
    let frame = concat!(
        r#"{"connect":{"token":"t.o.k","name":"js"},"id":1}"#,
        "\n",
        r#"{"subscribe":{"channel":"room:demo"},"id":2}"#,
        "\n",
        r#"{"subscribe":{"channel":"chat:demo","recover":true,"epoch":"xyz","offset":7},"id":3}"#,
    );
    let commands = parse(frame).unwrap();
    assert_eq!(commands.iter().map(|c| c.id).collect::<Vec<_>>(), [1, 2, 3]);
    let Method::Connect(connect) = &commands[0].method else {
        panic!("{:?}", commands[0])
    };
    assert_eq!(connect.token.expose(), "t.o.k");
    assert_eq!(connect.name, "js");
    let Method::Subscribe(first) = &commands[1].method else {
        panic!("{:?}", commands[1])
    };
    assert_eq!(
        (first.channel.as_str(), first.recover, first.offset),
        ("room:demo", false, 0)
    );
    let Method::Subscribe(second) = &commands[2].method else {
        panic!("{:?}", commands[2])
    };
    assert_eq!(
        (second.recover, second.epoch.as_str(), second.offset),
        (true, "xyz", 7)
    );
}

#[test]
fn every_method_has_its_field() {
    let method = |frame: &str| one(frame).method;
    assert!(matches!(method(r#"{"id":1,"connect":{}}"#), Method::Connect(r) if r.token.is_empty()));
    assert!(
        matches!(method(r#"{"id":1,"unsubscribe":{"channel":"a"}}"#), Method::Unsubscribe(r) if r.channel == "a")
    );
    assert!(
        matches!(method(r#"{"id":1,"presence":{"channel":"a"}}"#), Method::Presence(r) if r.channel == "a")
    );
    assert!(matches!(
        method(r#"{"id":1,"presence_stats":{"channel":"a"}}"#),
        Method::PresenceStats(_)
    ));
    assert!(matches!(method(r#"{"id":1,"ping":{}}"#), Method::Ping));
    assert!(
        matches!(method(r#"{"id":1,"refresh":{"token":"t"}}"#), Method::Refresh(r) if r.token.expose() == "t")
    );
    assert!(matches!(
        method(r#"{"id":1,"sub_refresh":{"channel":"a","token":"t"}}"#),
        Method::SubRefresh(_)
    ));
    assert!(matches!(method(r#"{"send":{"data":{}}}"#), Method::Send(r) if r.data.is_some()));
    let Method::Publish(publish) =
        method(r#"{"id":1,"publish":{"channel":"a","data":{"text":"hi"}}}"#)
    else {
        panic!("a publish")
    };
    assert_eq!(
        ClientMessage::parse(publish.data.as_deref()).unwrap().text,
        "hi"
    );
    let Method::Rpc(rpc) = method(r#"{"id":1,"rpc":{"method":"send","data":[1]}}"#) else {
        panic!("an rpc")
    };
    assert_eq!(
        (rpc.method.as_str(), rpc.data.unwrap().get()),
        ("send", "[1]")
    );
    let since = r#"{"id":1,"history":{"channel":"a","limit":-1,"since":{"offset":3,"epoch":"e"},"reverse":true}}"#;
    let Method::History(history) = method(since) else {
        panic!("a history")
    };
    assert_eq!((history.limit, history.reverse), (-1, true));
    assert_eq!(
        history.since,
        Some(StreamPosition {
            offset: 3,
            epoch: "e".into()
        })
    );
}

#[test]
fn an_empty_command_is_a_pong() {
    assert!(matches!(
        one("{}"),
        Command {
            id: 0,
            method: Method::Pong
        }
    ));
    assert!(matches!(one(" {\"id\":0} ").method, Method::Pong));
}

#[test]
fn a_method_that_nobody_knows_is_named() {
    assert!(matches!(
        one(r#"{"id":4,"teleport":{"to":"stage"}}"#),
        Command {
            id: 4,
            method: Method::Unknown
        }
    ));
    assert!(matches!(
        one(r#"{"id":4,"publish":null}"#),
        Command {
            id: 4,
            method: Method::Unknown
        }
    ));
    assert_eq!(ErrorCode::MethodNotFound.number(), 104);
}

#[test]
fn fields_that_nobody_knows_are_skipped() {
    let frame = r#"{"id":1,"subscribe":{"channel":"a","flag":2,"tf":{"op":"x","nodes":[1,{}]}},"trace":["b",null]}"#;
    assert!(matches!(one(frame).method, Method::Subscribe(r) if r.channel == "a"));
}

#[test]
fn blank_lines_are_skipped() {
    assert_eq!(parse("\n{}\n\r\n{}\n").unwrap().len(), 2);
    for empty in ["", "\n", " \r\n\t"] {
        assert_eq!(parse(empty).unwrap_err(), ProtocolError::Empty);
    }
}

#[test]
fn what_is_not_a_command_is_malformed() {
    let cases = [
        "hello",
        "{",
        "[]",
        "[1,{}]",
        "null",
        "1",
        "\"{}\"",
        "{}{}",
        r#"{"id":-1,"ping":{}}"#,
        r#"{"id":4294967296,"ping":{}}"#,
        r#"{"id":1.5,"ping":{}}"#,
        r#"{"id":"1","ping":{}}"#,
        r#"{"id":1,"id":2,"ping":{}}"#,
        r#"{"id":1,"ping":[]}"#,
        r#"{"id":1,"connect":["token"]}"#,
        r#"{"id":1,"connect":{"token":7}}"#,
        r#"{"id":1,"history":{"since":[1,"e"]}}"#,
        r#"{"id":1,"subscribe":{"channel":"\ud83d"}}"#,
        "{\"id\":1,\"subscribe\":{\"channel\":\"a\tb\"}}",
        r#"{"id":1,"subscribe":{"offset":-1}}"#,
        r#"{"id":1,"subscribe":{"offset":18446744073709551616}}"#,
    ];
    for frame in cases {
        let error = parse(frame).unwrap_err();
        assert!(
            matches!(error, ProtocolError::Malformed { .. }),
            "{frame}: {error:?}"
        );
        assert_eq!(error.disconnect().number(), 3501);
    }
    let deep = format!(
        r#"{{"id":1,"x":{}{}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert!(matches!(
        parse(&deep),
        Ok(_) | Err(ProtocolError::Malformed { .. })
    ));
}

#[test]
fn a_command_has_one_method_and_an_id() {
    assert_eq!(
        parse(r#"{"ping":{}}"#).unwrap_err(),
        ProtocolError::MissingId
    );
    assert_eq!(
        parse(r#"{"id":0,"publish":{}}"#).unwrap_err(),
        ProtocolError::MissingId
    );
    assert_eq!(
        parse(r#"{"id":1,"ping":{},"publish":{}}"#).unwrap_err(),
        ProtocolError::SeveralMethods
    );
    assert_eq!(
        parse(r#"{"id":1,"send":{},"publish":{}}"#).unwrap_err(),
        ProtocolError::SeveralMethods
    );
}

#[test]
fn a_frame_has_so_many_commands_and_no_more() {
    let frame = |count: usize| vec!["{}"; count].join("\n");
    assert_eq!(
        parse(&frame(COMMANDS_PER_FRAME_MAX)).unwrap().len(),
        COMMANDS_PER_FRAME_MAX
    );
    let error = parse(&frame(COMMANDS_PER_FRAME_MAX + 1)).unwrap_err();
    assert_eq!(
        error,
        ProtocolError::TooManyCommands {
            max: COMMANDS_PER_FRAME_MAX
        }
    );
    assert_eq!(error.disconnect(), DisconnectCode::BadRequest);
}

#[test]
fn no_log_ever_shows_a_token() {
    let frame = r#"{"id":1,"connect":{"token":"secret-token"}}"#;
    assert!(!format!("{:?}", one(frame)).contains("secret"));
    let error = parse(r#"{"id":1,"connect":{"token":["secret-token"]}}"#).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("secret"));
}

#[test]
fn the_bytes_of_a_publication() {
    let item = publication(7, "hi \"you\"\u{2028}💜");
    insta::assert_snapshot!(
        push(Push::Publication { channel: &channel("chat:demo"), publication: &item }),
        @r#"{"push":{"channel":"chat:demo","pub":{"offset":7,"data":{"id":"m-1","text":"hi \"you\"\u2028💜","name":"Ari","role":"fan","at":1700000000000},"info":{"user":"u-1","client":""}}}}"#
    );
}

#[test]
fn the_bytes_of_the_other_pushes() {
    let room = channel("room:demo");
    let info = ClientInfo {
        user: "u-1",
        client: "c-1",
        sender: None,
    };
    let pushes = [
        push(Push::Join {
            channel: &room,
            info,
        }),
        push(Push::Leave {
            channel: &room,
            info,
        }),
        push(Push::Unsubscribe {
            channel: &room,
            code: UnsubscribeCode::InsufficientState,
        }),
        push(Push::Subscribe {
            channel: &room,
            epoch: &epoch(),
            offset: Offset(3),
        }),
        push(Push::Disconnect(DisconnectCode::Shutdown.into())),
        push(Push::Disconnect(Disconnect {
            code: DisconnectCode::Shutdown,
            slot: Some(ReturnSlot {
                after_ms: 740,
                prefer: "wss://b.example",
            }),
        })),
        push(Push::Disconnect(DisconnectCode::InvalidToken.into())),
    ];
    insta::assert_snapshot!(pushes.join("\n"), @r#"
    {"push":{"channel":"room:demo","join":{"info":{"user":"u-1","client":"c-1"}}}}
    {"push":{"channel":"room:demo","leave":{"info":{"user":"u-1","client":"c-1"}}}}
    {"push":{"channel":"room:demo","unsubscribe":{"code":2500,"reason":"insufficient state"}}}
    {"push":{"channel":"room:demo","subscribe":{"recoverable":true,"epoch":"xyz","offset":3,"positioned":true}}}
    {"push":{"disconnect":{"code":3001,"reason":"shutdown","reconnect":true}}}
    {"push":{"disconnect":{"code":3001,"reason":"shutdown; after=740; prefer=wss://b.example","reconnect":true}}}
    {"push":{"disconnect":{"code":3500,"reason":"invalid token"}}}
    "#);
}

#[test]
fn the_bytes_of_the_small_replies() {
    let (first, second) = (
        ClientInfo {
            user: "u-1",
            client: "c-1",
            sender: None,
        },
        ClientInfo {
            user: "",
            client: "2",
            sender: None,
        },
    );
    let too_long = ErrorReply::with_message(ErrorCode::LimitExceeded, "at most 500 characters");
    let refresh = RefreshResult {
        client: "c-1",
        version: "0.1.0",
        ttl_seconds: Some(60),
    };
    let replies = [
        reply(1, ErrorCode::PermissionDenied.into()),
        reply(2, ErrorCode::Internal.into()),
        reply(3, Response::Error(too_long)),
        reply(4, Response::Unsubscribe),
        reply(5, Response::Presence(&[])),
        reply(6, Response::Presence(&[first, second])),
        reply(
            7,
            Response::PresenceStats {
                clients: 0,
                users: 0,
            },
        ),
        reply(
            8,
            Response::PresenceStats {
                clients: 100_000,
                users: 99_999,
            },
        ),
        reply(9, Response::Ping),
        reply(10, Response::Refresh(refresh)),
        reply(11, Response::SubRefresh { ttl_seconds: None }),
    ];
    insta::assert_snapshot!(replies.join("\n"), @r#"
    {"id":1,"error":{"code":103,"message":"permission denied"}}
    {"id":2,"error":{"code":100,"message":"internal server error","temporary":true}}
    {"id":3,"error":{"code":106,"message":"at most 500 characters"}}
    {"id":4,"unsubscribe":{}}
    {"id":5,"presence":{"presence":{}}}
    {"id":6,"presence":{"presence":{"c-1":{"user":"u-1","client":"c-1"},"2":{"user":"","client":"2"}}}}
    {"id":7,"presence_stats":{"num_clients":0,"num_users":0}}
    {"id":8,"presence_stats":{"num_clients":100000,"num_users":99999}}
    {"id":9,"ping":{}}
    {"id":10,"refresh":{"client":"c-1","version":"0.1.0","expires":true,"ttl":60}}
    {"id":11,"sub_refresh":{}}
    "#);
}

#[test]
fn the_bytes_of_what_calls_return() {
    let users = [UserId("u-1".into()), UserId("u-2".into())];
    let page = PresencePage {
        count: 100_000,
        users: &users,
        more: true,
    };
    let last = PresencePage {
        more: false,
        ..page
    };
    let replies = [
        reply(1, Response::Done),
        reply(2, Response::PresencePage(page)),
        reply(3, Response::PresencePage(last)),
    ];
    insta::assert_snapshot!(replies.join("\n"), @r#"
    {"id":1,"rpc":{"data":{}}}
    {"id":2,"rpc":{"data":{"count":100000,"users":["u-1","u-2"],"next":"u-2"}}}
    {"id":3,"rpc":{"data":{"count":100000,"users":["u-1","u-2"]}}}
    "#);
}

#[test]
fn the_bytes_of_what_acknowledges_a_message() {
    let (epoch, id) = (epoch(), ClientMessageId("m-1".into()));
    let at = UnixMillis(1_700_000_000_000);
    let sent = SendResult {
        offset: Offset(8),
        epoch: &epoch,
        at,
        id: &id,
        duplicate: false,
    };
    // A result of the application may span lines; a reply may not.
    let raw: Box<RawValue> = serde_json::from_str("{\"a\":\n [1]}").unwrap();
    let replies = [
        reply(
            1,
            Response::Publish(PublishResult {
                offset: Offset(8),
                epoch: &epoch,
            }),
        ),
        reply(2, Response::Sent(sent)),
        reply(
            3,
            Response::Sent(SendResult {
                duplicate: true,
                ..sent
            }),
        ),
        reply(4, Response::Rpc(&raw)),
    ];
    insta::assert_snapshot!(replies.join("\n"), @r#"
    {"id":1,"publish":{"offset":8,"epoch":"xyz"}}
    {"id":2,"rpc":{"data":{"offset":8,"epoch":"xyz","at":1700000000000,"id":"m-1","duplicate":false}}}
    {"id":3,"rpc":{"data":{"offset":8,"epoch":"xyz","at":1700000000000,"id":"m-1","duplicate":true}}}
    {"id":4,"rpc":{"data":{"a":  [1]}}}
    "#);
}

#[test]
fn the_bytes_of_connect_subscribe_and_history() {
    let epoch = epoch();
    let connect = ConnectResult {
        client: "c-1",
        version: "0.1.0",
        ttl_seconds: None,
        ping_seconds: 25,
        pong: true,
        ..ConnectResult::default()
    };
    let fresh = SubscribeResult {
        epoch: &epoch,
        offset: Offset(0),
        recoverable: true,
        positioned: true,
        recovery: Recovery::NotAsked,
        ttl_seconds: None,
    };
    let missed = [Arc::new(publication(7, "a")), Arc::new(publication(8, "b"))];
    let recovered = SubscribeResult {
        offset: Offset(8),
        recovery: Recovery::Recovered(&missed),
        ttl_seconds: Some(60),
        ..fresh
    };
    let lost = SubscribeResult {
        offset: Offset(900),
        recovery: Recovery::Unrecovered,
        ..fresh
    };
    let nothing = HistoryResult {
        publications: &[],
        epoch: &epoch,
        offset: Offset(0),
    };
    let replies = [
        reply(1, Response::Connect(connect)),
        reply(
            2,
            Response::Connect(ConnectResult {
                ttl_seconds: Some(3600),
                pong: false,
                ..connect
            }),
        ),
        reply(3, Response::Subscribe(fresh)),
        reply(4, Response::Subscribe(recovered)),
        reply(5, Response::Subscribe(lost)),
        reply(6, Response::History(nothing)),
        reply(
            7,
            Response::History(HistoryResult {
                publications: &missed[..1],
                offset: Offset(8),
                ..nothing
            }),
        ),
    ];
    insta::assert_snapshot!(replies.join("\n"), @r#"
    {"id":1,"connect":{"client":"c-1","version":"0.1.0","ping":25,"pong":true}}
    {"id":2,"connect":{"client":"c-1","version":"0.1.0","expires":true,"ttl":3600,"ping":25}}
    {"id":3,"subscribe":{"recoverable":true,"epoch":"xyz","positioned":true}}
    {"id":4,"subscribe":{"expires":true,"ttl":60,"recoverable":true,"epoch":"xyz","publications":[{"offset":7,"data":{"id":"m-1","text":"a","name":"Ari","role":"fan","at":1700000000000},"info":{"user":"u-1","client":""}},{"offset":8,"data":{"id":"m-1","text":"b","name":"Ari","role":"fan","at":1700000000000},"info":{"user":"u-1","client":""}}],"recovered":true,"offset":8,"positioned":true,"was_recovering":true}}
    {"id":5,"subscribe":{"recoverable":true,"epoch":"xyz","offset":900,"positioned":true,"was_recovering":true}}
    {"id":6,"history":{"publications":[],"epoch":"xyz","offset":0}}
    {"id":7,"history":{"publications":[{"offset":7,"data":{"id":"m-1","text":"a","name":"Ari","role":"fan","at":1700000000000},"info":{"user":"u-1","client":""}}],"epoch":"xyz","offset":8}}
    "#);
}

#[test]
fn the_ping_is_an_empty_reply() {
    assert_eq!(SERVER_PING, b"{}");
    assert!(matches!(
        one(std::str::from_utf8(SERVER_PING).unwrap()).method,
        Method::Pong
    ));
}

#[test]
fn roles_are_called_the_same_here_and_in_tokens() {
    for role in [Role::Fan, Role::Artist, Role::Staff] {
        let mut item = publication(1, "x");
        item.draft.sender.role = role;
        let mut out = Vec::new();
        publication::encode(&item, &mut out);
        let value: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["data"]["role"], serde_json::to_value(role).unwrap());
    }
}

#[test]
fn the_longest_publication_is_as_long_as_the_limit_says() {
    let sender = Sender {
        user: UserId("\u{1}".repeat(limits::USER_ID_BYTES_MAX).into()),
        name: "\u{2028}".repeat(limits::NAME_CHARS_MAX).into(),
        role: Role::Moderator,
        badge: Some("\u{2028}".repeat(limits::BADGE_CHARS_MAX).into()),
    };
    let text = Text {
        text: "\u{2028}".repeat(limits::MESSAGE_TEXT_CHARS_MAX).into(),
        language: Language::Korean,
        reply_to: Some(Box::new(ReplyTo {
            offset: Offset(u64::MAX),
            user: sender.user.clone(),
        })),
    };
    let draft = Draft {
        id: ClientMessageId("\u{1}".repeat(limits::CLIENT_MESSAGE_ID_BYTES_MAX).into()),
        sender,
        body: Body::Text(text),
    };
    let item = Publication {
        offset: Offset(u64::MAX),
        at: UnixMillis(u64::MAX),
        draft,
    };
    let mut out = Vec::new();
    publication::encode(&item, &mut out);
    assert!(out.len() <= PUBLICATION_BYTES_MAX, "{}", out.len());
    // The limit is worked out, not guessed: it may not be far off either.
    assert!(out.len() > PUBLICATION_BYTES_MAX - 150, "{}", out.len());
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,30}",
        "\\PC{0,30}",
        "[\\x00-\\x1f\"\\\\\u{2028}\u{2029}\u{7f}💜]{0,30}"
    ]
}

proptest! {
    #[test]
    fn any_publication_reads_back_as_it_was(
        offset in 1u64.., at: u64, id in any_text(), user in any_text(), name in any_text(), text in any_text(),
    ) {
        let sender = Sender { user: UserId(user.as_str().into()), name: name.as_str().into(), role: Role::Staff, badge: None };
        let draft = Draft { id: ClientMessageId(id.as_str().into()), sender, body: Body::Text(Text::plain(text.as_str())) };
        let item = Publication { offset: Offset(offset), at: UnixMillis(at), draft };
        let mut out = Vec::new();
        publication::encode(&item, &mut out);
        prop_assert!(!out.contains(&SEPARATOR));
        let expected = json!({
            "offset": offset,
            "data": { "id": id, "text": text, "name": name, "role": "staff", "at": at },
            "info": { "user": user, "client": "" },
        });
        prop_assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected);
    }

    #[test]
    fn any_command_written_by_another_reads_back(
        id in 1u32.., channel in any_text(), text in any_text(), offset: u64, epoch in any_text(), recover: bool,
    ) {
        let frame = [
            json!({ "id": id, "publish": { "channel": channel, "data": { "id": "m", "text": text } } }),
            json!({ "id": id, "subscribe": {
                "channel": channel, "recover": recover, "offset": offset, "epoch": epoch,
            } }),
        ];
        let commands = parse(&frame.map(|value| value.to_string()).join("\n")).unwrap();
        prop_assert_eq!(commands.len(), 2);
        let Method::Publish(publish) = &commands[0].method else { panic!("a publish") };
        prop_assert_eq!((commands[0].id, &publish.channel), (id, &channel));
        prop_assert_eq!(ClientMessage::parse(publish.data.as_deref()).unwrap().text, text);
        let Method::Subscribe(subscribe) = &commands[1].method else { panic!("a subscribe") };
        prop_assert_eq!((&subscribe.channel, subscribe.offset, subscribe.recover), (&channel, offset, recover));
        prop_assert_eq!(&subscribe.epoch, &epoch);
    }

    #[test]
    fn no_frame_makes_the_parser_fall(frame in "\\PC{0,200}|[{}\\[\\]\",:a-z0-9\n]{0,200}") {
        if let Ok(commands) = parse(&frame) {
            prop_assert!((1..=COMMANDS_PER_FRAME_MAX).contains(&commands.len()));
        }
    }
}
