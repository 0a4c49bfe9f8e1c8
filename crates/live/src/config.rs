//! What is fixed when a stream starts, checked once.
//!
//! Target duration, part target and hold-backs never change while a stream lives: the draft forbids the first
//! (section 6.2.1), and players stop for good when one of the others does. Both the cutter and the playlist machine
//! take the same [`Config`], so what is promised in the playlist is what is cut.

use std::{fmt, str::FromStr, time::Duration};

use thiserror::Error;

use crate::{
    limits::{
        NAME_BYTES_MAX, PART_TARGET_MAX, PART_TARGET_MIN, RENDITIONS_MAX, SEGMENT_MIN,
        TARGET_DURATION_SECONDS_MAX, WINDOW_MAX,
    },
    position::MediaSeq,
    time::WallTime,
};

/// What an operator chooses; [`Config::new`] checks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// EXT-X-TARGETDURATION, seconds: no segment is longer. Default 6.
    pub target_duration_seconds: u32,
    /// PART-TARGET, whole milliseconds: no part is longer. Default 1 s; the fast mode uses 0.5 s.
    pub part_target: Duration,
    /// A segment is cut on the first independent picture at or past this. Default 2 s.
    pub segment_min: Duration,
    /// A playlist lists at least this much media (once there is so much). Default 60 s.
    pub window: Duration,
    /// A playlist lists at least so many segments (once there are so many). Default 6.
    pub window_segments_min: usize,
    /// How segments are numbered. Default: counted.
    pub numbering: Numbering,
    /// Media sequence number of a rendition's first segment, where they are counted. Default 0.
    pub first_msn: MediaSeq,
}

/// How segments are numbered, and where they may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Numbering {
    /// From the first one on, each as soon as it may end.
    #[default]
    Counted,
    /// By the clock: time is cut into cells of half a target duration, and a segment begins at the first independent
    /// picture of each and has the cell's number. Whoever sees the same pictures with the same times makes the same segments
    /// under the same numbers, whenever it began to look.
    Clock,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            target_duration_seconds: 6,
            part_target: Duration::from_secs(1),
            segment_min: Duration::from_secs(2),
            window: Duration::from_secs(60),
            window_segments_min: 6,
            numbering: Numbering::Counted,
            first_msn: MediaSeq(0),
        }
    }
}

impl Settings {
    fn cell_millis(&self) -> Option<u64> {
        match self.numbering {
            Numbering::Counted => None,
            Numbering::Clock => Some(u64::from(self.target_duration_seconds.max(1)) * 500),
        }
    }

    /// Number of the segment that begins at this time, where segments are numbered by the clock.
    #[must_use]
    pub fn cell_of(&self, time: WallTime) -> Option<MediaSeq> {
        self.cell_millis().map(|cell| MediaSeq(time.0 / cell))
    }
}

/// Why settings make no valid stream.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The target duration is 0 or longer than [`TARGET_DURATION_SECONDS_MAX`].
    #[error("the target duration has to be 1 to {TARGET_DURATION_SECONDS_MAX} s")]
    TargetDuration,
    /// The part target is out of range, not of whole milliseconds, or longer than the target duration.
    #[error(
        "the part target has to be of whole milliseconds, {PART_TARGET_MIN:?} to {PART_TARGET_MAX:?}, and no \
         longer than the target duration"
    )]
    PartTarget,
    /// The shortest segment is shorter than [`SEGMENT_MIN`] or the part target, or longer than the target duration.
    #[error(
        "the shortest segment has to be at least {SEGMENT_MIN:?} and one part, and at most the target duration"
    )]
    SegmentMin,
    /// The window is shorter than three target durations or longer than [`WINDOW_MAX`].
    #[error("the window has to be at least three target durations and at most {WINDOW_MAX:?}")]
    Window,
    /// The least number of segments is 0 or does not fit the longest window.
    #[error(
        "the window has to hold at least one segment, and at most as many as fit {WINDOW_MAX:?}"
    )]
    WindowSegments,
    /// Numbers from the clock without pictures.
    #[error("numbers from the clock need a rendition of pictures")]
    Numbering,
    /// No rendition, or more than [`RENDITIONS_MAX`].
    #[error("a stream has 1 to {RENDITIONS_MAX} renditions")]
    Renditions,
    /// Two renditions have one name.
    #[error("two renditions are called {0}")]
    SameName(RenditionName),
    /// A timescale of 0.
    #[error("the timescale of {0} is 0")]
    Timescale(RenditionName),
    /// Renditions made from pictures or sound, without these.
    #[error("there are no pictures or no sound that another rendition could be made from")]
    NothingToShadow,
}

/// Name of a rendition in URLs: 1 to [`NAME_BYTES_MAX`] bytes of `a-z 0-9 -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RenditionName(Box<str>);

impl RenditionName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RenditionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that names no rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a rendition's name has 1 to {NAME_BYTES_MAX} bytes of a-z 0-9 -")]
pub struct NameError;

impl FromStr for RenditionName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(legal) {
            Ok(Self(text.into()))
        } else {
            Err(NameError)
        }
    }
}

