//! The form of what is heard and told of players: docs/openapi.json is made of it.

use fanwave_wire::{
    RoomId, UnixMillis,
    limits::{
        BEACON_BITRATE_MAX, BEACON_COUNT_MAX, BEACON_HEIGHT_MAX, BEACON_LATENCY_MS_MAX,
        BEACON_SEQUENCE_MAX, BEACON_SPAN_MS_MAX,
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Asked,
    window::{Point, Sums, Window},
};
use crate::limits::QUALITY_RUNGS;

/// How a picture has played since the beacon before: [`fanwave_wire::beacon`], described. It is pure, and does not know that there are
/// descriptions; nothing is ever made of this one, and a test compares the two.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBeacon {
    /// 128 random bits of one view of the page; nothing that stays the same at the next.
    #[schema(
        pattern = "^[0-9a-f]{32}$",
        min_length = 32,
        max_length = 32,
        example = "4f3a0c9d5b7e4a1c8d2f6e0b1a3c5d7e"
    )]
    pub(super) session: String,
    /// Counts the beacons of the session. One that is sent again under its number is counted once, and one that is older than another is not.
    #[schema(minimum = 1, maximum = 10_000_000)]
    pub(super) sequence: u32,
    /// From the wish for a picture to the first one; in one beacon of a session.
    #[schema(minimum = 0, maximum = 600_000, example = 1_240)]
    pub(super) startup_ms: Option<u32>,
    /// For how long the picture moved since the beacon before.
    #[schema(minimum = 0, maximum = 600_000, example = 9_800)]
    pub(super) played_ms: u32,
    /// Stalls that began since then.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1_000)]
    pub(super) stalls: u32,
    /// For how long the picture stood still since then, although the fan wanted it to move.
    #[schema(minimum = 0, maximum = 600_000, example = 200)]
    pub(super) stalled_ms: u32,
    /// From the stage to the screen, on the average since then; left out where it is not known, or chosen by the fan.
    #[schema(minimum = 0, maximum = 86_400_000, example = 3_100)]
    pub(super) latency_ms: Option<u32>,
    /// The shorter side of the picture that plays, pixels.
    #[schema(minimum = 1, maximum = 8_640, example = 720)]
    pub(super) height: Option<u32>,
    /// Bits per second of the quality that plays.
    #[schema(minimum = 1, maximum = 1_000_000_000, example = 2_500_000)]
    pub(super) bitrate: Option<u32>,
    /// Changes of the quality since then.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1_000)]
    pub(super) switches: u32,
    /// Sources that were lost for good since then, and looked for anew.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1_000)]
    pub(super) errors: u32,
}

const _: () = assert!(
    BEACON_SEQUENCE_MAX == 10_000_000
        && BEACON_SPAN_MS_MAX == 600_000
        && BEACON_COUNT_MAX == 1_000
        && BEACON_LATENCY_MS_MAX == 86_400_000
        && BEACON_HEIGHT_MAX == 8_640
        && BEACON_BITRATE_MAX == 1_000_000_000
);

/// How the players of a channel fare, as far as they have told the server that answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quality)]
pub(super) struct Told {
    /// Milliseconds since 1970.
    #[schema(value_type = u64)]
    now: UnixMillis,
    /// The channel's id.
    #[schema(value_type = String)]
    channel: RoomId,
    /// What the server that has heard it is called.
    server: String,
    /// What pages are asked for; null where that is nothing.
    asked: Option<Asked>,
    /// The last five minutes.
    total: Total,
    /// The same over time, the oldest first: one every five seconds, each of the half minute before it. None where nothing was told.
    points: Vec<Moment>,
}

