//! Playlists as a function of how many parts there are.

use std::fmt::Write;

use super::{Origin, WINDOW, defect::Defect};

/// The renditions of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rendition {
    Video,
    Audio,
}

impl Rendition {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Video => "v",
            Self::Audio => "a",
        }
    }

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Video => Self::Audio,
            Self::Audio => Self::Video,
        }
    }
}

/// Segments with a discontinuity before them. The first is removed while a run lasts, the second comes in it.
pub(crate) const DISCONTINUITIES: [u64; 2] = [12, 24];

/// Segments that nobody sends media for, where the encoder is lost: those before the second discontinuity.
pub(crate) const MISSING: std::ops::Range<u64> = 22..24;

pub(crate) fn is_missing(origin: &Origin, msn: u64) -> bool {
    origin.has(Defect::Interrupted) && MISSING.contains(&msn)
}

/// What a request wants left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delta {
    None,
    Yes,
    V2,
}

/// A date so many milliseconds after the first of January.
fn date(millis: i64) -> String {
    let (seconds, millis) = (millis.div_euclid(1_000), millis.rem_euclid(1_000));
    format!(
        "2026-01-01T{:02}:{:02}:{:02}.{millis:03}Z",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

pub(crate) fn multivariant(origin: &Origin) -> String {
    let frame_rate = if origin.has(Defect::BandwidthMissing) {
        ""
    } else {
        ",FRAME-RATE=10.000"
    };
    let bandwidth = if origin.has(Defect::BandwidthExceeded) {
        60_000
    } else {
        120_000
    };
    let group = if origin.has(Defect::GroupMissing) {
        "none"
    } else {
        "aac"
    };
    let host = if origin.has(Defect::ManyHosts) {
        "https://cdn.test/live/"
    } else {
        ""
    };
    let mut text = format!(
        "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"Sound\",DEFAULT=YES,AUTOSELECT=YES,URI=\"{host}a.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH={bandwidth},AVERAGE-BANDWIDTH=100000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=320x180{frame_rate},AUDIO=\"{group}\"\nv.m3u8\n"
    );
    if origin.has(Defect::PlaylistMissing) {
        text.push_str("#EXT-X-STREAM-INF:BANDWIDTH=9000,AVERAGE-BANDWIDTH=9000,CODECS=\"mp4a.40.2\"\nmissing.m3u8\n");
    }
    text
}

/// The playlist when there are so many parts.
pub(crate) fn media(origin: &Origin, rendition: Rendition, parts: u64, delta: Delta) -> String {
    let mut text = String::new();
    write(
        &mut text,
        &Playlist {
            origin,
            rendition,
            parts,
        },
        delta,
    )
    .unwrap();
    text
}

struct Playlist<'a> {
    origin: &'a Origin,
    rendition: Rendition,
    parts: u64,
}

impl Playlist<'_> {
    fn has(&self, defect: Defect) -> bool {
        self.origin.has(defect)
    }

    fn whole(&self) -> u64 {
        self.parts / self.origin.parts_per_segment()
    }

    fn first(&self) -> u64 {
        self.whole().saturating_sub(self.origin.window())
    }

    /// Whether something has happened that happens in the middle of a run.
    fn is_late(&self) -> bool {
        self.parts >= self.origin.first_parts() + 25
    }

    fn is_ended(&self) -> bool {
        let end = self.origin.end();
        let grows = self.has(Defect::ChangedAfterEnd);
        end.is_some_and(|end| {
            self.parts >= end && !(grows && self.parts > end + 5 && self.parts < end + 10)
        })
    }
}

type Written = std::fmt::Result;

