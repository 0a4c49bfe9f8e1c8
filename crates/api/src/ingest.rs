//! `GET /api/v1/channels/{id}/ingest`: how well a channel's publisher sends, where it comes from, and how its shows are pushed
//! on to other platforms. For staff alone.
//!
//! Rates are of the last ten seconds, counts of the publisher's whole stay. `health` is null while nobody publishes.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::extract::State;
use fanwave_wire::{RoomId, UnixMillis};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Api, Problem,
    channels::{Answer, fresh},
    extract::{ChannelPath, InPath, Staff},
};

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(show))
}

/// What a channel gets from its encoder, as the one who runs the shows knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingest {
    /// Whether somebody publishes.
    pub publisher: Publisher,
    /// How well, once its first picture has come.
    pub health: Option<Health>,
    /// Where those come from who publish: the one that is shown, and the one that stands by.
    pub encoders: (Option<Encoder>, Option<Encoder>),
    /// How the pushes to other platforms go, in the order of the configuration.
    pub simulcast: Vec<Push>,
}

/// A platform that the channel's shows are pushed on to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// What it is called.
    pub name: Arc<str>,
    /// Its host, without port and path.
    pub host: Arc<str>,
    /// How far the push is.
    pub state: PushState,
    /// Since when it has been there.
    pub since: UnixMillis,
    /// When it is tried again, while it waits for that.
    pub retry_at: Option<UnixMillis>,
    /// Bytes sent since the server began.
    pub sent_bytes: u64,
    /// Pictures given up since then because the platform took too little.
    pub dropped_pictures: u64,
    /// Pushes begun since then because one before had failed.
    pub reconnects: u64,
    /// What is wrong, if anything is.
    pub error: Option<PushError>,
}

/// How far a push is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PushState {
    /// Nothing is on the air.
    Waiting,
    /// The platform is being asked.
    Connecting,
    /// The platform takes the show.
    Live,
    /// It does not.
    Failed,
}

/// What is wrong with a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PushError {
    /// There is no such host, or it cannot be connected to.
    Unreachable,
    /// Its certificate is not believed, or it speaks no TLS.
    Tls,
    /// It does not take the stream: check the key.
    Refused,
    /// It does not answer.
    Silent,
    /// It does not speak RTMP.
    Protocol,
    /// It took nothing for 10 s.
    Stalled,
    /// It ended what it had taken.
    Ended,
    /// The connection broke.
    Broken,
    /// The show's pictures are not H.264; nothing is sent.
    Codec,
    /// The show's sound is not AAC; pictures alone are sent.
    SoundCodec,
}

/// Somebody who publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoder {
    /// From where, as its connection has it: behind a proxy, that is the proxy's.
    pub address: IpAddr,
    /// How it came: `rtmp`, `rtmps`, `srt` or `whip`.
    pub protocol: &'static str,
    /// When it was let in.
    pub since: UnixMillis,
}

/// Whether a channel is published to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Publisher {
    /// Nobody publishes, and nobody is waited for.
    Absent,
    /// An encoder is connected.
    Connected,
    /// The encoder is gone, and the stream waits for its return.
    Lost,
}

/// How well a publisher sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Bits per second of pictures.
    pub video_bits_per_second: u64,
    /// Bits per second of sound.
    pub audio_bits_per_second: u64,
    /// Thousandths of a picture per second.
    pub frame_rate_milli: u64,
    /// Between the last two keyframes.
    pub keyframe_interval: Option<Duration>,
    /// The longest of them.
    pub keyframe_interval_max: Option<Duration>,
    /// How far sound has moved ahead of the pictures since the beginning, milliseconds.
    pub drift_ms: i64,
    /// How much later media arrives than it did at its best.
    pub lag: Duration,
    /// Whether viewers run dry.
    pub starving: bool,
    /// Pictures that are missing between others.
    pub dropped_pictures: u64,
    /// Leaps of the timestamps.
    pub timestamp_jumps: u64,
}

/// How a channel is fed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ingest)]
pub(crate) struct Described {
    /// Milliseconds since 1970.
    #[schema(value_type = u64)]
    now: UnixMillis,
    /// The channel's id.
    #[schema(value_type = String)]
    channel: RoomId,
    publisher: Publisher,
    /// Null while nobody publishes.
    health: Option<Figures>,
    /// Who publishes: the one that is shown first, then the one that stands by.
    encoders: Vec<Connected>,
    /// The platforms that the shows are pushed on to, in the order of the configuration; of the server that answers.
    simulcast: Vec<Pushed>,
}

