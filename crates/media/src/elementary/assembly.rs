//! Timed pictures and sound on their way into the [`Intake`], which makes tracks and samples of them.
//!
//! A picture is whole only when the next one begins, and nothing can be made of those before the first parameter sets;
//! sound is whole at once. So sound waits until there is a picture that can be shown: what it was sent with is then heard,
//! and the publisher is not taken for one that sends sound alone.

use std::collections::VecDeque;

use bytes::Bytes;
use thiserror::Error;

use crate::{
    intake::{Intake, IntakeError, Output, PictureIn},
    limits::{KEYFRAME_WAIT_MS, TRACK_WAIT_FRAMES_MAX, TRACK_WAIT_MS},
    sample::TrackKind,
    timeline::TICKS_PER_MS,
    track::{AudioTrack, VideoConfig},
};

/// The number by which the intake knows the stream of pictures.
const PICTURES: u16 = 0;

/// Why a picture ends its publisher.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum AssemblyError {
    /// Pictures came, but none at which decoding can begin.
    #[error("no IDR picture with its parameter sets")]
    NoKeyframe,
    /// The frames make no stream.
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

#[derive(Debug)]
pub(crate) struct Assembly {
    intake: Intake,
    has_video_config: bool,
    /// Whether sound waits for the first picture that can be shown.
    awaits_picture: bool,
    /// The sound that waits, by its stream's number and its time.
    early: VecDeque<(u16, i64, Bytes)>,
    /// When the first picture and the first sound came, on the stream's clock.
    first_picture: Option<i64>,
    first_sound: Option<i64>,
}

impl Assembly {
    /// A publisher whose first picture is decoded `start_ms` milliseconds after the start of the stream.
    pub(crate) fn new(start_ms: u32) -> Self {
        Self {
            intake: Intake::new(start_ms),
            has_video_config: false,
            awaits_picture: true,
            early: VecDeque::new(),
            first_picture: None,
            first_sound: None,
        }
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.intake.poll_output()
    }

    pub(crate) fn has_open_groups(&self) -> bool {
        self.intake.has_open_groups()
    }

    /// Whether there will be pictures, and how many tracks of sound.
    pub(crate) fn expect(&mut self, pictures: bool, sounds: usize) -> Result<(), IntakeError> {
        self.intake
            .handle_announcement(TrackKind::Video, pictures.into());
        self.intake.handle_announcement(TrackKind::Audio, sounds);
        if pictures {
            return Ok(());
        }
        self.release()
    }

    /// The pictures from the next one on are of this configuration.
    pub(crate) fn video_config(&mut self, config: VideoConfig) -> Result<(), IntakeError> {
        self.has_video_config = true;
        self.intake.handle_video_config(PICTURES, config)
    }

    /// The sound of that stream is this from its next frame on.
    pub(crate) fn audio_config(
        &mut self,
        number: u16,
        track: AudioTrack,
    ) -> Result<(), IntakeError> {
        self.intake.handle_audio_config(number, track)
    }

    pub(crate) fn picture(&mut self, picture: PictureIn) -> Result<(), AssemblyError> {
        let first = *self.first_picture.get_or_insert(picture.decode);
        if !self.has_video_config {
            let waited = picture.decode.saturating_sub(first);
            return if waited > KEYFRAME_WAIT_MS * TICKS_PER_MS {
                Err(AssemblyError::NoKeyframe)
            } else {
                Ok(())
            };
        }
        self.intake.handle_picture(PICTURES, picture)?;
        Ok(self.release()?)
    }

    pub(crate) fn sound(&mut self, number: u16, at: i64, data: Bytes) -> Result<(), IntakeError> {
        if !self.awaits_picture {
            return self.intake.handle_sound(number, at, data);
        }
        let first = *self.first_sound.get_or_insert(at);
        let wait = TRACK_WAIT_MS * TICKS_PER_MS;
        self.early.push_back((number, at, data));
        if self.first_picture.is_none() && at.saturating_sub(first) > wait {
            // The pictures that the program announces do not come.
            return self.release();
        }
        // Sound from long before the first picture is never heard.
        let old = at.saturating_sub(wait);
        while self.early.len() > TRACK_WAIT_FRAMES_MAX
            || self.early.front().is_some_and(|(_, at, _)| *at < old)
        {
            self.early.pop_front();
        }
        Ok(())
    }

    /// The publisher is gone: what was held back for look-ahead is all there is.
    pub(crate) fn finish(&mut self) {
        self.intake.finish();
        self.early.clear();
    }

    /// Sound waits no longer.
    fn release(&mut self) -> Result<(), IntakeError> {
        self.awaits_picture = false;
        for (number, at, data) in std::mem::take(&mut self.early) {
            self.intake.handle_sound(number, at, data)?;
        }
        Ok(())
    }
}
