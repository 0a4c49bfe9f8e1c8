//! SRT: callers that are let in or turned away, and what becomes of what they send.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus_client::{metrics::counter::Counter, registry::Registry};
use sapflow_srt::{
    Caller, CallerCloseReason, CallerConfig, CallerEvent,
    crypto::{CryptoConfig, KeySize},
};
use tokio::{net::UdpSocket, process::Command, task::JoinHandle, time::timeout};

use super::{
    DEADLINE, KEY, Show,
    authority::Authority,
    count,
    encoder::{collect, ffmpeg_to, judge},
    hostile::noise,
    segments,
};
use crate::{
    AuthoriserConfig, Form, OriginConfig, PublisherStatus, Secret, SrtConfig, StreamKeys,
    metrics::Refusal, packager::Packager, shared::Patience,
};

const PASSPHRASE: &str = "a passphrase of words";

async fn show(change: impl FnOnce(&mut OriginConfig)) -> (Show, SocketAddr) {
    let show = Show::start_so(&mut Registry::default(), Patience::default(), |config| {
        config.reconnect_window = Duration::from_millis(50);
        config.srt = Some(SrtConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            latency: Duration::from_millis(120),
            passphrase: None,
        });
        change(config);
    })
    .await;
    let addr = show.origin.srt_addr().unwrap();
    (show, addr)
}

fn with_passphrase(config: &mut OriginConfig) {
    if let Some(srt) = &mut config.srt {
        srt.passphrase = Some(Secret::new(PASSPHRASE));
    }
}

/// A caller that was let in.
struct Guest {
    caller: Caller,
    socket: UdpSocket,
    addr: SocketAddr,
}

/// Calls, and says how that ended.
async fn call(
    addr: SocketAddr,
    stream_id: &str,
    passphrase: Option<&str>,
) -> Result<Guest, CallerCloseReason> {
    let crypto = |text: &str| CryptoConfig::new(text.as_bytes().to_vec(), KeySize::Aes128).unwrap();
    let config = CallerConfig {
        stream_id: stream_id.to_owned(),
        crypto: passphrase.map(crypto),
        connect_timeout: DEADLINE,
        max_handshake_packets: 1_024,
        ..CallerConfig::default()
    };
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let caller = Caller::new(config, addr, Instant::now()).unwrap();
    let mut guest = Guest {
        caller,
        socket,
        addr,
    };
    loop {
        guest.step().await;
        while let Some(event) = guest.caller.poll_event() {
            match event {
                CallerEvent::Closed { reason, .. } => return Err(reason),
                _ if guest.caller.is_connected() => return Ok(guest),
                CallerEvent::Connected { .. } => {}
            }
        }
    }
}

impl Guest {
    /// Sends what is due and waits for what comes next.
    async fn step(&mut self) {
        while let Some((to, datagram)) = self.caller.poll_transmit(Instant::now()) {
            self.socket.send_to(&datagram, to).await.unwrap();
        }
        let due = self
            .caller
            .poll_timeout()
            .unwrap_or_else(|| Instant::now() + DEADLINE);
        let mut datagram = [0; 2_048];
        tokio::select! {
            read = self.socket.recv_from(&mut datagram) => {
                let (bytes, from) = read.unwrap();
                self.caller.handle_datagram(Instant::now(), from, &datagram[..bytes]);
            }
            () = tokio::time::sleep_until(due.into()) => {}
        }
        self.caller.handle_timeout(Instant::now());
    }

    /// Sends payloads until all of them have left.
    async fn send(&mut self, payloads: &[&[u8]]) {
        for payload in payloads {
            self.caller
                .enqueue(Instant::now(), payload.to_vec())
                .unwrap();
        }
        self.step().await;
    }

    /// Waits until the other side hangs up.
    async fn until_closed(&mut self) -> CallerCloseReason {
        let wait = async {
            loop {
                self.step().await;
                while let Some(event) = self.caller.poll_event() {
                    if let CallerEvent::Closed { reason, .. } = event {
                        return reason;
                    }
                }
            }
        };
        timeout(DEADLINE, wait).await.expect("an end in time")
    }

    /// Says goodbye.
    async fn leave(mut self) {
        self.caller.stop(Instant::now());
        while let Some((to, datagram)) = self.caller.poll_transmit(Instant::now()) {
            self.socket.send_to(&datagram, to).await.unwrap();
        }
    }
}