fn write(text: &mut String, list: &Playlist<'_>, delta: Delta) -> Written {
    head(text, list, delta)?;
    let skipped = if delta == Delta::None {
        0
    } else {
        skipped(list)
    };
    if list.has(Defect::DateRange) {
        writeln!(text, "#EXT-X-DATERANGE:ID=\"ad\",DURATION=1.0")?;
    } else if list.has(Defect::NoDelta2) || list.has(Defect::Ranges) {
        writeln!(
            text,
            "#EXT-X-DATERANGE:ID=\"ad\",START-DATE=\"2026-01-01T00:00:10.000Z\",DURATION=1.0"
        )?;
    }
    if skipped > 0 {
        let removed = if delta == Delta::V2 && !list.has(Defect::NoDelta2) {
            ",RECENTLY-REMOVED-DATERANGES=\"\""
        } else {
            ""
        };
        writeln!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}{removed}")?;
    } else if !list.has(Defect::MapMissing) {
        writeln!(
            text,
            "#EXT-X-MAP:URI=\"{}/init.mp4\"",
            list.rendition.name()
        )?;
    }
    for msn in list.first() + skipped..list.whole() {
        segment(text, list, msn)?;
    }
    if list.has(Defect::SequenceLate) {
        writeln!(
            text,
            "#EXT-X-DISCONTINUITY-SEQUENCE:{}",
            discontinuity_sequence(list)
        )?;
    }
    let open = list.parts % list.origin.parts_per_segment();
    if open > 0 && !list.is_ended() {
        tags(text, list, list.whole())?;
        for part in 0..open {
            part_tag(text, list, list.whole(), part)?;
        }
    }
    tail(text, list, delta)
}

/// How many whole segments are further from the end than the boundary.
fn skipped(list: &Playlist<'_>) -> u64 {
    let large = list.has(Defect::TargetDurationChanged) || list.has(Defect::TargetDurationDiffers);
    let boundary = match () {
        () if list.has(Defect::SkippedTooMuch) => 3,
        () if list.has(Defect::SkipUntilShort) => 4,
        () if large => 12,
        () => 6,
    };
    let near = boundary * 5 / list.origin.parts_per_segment();
    (list.whole() - list.first()).saturating_sub(near + 1)
}

fn discontinuity_sequence(list: &Playlist<'_>) -> u64 {
    let gone = DISCONTINUITIES
        .iter()
        .filter(|at| **at < list.first())
        .count() as u64;
    let gone = if list.has(Defect::DiscontinuityWrong) {
        0
    } else {
        gone
    };
    gone + u64::from(list.has(Defect::DiscontinuitiesDiffer) && list.rendition == Rendition::Audio)
}

fn head(text: &mut String, list: &Playlist<'_>, delta: Delta) -> Written {
    writeln!(text, "#EXTM3U")?;
    let version = match delta {
        Delta::None if list.has(Defect::VersionHigh) => 9,
        _ if list.has(Defect::VersionLow) => 3,
        Delta::None => 6,
        Delta::Yes => 9,
        Delta::V2 => 10,
    };
    writeln!(text, "#EXT-X-VERSION:{version}")?;
    let audio = list.rendition == Rendition::Audio;
    let target = match () {
        () if list.has(Defect::TargetDurationChanged) && !list.is_late() => 2,
        () if list.has(Defect::TargetDurationDiffers) && audio => 2,
        () => 1,
    };
    if !list.has(Defect::TargetDurationMissing) {
        writeln!(text, "#EXT-X-TARGETDURATION:{target}")?;
    }
    if list.has(Defect::Duplicate) {
        writeln!(text, "#EXT-X-TARGETDURATION:{target}")?;
    }
    if list.has(Defect::MixedTags) {
        writeln!(text, "#EXT-X-SESSION-DATA:DATA-ID=\"a.b\",VALUE=\"c\"")?;
    }
    if list.has(Defect::UnknownTag) {
        writeln!(text, "#EXT-X-FANCY:0")?;
    }
    if list.has(Defect::LastMinuteStart) {
        writeln!(text, "#EXT-X-START:TIME-OFFSET=-1.0")?;
    }
    control(text, list)?;
    let part_target = match () {
        () if list.has(Defect::PartTooLong) => "0.19",
        () if list.has(Defect::PartTooShort) => "0.25",
        () => "0.2",
    };
    if !list.has(Defect::PartInfMissing) {
        writeln!(text, "#EXT-X-PART-INF:PART-TARGET={part_target}")?;
    }
    if list.has(Defect::TypeOfLive) {
        writeln!(text, "#EXT-X-PLAYLIST-TYPE:EVENT")?;
    }
    let shift = list.origin.shift(list.parts);
    writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{}", list.first() + shift)?;
    if !list.has(Defect::DiscontinuitySequenceMissing) && !list.has(Defect::SequenceLate) {
        writeln!(
            text,
            "#EXT-X-DISCONTINUITY-SEQUENCE:{}",
            discontinuity_sequence(list)
        )?;
    }
    Ok(())
}

