//! The protocol's bytes in Protobuf. The commands below were written by a published client, which also reads the
//! replies below as what they are meant to say.

use std::{fmt::Write as _, sync::Arc};

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::{
    reader::{Reader, Value},
    writer,
};
use crate::{
    Channel, ClientMessageId, Draft, Epoch, Language, Notice, Offset, Publication, Role, Sender,
    UnixMillis, UserId,
    limits::{COMMANDS_PER_FRAME_MAX, CONNECT_SUBS_MAX},
    protocol::{
        ClientInfo, ClientMessage, Command, ConnectResult, DisconnectCode, Encoding, ErrorCode,
        HistoryResult, Method, PresencePage, ProtocolError, PublishResult, Push, Recovery,
        RefreshResult, Reply, Response, SendResult, StreamPosition, SubscribeResult,
        UnsubscribeCode, publication,
    },
};

/// A connect with data and one position, and a subscribe with everything, as npm centrifuge writes them.
const CONNECT: &str = "330801222f0a05742e6f2e6b12077b2261223a317d1a160a09726f6f6d3a64656d6f12091801320378797a380722026a\
                       732a01352708022a230a09636861743a64656d6f1201731801320378797a38ac0242035b315d480150015801";

/// One command of every other method, and a pong.
const OTHERS: &str = "07080132030a01611608023a120a0161120d7b2274657874223a226869227d07080342030a01610708044a030a01611b08\
                      0552170a016138ffffffffffffffffff014205080312016548010408065a000662040a027b7d0f08076a0b0a035b315d12\
                      0473656e6407080872030a01740a08097a060a016112017400";

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
    let digits: Vec<u8> = text.bytes().map(digit).collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn parse(frame: &[u8]) -> Result<Vec<Command>, ProtocolError> {
    Encoding::Protobuf.parse_commands(frame, COMMANDS_PER_FRAME_MAX)
}

/// A frame of one command: an id and, in field `method`, the given fields.
fn frame(id: u64, method: u32, fields: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    writer::delimited(&mut out, |out| {
        writer::number(out, 1, id);
        writer::nested(out, method, fields);
    });
    out
}

fn channel(text: &str) -> Channel {
    text.parse().unwrap()
}

fn raw(json: &str) -> Box<RawValue> {
    serde_json::from_str(json).unwrap()
}

fn item(offset: u64, text: &str) -> Publication {
    let sender = Sender::new(UserId("u-1".into()), "Ari", Role::Fan);
    Publication {
        offset: Offset(offset),
        at: UnixMillis(1_700_000_000_000),
        draft: Draft::text(ClientMessageId("m-1".into()), sender, text),
    }
}