fn refused(result: Result<Guest, CallerCloseReason>) -> CallerCloseReason {
    result.map(|guest| guest.addr).expect_err("refused")
}

#[tokio::test]
async fn what_ffmpeg_sends_over_srt_is_what_ffprobe_reads() {
    let (show, addr) = show(|config| config.reconnect_window = Duration::from_secs(30)).await;
    let _publisher = ffmpeg_to(
        &format!("srt://{addr}?streamid=#!::r=demo,m=publish,u={KEY}"),
        "mpegts",
    );
    show.until(|status| status.live).await;
    check_segments(&show).await;
    let master = show.get("/live/demo/master.m3u8").await.text();
    assert!(
        master.contains("avc1.")
            && master.contains("mp4a.40.2")
            && master.contains("RESOLUTION=320x180"),
        "{master}"
    );
}

/// The first three segments are whole: 30 pictures a second, and sound that decodes.
async fn check_segments(show: &Show) {
    let folder = show.folder().await;
    for (rendition, expected) in [("video", "h264,320,180,180\n"), ("audio", "aac\n")] {
        let path = format!("{folder}/{rendition}.m3u8?_HLS_msn=3");
        let text = show.get(&path).await.text();
        let uris = &segments(&text)[..3];
        let whole = collect(show, &folder, rendition, uris).await;
        let entries = if rendition == "video" {
            "codec_name,width,height,nb_read_packets"
        } else {
            "codec_name"
        };
        let arguments = format!(
            "-v warning -count_packets -of csv=p=0 -show_entries stream={entries} -i pipe:0"
        );
        assert_eq!(
            judge("ffprobe", &arguments, &whole).await,
            expected,
            "{text}"
        );
        judge("ffmpeg", "-v warning -xerror -i pipe:0 -f null -", &whole).await;
        if rendition == "video" {
            let lasting: Vec<_> = text.lines().filter(|l| l.starts_with("#EXTINF:")).collect();
            assert_eq!(lasting[..3], ["#EXTINF:2.00000,"; 3], "{text}");
        }
    }
}

#[tokio::test]
async fn packets_that_are_lost_on_the_way_come_again() {
    let (show, addr) = show(|config| {
        if let Some(srt) = &mut config.srt {
            srt.latency = Duration::from_secs(2);
        }
        config.reconnect_window = Duration::from_secs(30);
    })
    .await;
    let (relay, task) = lossy_relay(addr).await;
    let _publisher = ffmpeg_to(&format!("srt://{relay}?streamid=publish:{KEY}"), "mpegts");
    show.until(|status| status.live).await;
    check_segments(&show).await;
    task.abort();
    let mut publisher = show.origin.watch(&"demo".parse().unwrap()).unwrap();
    timeout(
        DEADLINE,
        publisher.wait_for(|status| status.publisher == PublisherStatus::Lost),
    )
    .await
    .expect("a publisher whose network is gone is lost")
    .unwrap();
    assert!(show.origin.shared.metrics.srt_missing.get() > 0);
}

/// A network that loses every twentieth datagram of those that go there.
async fn lossy_relay(to: SocketAddr) -> (SocketAddr, JoinHandle<()>) {
    let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = near.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut there, mut back) = ([0; 2_048], [0; 2_048]);
        let mut caller = None;
        let mut count = 0_u32;
        loop {
            tokio::select! {
                read = near.recv_from(&mut there) => {
                    let (bytes, from) = read.unwrap();
                    caller = Some(from);
                    count += 1;
                    if !count.is_multiple_of(20) {
                        far.send_to(&there[..bytes], to).await.unwrap();
                    }
                }
                read = far.recv_from(&mut back) => {
                    let (bytes, _) = read.unwrap();
                    near.send_to(&back[..bytes], caller.unwrap()).await.unwrap();
                }
            }
        }
    });
    (addr, task)
}

