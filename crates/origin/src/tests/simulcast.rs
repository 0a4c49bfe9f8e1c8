//! Shows that are pushed on to other platforms: each of these is an origin of its own.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use fanwave_media::{AvcConfig, Sample, TrackId, Tracks, VideoConfig, VideoTrack};
use prometheus_client::registry::Registry;
use sapflow_rtmp::{Connection, Event};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinSet, yield_now},
    time::{interval, timeout},
};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer,
};

use super::{
    AVC, DEADLINE, KEY, Show, count,
    encoder::{collect, ffmpeg_to, judge},
    publisher::Publisher,
    secure, segments,
};
use crate::{
    ChannelStatus, OriginConfig, PublisherStatus, PushState, PushStatus, PushTrouble, Secret,
    SimulcastConfig, SrtConfig, clock::Clock, shared::Patience, simulcast::Simulcast,
};

/// One picture.
const PACE_MS: u32 = 40;

/// TLS that believes these alone.
fn believing(certificate: Option<CertificateDer<'static>>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if let Some(certificate) = certificate {
        roots.add(certificate).unwrap();
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

pub(super) fn target(name: &str, url: &str, key: &str) -> SimulcastConfig {
    SimulcastConfig {
        channel: "demo".parse().unwrap(),
        name: name.into(),
        address: url.parse().unwrap(),
        key: Secret::new(key),
        tls: believing(None),
    }
}

/// A platform that takes shows with this key at an address.
pub(super) async fn platform(listen: SocketAddr) -> Show {
    Show::start_so(&mut Registry::default(), Patience::default(), |config| {
        config.rtmp_listen = listen;
        config.reconnect_window = Duration::from_millis(50);
    })
    .await
}

pub(super) fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A show that is pushed on to these.
async fn pushing(targets: Vec<SimulcastConfig>, change: impl FnOnce(&mut OriginConfig)) -> Show {
    pushing_in(&mut Registry::default(), targets, change).await
}

async fn pushing_in(
    registry: &mut Registry,
    targets: Vec<SimulcastConfig>,
    change: impl FnOnce(&mut OriginConfig),
) -> Show {
    Show::start_so(registry, Patience::default(), |config| {
        config.simulcast = targets;
        change(config);
    })
    .await
}

fn pushes(show: &Show) -> Vec<PushStatus> {
    show.origin.pushes(&"demo".parse().unwrap())
}

pub(super) fn push(show: &Show) -> PushStatus {
    pushes(show).remove(0)
}

/// Waits until something is so, while the publisher, if there is one, sends at the pace of an encoder.
async fn until(what: &str, mut publisher: Option<&mut Publisher>, is_so: impl Fn() -> bool) {
    let waiting = async {
        let mut pace = interval(Duration::from_millis(PACE_MS.into()));
        while !is_so() {
            pace.tick().await;
            if let Some(publisher) = &mut publisher {
                publisher.send_for(PACE_MS).await;
            }
        }
    };
    timeout(DEADLINE, waiting).await.expect(what);
}

async fn publisher(show: &Show) -> Publisher {
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.set_keyframe_ms(400);
    publisher
}

#[tokio::test]
async fn a_show_is_pushed_on_and_goes_on_there_when_its_publisher_is_back() {
    let platform = platform(any_port()).await;
    let url = format!("rtmp://{}/live", platform.rtmp());
    let show = pushing(vec![target("Elsewhere", &url, KEY)], |config| {
        config.reconnect_window = Duration::from_secs(2);
    })
    .await;
    let waiting = push(&show);
    assert_eq!(
        (waiting.state, waiting.sent_bytes, &*waiting.host),
        (PushState::Waiting, 0, "127.0.0.1")
    );

    let mut first = publisher(&show).await;
    let live = |show: &Show| show.origin.status(&"demo".parse().unwrap()).unwrap();
    until("it is shown there", Some(&mut first), || {
        live(&platform).live
    })
    .await;
    let folder = platform.folder().await;
    let status = push(&show);
    assert_eq!((status.state, status.trouble), (PushState::Live, None));
    assert!(status.sent_bytes > 1_000 && status.dropped_pictures == 0);

    first.vanish();
    show.until(|status| status.publisher == PublisherStatus::Lost)
        .await;
    let before = push(&show);
    assert_eq!(
        before.state,
        PushState::Live,
        "it is waited for there as well"
    );
    let mut second = publisher(&show).await;
    let sent = || push(&show).sent_bytes > before.sent_bytes + 1_000;
    until("it goes on", Some(&mut second), sent).await;
    assert_eq!(platform.folder().await, folder, "the same stream");
    assert_eq!(
        (push(&show).since, push(&show).reconnects),
        (status.since, 0)
    );

    // One that codes the same picture otherwise: a new configuration amid the push.
    second.vanish();
    show.until(|status| status.publisher == PublisherStatus::Lost)
        .await;
    let mut third = Publisher::connect_changed(show.rtmp(), KEY).await.unwrap();
    third.set_keyframe_ms(400);
    let configured = async || {
        let text = platform.get(&format!("{folder}/video.m3u8")).await.text();
        text.contains("init-1.mp4")
    };
    let shown = async {
        let mut pace = interval(Duration::from_millis(PACE_MS.into()));
        while !configured().await {
            pace.tick().await;
            third.send_for(PACE_MS).await;
        }
    };
    timeout(DEADLINE, shown).await.expect("it is told there");
    assert_eq!(
        (push(&show).since, push(&show).reconnects),
        (status.since, 0)
    );

    third.vanish();
    show.until(|status| status.publisher == PublisherStatus::Absent)
        .await;
    platform
        .until(|status| status.publisher == PublisherStatus::Absent)
        .await;
    until("it waits again", None, || {
        push(&show).state == PushState::Waiting
    })
    .await;
}

#[tokio::test]
async fn a_platform_that_was_away_is_found_again_and_nobody_else_notices() {
    let gone = platform(any_port()).await;
    let addr = gone.rtmp();
    let other = platform(any_port()).await;
    let url = |addr| format!("rtmp://{addr}/live");
    let targets = vec![
        target("One", &url(addr), KEY),
        target("Two", &url(other.rtmp()), KEY),
    ];
    let mut registry = Registry::default();
    let show = pushing_in(&mut registry, targets, |_| {}).await;
    let states = || {
        pushes(&show)
            .iter()
            .map(|push| push.state)
            .collect::<Vec<_>>()
    };
    let mut publisher = publisher(&show).await;
    let both = || states() == [PushState::Live; 2];
    until("both are live", Some(&mut publisher), both).await;
    let since = pushes(&show)[1].since;

    gone.origin.shutdown().await;
    drop(gone);
    let failed = || states()[0] == PushState::Failed && push(&show).retry_at.is_some();
    until("one has failed", Some(&mut publisher), failed).await;
    let trouble = push(&show).trouble;
    assert!(
        [
            PushTrouble::Unreachable,
            PushTrouble::Broken,
            PushTrouble::Ended
        ]
        .map(Some)
        .contains(&trouble),
        "{trouble:?}"
    );
    let back = platform(addr).await;
    until("both are live again", Some(&mut publisher), both).await;
    let status = push(&show);
    assert!(status.reconnects > 0 && status.trouble.is_none());
    assert_eq!(pushes(&show)[1].since, since, "the other went on");
    until("it is shown there", Some(&mut publisher), || {
        back.origin.status(&"demo".parse().unwrap()).unwrap().live
    })
    .await;
    let folder = show.folder().await;
    let text = show.get(&format!("{folder}/video.m3u8")).await.text();
    assert_eq!(count(&text, "#EXT-X-DISCONTINUITY"), 0, "{text}");
    assert!(!text.contains("GAP"), "{text}");

    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "simulcast_state{channel=\"demo\",target=\"One\",state=\"live\"} 1",
        "simulcast_state{channel=\"demo\",target=\"One\",state=\"failed\"} 0",
        "simulcast_dropped_pictures_total{channel=\"demo\",target=\"Two\"} 0",
        "simulcast_reconnects_total{channel=\"demo\",target=\"Two\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}: {text}");
    }
    assert!(text.contains("simulcast_sent_bytes_total{"), "{text}");
}