/// A platform that the channel's shows are pushed on to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Push)]
struct Pushed {
    /// What the configuration calls it.
    #[schema(value_type = String)]
    name: Arc<str>,
    /// Its host, without port and path.
    #[schema(value_type = String, example = "live.example")]
    host: Arc<str>,
    state: PushState,
    /// Since when it has been in that state, milliseconds since 1970.
    #[schema(value_type = u64)]
    since: UnixMillis,
    /// When it is tried again, milliseconds since 1970; null where it does not wait for that.
    #[schema(value_type = Option<u64>)]
    retry_at: Option<UnixMillis>,
    /// Bytes sent since the server was started.
    sent_bytes: u64,
    /// Pictures given up since then because the platform took too little.
    dropped: u64,
    /// Pushes begun since then because one before had failed.
    reconnects: u64,
    /// What is wrong; null where nothing is. Also while it is tried again.
    error: Option<PushError>,
}

/// An encoder that is connected.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Encoder)]
struct Connected {
    /// From where, as its connection has it: behind a proxy, that is the proxy's.
    #[schema(value_type = String, example = "203.0.113.7")]
    address: IpAddr,
    /// How it came: `rtmp`, `rtmps`, `srt` or `whip`.
    #[schema(example = "srt")]
    protocol: &'static str,
    /// When it was let in, milliseconds since 1970.
    #[schema(value_type = u64)]
    since: UnixMillis,
    /// Whether it is the one that is shown, and does not stand by.
    shown: bool,
}

/// How well a publisher sends: rates of the last ten seconds, counts of its whole stay.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IngestHealth)]
struct Figures {
    /// Bits per second of pictures.
    video_bits_per_second: u64,
    /// Bits per second of sound.
    audio_bits_per_second: u64,
    /// Pictures per second, to a thousandth.
    frame_rate: f64,
    /// Between the last two keyframes.
    keyframe_interval_ms: Option<u64>,
    /// The longest of them.
    keyframe_interval_max_ms: Option<u64>,
    /// How far sound has moved ahead of the pictures since the beginning.
    drift_ms: i64,
    /// How much later media arrives than it did at its best.
    lag_ms: u64,
    /// Whether viewers run dry.
    starving: bool,
    /// Pictures that are missing between others.
    dropped_pictures: u64,
    /// Leaps of the timestamps.
    timestamp_jumps: u64,
}

/// Reads how a channel is fed
///
/// How well its publisher sends, where it comes from, and how its shows are pushed on to other platforms. For staff.
#[utoipa::path(
    get, path = "/channels/{id}/ingest", tag = "shows", operation_id = "readIngest",
    params(ChannelPath), security(("bearer" = [])),
    responses(
        (status = 200, description = "How it is fed.", body = Described),
        (status = 404, description = "`unknown_channel`: no channel of this id is configured."),
    ),
)]
async fn show(
    State(api): State<Arc<Api>>,
    Staff { now }: Staff,
    InPath(ChannelPath { id }): InPath<ChannelPath>,
) -> Result<Answer<Described>, Problem> {
    let channel = api.channel(&id)?.id.clone();
    let Ingest {
        publisher,
        health,
        encoders: (shown, standby),
        simulcast,
    } = api.shows.ingest(&channel);
    let shown = shown.map(|encoder| connected(encoder, true));
    let standby = standby.map(|encoder| connected(encoder, false));
    Ok(fresh(Described {
        now,
        channel,
        publisher,
        health: health.map(|health| figures(&health)),
        encoders: shown.into_iter().chain(standby).collect(),
        simulcast: simulcast.into_iter().map(pushed).collect(),
    }))
}

fn pushed(push: Push) -> Pushed {
    let Push {
        name,
        host,
        state,
        since,
        retry_at,
        sent_bytes,
        dropped_pictures,
        reconnects,
        error,
    } = push;
    Pushed {
        name,
        host,
        state,
        since,
        retry_at,
        sent_bytes,
        dropped: dropped_pictures,
        reconnects,
        error,
    }
}

fn connected(encoder: Encoder, shown: bool) -> Connected {
    let Encoder {
        address,
        protocol,
        since,
    } = encoder;
    Connected {
        address,
        protocol,
        since,
        shown,
    }
}

fn figures(health: &Health) -> Figures {
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    // A rate is a few hundred thousand thousandths: exact as a float.
    let milli = u32::try_from(health.frame_rate_milli).unwrap_or(u32::MAX);
    Figures {
        video_bits_per_second: health.video_bits_per_second,
        audio_bits_per_second: health.audio_bits_per_second,
        frame_rate: f64::from(milli) / 1_000.0,
        keyframe_interval_ms: health.keyframe_interval.map(millis),
        keyframe_interval_max_ms: health.keyframe_interval_max.map(millis),
        drift_ms: health.drift_ms,
        lag_ms: millis(health.lag),
        starving: health.starving,
        dropped_pictures: health.dropped_pictures,
        timestamp_jumps: health.timestamp_jumps,
    }
}