fn control(text: &mut String, list: &Playlist<'_>) -> Written {
    let large = list.has(Defect::TargetDurationChanged) || list.has(Defect::TargetDurationDiffers);
    let part_hold_back = match () {
        () if list.has(Defect::PartHoldBackTooShort) => "0.3",
        () if list.has(Defect::PartHoldBackShort) => "0.5",
        () if list.has(Defect::PartTooShort) => "0.75",
        () if list.has(Defect::PartTargetChanged) && list.is_late() => "0.7",
        () => "0.6",
    };
    let hold_back = match () {
        () if list.has(Defect::HoldBackShort) => "2.0",
        () if list.has(Defect::ControlDiffers) && list.rendition == Rendition::Audio => "4.0",
        () if large => "6.0",
        () => "3.0",
    };
    let skip = match () {
        () if list.has(Defect::SkipUntilShort) => ",CAN-SKIP-UNTIL=4.0",
        () if list.has(Defect::SkipUnasked) || list.has(Defect::DeltaNotOffered) => "",
        () if large => ",CAN-SKIP-UNTIL=12.0",
        () if list.has(Defect::NoDelta2) || list.has(Defect::Ranges) => {
            ",CAN-SKIP-UNTIL=6.0,CAN-SKIP-DATERANGES=YES"
        }
        () => ",CAN-SKIP-UNTIL=6.0",
    };
    let block = if list.has(Defect::NoBlocking) {
        ""
    } else {
        "CAN-BLOCK-RELOAD=YES,"
    };
    writeln!(
        text,
        "#EXT-X-SERVER-CONTROL:{block}PART-HOLD-BACK={part_hold_back},HOLD-BACK={hold_back}{skip}"
    )
}

/// Tags of a segment that stand before its parts.
fn tags(text: &mut String, list: &Playlist<'_>, msn: u64) -> Written {
    let is_discontinuous = DISCONTINUITIES.contains(&msn);
    if is_discontinuous {
        writeln!(text, "#EXT-X-DISCONTINUITY")?;
    }
    let lacks_date = list.has(Defect::DateMissing)
        || (list.has(Defect::DateAfterDiscontinuity) && is_discontinuous);
    if !lacks_date && !list.has(Defect::LateTag) {
        date_tag(text, list, msn)?;
    }
    Ok(())
}

fn date_tag(text: &mut String, list: &Playlist<'_>, msn: u64) -> Written {
    let mut millis = i64::try_from(msn * list.origin.parts_per_segment() * 200).unwrap();
    if list.has(Defect::DatesOverlap) && msn >= 26 {
        millis -= 2_000;
    }
    if list.has(Defect::DatesJump) && msn >= 26 {
        millis += 700;
    }
    writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", date(millis))
}

fn segment(text: &mut String, list: &Playlist<'_>, msn: u64) -> Written {
    tags(text, list, msn)?;
    let age = list.whole() - msn;
    let keeps = match () {
        () if list.has(Defect::OldParts) => 8,
        () if list.has(Defect::PartsRemovedEarly) => 1,
        () if list.has(Defect::SegmentTooLong) => 2,
        () => 4,
    };
    if age <= keeps {
        for part in 0..list.origin.parts_per_segment() {
            part_tag(text, list, msn, part)?;
        }
    }
    if list.has(Defect::LateTag) {
        date_tag(text, list, msn)?;
    }
    let length = list.origin.parts_per_segment() * 2;
    let mut extinf = format!("{}.{}0000", length / 10, length % 10);
    if list.has(Defect::SegmentChanged) && age > 5 {
        "0.99900".clone_into(&mut extinf);
    }
    if list.has(Defect::PartsDiffer) || list.has(Defect::DurationWrong) {
        "0.90000".clone_into(&mut extinf);
    }
    let comma = if list.has(Defect::Syntax) { "" } else { "," };
    if is_missing(list.origin, msn) {
        writeln!(text, "#EXT-X-GAP")?;
    }
    writeln!(
        text,
        "#EXTINF:{extinf}{comma}\n{}/{msn}.m4s",
        list.rendition.name()
    )
}

