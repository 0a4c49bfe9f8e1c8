//! The bytes of one rendition, and the bandwidth they take.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range as Span,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use fanwave_live::{
    Config, InitId, Live, Media, MediaSeq, Moment, Position, RenditionId, SegmentEntry,
    render::{AudioRendition, Form, Multivariant, Variant, VideoRange},
};
use fanwave_media::{AudioTrack, Range, Track, TrackId, TrackKind, Tracks, VideoTrack};

use crate::{http::Prepared, limits::UNSTORED_SEGMENTS_MAX, playlist::Playlist};

/// Parts of a rendition whose answers are kept: those that players at the live edge ask for.
const PREPARED_PARTS_MAX: usize = 4;

/// The bytes of one rendition. What is on it, and for how long, is the playlist machine's decision.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) inits: BTreeMap<InitId, Bytes>,
    pub(super) segments: BTreeMap<MediaSeq, Held>,
    /// Whole segments that the storage has not taken yet, if there is a storage; at most [`UNSTORED_SEGMENTS_MAX`].
    pub(super) unstored: VecDeque<Whole>,
    /// The first segment that is not whole.
    next_whole: MediaSeq,
    /// Discontinuities before it.
    discontinuities: u64,
    /// The first segment whose bytes are still here.
    pub(super) next_to_drop: MediaSeq,
    /// By when the first of those who wait for something of it is answered, if anybody does.
    held_until: Option<Moment>,
    /// The answers of the latest parts that were asked for; at most [`PREPARED_PARTS_MAX`].
    prepared: BTreeMap<Position, Arc<Prepared>>,
    /// The latest playlist in each of its forms that was asked for.
    pub(super) playlists: [Option<Arc<Playlist>>; Form::ALL.len()],
    pub(super) rate: Rate,
    /// Of a rendition that is made from another, once its encoder has said it.
    pub(super) made: Option<Made>,
}

/// What an encoder makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) track: Track,
    /// What it was told to make, bits per second.
    pub(crate) bandwidth: u64,
}

/// A segment that has had its last part.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    pub(crate) segment: Arc<SegmentEntry>,
    /// Discontinuities of its rendition before its first picture, since the stream began.
    pub(crate) discontinuities: u64,
}

/// The bytes of one segment, or where they are.
#[derive(Debug)]
pub(super) enum Held {
    /// Here, a piece for each part.
    Here {
        pieces: Vec<Bytes>,
        /// Whether they are in the storage as well.
        stored: bool,
    },
    /// In the storage alone: where each part ends in the segment's file.
    Stored(Box<[u32]>),
}

impl Default for Held {
    fn default() -> Self {
        Self::Here {
            pieces: Vec::new(),
            stored: false,
        }
    }
}

impl Held {
    pub(super) fn push(&mut self, piece: Bytes) {
        // What is stored is whole, and grows no more.
        if let Self::Here { pieces, .. } = self {
            pieces.push(piece);
        }
    }

    /// Bytes that it takes here.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Here { pieces, .. } => pieces.iter().map(Bytes::len).sum(),
            Self::Stored(_) => 0,
        }
    }

    pub(super) fn is_stored(&self) -> bool {
        match self {
            Self::Here { stored, .. } => *stored,
            Self::Stored(_) => true,
        }
    }

    /// Lets go of what is in the storage as well.
    fn drop_stored(&mut self) {
        if let Self::Here {
            pieces,
            stored: true,
        } = self
        {
            let mut end = 0_u32;
            let ends = pieces.iter().map(|piece| {
                // A part is bounded far below this.
                end = end.saturating_add(u32::try_from(piece.len()).unwrap_or(u32::MAX));
                end
            });
            *self = Self::Stored(ends.collect());
        }
    }
}

/// Media that was found.
#[derive(Debug)]
pub(crate) enum Found {
    /// The answer to whoever wants all of it.
    Prepared(Arc<Prepared>),
    /// Its pieces.
    Pieces(Vec<Bytes>),
    /// A stretch of a segment's file in the storage.
    Stored { msn: MediaSeq, span: Span<u64> },
}

impl Shelf {
    pub(super) fn new(first: MediaSeq) -> Self {
        Self {
            next_whole: first,
            next_to_drop: first,
            ..Self::default()
        }
    }