#[tokio::test]
async fn what_is_wrong_with_a_platform_is_told() {
    let (tls, certificate) = secure::tls();
    let platform = Show::start_so(&mut Registry::default(), Patience::default(), |config| {
        config.rtmps = Some((any_port(), tls));
    })
    .await;
    let url = format!("rtmp://{}/live", platform.rtmp());
    let secure = platform.origin.rtmps_addr().unwrap();
    let secure = format!("rtmps://localhost:{}/live", secure.port());
    let no_rtmp = format!("rtmp://{}/live", platform.http);
    let believed = SimulcastConfig {
        tls: believing(Some(certificate)),
        ..target("Believed", &secure, "other-key-5678")
    };
    let targets = vec![
        target("Wrong key", &url, "canary-of-no-channel"),
        target("Not believed", &secure, KEY),
        target("No RTMP", &no_rtmp, KEY),
        target("Nobody", "rtmp://127.0.0.1:9/live", KEY),
        believed,
    ];
    let show = pushing(targets, |_| {}).await;
    let mut publisher = publisher(&show).await;
    let told = || {
        pushes(&show)
            .iter()
            .map(|push| push.trouble)
            .collect::<Vec<_>>()
    };
    let expected = [
        Some(PushTrouble::Refused),
        Some(PushTrouble::Tls),
        Some(PushTrouble::Protocol),
        Some(PushTrouble::Unreachable),
        None,
    ];
    until("all is told", Some(&mut publisher), || told() == expected).await;
    let believed = || pushes(&show)[4].state == PushState::Live;
    until("TLS is spoken", Some(&mut publisher), believed).await;
    assert!(!format!("{:?}", pushes(&show)).contains("canary"));
}