fn part_tag(text: &mut String, list: &Playlist<'_>, msn: u64, part: u64) -> Written {
    let is_whole = msn < list.whole();
    let is_marked = match () {
        () if list.has(Defect::NoIndependentPart) => false,
        () if list.has(Defect::IndependentWrong) && part == 1 => true,
        () if list.has(Defect::PartChanged) && part == 1 && is_whole => true,
        () => part == 0 || list.rendition == Rendition::Audio,
    };
    let mark = match () {
        () if is_missing(list.origin, msn) => ",GAP=YES",
        () if is_marked && list.has(Defect::Attribute) => ",INDEPENDENT=\"YES\"",
        () if is_marked => ",INDEPENDENT=YES",
        () => "",
    };
    let duration = if list.has(Defect::DurationWrong) {
        "0.18000"
    } else {
        "0.20000"
    };
    writeln!(
        text,
        "#EXT-X-PART:DURATION={duration},URI=\"{}/{msn}.{part}.m4s\"{mark}",
        list.rendition.name()
    )
}

fn tail(text: &mut String, list: &Playlist<'_>, delta: Delta) -> Written {
    let per = list.origin.parts_per_segment();
    let (msn, part) = (list.parts / per, list.parts % per);
    let name = list.rendition.name();
    if list.is_ended() {
        if list.has(Defect::HintAfterEnd) {
            writeln!(
                text,
                "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{name}/{msn}.{part}.m4s\""
            )?;
        }
        return writeln!(text, "#EXT-X-ENDLIST");
    }
    // Nothing is hinted at behind a gap: there may be more of it.
    let is_away = is_missing(list.origin, (list.parts - 1) / per);
    if !list.has(Defect::HintMissing) && !is_away {
        let odd = if list.has(Defect::HintBroken) {
            "-hint"
        } else {
            ""
        };
        writeln!(
            text,
            "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{name}/{msn}.{part}{odd}.m4s\""
        )?;
    }
    if list.has(Defect::HintRepeated) {
        writeln!(
            text,
            "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{name}/{msn}.{}.m4s\"",
            part + 1
        )?;
    }
    let is_missing =
        list.has(Defect::ReportMissing) || (list.has(Defect::DeltaWrong) && delta != Delta::None);
    if !is_missing {
        report(text, list)?;
    }
    Ok(())
}

fn report(text: &mut String, list: &Playlist<'_>) -> Written {
    let per = list.origin.parts_per_segment();
    let other = list.rendition.other();
    let last = list
        .origin
        .lagged(other, list.parts_on_the_wall())
        .saturating_sub(1);
    let (mut msn, part) = (last / per, last % per);
    msn += list.origin.shift(list.parts);
    if list.has(Defect::ReportUntrue) {
        msn -= 2;
    }
    let host = if list.has(Defect::ReportAttributes) {
        "https://origin.test/live/"
    } else {
        ""
    };
    writeln!(
        text,
        "#EXT-X-RENDITION-REPORT:URI=\"{host}{}.m3u8\",LAST-MSN={msn},LAST-PART={part}",
        other.name()
    )
}

impl Playlist<'_> {
    /// How far the stream is, whatever this rendition is behind.
    fn parts_on_the_wall(&self) -> u64 {
        self.parts + self.origin.lag(self.rendition)
    }
}

/// How many segments a window has where nothing is said about it.
pub(crate) const USUAL_WINDOW: u64 = WINDOW;
