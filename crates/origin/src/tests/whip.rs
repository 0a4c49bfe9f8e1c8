//! WHIP: offers that are answered or refused, sessions that end, and strangers. Real publishers are in the end-to-end tests.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use fanwave_media::limits::OFFER_BYTES_MAX;
use prometheus_client::registry::Registry;
use str0m::{
    Rtc, RtcConfig,
    media::{Direction, MediaKind},
};
use tokio::{net::UdpSocket, time::timeout};

use super::{DEADLINE, KEY, Show, authority::Authority, hostile::noise, viewer::Answer};
use crate::{
    AuthoriserConfig, Form, OriginConfig, StreamKeys, WhipConfig, metrics::Refusal,
    shared::Patience,
};

async fn show(patience: Patience, change: impl FnOnce(&mut OriginConfig)) -> (Show, SocketAddr) {
    let show = Show::start_so(&mut Registry::default(), patience, |config| {
        config.whip = Some(WhipConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            addresses: vec!["127.0.0.1".parse().unwrap()],
            keyframe_interval: Duration::from_secs(2),
        });
        change(config);
    })
    .await;
    let addr = show.origin.whip_addr().unwrap();
    (show, addr)
}

/// What a publisher of pictures and sound offers.
fn offer() -> String {
    let provider = Arc::new(str0m::crypto::from_feature_flags());
    let mut rtc: Rtc = RtcConfig::new()
        .set_crypto_provider(provider)
        .build(Instant::now());
    let mut api = rtc.sdp_api();
    for kind in [MediaKind::Audio, MediaKind::Video] {
        api.add_media(kind, Direction::SendOnly, None, None, None);
    }
    let (offer, _) = api.apply().unwrap();
    offer.to_sdp_string()
}

async fn post(show: &Show, path: &str, key: &str, offer: &str) -> Answer {
    let headers = format!("Content-Type: application/sdp\r\nAuthorization: Bearer {key}\r\n");
    show.viewer()
        .send("POST", path, &headers, offer.as_bytes())
        .await
}

/// The same until the channel has a place again.
async fn post_until_free(show: &Show, offer: &str) -> Answer {
    let posted = async {
        loop {
            let answer = post(show, "/whip/demo", KEY, offer).await;
            if answer.status != 409 {
                return answer;
            }
        }
    };
    timeout(DEADLINE, posted)
        .await
        .expect("the place is free in time")
}

fn code(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["status"], answer.status);
    body["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_offer_is_answered_and_its_session_ends_once() {
    let (show, addr) = show(Patience::default(), |_| {}).await;
    let offer = offer();
    let answer = post(&show, "/whip/demo", KEY, &offer).await;
    let text = String::from_utf8(answer.body.clone()).unwrap();
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (201, "application/sdp")
    );
    assert!(
        text.contains("a=ice-lite") && text.contains("a=recvonly"),
        "{text}"
    );
    assert!(
        text.contains(&format!("{} typ host", addr.port())),
        "{text}"
    );
    assert!(!text.contains("VP8"), "{text}");
    let location = answer.header("location").to_owned();
    assert!(location.starts_with("/whip/demo/") && location.len() == "/whip/demo/".len() + 32);
    let etag = answer.header("etag").to_owned();
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(
        answer
            .header("access-control-expose-headers")
            .contains("Location")
    );

    let second = post(&show, "/whip/demo", KEY, &offer).await;
    assert_eq!((second.status, code(&second).as_str()), (409, "busy"));
    let patch = async |etag: &str, body: &str| {
        let headers = format!("Content-Type: application/trickle-ice-sdpfrag\r\n{etag}");
        show.viewer()
            .send("PATCH", &location, &headers, body.as_bytes())
            .await
            .status
    };
    let candidate = "a=candidate:1 1 udp 2130706431 192.0.2.1 9 typ host\r\n";
    assert_eq!(
        patch(&format!("If-Match: {etag}\r\n"), candidate).await,
        204
    );
    assert_eq!(patch("If-Match: \"other\"\r\n", candidate).await, 412);
    assert_eq!(patch("", candidate).await, 428);
    assert_eq!(
        patch("If-Match: *\r\n", "a=ice-ufrag:restart\r\n").await,
        422
    );

    // Nobody ends another's session by guessing, nor by another channel's address.
    let elsewhere = location.replace("demo", "other");
    for path in [
        &elsewhere,
        "/whip/demo/0",
        "/whip/demo/00000000000000000000000000000000",
    ] {
        let answer = show.viewer().ask("DELETE", path, "").await;
        assert_eq!((answer.status, code(&answer).as_str()), (404, "no_session"));
    }
    assert_eq!(show.viewer().ask("DELETE", &location, "").await.status, 200);
    let third = post_until_free(&show, &offer).await;
    assert_eq!(third.status, 201);
    assert_eq!(show.viewer().ask("DELETE", &location, "").await.status, 404);
    show.origin.shutdown().await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one list of what is refused")]
