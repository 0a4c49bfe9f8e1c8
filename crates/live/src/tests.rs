//! Tests of the crate as its shell uses it; laws of one module are tested beside it.

mod clock;
mod gap;
mod grace;
mod laws;
mod parsed;
mod ranges;
mod requests;
mod shadows;
mod show;

use std::time::Duration;

use crate::{Config, Kind, Moment, RenditionId, RenditionSpec, Settings, WallTime};

const VIDEO: RenditionId = RenditionId(0);
const AUDIO: RenditionId = RenditionId(1);

/// 2026-11-22T19:00:00Z.
const SHOWTIME: WallTime = WallTime(1_795_374_000_000);

fn config(settings: Settings) -> Config {
    let spec = |name: &str, kind, timescale| RenditionSpec {
        name: name.parse().unwrap(),
        kind,
        timescale,
    };
    let renditions = vec![
        spec("video", Kind::Video, 90_000),
        spec("audio", Kind::Audio, 48_000),
    ];
    Config::new(settings, renditions).unwrap()
}

fn at(millis: u64) -> Moment {
    Moment(Duration::from_millis(millis))
}