    pub(super) fn find(&self, media: Media) -> Option<Found> {
        match media {
            Media::Init(init) => {
                let bytes = self.inits.get(&init)?;
                Some(Found::Pieces(vec![bytes.clone()]))
            }
            Media::Segment(msn) => match self.segments.get(&msn)? {
                Held::Here { pieces, .. } => Some(Found::Pieces(pieces.clone())),
                Held::Stored(ends) => {
                    let span = 0..u64::from(*ends.last()?);
                    Some(Found::Stored { msn, span })
                }
            },
            Media::Part(Position { msn, part }) => {
                let index = usize::try_from(part.0).ok()?;
                match self.segments.get(&msn)? {
                    Held::Here { pieces, .. } => {
                        Some(Found::Pieces(vec![pieces.get(index)?.clone()]))
                    }
                    Held::Stored(ends) => {
                        let before = index.checked_sub(1).and_then(|before| ends.get(before));
                        let start = before.map_or(0, |end| u64::from(*end));
                        let span = start..u64::from(*ends.get(index)?);
                        Some(Found::Stored { msn, span })
                    }
                }
            }
        }
    }

    /// Somebody waits until then at most.
    pub(super) fn hold(&mut self, until: Moment) {
        self.held_until = Some(self.held_until.map_or(until, |held| held.min(until)));
    }

    /// All who wait are woken: who waits on says so again.
    pub(super) fn release(&mut self) {
        self.held_until = None;
    }

    /// Until when nobody has waited for too long.
    pub(super) fn held_until(&self) -> Option<Moment> {
        self.held_until
    }

    /// The answer to whoever wants all of a part, if it is kept.
    pub(super) fn prepared(&self, position: Position) -> Option<&Arc<Prepared>> {
        self.prepared.get(&position)
    }

    /// Keeps it, if it is one of the latest. False where it is not: those who look back do not take the place of what all
    /// others ask for.
    pub(super) fn keep_prepared(&mut self, position: Position, part: Arc<Prepared>) -> bool {
        if self.prepared.len() >= PREPARED_PARTS_MAX
            && self
                .prepared
                .keys()
                .next()
                .is_some_and(|first| position < *first)
        {
            return false;
        }
        self.prepared.insert(position, part);
        if self.prepared.len() > PREPARED_PARTS_MAX {
            self.prepared.pop_first();
        }
        true
    }

    /// Takes note of segments that have become whole.
    pub(super) fn note_whole(&mut self, live: &Live, rendition: RenditionId) {
        let Some(snapshot) = live.snapshot(rendition) else {
            return;
        };
        // Numbers that come from a clock may leap: what counts is what is listed.
        let known = snapshot
            .segments
            .partition_point(|segment| segment.msn < self.next_whole);
        for segment in snapshot.segments.iter().skip(known) {
            self.discontinuities += u64::from(segment.discontinuities);
            self.unstored.push_back(Whole {
                segment: Arc::clone(segment),
                discontinuities: self.discontinuities,
            });
            self.next_whole = segment.msn.next();
        }
        while self.unstored.len() > UNSTORED_SEGMENTS_MAX {
            self.unstored.pop_front();
        }
    }

    /// Lets go of segments before `from` that are in the storage; says how many bytes that freed.
    pub(super) fn drop_stored(&mut self, from: MediaSeq) -> usize {
        let mut freed = 0;
        if self.next_to_drop >= from {
            return freed;
        }
        for (msn, held) in self.segments.range_mut(self.next_to_drop..from) {
            if !held.is_stored() {
                self.next_to_drop = *msn;
                return freed;
            }
            freed += held.bytes();
            held.drop_stored();
        }
        self.next_to_drop = from;
        freed
    }
}

/// Measures the bandwidth and the picture rate that the multivariant playlist has to state.
#[derive(Debug, Default)]
pub(super) struct Rate {
    segment: Amount,
    total: Amount,
    peak: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Amount {
    bytes: u64,
    samples: u64,
    duration: Duration,
}

impl Amount {
    fn add(&mut self, bytes: usize, samples: usize, duration: Duration) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.samples = self.samples.saturating_add(samples as u64);
        self.duration = self.duration.saturating_add(duration);
    }

    fn bits_per_second(self) -> u64 {
        let micros = self.duration.as_micros().max(1);
        u64::try_from(u128::from(self.bytes) * 8 * 1_000_000 / micros).unwrap_or(u64::MAX)
    }
}

