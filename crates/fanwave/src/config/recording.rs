//! `[dvr]` and `[recording]`: what is kept of shows, while they are on and when they are over.

use std::{collections::BTreeSet, time::Duration};

use fanwave_origin::{
    RecordingConfig,
    limits::{DVR_WINDOW_MAX, DVR_WINDOW_MIN},
};
use fanwave_wire::RoomId;

use super::{check::Check, duration, schema, settings::KeyPath};

/// Longest time that a recording may be kept for; longer is for good.
const KEEP_MAX: Duration = Duration::from_secs(3_650 * 86_400);

/// Most that recordings may be allowed to take, GiB.
const GIB_MAX: u64 = 1_000_000;

/// From the shortest that is worth a disk to the longest that a playlist may list; zero for none.
pub(super) fn dvr_window(check: &mut Check<'_>, text: &str) -> Option<Duration> {
    if duration::parse(text) == Ok(Duration::ZERO) {
        return None;
    }
    let range = DVR_WINDOW_MIN..=DVR_WINDOW_MAX;
    Some(check.duration(KeyPath::of("dvr", "window"), text, range))
}

/// The channels of these ids, or all for `*`.
pub(super) fn chosen(
    check: &mut Check<'_>,
    key: KeyPath,
    ids: &[String],
    channels: &[schema::Channel],
) -> BTreeSet<RoomId> {
    let known = || {
        channels
            .iter()
            .filter_map(|channel| channel.id.parse().ok())
    };
    let mut chosen: BTreeSet<RoomId> = BTreeSet::new();
    for id in ids {
        match known().find(|channel: &RoomId| channel.as_str() == id) {
            Some(channel) => drop(chosen.insert(channel)),
            None if id == "*" => chosen.extend(known()),
            None => check.refuse(key, format!("holds \"{id}\", which is no channel's id")),
        }
    }
    chosen
}

pub(super) fn plan(
    check: &mut Check<'_>,
    recording: &schema::Recording,
    channels: &[schema::Channel],
) -> RecordingConfig {
    let key = |name| KeyPath::of("recording", name);
    let recorded = chosen(check, key("channels"), &recording.channels, channels);
    let keep = match duration::parse(&recording.keep) {
        Ok(Duration::ZERO) => None,
        _ => {
            let range = Duration::from_secs(60)..=KEEP_MAX;
            Some(check.duration(key("keep"), &recording.keep, range))
        }
    };
    let gib: u64 = check.number(key("gib_max"), recording.gib_max, 0..=GIB_MAX);
    RecordingConfig {
        channels: recorded,
        keep,
        bytes_max: (gib > 0).then_some(gib << 30),
    }
}
