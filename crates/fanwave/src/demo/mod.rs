//! The demo show of `fanwave serve --demo`: a publisher and a few fans, both honest.
//!
//! The publisher is an ffmpeg child that pushes RTMP into the very ingest that OBS would use, with the channel's real
//! stream key ([`publisher`]). The fans get their tokens from the real API and chat through the very WebSocket that a
//! browser uses ([`fans`]). Nothing of the demo has a way in that a stranger would not have, except that the artist's
//! token is signed here: only the server's operator can make one.
//!
//! Its picture shows the wall clock, also in a form that a machine can read: see [`clock_code`].

mod backoff;
pub mod clock_code;
pub mod fans;
pub mod ffmpeg;
pub mod limits;
pub mod publisher;
mod random;
pub mod script;
pub mod strip;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use fanwave_wire::{RoomId, token::TokenKey};
use thiserror::Error;

use crate::{
    config,
    secret::{self, Secret, SecretError},
};

/// Why there is no demo.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DemoError {
    /// There is no such program.
    #[error(
        "the demo needs ffmpeg, and `{}` was not found. Install it (Debian, Ubuntu: `sudo apt-get install ffmpeg`), \
         or name it with demo.ffmpeg (FANWAVE__DEMO__FFMPEG=/path/to/ffmpeg)",
        program.display()
    )]
    NoFfmpeg {
        /// What was looked for.
        program: PathBuf,
    },
    /// The key cannot be handed to it.
    #[error("the stream key cannot be handed to ffmpeg: {0}")]
    Key(#[from] SecretError),
}

/// Where the demo finds the server, and what it needs of it.
#[derive(Debug)]
pub struct Stage {
    /// The channel it plays on.
    pub channel: RoomId,
    /// The channel's stream key.
    pub stream_key: Secret,
    /// The server's RTMP port.
    pub rtmp: SocketAddr,
    /// The server's HTTP port.
    pub http: SocketAddr,
    /// Signs the artist's token.
    pub token_key: TokenKey,
    /// A folder that only the owner may read.
    pub folder: PathBuf,
}

/// A running demo. Dropping it ends it too, but does not wait for the child.
#[derive(Debug)]
pub struct Demo {
    publisher: publisher::Publisher,
    fans: fans::Fans,
}

/// Finds the program, before anything is started.
///
/// # Errors
///
/// [`DemoError::NoFfmpeg`].
pub fn find_ffmpeg(plan: &config::demo::Demo) -> Result<PathBuf, DemoError> {
    let found = ffmpeg::find(&plan.ffmpeg, std::env::var_os("PATH").as_deref());
    found.ok_or_else(|| DemoError::NoFfmpeg {
        program: plan.ffmpeg.clone(),
    })
}

impl Demo {
    /// Raises the curtain. The server must be serving.
    ///
    /// # Errors
    ///
    /// See [`DemoError`].
    pub fn start(plan: &config::demo::Demo, stage: Stage) -> Result<Self, DemoError> {
        let key_file = stage.folder.join("demo.ffpreset");
        secret::write(&key_file, &stage.stream_key.prefixed("rtmp_playpath="))?;
        let encoder = ffmpeg::Encoder {
            ffmpeg: find_ffmpeg(plan)?,
            preset: plan.preset.clone(),
            ingest: loopback(stage.rtmp),
            key_file,
        };
        let publisher = publisher::Publisher::start(encoder, stage.stream_key);
        let fans = fans::Fans::start(&fans::Venue {
            http: loopback(stage.http),
            channel: stage.channel,
            token_key: stage.token_key,
            fans: plan.fans,
        });
        Ok(Self { publisher, fans })
    }

    /// Lets the curtain fall: the fans leave, ffmpeg ends its stream and is gone when this returns.
    pub async fn stop(self) {
        self.fans.stop();
        self.publisher.stop().await;
    }
}

/// The address under which this machine reaches its own listener.
fn loopback(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}