#[test]
fn a_published_client_connects_and_subscribes() {
    let mut commands = parse(&unhex(CONNECT)).unwrap().into_iter();
    let Some(Command {
        id: 1,
        method: Method::Connect(connect),
    }) = commands.next()
    else {
        panic!("a connect")
    };
    assert_eq!(connect.token.expose(), "t.o.k");
    assert_eq!(
        (connect.name.as_str(), connect.version.as_str()),
        ("js", "5")
    );
    assert_eq!(connect.data.unwrap().get(), r#"{"a":1}"#);
    let sub = &connect.subs["room:demo"];
    assert_eq!(
        (sub.recover, sub.epoch.as_str(), sub.offset),
        (true, "xyz", 7)
    );
    let Some(Command {
        id: 2,
        method: Method::Subscribe(subscribe),
    }) = commands.next()
    else {
        panic!("a subscribe")
    };
    assert_eq!(
        (subscribe.channel.as_str(), subscribe.token.expose()),
        ("chat:demo", "s")
    );
    assert_eq!(
        (
            subscribe.recover,
            subscribe.epoch.as_str(),
            subscribe.offset
        ),
        (true, "xyz", 300)
    );
    assert!(subscribe.positioned && subscribe.recoverable && subscribe.join_leave);
    assert_eq!(subscribe.data.unwrap().get(), "[1]");
    assert!(commands.next().is_none());
}

#[test]
fn a_published_client_uses_every_other_method() {
    let commands = parse(&unhex(OTHERS)).unwrap();
    let ids: Vec<u32> = commands.iter().map(|command| command.id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 0]);
    let methods: Vec<&Method> = commands.iter().map(|command| &command.method).collect();
    let [
        unsubscribe,
        publish,
        presence,
        stats,
        history,
        ping,
        send,
        rpc,
        refresh,
        sub_refresh,
        pong,
    ] = methods[..]
    else {
        panic!("{} commands", methods.len())
    };
    assert!(matches!(unsubscribe, Method::Unsubscribe(r) if r.channel == "a"));
    let Method::Publish(publish) = publish else {
        panic!("{publish:?}")
    };
    assert_eq!(
        ClientMessage::parse(publish.data.as_deref()).unwrap().text,
        "hi"
    );
    assert!(matches!(presence, Method::Presence(r) if r.channel == "a"));
    assert!(matches!(stats, Method::PresenceStats(r) if r.channel == "a"));
    let Method::History(history) = history else {
        panic!("{history:?}")
    };
    assert_eq!((history.limit, history.reverse), (-1, true));
    assert_eq!(
        history.since,
        Some(StreamPosition {
            offset: 3,
            epoch: "e".into()
        })
    );
    assert!(matches!(ping, Method::Ping));
    assert!(matches!(send, Method::Send(r) if r.data.as_ref().unwrap().get() == "{}"));
    assert!(
        matches!(rpc, Method::Rpc(r) if r.method == "send" && r.data.as_ref().unwrap().get() == "[1]")
    );
    assert!(matches!(refresh, Method::Refresh(r) if r.token.expose() == "t"));
    assert!(
        matches!(sub_refresh, Method::SubRefresh(r) if r.channel == "a" && r.token.expose() == "t")
    );
    assert!(matches!(pong, Method::Pong));
}

#[test]
fn data_that_is_not_json_is_as_good_as_none() {
    let frame = frame(1, 7, |out| writer::bytes(out, 2, &[0xFF, 0x00]));
    assert!(matches!(&parse(&frame).unwrap()[0].method, Method::Publish(r) if r.data.is_none()));
}