#[tokio::test]
async fn what_comes_by_srt_is_pushed_on_and_can_be_decoded() {
    let platform = platform(any_port()).await;
    let url = format!("rtmp://{}/live", platform.rtmp());
    let show = pushing(vec![target("Elsewhere", &url, KEY)], |config| {
        config.srt = Some(SrtConfig {
            listen: any_port(),
            latency: Duration::from_millis(120),
            passphrase: None,
        });
    })
    .await;
    let addr = show.origin.srt_addr().unwrap();
    let _encoder = ffmpeg_to(&format!("srt://{addr}?streamid=publish:{KEY}"), "mpegts");
    platform.until(|status| status.live).await;
    let folder = platform.folder().await;
    for rendition in ["video", "audio"] {
        let path = format!("{folder}/{rendition}.m3u8?_HLS_msn=2");
        let text = platform.get(&path).await.text();
        assert_eq!(count(&text, "#EXT-X-DISCONTINUITY"), 0, "{text}");
        let whole = collect(&platform, &folder, rendition, &segments(&text)).await;
        judge("ffmpeg", "-v warning -xerror -i pipe:0 -f null -", &whole).await;
    }
}

/// A platform that reads when it is told to.
struct Reluctant {
    socket: TcpStream,
    session: Connection,
}

impl Reluctant {
    /// Lets in whoever comes.
    async fn let_in(listener: &TcpListener) -> Self {
        let (socket, _) = listener.accept().await.unwrap();
        let session = Connection::new(1);
        let mut platform = Self { socket, session };
        platform
            .until(|event| matches!(event, Event::Publish { .. }))
            .await;
        platform
    }

    /// Reads until this has happened.
    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) {
        let mut buffer = vec![0; 1 << 16];
        let reading = async {
            loop {
                let mut is_there = false;
                while let Some(event) = self.session.poll().unwrap() {
                    if matches!(event, Event::Publish { .. }) {
                        self.session.accept_publish();
                    }
                    is_there |= wanted(&event);
                }
                let answer = self.session.take_output();
                self.socket.write_all(&answer).await.unwrap();
                if is_there {
                    return;
                }
                let bytes = self.socket.read(&mut buffer).await.unwrap();
                assert!(bytes > 0, "it hung up");
                self.session.feed(&buffer[..bytes]).unwrap();
            }
        };
        timeout(DEADLINE, reading)
            .await
            .expect("it is said in time");
    }
}

#[tokio::test]
async fn a_platform_that_takes_nothing_misses_pictures_and_nobody_waits_for_it() {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let url = format!("rtmp://{}/live", listener.local_addr().unwrap());
    let clock = Clock::start(super::long_ago);
    let simulcast = Simulcast::of(
        &"demo".parse().unwrap(),
        &[target("Slow", &url, KEY)],
        clock,
    );
    let simulcast = Arc::new(simulcast);
    let status = watch::Sender::new(ChannelStatus {
        live: true,
        since: None,
        publisher: PublisherStatus::Connected,
        standby: false,
    });
    let stop = watch::Sender::new(false);
    let mut tasks = JoinSet::new();
    simulcast.keep(&status.subscribe(), &stop.subscribe(), &mut tasks);
    let config = AvcConfig::parse(Bytes::from_static(AVC)).unwrap();
    let source = simulcast.begin(&Tracks {
        video: vec![VideoTrack::new(VideoConfig::Avc(config))],
        audio: Vec::new(),
    });
    let data = Bytes::from(vec![0; 1 << 20]);
    let give = |number: u64| {
        let sample = Sample {
            decode_time: number * 3_600,
            duration: 3_600,
            composition: 0,
            sync: true,
            data: data.clone(),
        };
        source.handle_sample(TrackId::video(0), &sample);
    };
    give(0);
    let mut platform = Reluctant::let_in(&listener).await;
    until("it is live", None, || {
        simulcast.statuses()[0].state == PushState::Live
    })
    .await;
    // More than the sockets and the queue hold together.
    for number in 1..64 {
        give(number);
        yield_now().await;
    }
    let slow = simulcast.statuses().remove(0);
    assert!(
        slow.dropped_pictures > 0 && slow.trouble.is_none(),
        "{slow:?}"
    );
    give(64);
    let newest = |event: &Event| {
        matches!(
            event,
            Event::Video {
                timestamp: 2_560,
                ..
            }
        )
    };
    platform.until(newest).await;
    let after = simulcast.statuses().remove(0);
    assert_eq!((after.state, after.since), (PushState::Live, slow.since));
    // A server that stops says so.
    stop.send_replace(true);
    platform.until(|event| *event == Event::Finished).await;
    while tasks.join_next().await.is_some() {}
}
