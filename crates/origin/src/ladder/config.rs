//! What an operator decides about the ladder, checked once at the start.

use std::path::PathBuf;

use thiserror::Error;

use crate::limits::{
    RUNG_KILOBITS_MAX, RUNG_KILOBITS_MIN, RUNG_LINES_MAX, RUNG_LINES_MIN, RUNGS_MAX,
    SOUND_KILOBITS_MAX, SOUND_KILOBITS_MIN,
};

/// The ladder of every channel: what is encoded beside what the publisher sends.
#[derive(Debug, Clone)]
pub struct LadderConfig {
    /// From the best to the least, each with a name of its own; none by default.
    pub rungs: Vec<RungConfig>,
    /// Rungs of all channels that are encoded at one time; those above are left out of their shows. By default a
    /// rung for each core of the machine.
    pub rungs_max: usize,
    /// The encoder's program: `ffmpeg` 5.1 or newer.
    pub program: PathBuf,
    /// What encodes in it.
    pub encoder: Encoder,
    /// Bitrate of the AAC that is made of a publisher's Opus, thousands of bits per second; `None` by default: none is made.
    pub aac_kilobits: Option<u32>,
    /// A picture or a film that is shown while the encoder of a show is away; `None` by default: a gap.
    pub slate: Option<PathBuf>,
}

impl Default for LadderConfig {
    fn default() -> Self {
        Self {
            rungs: Vec::new(),
            rungs_max: std::thread::available_parallelism().map_or(1, usize::from),
            program: "ffmpeg".into(),
            encoder: Encoder::Libx264,
            aac_kilobits: None,
            slate: None,
        }
    }
}

/// One rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RungConfig {
    /// Lines of the shorter side of its picture; even. Shows that are not larger go without it. Names it, too: 720 is
    /// `720p` in URLs.
    pub lines: u32,
    /// Its bitrate, thousands of bits per second.
    pub kilobits: u32,
}

impl RungConfig {
    /// What it is called in URLs.
    #[must_use]
    pub fn name(self) -> String {
        format!("{}p", self.lines)
    }
}

/// What encodes a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoder {
    /// x264 on the processor.
    Libx264,
    /// The video engine of an NVIDIA card.
    Nvenc,
    /// The video engine behind `/dev/dri/renderD128`.
    Vaapi,
}

/// Why a ladder is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LadderError {
    /// More rungs than a stream has renditions for.
    #[error("more than {RUNGS_MAX} rungs")]
    TooMany,
    /// A height that no rung has.
    #[error(
        "a rung of {0} lines: it has to be an even number of {RUNG_LINES_MIN} to {RUNG_LINES_MAX}"
    )]
    Lines(u32),
    /// A bitrate that no rung has.
    #[error("a rung of {0} kbit/s: it has to be {RUNG_KILOBITS_MIN} to {RUNG_KILOBITS_MAX}")]
    Kilobits(u32),
    /// A bitrate that no AAC has.
    #[error("AAC of {0} kbit/s: it has to be {SOUND_KILOBITS_MIN} to {SOUND_KILOBITS_MAX}")]
    Sound(u32),
    /// Two rungs of one height, or one below a better one.
    #[error("the rung of {0} lines has to be below the one before it, in lines and in bitrate")]
    Order(u32),
}

impl LadderConfig {
    /// Whether it can be one.
    ///
    /// # Errors
    /// [`LadderError`] says what to change.
    pub fn check(&self) -> Result<(), LadderError> {
        if self.rungs.len() > RUNGS_MAX {
            return Err(LadderError::TooMany);
        }
        for rung in &self.rungs {
            if !(RUNG_LINES_MIN..=RUNG_LINES_MAX).contains(&rung.lines) || rung.lines % 2 != 0 {
                return Err(LadderError::Lines(rung.lines));
            }
            if !(RUNG_KILOBITS_MIN..=RUNG_KILOBITS_MAX).contains(&rung.kilobits) {
                return Err(LadderError::Kilobits(rung.kilobits));
            }
        }
        if let Some(kilobits) = self.aac_kilobits
            && !(SOUND_KILOBITS_MIN..=SOUND_KILOBITS_MAX).contains(&kilobits)
        {
            return Err(LadderError::Sound(kilobits));
        }
        for pair in self.rungs.windows(2) {
            if let [above, below] = pair
                && (below.lines >= above.lines || below.kilobits >= above.kilobits)
            {
                return Err(LadderError::Order(below.lines));
            }
        }
        Ok(())
    }

    /// The rungs that a picture of this size is made into: those below it.
    pub(crate) fn below(&self, width: u16, height: u16) -> impl Iterator<Item = RungConfig> {
        let lines = u32::from(width.min(height));
        self.rungs
            .iter()
            .copied()
            .filter(move |rung| rung.lines < lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder(rungs: &[(u32, u32)]) -> LadderConfig {
        let rung = |&(lines, kilobits)| RungConfig { lines, kilobits };
        LadderConfig {
            rungs: rungs.iter().map(rung).collect(),
            ..LadderConfig::default()
        }
    }

    #[test]
    fn a_ladder_goes_down() {
        assert_eq!(ladder(&[]).check(), Ok(()));
        assert_eq!(
            ladder(&[(720, 2_500), (480, 1_200), (360, 700)]).check(),
            Ok(())
        );
        let cases = [
            (
                ladder(&[(720, 2_500), (720, 1_200)]),
                LadderError::Order(720),
            ),
            (
                ladder(&[(480, 1_200), (720, 2_500)]),
                LadderError::Order(720),
            ),
            (
                ladder(&[(720, 1_200), (480, 1_200)]),
                LadderError::Order(480),
            ),
            (ladder(&[(721, 1_200)]), LadderError::Lines(721)),
            (ladder(&[(0, 1_200)]), LadderError::Lines(0)),
            (ladder(&[(8_640, 1_200)]), LadderError::Lines(8_640)),
            (ladder(&[(720, 0)]), LadderError::Kilobits(0)),
            (
                ladder(&[(720, 1_000_000)]),
                LadderError::Kilobits(1_000_000),
            ),
            (
                ladder(&[
                    (720, 2_500),
                    (540, 1_600),
                    (480, 1_200),
                    (360, 700),
                    (240, 300),
                ]),
                LadderError::TooMany,
            ),
        ];
        for (ladder, error) in cases {
            assert_eq!(ladder.check(), Err(error));
        }
    }

    #[test]
    fn sound_has_a_bitrate_that_an_encoder_takes() {
        let sound = |aac_kilobits| LadderConfig {
            aac_kilobits,
            ..LadderConfig::default()
        };
        assert_eq!(sound(Some(128)).check(), Ok(()));
        for kilobits in [0, 31, 321] {
            let refused = Err(LadderError::Sound(kilobits));
            assert_eq!(sound(Some(kilobits)).check(), refused);
        }
    }

    #[test]
    fn rungs_are_below_their_source_whichever_way_it_is_held() {
        let ladder = ladder(&[(720, 2_500), (480, 1_200)]);
        let names = |width, height| -> Vec<_> {
            ladder.below(width, height).map(RungConfig::name).collect()
        };
        assert_eq!(names(1_920, 1_080), ["720p", "480p"]);
        assert_eq!(names(720, 1_280), ["480p"]);
        assert_eq!(names(854, 480), Vec::<String>::new());
    }
}