async fn what_cannot_be_taken_is_refused_and_costs_nobody_a_place() {
    let (show, _) = show(Patience::default(), |_| {}).await;
    let good = offer();
    let garbage = String::from_utf8_lossy(&noise(3_000)).into_owned();
    let huge = format!("v=0\r\n{}", "a=x\r\n".repeat(OFFER_BYTES_MAX));
    let no_print: String = good
        .lines()
        .filter(|line| !line.starts_with("a=fingerprint"))
        .map(|line| format!("{line}\r\n"))
        .collect();
    let data = format!("{good}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n");
    let odd = ["42001f", "42e01f", "4d001f", "64001f"]
        .iter()
        .fold(good.clone(), |offer, profile| {
            offer.replace(profile, "f4001f")
        });
    let cases: [(&str, &str, &str, &str, u16, &str); 11] = [
        (
            "garbage",
            "/whip/demo",
            KEY,
            &garbage,
            400,
            "malformed_offer",
        ),
        ("nothing", "/whip/demo", KEY, "", 400, "malformed_offer"),
        ("a huge offer", "/whip/demo", KEY, &huge, 413, "too_long"),
        (
            "no fingerprint",
            "/whip/demo",
            KEY,
            &no_print,
            400,
            "malformed_offer",
        ),
        (
            "a data channel",
            "/whip/demo",
            KEY,
            &data,
            422,
            "unsupported_offer",
        ),
        (
            "another codec",
            "/whip/demo",
            KEY,
            &good.replace("H264", "VP8"),
            422,
            "unsupported_codec",
        ),
        (
            "a profile that no browser has",
            "/whip/demo",
            KEY,
            &odd,
            422,
            "unsupported_codec",
        ),
        ("no key", "/whip/demo", "", &good, 401, "unknown_key"),
        (
            "a wrong key",
            "/whip/demo",
            "wrong-key-1",
            &good,
            401,
            "unknown_key",
        ),
        (
            "an unknown channel",
            "/whip/nowhere",
            KEY,
            &good,
            401,
            "unknown_key",
        ),
        (
            "another channel's key",
            "/whip/other",
            KEY,
            &good,
            401,
            "unknown_key",
        ),
    ];
    for (what, path, key, offer, status, wanted) in cases {
        let answer = post(&show, path, key, offer).await;
        assert_eq!(answer.status, status, "{what}");
        assert_eq!(
            (answer.status, code(&answer).as_str()),
            (status, wanted),
            "{what}"
        );
        assert_eq!(
            answer.header("www-authenticate"),
            if status == 401 { "Bearer" } else { "" },
            "{what}"
        );
    }
    let headers = format!("Authorization: Bearer {KEY}\r\n");
    let untyped = show
        .viewer()
        .send("POST", "/whip/demo", &headers, good.as_bytes())
        .await;
    assert_eq!(
        (untyped.status, code(&untyped).as_str()),
        (415, "content_type")
    );
    let metrics = &show.origin.shared.metrics;
    assert_eq!(metrics.refused_count(Refusal::Key), 4);
    assert_eq!(post(&show, "/whip/demo", KEY, &good).await.status, 201);

    show.origin.shutdown().await;
}