/// What a rendition carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Pictures: a segment can begin only at an independent one.
    Video,
    /// Sound: every frame is independent, so a segment can begin anywhere.
    Audio,
}

/// One rendition as the shell declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenditionSpec {
    /// Folder and playlist name in URLs.
    pub name: RenditionName,
    /// What it carries.
    pub kind: Kind,
    /// Ticks per second of its sample times: 90,000 for video, the sample rate for audio.
    pub timescale: u32,
}

/// Which rendition of a stream: its place in the list given to [`Config::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RenditionId(pub(crate) u8);

impl RenditionId {
    /// Place in the list given to [`Config::new`].
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Checked [`Settings`] and the renditions of one stream. Never changes while the stream lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    settings: Settings,
    /// Those of the publisher, and behind them those that are made from its sound, and then from its pictures.
    renditions: Vec<RenditionSpec>,
    /// What those that are made from sound are made from.
    sounds: Vec<RenditionId>,
    /// How many are made from pictures.
    shadows: usize,
}

impl Config {
    /// Checks what was chosen.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that makes no valid stream.
    pub fn new(settings: Settings, renditions: Vec<RenditionSpec>) -> Result<Self, ConfigError> {
        check_settings(&settings)?;
        check_renditions(&renditions)?;
        let pictures = renditions.iter().any(|spec| spec.kind == Kind::Video);
        if settings.numbering == Numbering::Clock && !pictures {
            return Err(ConfigError::Numbering);
        }
        Ok(Self {
            settings,
            renditions,
            sounds: Vec::new(),
            shadows: 0,
        })
    }

    /// The same with more renditions of sound, each of which is made from one of the publisher's: its name, what it is made
    /// from, and its timescale. They are cut like the publisher's own; what they lack is a gap in them alone. Their ids
    /// follow those there are, and those of [`Config::with_shadows`] follow theirs.
    ///
    /// # Errors
    /// [`ConfigError`] says what is too much.
    pub fn with_sounds(
        mut self,
        sounds: Vec<(RenditionName, RenditionId, u32)>,
    ) -> Result<Self, ConfigError> {
        for (name, source, timescale) in sounds {
            if self.shadows > 0 || self.kind(source) != Some(Kind::Audio) {
                return Err(ConfigError::NothingToShadow);
            }
            self.renditions.push(RenditionSpec {
                name,
                kind: Kind::Audio,
                timescale,
            });
            self.sounds.push(source);
        }
        check_renditions(&self.renditions)?;
        Ok(self)
    }

    /// The same with more renditions, each of which is made from the first one of pictures and cut where that is, see
    /// [`crate::cut::shadow`]. Their ids follow those there are.
    ///
    /// # Errors
    /// [`ConfigError`] says what is too much.
    pub fn with_shadows(mut self, names: Vec<RenditionName>) -> Result<Self, ConfigError> {
        let Some((_, leader)) = self.leader() else {
            return Err(ConfigError::NothingToShadow);
        };
        let spec = |name| RenditionSpec {
            name,
            kind: leader.kind,
            timescale: leader.timescale,
        };
        let specs: Vec<_> = names.into_iter().map(spec).collect();
        self.shadows += specs.len();
        self.renditions.extend(specs);
        check_renditions(&self.renditions)?;
        Ok(self)
    }

    /// EXT-X-TARGETDURATION.
    #[must_use]
    pub fn target_duration(&self) -> Duration {
        Duration::from_secs(u64::from(self.settings.target_duration_seconds))
    }

    /// PART-TARGET.
    #[must_use]
    pub fn part_target(&self) -> Duration {
        self.settings.part_target
    }

    /// The shortest part that needs no excuse: 85 % of the part target (section 4.4.4.9).
    #[must_use]
    pub fn part_min(&self) -> Duration {
        self.settings.part_target * 85 / 100
    }

    /// A segment is cut on the first independent picture at or past this.
    #[must_use]
    pub fn segment_min(&self) -> Duration {
        self.settings.segment_min
    }