impl Rate {
    pub(super) fn add(&mut self, bytes: usize, samples: usize, duration: Duration) {
        self.segment.add(bytes, samples, duration);
        self.total.add(bytes, samples, duration);
    }

    pub(super) fn end_segment(&mut self) {
        self.peak = self
            .peak
            .max(std::mem::take(&mut self.segment).bits_per_second());
    }

    /// The greatest of any segment with a tenth to spare: a live peak may exceed what was stated by a quarter at most
    /// (authoring rule 9.14), and what is to come is not known.
    fn stated_peak(&self) -> u64 {
        let peak = self.peak.max(self.average());
        peak.saturating_add(peak / 10)
    }

    pub(super) fn average(&self) -> u64 {
        self.total.bits_per_second()
    }

    /// Pictures per 1,000 seconds as counted, for encoders that do not say: authoring rule 9 wants the attribute always,
    /// and of a high dynamic range without it Apple's player plays nothing.
    ///
    /// Whole milliseconds blur a rate that is counted over a segment, so that one near a usual rate is taken for that.
    fn frame_rate_milli(&self) -> Option<u32> {
        let micros = self.total.duration.as_micros();
        let counted = (u128::from(self.total.samples) * 1_000_000_000).checked_div(micros)?;
        let counted = u32::try_from(counted).ok().filter(|rate| *rate > 0)?;
        let usual = USUAL_RATES_MILLI
            .into_iter()
            .min_by_key(|rate| rate.abs_diff(counted))
            .filter(|rate| rate.abs_diff(counted) <= rate / USUAL_RATE_NEAR);
        Some(usual.unwrap_or(counted))
    }
}

/// Rates that cameras and encoders have, pictures per 1,000 seconds.
const USUAL_RATES_MILLI: [u32; 11] = [
    15_000, 23_976, 24_000, 25_000, 29_970, 30_000, 48_000, 50_000, 59_940, 60_000, 120_000,
];

/// What part of a usual rate a counted one may be off by: a millisecond at each end of a segment of 1 s.
const USUAL_RATE_NEAR: u32 = 500;

/// What the multivariant playlist says.
///
/// Sound is a rendition of its own beside the pictures, in a group with all sound of the same codec: a player changes
/// between tracks of a group, but cannot change the codec within a variant. Every track of pictures is a variant with each
/// group, and so is each rung that is made of them, once its encoder has said what it makes. The first group stands alone at
/// the end as well, for those who only listen, or can get no more; where there are no pictures, every group does. AAC that is
/// made of Opus is a group like any, behind what it is made from, and stands alone too: there are players that know no other.
pub(super) fn multivariant(
    prefix: &str,
    config: &Config,
    tracks: &Tracks,
    shelves: &[Shelf],
) -> Multivariant {
    let all = Listing {
        prefix,
        config,
        shelves,
    };
    let groups = groups(tracks, config, shelves);
    let ids = tracks.ids().collect::<Vec<_>>();
    let pictures = ids
        .iter()
        .filter_map(|id| Some((*id, tracks.video(*id)?)))
        .collect::<Vec<_>>();
    let sent = pictures.iter().map(|(id, track)| Pictures {
        name: id.to_string(),
        track,
        frame_rate_millihertz: all.frame_rate_milli(*id, track),
        told: 0,
    });
    // Every picture of the source is in every rung.
    let frame_rate_millihertz = tracks
        .video(tracks.leader())
        .and_then(|source| all.frame_rate_milli(tracks.leader(), source));
    let made = config.shadows().filter_map(|(id, spec)| {
        let made = shelves.get(id.index())?.made.as_ref()?;
        let Track::Video(track) = &made.track else {
            return None;
        };
        Some(Pictures {
            name: spec.name.to_string(),
            track,
            frame_rate_millihertz,
            told: made.bandwidth,
        })
    });
    let listed: Vec<_> = sent.chain(made).collect();
    let mut variants = Vec::new();
    for group in &groups {
        variants.extend(listed.iter().map(|one| all.pictures(one, Some(group))));
    }
    if groups.is_empty() {
        variants.extend(listed.iter().map(|one| all.pictures(one, None)));
    }
    let alone = groups.iter().enumerate();
    let alone = alone.filter(|(place, group)| {
        pictures.is_empty() || *place == 0 || group.tracks.iter().any(|heard| heard.told > 0)
    });
    variants.extend(alone.map(|(_, group)| all.sound(group)));
    // Sound alone, and one track of it: there is nothing to choose from.
    let is_plain =
        pictures.is_empty() && groups.iter().map(|group| group.tracks.len()).sum::<usize>() == 1;
    if is_plain {
        variants.iter_mut().for_each(|variant| variant.audio = None);
    }
    let audio = groups
        .iter()
        .filter(|_| !is_plain)
        .flat_map(|group| group.renditions(prefix))
        .collect();
    Multivariant { variants, audio }
}