/// The last five minutes, or half a minute of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QualityFigures)]
struct Figures {
    /// Of the time in which a picture was wanted, the part in which it stood still; null where nothing was told.
    #[schema(minimum = 0, maximum = 100)]
    stalled_percent: Option<f64>,
    /// What half of the starts stay below; null where there was none.
    startup_p50_ms: Option<u64>,
    /// What 95 % of the starts stay below.
    startup_p95_ms: Option<u64>,
    /// What half of the beacons stay below; null where none told it.
    latency_p50_ms: Option<u64>,
    /// What 95 % of the beacons stay below.
    latency_p95_ms: Option<u64>,
    /// Bits per second that were played on the average; null where none told it.
    bitrate: Option<u64>,
    /// Sources that players have lost.
    errors: u64,
}

/// How players fared in the half minute before a moment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QualityPoint)]
struct Moment {
    /// Milliseconds since 1970.
    #[schema(value_type = u64)]
    at: UnixMillis,
    /// Sessions that told something.
    viewers: usize,
    figures: Figures,
}

/// How players fared in the last five minutes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QualityTotal)]
struct Total {
    /// Sessions that told something in the last half minute.
    viewers: usize,
    /// Beacons that were counted.
    beacons: u64,
    /// Starts that were told.
    startups: u64,
    /// For how long pictures moved, all players together.
    played_ms: u64,
    /// For how long they stood still.
    stalled_ms: u64,
    /// Stalls that began.
    stalls: u64,
    /// Changes of the quality.
    switches: u64,
    figures: Figures,
    /// What was watched, the largest first. Qualities that nobody watched are not among them.
    rungs: Vec<Rung>,
}

/// A class of qualities.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QualityRung)]
struct Rung {
    /// Up to so many pixels on the shorter side; null: more than the largest class has.
    height: Option<u32>,
    /// The part of the time in which it was watched, of that in which the quality is known.
    #[schema(minimum = 0, maximum = 100)]
    percent: f64,
}

impl Told {
    pub(super) fn new(
        now: UnixMillis,
        (channel, server, asked): (RoomId, String, Option<Asked>),
        mut window: Option<&mut Window>,
    ) -> Self {
        let sums = window.as_mut().map(|window| window.total(now));
        let sums = sums.unwrap_or_default();
        let viewers = window.as_mut().map_or(0, |window| window.viewers(now));
        let points = window.map(|window| window.points(now)).unwrap_or_default();
        Self {
            now,
            channel,
            server,
            asked,
            total: total(viewers, &sums),
            points: points.iter().map(moment).collect(),
        }
    }
}

fn moment(point: &Point) -> Moment {
    Moment {
        at: point.at,
        viewers: point.viewers,
        figures: figures(&point.sums),
    }
}

fn total(viewers: usize, sums: &Sums) -> Total {
    Total {
        viewers,
        beacons: sums.beacons,
        startups: sums.startup.total(),
        played_ms: sums.played_ms,
        stalled_ms: sums.stalled_ms,
        stalls: sums.stalls,
        switches: sums.switches,
        figures: figures(sums),
        rungs: rungs(sums),
    }
}

fn figures(sums: &Sums) -> Figures {
    Figures {
        stalled_percent: sums.stalled_share().map(percent),
        startup_p50_ms: sums.startup.quantile(50),
        startup_p95_ms: sums.startup.quantile(95),
        latency_p50_ms: sums.latency.quantile(50),
        latency_p95_ms: sums.latency.quantile(95),
        bitrate: sums.bitrate(),
        errors: sums.errors,
    }
}

fn rungs(sums: &Sums) -> Vec<Rung> {
    let classes = (0..sums.rungs.len()).rev();
    let watched = classes.filter(|class| sums.rungs[*class] > 0);
    let rung = |class: usize| Rung {
        height: QUALITY_RUNGS.get(class).copied(),
        percent: sums.rung_share(class).map_or(0.0, percent),
    };
    watched.map(rung).collect()
}

/// Ten-thousandths as percent.
fn percent(share: u64) -> f64 {
    f64::from(u32::try_from(share).unwrap_or(u32::MAX)) / 100.0
}