#[test]
fn fields_and_methods_that_nobody_knows_are_skipped() {
    let mut out = Vec::new();
    writer::delimited(&mut out, |out| {
        writer::number(out, 1, 4);
        writer::number(out, 99, 7);
        writer::nested(out, 100, |out| writer::number(out, 1, 1));
        // Field 16 in 64 bits and in 32.
        out.extend_from_slice(&[0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        out.extend_from_slice(&[0x85, 1, 0, 0, 0, 0]);
    });
    assert!(matches!(
        parse(&out).unwrap()[..],
        [Command {
            id: 4,
            method: Method::Unknown
        }]
    ));
    let flagged = frame(1, 5, |out| {
        writer::text(out, 1, "a");
        writer::number(out, 14, 2);
        writer::text(out, 12, "fossil");
    });
    assert!(
        matches!(&parse(&flagged).unwrap()[0].method, Method::Subscribe(r) if r.channel == "a")
    );
}

#[test]
fn what_is_not_of_the_schema_is_malformed() {
    let malformed = |what: &str, frame: &[u8]| {
        let error = parse(frame).unwrap_err();
        assert!(
            matches!(error, ProtocolError::MalformedBytes { .. }),
            "{what}: {error:?}"
        );
        assert_eq!(error.disconnect(), DisconnectCode::BadRequest);
    };
    malformed("a length without its message", &[5, 8]);
    malformed("a length that does not end", &[0xFF; 9]);
    malformed(
        "a length of 65 bits",
        &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2],
    );
    malformed("field 0", &[2, 0, 1]);
    malformed("a group", &[2, 0x23, 0x24]);
    malformed("an id that is a text", &[3, 0x0A, 1, b'1']);
    malformed("an id of 33 bits", &frame(1 << 32, 11, |_| ()));
    malformed(
        "a channel that is a number",
        &frame(1, 5, |out| writer::number(out, 1, 7)),
    );
    malformed(
        "a channel that is not UTF-8",
        &frame(1, 5, |out| writer::bytes(out, 1, &[0xFF])),
    );
    malformed(
        "a limit of 33 bits",
        &frame(1, 10, |out| writer::number(out, 7, 1 << 32)),
    );
    malformed("a method that is a number", &[4, 8, 1, 0x20, 1]);
    malformed(
        "a position without its end",
        &frame(1, 10, |out| out.extend([0x42, 9, 1])),
    );
}

#[test]
fn a_command_has_one_method_and_an_id() {
    assert_eq!(parse(&[]).unwrap_err(), ProtocolError::Empty);
    assert_eq!(
        parse(&frame(0, 11, |_| ())).unwrap_err(),
        ProtocolError::MissingId
    );
    let two = [6, 8, 1, 0x5A, 0, 0x5A, 0];
    assert_eq!(parse(&two).unwrap_err(), ProtocolError::SeveralMethods);
    let pongs = vec![0; COMMANDS_PER_FRAME_MAX];
    assert_eq!(parse(&pongs).unwrap().len(), COMMANDS_PER_FRAME_MAX);
    let error = parse(&[pongs, vec![0]].concat()).unwrap_err();
    assert_eq!(
        error,
        ProtocolError::TooManyCommands {
            max: COMMANDS_PER_FRAME_MAX
        }
    );
}

#[test]
fn a_connect_has_so_many_positions_and_no_more() {
    let connect = |count: usize| {
        frame(1, 4, |out| {
            for n in 0..count {
                writer::nested(out, 3, |out| writer::text(out, 1, &format!("room:{n}")));
            }
        })
    };
    let commands = parse(&connect(CONNECT_SUBS_MAX)).unwrap();
    assert!(matches!(&commands[0].method, Method::Connect(r) if r.subs.len() == CONNECT_SUBS_MAX));
    let error = parse(&connect(CONNECT_SUBS_MAX + 1)).unwrap_err();
    assert_eq!(error, ProtocolError::TooManySubscriptions);
}

/// Every reply and push, with what it is called below.
fn everything(mut each: impl FnMut(&str, &dyn Fn(Encoding, &mut Vec<u8>))) {
    let epoch = Epoch("xyz".into());
    let missed = [Arc::new(item(7, "a")), Arc::new(item(300, "b"))];
    let sender = Sender {
        badge: Some("VIP".into()),
        ..missed[0].draft.sender.clone()
    };
    let info = ClientInfo {
        user: "u-1",
        client: "c-1",
        sender: Some(&sender),
    };
    let fresh = SubscribeResult {
        epoch: &epoch,
        offset: Offset(300),
        recoverable: true,
        positioned: true,
        recovery: Recovery::NotAsked,
        ttl_seconds: Some(60),
    };
    let subs = [(channel("room:demo"), fresh)];
    let connect = ConnectResult {
        client: "c-1",
        version: "0.1.0",
        ttl_seconds: Some(3600),
        ping_seconds: 25,
        pong: true,
        subs: &subs,
        session: "s-1",
        node: "n-1",
    };
    let data = raw("{\"a\":1}");
    let mut reply = |name: &str, response: Response<'_>| {
        each(name, &|encoding, out| {
            encoding.append_reply(&Reply { id: 1, response }, out);
        });
    };
    reply("connect", Response::Connect(connect));
    reply("presence", Response::Presence(&[info]));
    subscriptions(fresh, &missed, &mut reply);
    calls(&epoch, &data, &mut reply);
    small(&mut reply);
    for (name, push) in pushes(&channel("room:demo"), info, connect, &missed[0], &data) {
        each(name, &|encoding, out| encoding.append_push(&push, out));
    }
}