/// Audio tracks of one codec.
struct Group<'a> {
    /// GROUP-ID: `audio`, `audio-2`.
    id: String,
    codec: String,
    tracks: Vec<Heard<'a>>,
}

/// Sound to choose, as the publisher sends it or made of that.
struct Heard<'a> {
    name: String,
    /// The publisher's number of it, from 1 on.
    number: u16,
    track: &'a AudioTrack,
    /// What its encoder was told to make, bits per second; 0 of what the publisher sends.
    told: u64,
}

fn groups<'a>(tracks: &'a Tracks, config: &Config, shelves: &'a [Shelf]) -> Vec<Group<'a>> {
    let sent = tracks.ids().filter_map(|id| {
        Some(Heard {
            name: id.to_string(),
            number: u16::from(id.index) + 1,
            track: tracks.audio(id)?,
            told: 0,
        })
    });
    let made = config.sounds().filter_map(|(made, source)| {
        let (_, spec) = config.renditions().find(|(id, _)| *id == made)?;
        let sent = tracks.ids().find(|id| {
            id.kind == TrackKind::Audio && config.rendition(&id.to_string()) == Some(source)
        })?;
        let made = shelves.get(made.index())?.made.as_ref()?;
        match &made.track {
            Track::Video(_) => None,
            Track::Audio(track) => Some(Heard {
                name: spec.name.to_string(),
                number: u16::from(sent.index) + 1,
                track,
                told: made.bandwidth,
            }),
        }
    });
    let mut groups: Vec<Group<'_>> = Vec::new();
    for heard in sent.chain(made) {
        let codec = heard.track.config.codec();
        match groups.iter_mut().find(|group| group.codec == codec) {
            Some(group) => group.tracks.push(heard),
            None => groups.push(Group {
                id: match groups.len() {
                    0 => "audio".to_owned(),
                    earlier => format!("audio-{}", earlier + 1),
                },
                codec,
                tracks: vec![heard],
            }),
        }
    }
    groups
}

impl Group<'_> {
    fn renditions(&self, prefix: &str) -> Vec<AudioRendition> {
        let rendition = |(place, heard): (usize, &Heard<'_>)| {
            let (number, track) = (heard.number, heard.track);
            let plain = || match number {
                1 => "Audio".to_owned(),
                number => format!("Audio {number}"),
            };
            // Names within a group have to differ (section 4.4.6.1.1), and two tracks may be of one language.
            let called = |name: String| {
                let is_taken = self.tracks.iter().take(place).any(|earlier| {
                    let earlier = earlier.track;
                    (&earlier.label, &earlier.language) == (&track.label, &track.language)
                });
                if is_taken {
                    format!("{name} {number}")
                } else {
                    name
                }
            };
            let language = track.language.as_ref().map(ToString::to_string);
            let said = track.label.clone().or_else(|| language.clone());
            AudioRendition {
                group: self.id.clone(),
                uri: format!("{prefix}/{}.m3u8", heard.name),
                name: said.map_or_else(plain, called),
                language,
                is_default: place == 0,
                channels: track.config.channels().into(),
            }
        };
        self.tracks.iter().enumerate().map(rendition).collect()
    }
}

/// Pictures to choose, as the publisher sends them or made of those.
struct Pictures<'a> {
    name: String,
    track: &'a VideoTrack,
    frame_rate_millihertz: Option<u32>,
    /// What their encoder was told to make, bits per second; 0 if that is not known.
    told: u64,
}

/// What is known of all renditions of a stream.
struct Listing<'a> {
    prefix: &'a str,
    config: &'a Config,
    shelves: &'a [Shelf],
}