#[tokio::test]
async fn pages_of_any_origin_may_ask_what_is_taken() {
    let (show, _) = show(Patience::default(), |_| {}).await;
    for (path, takes) in [
        ("/whip/demo", "accept-post"),
        ("/whip/demo/x", "accept-patch"),
    ] {
        let answer = show.viewer().ask("OPTIONS", path, "").await;
        assert_eq!(answer.status, 200);
        assert!(!answer.header(takes).is_empty());
        assert!(
            answer
                .header("access-control-allow-headers")
                .contains("Authorization")
        );
        assert_eq!(show.viewer().ask("GET", path, "").await.status, 204);
        assert_eq!(show.viewer().ask("PUT", path, "").await.status, 405);
    }
    show.origin.shutdown().await;
}

#[tokio::test]
async fn datagrams_of_strangers_reach_no_session_and_one_without_media_ends() {
    let patience = Patience {
        idle: Duration::from_millis(300),
        ..Patience::default()
    };
    let (show, addr) = show(patience, |_| {}).await;
    let offer = offer();
    let answer = post(&show, "/whip/demo", KEY, &offer).await;
    assert_eq!(answer.status, 201);
    let ufrag = answer.header("etag").trim_matches('"').to_owned();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(addr).await.unwrap();
    let noise = noise(60_000);
    for (n, bytes) in noise.chunks(60).enumerate() {
        socket.send(bytes).await.unwrap();
        // As ICE, DTLS, RTP and RTCP begin.
        let first = [0, 20, 128, 129][n % 4];
        socket.send(&[&[first], bytes].concat()).await.unwrap();
        // A request that names the session, and does not know its password.
        let name = format!("{ufrag}:abcd");
        let attribute = [&[0, 6, 0, 21][..], name.as_bytes(), &[0; 3]].concat();
        let length = u8::try_from(attribute.len()).unwrap();
        let request = [
            &[0, 1, 0, length, 0x21, 0x12, 0xa4, 0x42],
            &bytes[..12],
            &attribute,
        ]
        .concat();
        socket.send(&request).await.unwrap();
    }
    // Nothing of that has kept the session up.
    assert_eq!(post_until_free(&show, &offer).await.status, 201);
    let mut answered = [0; 64];
    assert!(
        socket.try_recv(&mut answered).is_err(),
        "strangers are not answered"
    );
    show.origin.shutdown().await;
}

#[tokio::test]
async fn an_authoriser_is_asked_with_what_the_publisher_says() {
    let mut authority = Authority::start(|_| Some((200, "", r#"{"channel":"other"}"#))).await;
    let (show, _) = show(Patience::default(), |config| {
        config.authoriser = Some(AuthoriserConfig {
            endpoint: authority.endpoint(),
            form: Form::Fanwave,
            timeout: Duration::from_secs(3),
            secret: None,
            stream_keys: StreamKeys::Known,
            recheck: None,
        });
    })
    .await;
    let answer = post(&show, "/whip/demo?token=7", "ana", &offer()).await;
    assert_eq!(
        answer.status,
        201,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    assert!(answer.header("location").starts_with("/whip/other/"));
    let question: serde_json::Value = serde_json::from_str(&authority.asked().await.body).unwrap();
    for (field, value) in [
        ("action", "publish"),
        ("protocol", "whip"),
        ("channel", "demo"),
        ("key", "ana"),
        ("arguments", "token=7"),
    ] {
        assert_eq!(question[field], value);
    }
    show.origin.shutdown().await;
}
