//! Bad input B1, strangers on the RTMP port: each is closed on, and the show goes on.
//!
//! That one holds at most a megabyte is asserted in `limits`; that a thousand leave nothing behind, in `tests/broken_off.rs`.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{DEADLINE, KEY, Show, publisher::Publisher};
use crate::{limits::BEFORE_PUBLISH_BYTES_MAX, metrics::Refusal, shared::Patience};

/// C0, C1 and C2, then these bytes.
pub(super) fn after_handshake(chunks: &[u8]) -> Vec<u8> {
    [&[3][..], &[0; 1_536 * 2], chunks].concat()
}

/// One message in one chunk with a full header.
fn message(type_id: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[3, 0, 0, 0], &length[1..], &[type_id, 0, 0, 0, 0], body].concat()
}

fn set_chunk_size(size: u32) -> Vec<u8> {
    message(1, &size.to_be_bytes())
}

/// Random enough, and the same each time.
pub(super) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..bytes).map(|_| next()).collect()
}

/// Sends, hangs up its half if told to, and reads until the origin closes.
pub(super) async fn attack(addr: SocketAddr, bytes: &[u8], hang_up: bool) {
    let attack = async {
        let mut socket = TcpStream::connect(addr).await.unwrap();
        // The origin may close before it has read everything.
        socket.write_all(bytes).await.ok();
        if hang_up {
            socket.shutdown().await.ok();
        }
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.ok();
    };
    timeout(DEADLINE, attack).await.expect("the origin closes");
}

#[tokio::test]
async fn b1_strangers_are_closed_on_and_the_show_goes_on() {
    let show = Show::start().await;
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(2_200).await;
    show.until(|status| status.live).await;

    let nested_object = [0x02, 0, 7].into_iter().chain(*b"connect").chain(
        // A number, then objects in objects, each under the empty name.
        [0, 0, 0, 0, 0, 0, 0, 0, 0]
            .into_iter()
            .chain([3, 0, 0].into_iter().cycle().take(60_000)),
    );
    let nested_object: Vec<u8> = nested_object.collect();
    let nested = [set_chunk_size(0x00ff_ffff), message(20, &nested_object)].concat();
    let pings = message(4, &[0, 6, 0, 0, 0, 0]).repeat(BEFORE_PUBLISH_BYTES_MAX / 18 + 1);
    // One chunk stream after the other begins a message of 16 MB and never ends it.
    let greedy: Vec<u8> = (3..60_u8)
        .flat_map(|id| {
            [
                &[id, 0, 0, 0, 0xff, 0xff, 0xff, 9, 0, 0, 0, 0][..],
                &[0; 128],
            ]
            .concat()
        })
        .collect();
    let closed_at_once = [
        noise(1 << 20),
        b"GET / HTTP/1.1\r\nHost: fanwave\r\n\r\n".to_vec(),
        after_handshake(&set_chunk_size(0)),
        after_handshake(&set_chunk_size(0x7fff_ffff)),
        after_handshake(&set_chunk_size(u32::MAX)),
        after_handshake(&nested),
        after_handshake(&pings),
        after_handshake(&noise(BEFORE_PUBLISH_BYTES_MAX)),
        after_handshake(&greedy.repeat(BEFORE_PUBLISH_BYTES_MAX / greedy.len() + 1)),
        // A continuation of nothing.
        after_handshake(&[0xc3; 64]),
    ];
    for bytes in &closed_at_once {
        attack(show.rtmp(), bytes, false).await;
    }
    let closed_on_hanging_up = [
        Vec::new(),
        vec![3],
        vec![3; 700],
        after_handshake(&[]),
        after_handshake(&greedy),
    ];
    for bytes in &closed_on_hanging_up {
        attack(show.rtmp(), bytes, true).await;
    }
    let expected = closed_at_once.len() + closed_on_hanging_up.len();
    assert_eq!(
        show.origin.shared.metrics.refused_count(Refusal::Protocol),
        u64::try_from(expected).unwrap()
    );

    let folder = show.folder().await;
    publisher.send_until(4_400).await;
    assert_eq!(
        show.get(&format!("{folder}/video.m3u8?_HLS_msn=1"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn b1_a_peer_that_says_nothing_is_closed_on_in_the_end() {
    let patience = Patience {
        before_publish: Duration::from_millis(50),
        ..Patience::default()
    };
    let show = Show::start_with(Duration::from_secs(30), patience).await;
    attack(show.rtmp(), &[3], false).await;
    assert_eq!(
        show.origin.shared.metrics.refused_count(Refusal::Protocol),
        1
    );
}

#[tokio::test]
async fn b1_media_that_is_no_media_ends_its_publisher_alone() {
    let show = Show::start().await;
    let mut good = Publisher::connect(show.rtmp(), "other-key-5678")
        .await
        .unwrap();
    let mut bad = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    bad.send_garbage(&noise(4_096)).await;
    bad.until_dismissed().await;
    good.send_until(2_200).await;
    let mut other = show.origin.watch(&"other".parse().unwrap()).unwrap();
    timeout(DEADLINE, other.wait_for(|status| status.live))
        .await
        .expect("in time")
        .unwrap();
}

#[tokio::test]
async fn b1_timestamps_that_leap_end_their_publisher_alone() {
    let show = Show::start().await;
    let mut good = Publisher::connect(show.rtmp(), "other-key-5678")
        .await
        .unwrap();
    for to_ms in [0, 60_000] {
        let mut bad = Publisher::connect(show.rtmp(), KEY).await.unwrap();
        bad.send_until(5_000).await;
        bad.skip_to(to_ms);
        bad.send_for(200).await;
        bad.until_dismissed().await;
    }
    good.send_until(2_200).await;
    let mut other = show.origin.watch(&"other".parse().unwrap()).unwrap();
    timeout(DEADLINE, other.wait_for(|status| status.live))
        .await
        .expect("in time")
        .unwrap();
}