impl Listing<'_> {
    fn shelf(&self, name: &str) -> Option<&Shelf> {
        let rendition = self.config.rendition(name)?;
        self.shelves.get(rendition.index())
    }

    fn rate(&self, name: &str, of: fn(&Rate) -> u64) -> u64 {
        self.shelf(name).map_or(0, |shelf| of(&shelf.rate))
    }

    /// What the pictures say of their rate; counted where they say nothing.
    fn frame_rate_milli(&self, id: TrackId, track: &VideoTrack) -> Option<u32> {
        track
            .config
            .frame_rate_milli()
            .or_else(|| self.shelf(&id.to_string())?.rate.frame_rate_milli())
    }

    /// Of the track that takes most.
    fn group_rate(&self, group: Option<&Group<'_>>, of: fn(&Rate) -> u64) -> u64 {
        let tracks = group.into_iter().flat_map(|group| &group.tracks);
        // Of what is made, nothing may have been measured yet.
        tracks
            .map(|heard| match self.rate(&heard.name, of) {
                0 => heard.told,
                measured => measured,
            })
            .max()
            .unwrap_or(0)
    }

    fn pictures(&self, pictures: &Pictures<'_>, group: Option<&Group<'_>>) -> Variant {
        let (name, track) = (&pictures.name, pictures.track);
        let config = &track.config;
        let with_sound = |of: fn(&Rate) -> u64| {
            let own = match self.rate(name, of) {
                // Nothing of it was measured yet.
                0 => pictures.told,
                measured => measured,
            };
            own.saturating_add(self.group_rate(group, of))
        };
        Variant {
            uri: format!("{}/{name}.m3u8", self.prefix),
            bandwidth: with_sound(Rate::stated_peak),
            average_bandwidth: with_sound(Rate::average),
            codecs: std::iter::once(config.codec())
                .chain(group.map(|group| group.codec.clone()))
                .collect(),
            resolution: Some((config.width().into(), config.height().into())),
            frame_rate_millihertz: pictures.frame_rate_millihertz,
            video_range: match track.color().map(|color| color.range()) {
                Some(Range::Pq) => VideoRange::Pq,
                Some(Range::Hlg) => VideoRange::Hlg,
                Some(Range::Sdr) | None => VideoRange::Sdr,
            },
            audio: group.map(|group| group.id.clone()),
        }
    }

    /// Sound alone, which is the default track of its group.
    fn sound(&self, group: &Group<'_>) -> Variant {
        let first = group.tracks.first();
        let name = first.map_or("audio", |heard| &heard.name);
        Variant {
            uri: format!("{}/{name}.m3u8", self.prefix),
            bandwidth: self.group_rate(Some(group), Rate::stated_peak),
            average_bandwidth: self.group_rate(Some(group), Rate::average),
            codecs: vec![group.codec.clone()],
            resolution: None,
            frame_rate_millihertz: None,
            video_range: VideoRange::Sdr,
            audio: Some(group.id.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use fanwave_live::{Kind, RenditionSpec, Settings, render::multivariant_playlist};
    use fanwave_media::{AacConfig, AudioConfig, Language, OpusConfig};

    use super::*;

    fn track(config: AudioConfig, language: Option<&str>, label: Option<&str>) -> AudioTrack {
        AudioTrack {
            config,
            language: language.and_then(Language::new),
            label: label.map(str::to_owned),
        }
    }

    /// The multivariant playlist of a stream of sound.
    fn listed(audio: Vec<AudioTrack>) -> String {
        let tracks = Tracks {
            video: Vec::new(),
            audio,
        };
        let spec = |id: TrackId| RenditionSpec {
            name: id.to_string().parse().unwrap(),
            kind: Kind::Audio,
            timescale: tracks.timescale(id),
        };
        let config = Config::new(Settings::default(), tracks.ids().map(spec).collect()).unwrap();
        let shelves: Vec<_> = (1..=tracks.audio.len())
            .map(|number| {
                let mut shelf = Shelf::default();
                shelf.rate.add(10_000 * number, 1, Duration::from_secs(1));
                shelf
            })
            .collect();
        multivariant_playlist(&multivariant("k3x9", &config, &tracks, &shelves))
    }

    fn aac() -> AudioConfig {
        AudioConfig::Aac(AacConfig::parse(Bytes::from_static(&[0x11, 0x90])).unwrap())
    }

    fn opus() -> AudioConfig {
        let head = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
        AudioConfig::Opus(OpusConfig::parse(Bytes::from_static(head)).unwrap())
    }

    #[test]
    fn answers_of_the_latest_parts_are_kept_whoever_looks_back() {
        let mut shelf = Shelf::default();
        let answer = || Arc::new(Prepared::new(axum::http::HeaderMap::new(), Bytes::new()));
        let parts = (0..).take(PREPARED_PARTS_MAX);
        let latest: Vec<_> = parts.map(|part| Position::new(7, part)).collect();
        assert!(latest.iter().all(|at| shelf.keep_prepared(*at, answer())));
        assert!(!shelf.keep_prepared(Position::new(6, 9), answer()));
        assert!(latest.iter().all(|at| shelf.prepared(*at).is_some()));
        assert!(shelf.keep_prepared(Position::new(8, 0), answer()));
        let kept: Vec<_> = shelf.prepared.keys().copied().collect();
        assert_eq!(kept, [&latest[1..], &[Position::new(8, 0)]].concat());
    }

    #[test]
    fn tracks_are_grouped_by_codec_and_called_apart() {
        let text = listed(vec![
            track(aac(), Some("eng"), None),
            track(aac(), Some("eng"), None),
            track(opus(), Some("kor"), Some("Stage")),
            track(aac(), None, None),
        ]);
        let media: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("#EXT-X-MEDIA:TYPE=AUDIO,"))
            .collect();
        assert_eq!(
            media,
            [
                "GROUP-ID=\"audio\",NAME=\"en\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"k3x9/audio.m3u8\"",
                "GROUP-ID=\"audio\",NAME=\"en 2\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"k3x9/audio-2.m3u8\"",
                "GROUP-ID=\"audio\",NAME=\"Audio 4\",DEFAULT=NO,AUTOSELECT=NO,CHANNELS=\"2\",URI=\"k3x9/audio-4.m3u8\"",
                "GROUP-ID=\"audio-2\",NAME=\"Stage\",LANGUAGE=\"ko\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"k3x9/audio-3.m3u8\"",
            ]
        );
        // The bandwidth is that of the track that takes most: the fourth of the first group.
        let variants: Vec<_> = text.lines().skip_while(|l| !l.contains("INF")).collect();
        assert_eq!(
            variants,
            [
                "#EXT-X-STREAM-INF:BANDWIDTH=352000,AVERAGE-BANDWIDTH=320000,CODECS=\"mp4a.40.2\",AUDIO=\"audio\"",
                "k3x9/audio.m3u8",
                "#EXT-X-STREAM-INF:BANDWIDTH=264000,AVERAGE-BANDWIDTH=240000,CODECS=\"Opus\",AUDIO=\"audio-2\"",
                "k3x9/audio-3.m3u8"
            ]
        );
    }

    #[test]
    fn one_track_of_sound_alone_is_no_choice() {
        let text = listed(vec![track(opus(), None, None)]);
        assert!(
            !text.contains("EXT-X-MEDIA") && !text.contains("AUDIO"),
            "{text}"
        );
        assert!(
            text.ends_with("CODECS=\"Opus\"\nk3x9/audio.m3u8\n"),
            "{text}"
        );
    }

    fn counted(pictures: usize, micros: u64) -> Option<u32> {
        let mut rate = Rate::default();
        rate.add(1_000, pictures, Duration::from_micros(micros));
        rate.frame_rate_milli()
    }

    #[test]
    fn a_counted_rate_is_the_usual_one_nearby() {
        // A segment of 2 s, a millisecond off.
        assert_eq!(counted(60, 1_999_000), Some(30_000));
        assert_eq!(counted(60, 2_002_000), Some(29_970));
        assert_eq!(counted(50, 2_000_000), Some(25_000));
        assert_eq!(counted(48, 2_002_000), Some(23_976));
        assert_eq!(counted(120, 2_000_000), Some(60_000));
        // Neither has a name.
        assert_eq!(counted(37, 2_000_000), Some(18_500));
        assert_eq!(counted(62, 2_000_000), Some(31_000));
        assert_eq!((counted(0, 0), counted(0, 1)), (None, None));
    }
}