#[tokio::test]
async fn callers_are_turned_away_with_the_code_that_fits() {
    let (show, addr) = show(|_| {}).await;
    // SRT adds 1,000 to say that it is a refusal, and 1,000 more for the codes that are those of HTTP.
    let rejected = |status: u32| CallerCloseReason::Rejected(2_000 + status);
    let codes = [
        ("a-wrong-key-0000", 401),
        ("#!::r=other,m=publish,u=demo-key-1234", 401),
        ("#!::r=demo,m=request", 405),
        ("", 400),
    ];
    for (stream_id, status) in codes {
        assert_eq!(
            refused(call(addr, stream_id, None).await),
            rejected(status),
            "{stream_id}"
        );
    }
    let first = call(addr, KEY, None).await.unwrap();
    show.until(|status| status.publisher == PublisherStatus::Connected)
        .await;
    assert_eq!(refused(call(addr, KEY, None).await), rejected(409));
    first.leave().await;
    show.until(|status| status.publisher == PublisherStatus::Absent)
        .await;
    let metrics = &show.origin.shared.metrics;
    assert_eq!(metrics.refused_count(Refusal::Key), 2);
    assert_eq!(metrics.refused_count(Refusal::Protocol), 2);
    assert_eq!(metrics.refused_count(Refusal::Busy), 1);
}

#[tokio::test]
async fn a_passphrase_is_asked_of_every_caller() {
    let (show, addr) = show(with_passphrase).await;
    let without = ffmpeg_to(&format!("srt://{addr}?streamid={KEY}"), "mpegts");
    let output = timeout(DEADLINE, without.wait_with_output())
        .await
        .expect("ffmpeg ends");
    assert!(!output.unwrap().status.success(), "ffmpeg was let in");
    // 1010: another passphrase.
    let wrong = refused(call(addr, KEY, Some("another passphrase")).await);
    assert_eq!(wrong, CallerCloseReason::Rejected(1_010));
    show.until(|status| status.publisher == PublisherStatus::Absent)
        .await;
    let guest = call(addr, KEY, Some(PASSPHRASE)).await.unwrap();
    show.until(|status| status.publisher == PublisherStatus::Connected)
        .await;
    guest.leave().await;
    show.until(|status| status.publisher == PublisherStatus::Absent)
        .await;
    let url = format!("srt://{addr}?streamid={KEY}&passphrase={PASSPHRASE}&pbkeylen=16");
    let _publisher = ffmpeg_to(&url, "mpegts");
    show.until(|status| status.live).await;
}