fn subscriptions(
    fresh: SubscribeResult<'_>,
    missed: &[Arc<Publication>],
    reply: &mut impl FnMut(&str, Response<'_>),
) {
    let recovered = SubscribeResult {
        recovery: Recovery::Recovered(missed),
        ..fresh
    };
    let unrecovered = SubscribeResult {
        recovery: Recovery::Unrecovered,
        ttl_seconds: None,
        ..fresh
    };
    let history = HistoryResult {
        publications: &missed[..1],
        epoch: fresh.epoch,
        offset: Offset(300),
    };
    reply("subscribe", Response::Subscribe(fresh));
    reply("recovered", Response::Subscribe(recovered));
    reply("unrecovered", Response::Subscribe(unrecovered));
    reply("history", Response::History(history));
}

fn calls(epoch: &Epoch, data: &RawValue, reply: &mut impl FnMut(&str, Response<'_>)) {
    let id = ClientMessageId("m-1".into());
    let offset = Offset(8);
    let sent = SendResult {
        offset,
        epoch,
        at: UnixMillis(9),
        id: &id,
        duplicate: true,
    };
    let users = [UserId("u-1".into())];
    let page = PresencePage {
        count: 1,
        users: &users,
        more: false,
    };
    reply(
        "publish",
        Response::Publish(PublishResult { offset, epoch }),
    );
    reply("rpc", Response::Rpc(data));
    reply("sent", Response::Sent(sent));
    reply("done", Response::Done);
    reply("page", Response::PresencePage(page));
}

fn small(reply: &mut impl FnMut(&str, Response<'_>)) {
    let ttl_seconds = Some(60);
    let refresh = RefreshResult {
        client: "c-1",
        version: "0.1.0",
        ttl_seconds,
    };
    let stats = Response::PresenceStats {
        clients: 300,
        users: 2,
    };
    reply("error", ErrorCode::TooManyRequests.into());
    reply("unsubscribe", Response::Unsubscribe);
    reply("stats", stats);
    reply("ping", Response::Ping);
    reply("refresh", Response::Refresh(refresh));
    reply("sub_refresh", Response::SubRefresh { ttl_seconds });
}

fn pushes<'a>(
    channel: &'a Channel,
    info: ClientInfo<'a>,
    connect: ConnectResult<'a>,
    publication: &'a Publication,
    data: &'a RawValue,
) -> [(&'static str, Push<'a>); 10] {
    const MORE: Notice = Notice::More {
        language: Language::Korean,
        count: 12,
    };
    [
        (
            "push pub",
            Push::Publication {
                channel,
                publication,
            },
        ),
        (
            "push notice",
            Push::Notice {
                channel,
                notice: &MORE,
            },
        ),
        ("push join", Push::Join { channel, info }),
        ("push leave", Push::Leave { channel, info }),
        (
            "push unsubscribe",
            Push::Unsubscribe {
                channel,
                code: UnsubscribeCode::InsufficientState,
            },
        ),
        (
            "push subscribe",
            Push::Subscribe {
                channel,
                epoch: connect.subs[0].1.epoch,
                offset: Offset(3),
            },
        ),
        ("push message", Push::Message { data }),
        ("push connect", Push::Connect(connect)),
        (
            "push disconnect",
            Push::Disconnect(DisconnectCode::Shutdown.into()),
        ),
        (
            "push refresh",
            Push::Refresh {
                ttl_seconds: Some(60),
            },
        ),
    ]
}

#[test]
fn the_bytes_of_everything() {
    let mut lines = Vec::new();
    everything(|name, append| {
        let (mut json, mut protobuf) = (Vec::new(), Vec::new());
        append(Encoding::Json, &mut json);
        append(Encoding::Protobuf, &mut protobuf);
        lines.push(format!(
            "{name}\n  {}\n  {}",
            String::from_utf8(json).unwrap(),
            hex(&protobuf)
        ));
    });
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_response_written_once_is_the_same_reply_for_any_command() {
    let missed = [Arc::new(item(7, "a")), Arc::new(item(8, "b"))];
    let result = HistoryResult {
        publications: &missed,
        epoch: &Epoch("xyz".into()),
        offset: Offset(8),
    };
    let response = Response::History(result);
    for encoding in Encoding::ALL {
        let mut once = Vec::new();
        encoding.append_response(&response, &mut once);
        for id in [1, 127, 128, u32::MAX] {
            let (mut whole, mut with) = (Vec::new(), Vec::new());
            encoding.append_reply(&Reply { id, response }, &mut whole);
            encoding.append_reply_with(id, &once, &mut with);
            assert_eq!(whole, with, "{encoding:?} {id}");
        }
    }
}

#[test]
fn the_ping_is_an_empty_reply() {
    let mut out = Vec::new();
    Encoding::Protobuf.append_ping(&mut out);
    assert!(matches!(
        parse(&out).unwrap()[..],
        [Command {
            id: 0,
            method: Method::Pong
        }]
    ));
}

/// The only value of a field; what a reader of replies would take.
fn field<'a>(message: Reader<'a>, wanted: u64) -> Value<'a> {
    let mut message = message;
    while let Some((field, value)) = message.next_field().unwrap() {
        if field == wanted {
            return value;
        }
    }
    panic!("no field {wanted}")
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,30}",
        "\\PC{0,200}",
        "[\\x00-\\x1f\"\\\\\u{2028}💜]{0,30}"
    ]
}

