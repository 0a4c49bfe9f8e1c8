//! A thousand publishers that break off wherever: nothing of them is left.
//!
//! A process of its own, because tasks, files and memory are counted for all of it.

#![expect(clippy::unwrap_used, reason = "what helps a test fails it where it is")]

use std::{
    alloc::System,
    fs,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use fanwave_origin::{ChannelConfig, Numbering, Origin, OriginConfig, Secret, SrtConfig, Takeover};
use prometheus_client::{encoding::text::encode, registry::Registry};
use sapflow_rtmp::{
    Connection, Event,
    client::{Publisher as Client, PublisherConfig, PublisherState},
};
use sapflow_srt::{Caller, CallerConfig};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    runtime::Handle,
    task::JoinSet,
    time::timeout,
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const DEADLINE: Duration = Duration::from_secs(120);
const CHANNELS: usize = 4;
const PUBLISHERS: usize = 1_000;
/// Over SRT fewer come: a port answers so many handshakes a second.
const CALLERS: usize = 300;
/// Of the callers, how many vanish without a word; each holds a place for some seconds.
const VANISHING: usize = 40;
/// At one time; fewer than one address may have.
const AT_ONCE: usize = 8;

/// What the publishers may leave: what their channels keep for viewers, which is the media and the playlists of the last
/// minutes; half a megabyte was seen. A thousand read buffers of 16 KiB would be 16 MiB, and a thousand tasks 2 MiB.
const LEFT_BYTES_MAX: usize = 1 << 20;

/// 1280x720 at 30 pictures per second, High profile level 3.1.
const AVC: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50,
    0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83,
    0x19, 0x60, 0x01, 0x00, 0x04, 0x68, 0xef, 0x8f, 0xcb, 0xfd, 0xf8, 0xf8, 0x00,
];
const AAC: &[u8] = &[0x11, 0x90];

/// All that a publisher sends, from its first byte on. No server's answer changes any of it.
fn recorded(key: &str) -> Vec<u8> {
    let config = PublisherConfig::new("live".into(), key.into(), "rtmp://localhost/live".into());
    let mut client = Client::new(config, 7, 0).unwrap();
    let mut server = Connection::new(1);
    let mut sent = Vec::new();
    while client.state() != PublisherState::Publishing {
        let output = client.take_output();
        server.feed(&output).unwrap();
        sent.extend(output);
        while let Some(event) = server.poll().unwrap() {
            assert!(matches!(event, Event::Publish { .. }));
            server.accept_publish();
        }
        client.feed(&server.take_output(), 0).unwrap();
    }
    client.send_avc_config(AVC).unwrap();
    client.send_aac_config(AAC).unwrap();
    for n in 0..40_u32 {
        let sync = n % 20 == 0;
        let nal = [0, 0, 0, 3, if sync { 0x65 } else { 0x41 }, 0x88, 0x80];
        client.send_avc(n * 40, 0, sync, &nal).unwrap();
        client.send_aac(n * 40, &[0x21, 0x10, 0x04]).unwrap();
        sent.extend(client.take_output());
    }
    sent.extend(client.take_output());
    sent
}

/// Random enough, and the same each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(below).unwrap()).unwrap()
    }
}

/// How a publisher goes.
#[derive(Clone, Copy)]
enum End {
    /// Its network dies.
    Reset,
    /// It hangs up.
    HungUp,
}

async fn break_off(addr: SocketAddr, bytes: Vec<u8>, end: End) {
    let mut socket = TcpStream::connect(addr).await.unwrap();
    // The origin may refuse it before all is sent.
    socket.write_all(&bytes).await.ok();
    match end {
        End::Reset => socket.set_zero_linger().unwrap(),
        End::HungUp => {
            socket.shutdown().await.ok();
            let mut said = Vec::new();
            socket.read_to_end(&mut said).await.ok();
        }
    }
}