#[tokio::test]
async fn an_authoriser_decides_about_callers_too() {
    let mut authority = Authority::start(|body| {
        Some(if body.contains(r#""channel":"demo""#) {
            (200, "", "")
        } else {
            (403, "", "")
        })
    })
    .await;
    let endpoint = authority.endpoint();
    let (show, addr) = show(|config| {
        config.authoriser = Some(AuthoriserConfig {
            endpoint,
            form: Form::Fanwave,
            timeout: Duration::from_secs(5),
            secret: None,
            stream_keys: StreamKeys::Asked,
            recheck: None,
        });
    })
    .await;
    let guest = call(addr, "#!::r=demo,m=publish,u=ana", None)
        .await
        .unwrap();
    show.until(|status| status.publisher == PublisherStatus::Connected)
        .await;
    let asked = authority.asked().await.body;
    for field in [
        r#""protocol":"srt""#,
        r#""channel":"demo""#,
        r#""key":"ana""#,
        r#""address":"127.0.0.1""#,
    ] {
        assert!(asked.contains(field), "{field} in {asked}");
    }
    guest.leave().await;
    assert!(authority.asked().await.body.contains(r#""action":"done""#));
    let stranger = refused(call(addr, "#!::r=other,u=ana", None).await);
    assert_eq!(stranger, CallerCloseReason::Rejected(2_403));
}

#[tokio::test]
async fn what_is_no_transport_stream_ends_its_publisher() {
    let (show, addr) = show(|_| {}).await;
    let mut guest = call(addr, KEY, None).await.unwrap();
    // A program with pictures in MPEG-2, in two packets.
    let association = packet(
        0,
        &[
            0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0, 0x20, 0xa2, 0xc3, 0x29, 0x41,
        ],
    );
    guest.send(&[&association, &noise(1_316)]).await;
    guest
        .send(&[&packet(
            0x20,
            &[
                2, 0xb0, 18, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, 2, 0xe1, 0, 0xf0, 0, 0x9e, 0x8b,
                0x23, 0xd1,
            ],
        )])
        .await;
    assert_eq!(guest.until_closed().await, CallerCloseReason::PeerClosed);
    show.until(|status| status.publisher == PublisherStatus::Absent)
        .await;
}

/// One section in one packet.
fn packet(pid: u8, section: &[u8]) -> Vec<u8> {
    let mut packet = [&[0x47, 0x40, pid, 0x10, 0], section].concat();
    packet.resize(188, 0xff);
    packet
}

#[tokio::test]
async fn datagrams_of_strangers_leave_nothing_behind() {
    let (show, addr) = show(|_| {}).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let noise = noise(1 << 20);
    let mut told = BTreeMap::new();
    for (n, datagram) in noise.chunks(700).enumerate() {
        let mut datagram = datagram.to_vec();
        if n % 2 == 0 {
            // A handshake, in its first bytes.
            datagram[..4].copy_from_slice(&[0x80, 0, 0, 0]);
            datagram[16..20].copy_from_slice(&[0, 0, 0, 5]);
        }
        socket.send_to(&datagram, addr).await.unwrap();
        let mut answer = [0; 2_048];
        while let Ok((bytes, _)) = socket.try_recv_from(&mut answer) {
            *told.entry(bytes).or_insert(0) += 1;
        }
    }
    let guest = call(addr, KEY, None).await.unwrap();
    show.until(|status| status.publisher == PublisherStatus::Connected)
        .await;
    assert_eq!(show.origin.shared.metrics.srt_connections.get(), 1);
    // Nobody is answered with more than was sent.
    assert!(told.keys().all(|bytes| *bytes <= 700), "{told:?}");
    guest.leave().await;
    show.until(|status| status.publisher == PublisherStatus::Absent)
        .await;
}

#[tokio::test]
async fn stopping_hangs_up_on_callers() {
    let (show, addr) = show(|_| {}).await;
    let mut guest = call(addr, KEY, None).await.unwrap();
    let show = Arc::new(show);
    let stopping = Arc::clone(&show);
    let stopped = tokio::spawn(async move { stopping.origin.shutdown().await });
    assert_eq!(guest.until_closed().await, CallerCloseReason::PeerClosed);
    timeout(DEADLINE, stopped).await.expect("it stops").unwrap();
}

/// Six seconds of pictures of this size, from this second on.
async fn transport_stream(size: &str, from: u32) -> Vec<u8> {
    let arguments = format!(
        "-v error -f lavfi -i testsrc2=size={size}:rate=25 -f lavfi -i sine=sample_rate=48000 -t 6 -c:v libx264 \
         -preset ultrafast -g 50 -bf 0 -pix_fmt yuv420p -c:a aac -ac 2 -output_ts_offset {from} -f mpegts pipe:1"
    );
    let child = Command::new("ffmpeg")
        .args(arguments.split_ascii_whitespace())
        .kill_on_drop(true)
        .output();
    let output = timeout(DEADLINE, child).await.expect("ffmpeg ends");
    output.expect("ffmpeg is installed").stdout
}

#[tokio::test]
async fn an_encoder_that_changes_its_settings_goes_on_after_a_discontinuity() {
    let (show, _) = show(|config| config.reconnect_window = Duration::from_secs(30)).await;
    let channel = show.origin.shared.channel("demo").unwrap();
    let mut packager = Packager::transport(channel.claim().unwrap(), Counter::default());
    for (size, from) in [("64x36", 0), ("96x54", 6)] {
        let bytes = transport_stream(size, from).await;
        packager.handle_transport(&bytes).unwrap();
    }
    packager.finish();
    let folder = show.folder().await;
    let video = show.get(&format!("{folder}/video.m3u8")).await.text();
    assert_eq!(count(&video, "#EXT-X-DISCONTINUITY"), 1, "{video}");
    for init in ["video/init-0.mp4", "video/init-1.mp4"] {
        assert!(video.contains(init), "{init} in {video}");
    }
    assert!(segments(&video).len() >= 6, "{video}");
    let audio = show.get(&format!("{folder}/audio.m3u8")).await.text();
    assert_eq!(count(&audio, "#EXT-X-DISCONTINUITY"), 1, "{audio}");
    assert!(!audio.contains("init-1.mp4"), "{audio}");
    let master = show.get("/live/demo/master.m3u8").await.text();
    assert!(master.contains("RESOLUTION=96x54"), "{master}");
}