    /// Media a playlist lists at least.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.settings.window
    }

    /// Segments a playlist lists at least.
    #[must_use]
    pub fn window_segments_min(&self) -> usize {
        self.settings.window_segments_min
    }

    /// Media sequence number of a rendition's first segment.
    #[must_use]
    pub fn first_msn(&self) -> MediaSeq {
        self.settings.first_msn
    }

    /// CAN-SKIP-UNTIL: "The Skip Boundary MUST be at least six times the Target Duration" (section 4.4.3.8). Offered where
    /// a playlist is longer than that, so that there is something to skip.
    #[must_use]
    pub fn can_skip_until(&self) -> Option<Duration> {
        Some(self.target_duration() * 6).filter(|boundary| *boundary < self.window())
    }

    /// Milliseconds of one cell of time, where segments are numbered by the clock.
    ///
    /// Half a target duration: a segment lasts less than two cells, as long as no cell is without an independent picture.
    #[must_use]
    pub fn cell_millis(&self) -> Option<u64> {
        self.settings.cell_millis()
    }

    /// Number of the segment that begins at this time, where segments are numbered by the clock.
    #[must_use]
    pub fn cell_of(&self, time: WallTime) -> Option<MediaSeq> {
        self.settings.cell_of(time)
    }

    /// How long a segment of a gap is: as the shortest of media, in whole milliseconds.
    #[must_use]
    pub fn gap_segment(&self) -> Duration {
        let millis = u64::try_from(self.segment_min().as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(millis)
    }

    /// Longest time a request is held before it is answered with 503: three target durations (section 6.2.5.2).
    #[must_use]
    pub fn hold_max(&self) -> Duration {
        self.target_duration() * 3
    }

    /// The renditions in the order of their ids.
    pub fn renditions(&self) -> impl Iterator<Item = (RenditionId, &RenditionSpec)> {
        (0u8..)
            .zip(&self.renditions)
            .map(|(id, spec)| (RenditionId(id), spec))
    }

    /// A rendition, if the stream has it.
    #[must_use]
    pub fn spec(&self, rendition: RenditionId) -> Option<&RenditionSpec> {
        self.renditions.get(rendition.index())
    }

    /// What a rendition carries, if the stream has it.
    #[must_use]
    pub fn kind(&self, rendition: RenditionId) -> Option<Kind> {
        self.renditions.get(rendition.index()).map(|spec| spec.kind)
    }

    /// Those that the publisher sends.
    pub fn sources(&self) -> impl Iterator<Item = (RenditionId, &RenditionSpec)> {
        let made = self.shadows + self.sounds.len();
        self.renditions()
            .take(self.renditions.len().saturating_sub(made))
    }

    /// Those that have cuts of their own: what the publisher sends, and what is made from its sound.
    pub fn cut(&self) -> impl Iterator<Item = (RenditionId, &RenditionSpec)> {
        let uncut = self.shadows;
        self.renditions()
            .take(self.renditions.len().saturating_sub(uncut))
    }

    /// Those that are made from the publisher's sound, each with what it is made from.
    pub fn sounds(&self) -> impl Iterator<Item = (RenditionId, RenditionId)> {
        let made = self.cut().skip(self.sources().count());
        made.map(|(id, _)| id).zip(self.sounds.iter().copied())
    }

    /// Everything that is made, each with what it is made from, whose id is the lower one.
    pub fn made(&self) -> impl Iterator<Item = (RenditionId, RenditionId)> {
        let leader = self.leader().map(|(id, _)| id);
        let shadows = self.shadows();
        self.sounds()
            .chain(shadows.filter_map(move |(id, _)| Some((id, leader?))))
    }

    /// Those that are made from the publisher's pictures.
    pub fn shadows(&self) -> impl Iterator<Item = (RenditionId, &RenditionSpec)> {
        self.renditions()
            .skip(self.renditions.len().saturating_sub(self.shadows))
    }

    /// The publisher's pictures, or the first of them: others are made from these.
    #[must_use]
    pub fn leader(&self) -> Option<(RenditionId, &RenditionSpec)> {
        self.sources().find(|(_, spec)| spec.kind == Kind::Video)
    }

    /// The rendition of that name, if the stream has it.
    #[must_use]
    pub fn rendition(&self, name: &str) -> Option<RenditionId> {
        self.renditions()
            .find(|(_, spec)| spec.name.as_str() == name)
            .map(|(id, _)| id)
    }
}

fn check_settings(settings: &Settings) -> Result<(), ConfigError> {
    let target = Duration::from_secs(u64::from(settings.target_duration_seconds));
    let part = settings.part_target;
    if !(1..=TARGET_DURATION_SECONDS_MAX).contains(&settings.target_duration_seconds) {
        return Err(ConfigError::TargetDuration);
    }
    let whole_millis = part.subsec_nanos().is_multiple_of(1_000_000);
    if !(PART_TARGET_MIN..=PART_TARGET_MAX.min(target)).contains(&part) || !whole_millis {
        return Err(ConfigError::PartTarget);
    }
    if !(SEGMENT_MIN.max(part)..=target).contains(&settings.segment_min) {
        return Err(ConfigError::SegmentMin);
    }
    // Section 6.2.2: a server must not remove a segment that would leave less than three target durations.
    if !(target * 3..=WINDOW_MAX).contains(&settings.window) {
        return Err(ConfigError::Window);
    }
    let segments_max = WINDOW_MAX.as_secs() / u64::from(settings.target_duration_seconds);
    if !(1..=segments_max).contains(&(settings.window_segments_min as u64)) {
        return Err(ConfigError::WindowSegments);
    }
    Ok(())
}

fn check_renditions(renditions: &[RenditionSpec]) -> Result<(), ConfigError> {
    if !(1..=RENDITIONS_MAX).contains(&renditions.len()) {
        return Err(ConfigError::Renditions);
    }
    for (index, spec) in renditions.iter().enumerate() {
        if spec.timescale == 0 {
            return Err(ConfigError::Timescale(spec.name.clone()));
        }
        if renditions[..index]
            .iter()
            .any(|earlier| earlier.name == spec.name)
        {
            return Err(ConfigError::SameName(spec.name.clone()));
        }
    }
    Ok(())
}