/// So many publishers, a few at a time; a part of them has a wrong key.
async fn publish(addr: SocketAddr, count: usize, dice: &mut Dice) {
    let mut sessions: Vec<_> = (0..CHANNELS).map(|n| recorded(&key(n))).collect();
    sessions.push(recorded("a-wrong-key-0000"));
    let mut running = JoinSet::new();
    for _ in 0..count {
        if running.len() == AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
        let session = &sessions[dice.next(sessions.len())];
        let bytes = session[..dice.next(session.len() + 1)].to_vec();
        let end = [End::Reset, End::HungUp][dice.next(2)];
        running.spawn(break_off(addr, bytes, end));
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

/// Returns once everybody has gone and only so many tasks are left.
async fn until_alone(registry: &Registry, tasks: usize) {
    let is_alone = || {
        let mut text = String::new();
        encode(&mut text, registry).unwrap();
        ["rtmp_connections", "srt_connections", "publishers"]
            .iter()
            .map(|gauge| format!("origin_{gauge} 0"))
            .all(|line| text.lines().any(|l| l == line))
            && Handle::current().metrics().num_alive_tasks() <= tasks
    };
    let wait = async {
        while !is_alone() {
            // What ends a caller that has vanished is a timer: looking more often than this would only burn time.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, wait)
        .await
        .expect("all of them are gone in time");
}

fn files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// An origin with one channel for each of these keys.
fn start(keys: usize, registry: &mut Registry) -> Origin {
    let channel = |n| ChannelConfig {
        id: format!("channel-{n}").parse().unwrap(),
        stream_key: Secret::new(&key(n)),
        takeover: Takeover::Refuse,
        numbering: Numbering::Counted,
    };
    let mut config = OriginConfig::new((0..keys).map(channel).collect());
    config.rtmp_listen = "127.0.0.1:0".parse().unwrap();
    config.reconnect_window = Duration::from_millis(50);
    config.srt = Some(SrtConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        latency: Duration::from_millis(20),
        passphrase: None,
    });
    Origin::start(config, registry).unwrap()
}

fn key(n: usize) -> String {
    format!("key-of-channel-{n}")
}

/// x264 and AAC of two seconds, in payloads as an encoder sends them.
const TRANSPORT: &[u8] = include_bytes!("../../../fuzz/seeds/ts/ffmpeg");

/// Calls under a key, sends so many payloads, and goes.
async fn call(addr: SocketAddr, from: IpAddr, key: String, payloads: usize, end: End) {
    let config = CallerConfig {
        stream_id: key,
        connect_timeout: Duration::from_secs(60),
        max_handshake_packets: 1_024,
        ..CallerConfig::default()
    };
    let socket = UdpSocket::bind((from, 0)).await.unwrap();
    let mut caller = Caller::new(config, addr, Instant::now()).unwrap();
    let mut left = TRANSPORT[1..].chunks(1_316).take(payloads);
    let mut datagram = [0; 2_048];
    while !caller.is_closed() {
        if caller.is_connected() {
            match left.next() {
                Some(payload) => caller.enqueue(Instant::now(), payload.to_vec()).unwrap(),
                None => break,
            }
        }
        send(&mut caller, &socket).await;
        let due = caller.poll_timeout().unwrap_or_else(Instant::now);
        tokio::select! {
            read = socket.recv_from(&mut datagram) => {
                let (bytes, from) = read.unwrap();
                caller.handle_datagram(Instant::now(), from, &datagram[..bytes]);
            }
            () = tokio::time::sleep_until(due.into()) => {}
        }
        caller.handle_timeout(Instant::now());
    }
    if matches!(end, End::HungUp) {
        caller.stop(Instant::now());
        send(&mut caller, &socket).await;
    }
}

async fn send(caller: &mut Caller, socket: &UdpSocket) {
    while let Some((to, datagram)) = caller.poll_transmit(Instant::now()) {
        socket.send_to(&datagram, to).await.unwrap();
    }
}

/// So many callers, a few at a time; a part of them has a wrong key, and a few just vanish.
async fn publish_by_srt(addr: SocketAddr, count: usize, vanishing: usize, dice: &mut Dice) {
    let mut running = JoinSet::new();
    for n in 0..count {
        if running.len() == AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
        let key = match dice.next(4) {
            0 => "a-wrong-key-0000".to_owned(),
            _ => key(dice.next(CHANNELS)),
        };
        let end = if n < vanishing {
            End::Reset
        } else {
            End::HungUp
        };
        // Those that vanish keep their places for a while: each comes from an address of its own.
        let from = IpAddr::from([127, 0, 1, u8::try_from(n % 200).unwrap()]);
        running.spawn(call(addr, from, key, dice.next(22), end));
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn a_thousand_publishers_that_break_off_leave_nothing() {
    let mut registry = Registry::default();
    let origin = start(CHANNELS, &mut registry);
    let (rtmp, srt) = (origin.rtmp_addr(), origin.srt_addr().unwrap());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    // What is made once, at the first of its kind, is no loss.
    publish(rtmp, 50, &mut dice).await;
    publish_by_srt(srt, 50, 0, &mut dice).await;
    // A keeper for each channel, one of those who wait, and two ports.
    let tasks = CHANNELS + 3;
    until_alone(&registry, tasks).await;
    let (files_before, allocated_before) = (files(), allocated());

    publish(rtmp, PUBLISHERS, &mut dice).await;
    until_alone(&registry, tasks).await;
    publish_by_srt(srt, CALLERS, VANISHING, &mut dice).await;
    until_alone(&registry, tasks).await;
    assert_eq!(files(), files_before);
    let left = allocated().saturating_sub(allocated_before);
    assert!(left < LEFT_BYTES_MAX, "{left} bytes are left");
    origin.shutdown().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}
