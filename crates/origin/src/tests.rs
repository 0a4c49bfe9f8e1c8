//! The origin as its peers meet it: encoders over RTMP, viewers over HTTP, and strangers.
//!
//! Two publishers stand in for encoders. [`publisher::Publisher`] is driven by the test tag by tag, so that the test
//! decides what exists when; `ffmpeg` is a real one, and `ffprobe` and `ffmpeg` judge what comes out.

mod authorised;
mod authority;
mod calling;
mod delivery;
mod dvr;
mod encoder;
mod events;
mod faults;
mod hostile;
mod ladder;
mod news;
mod publisher;
mod recording;
mod recording_far;
mod secure;
mod simulcast;
mod slate;
mod sound;
mod storage;
mod takeover;
mod thumbnails;
mod twins;
mod viewer;
mod watching;
mod whip;

use std::{net::SocketAddr, time::Duration};

use fanwave_live::WallTime;
use prometheus_client::registry::Registry;
use tokio::{net::TcpSocket, task::JoinHandle, time::timeout};

use crate::{
    AuthoriserConfig, ChannelConfig, ChannelStatus, LadderConfig, Numbering, Origin, OriginConfig,
    Secret, Takeover, clock, shared::Patience,
};
pub(crate) use publisher::AVC;
use viewer::{Answer, Viewer};

/// How long a test waits for an event before it fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) const KEY: &str = "demo-key-1234";

/// Viewers who connect at once, before the server takes any.
const VIEWERS_WAITING_MAX: u32 = 1_024;

/// A clock of its own: the machine's, a thousand days ago.
fn long_ago() -> WallTime {
    WallTime(clock::machine().0 - 1_000 * 86_400_000)
}

/// A running origin behind an HTTP server, with the channels `demo` and `other`.
struct Show {
    origin: Origin,
    http: SocketAddr,
    server: JoinHandle<()>,
}

impl Show {
    async fn start() -> Self {
        Self::start_with(Duration::from_secs(30), Patience::default()).await
    }

    async fn start_with(reconnect_window: Duration, patience: Patience) -> Self {
        Self::start_in(&mut Registry::default(), reconnect_window, patience).await
    }

    /// One that asks somebody about publishers.
    async fn start_asking(authoriser: AuthoriserConfig) -> Self {
        Self::start_with_authoriser(Some(authoriser), Patience::default()).await
    }

    async fn start_with_authoriser(
        authoriser: Option<AuthoriserConfig>,
        patience: Patience,
    ) -> Self {
        Self::start_so(&mut Registry::default(), patience, |config| {
            config.reconnect_window = Duration::from_millis(50);
            config.authoriser = authoriser;
        })
        .await
    }

    async fn start_in(
        registry: &mut Registry,
        reconnect_window: Duration,
        patience: Patience,
    ) -> Self {
        Self::start_so(registry, patience, |config| {
            config.reconnect_window = reconnect_window;
        })
        .await
    }

    /// A show whose channels deal with a second publisher in this way.
    async fn start_taking_over(takeover: Takeover, patience: Patience) -> Self {
        Self::start_so(&mut Registry::default(), patience, |config| {
            for channel in &mut config.channels {
                channel.takeover = takeover;
            }
        })
        .await
    }

    /// A show of a ladder.
    async fn start_ladder(
        ladder: LadderConfig,
        reconnect_window: Duration,
        patience: Patience,
    ) -> Self {
        Self::start_so(&mut Registry::default(), patience, |config| {
            config.ladder = ladder;
            config.reconnect_window = reconnect_window;
        })
        .await
    }

    #[expect(
        clippy::unused_async,
        reason = "it listens in the runtime of whoever awaits it"
    )]
    async fn start_so(
        registry: &mut Registry,
        patience: Patience,
        change: impl FnOnce(&mut OriginConfig),
    ) -> Self {
        let channel = |id: &str, key: &str| ChannelConfig {
            id: id.parse().unwrap(),
            stream_key: Secret::new(key),
            takeover: Takeover::Refuse,
            numbering: Numbering::Counted,
        };
        let mut config = OriginConfig::new(vec![
            channel("demo", KEY),
            channel("other", "other-key-5678"),
        ]);
        config.rtmp_listen = "127.0.0.1:0".parse().unwrap();
        config.wall = long_ago;
        change(&mut config);
        let origin = Origin::start_with(config, patience, registry).unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        // Whoever comes when the queue is full comes again a second later, or is hung up on.
        let listener = socket.listen(VIEWERS_WAITING_MAX).unwrap();
        let http = listener.local_addr().unwrap();
        let router = origin.router();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            origin,
            http,
            server,
        }
    }

    fn rtmp(&self) -> SocketAddr {
        self.origin.rtmp_addr()
    }

    fn viewer(&self) -> Viewer {
        Viewer::new(self.http)
    }

    /// The status of `demo`, once it is as wanted.
    async fn until(&self, wanted: impl Fn(&ChannelStatus) -> bool) -> ChannelStatus {
        let mut status = self.origin.watch(&"demo".parse().unwrap()).unwrap();
        let reached = timeout(DEADLINE, status.wait_for(|status| wanted(status))).await;
        *reached
            .expect("the status is reached in time")
            .expect("the origin runs")
    }

    /// The folder of the stream that `demo` shows now.
    async fn folder(&self) -> String {
        let master = self.viewer().get("/live/demo/master.m3u8").await.text();
        let uri = master
            .lines()
            .find(|line| line.ends_with("/video.m3u8"))
            .expect("a variant")
            .to_owned();
        format!("/live/demo/{}", uri.strip_suffix("/video.m3u8").unwrap())
    }

    async fn get(&self, path: &str) -> Answer {
        self.viewer().get(path).await
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// How often a line stands in a playlist.
fn count(playlist: &str, line: &str) -> usize {
    playlist.lines().filter(|l| *l == line).count()
}

/// The URI of a playlist's preload hint.
fn hint(playlist: &str) -> String {
    let line = playlist
        .lines()
        .find(|l| l.starts_with("#EXT-X-PRELOAD-HINT:TYPE=PART"))
        .expect("a hint");
    let (_, rest) = line.split_once("URI=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

/// All part URIs of a playlist, in order.
fn parts(playlist: &str) -> Vec<String> {
    let uri = |line: &str| Some(line.split_once("URI=\"")?.1.split_once('"')?.0.to_owned());
    playlist
        .lines()
        .filter(|l| l.starts_with("#EXT-X-PART:"))
        .filter_map(uri)
        .collect()
}

/// All segment URIs of a playlist, in order.
fn segments(playlist: &str) -> Vec<String> {
    playlist
        .lines()
        .filter(|l| !l.starts_with('#') && l.ends_with(".m4s"))
        .map(str::to_owned)
        .collect()
}