proptest! {
    #[test]
    fn any_publication_says_the_same_in_both_forms(offset in 1u64.., user in any_text(), text in any_text()) {
        let mut publication = item(offset, &text);
        publication.draft.sender.user = UserId(user.as_str().into());
        let channel = channel("chat:demo");
        let push = Push::Publication { channel: &channel, publication: &publication };
        let mut out = Vec::new();
        Encoding::Protobuf.append_push(&push, &mut out);
        let mut frame = Reader::new(&out);
        let reply = frame.delimited().unwrap();
        prop_assert!(frame.is_at_end());
        let push = field(reply, 4).message().unwrap();
        prop_assert_eq!(field(push, 2).text().unwrap(), "chat:demo");
        let published = field(push, 4).message().unwrap();
        let mut data = Vec::new();
        publication::encode_data(&publication, &mut data);
        let read = field(published, 4).data().unwrap().unwrap();
        prop_assert_eq!(read.get().as_bytes(), data.as_slice());
        prop_assert_eq!(field(published, 6).u64().unwrap(), offset);
        if !user.is_empty() {
            let info = field(published, 5).message().unwrap();
            prop_assert_eq!(field(info, 1).text().unwrap(), user);
        }
    }

    #[test]
    fn any_number_reads_back_as_it_was(number: u64, limit: i32) {
        let sent = frame(1, 5, |out| writer::number(out, 7, number));
        let Method::Subscribe(subscribe) = &parse(&sent).unwrap()[0].method else { panic!("a subscribe") };
        prop_assert_eq!(subscribe.offset, number);
        let sent = frame(1, 10, |out| writer::number(out, 7, i64::from(limit).cast_unsigned()));
        let Method::History(history) = &parse(&sent).unwrap()[0].method else { panic!("a history") };
        prop_assert_eq!(history.limit, limit);
    }

    /// A frame that is cut, or whose bytes are changed, is read as something or refused, and never more than that.
    #[test]
    fn no_frame_makes_the_parser_fall(
        others: bool,
        cut in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut frame = unhex(if others { OTHERS } else { CONNECT });
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        frame.truncate(cut.index(frame.len()) + 1);
        crate::fuzz::protocol_protobuf(&frame);
    }

    #[test]
    fn a_command_that_is_cut_is_refused(cut in any::<prop::sample::Index>()) {
        let frame = unhex(CONNECT);
        // The first command ends where the second begins.
        let cut = cut.index(frame.len() - 1) + 1;
        prop_assume!(cut != 52);
        let cut_short = parse(&frame[..cut]);
        let refused = matches!(cut_short, Err(ProtocolError::MalformedBytes { .. }));
        prop_assert!(refused, "{:?}", cut_short);
    }
}
