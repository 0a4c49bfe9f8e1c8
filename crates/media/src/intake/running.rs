//! The tracks of one publisher from their first frame on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::{Held, IntakeError, Output, PictureIn, Start};
use crate::{
    color::Color,
    limits::{KEYFRAME_WAIT_MS, TRACKS_MAX},
    picture::Picture,
    sample::{TrackId, TrackKind},
    timeline::{AudioFrame, AudioTimeline, TICKS_PER_MS, VideoFrame, VideoTimeline},
    track::{AudioTrack, Tracks, VideoConfig, VideoTrack},
};

#[derive(Debug)]
pub(super) struct Running {
    video: Vec<Pictures>,
    audio: Vec<Sounds>,
    start: Start,
    /// Where time begins on the publisher's clock; unknown until there is something to begin with.
    zero: Option<i64>,
    /// When the first picture came, on the publisher's clock: how long one to begin with is waited for counts from here.
    first_picture: Option<i64>,
    /// Tracks that came too late, as far as that was said.
    left_out: BTreeSet<(TrackKind, u16)>,
}

/// One video track.
#[derive(Debug)]
struct Pictures {
    number: u16,
    track: VideoTrack,
    /// What the track is from its next picture on.
    next: Option<VideoTrack>,
    timeline: VideoTimeline,
    /// Whether its last picture at which decoding can begin was the start of an open group.
    opens: bool,
}

/// One audio track.
#[derive(Debug)]
struct Sounds {
    number: u16,
    track: AudioTrack,
    /// What the track is from its next frame on.
    next: Option<AudioTrack>,
    timeline: AudioTimeline,
}

impl Running {
    pub(super) fn new(
        start: Start,
        video: BTreeMap<u16, VideoTrack>,
        audio: BTreeMap<u16, AudioTrack>,
    ) -> Self {
        let pictures = |(number, track)| Pictures {
            number,
            track,
            next: None,
            timeline: VideoTimeline::default(),
            opens: false,
        };
        let sounds = |(number, track): (u16, AudioTrack)| Sounds {
            number,
            timeline: start.timeline(track.config.timescale()),
            track,
            next: None,
        };
        Self {
            video: video.into_iter().map(pictures).collect(),
            audio: audio.into_iter().map(sounds).collect(),
            start,
            zero: None,
            first_picture: None,
            left_out: BTreeSet::new(),
        }
    }

    pub(super) fn tracks(&self) -> Tracks {
        Tracks {
            video: self.video.iter().map(|of| of.track.clone()).collect(),
            audio: self.audio.iter().map(|of| of.track.clone()).collect(),
        }
    }

    pub(super) fn has_open_groups(&self) -> bool {
        self.video.iter().any(|of| of.opens)
    }

    pub(super) fn video_config(
        &mut self,
        number: u16,
        config: VideoConfig,
        out: &mut VecDeque<Output>,
    ) {
        match self.video.iter_mut().find(|of| of.number == number) {
            Some(of) => of.become_next(VideoTrack {
                config,
                told_color: of.latest().told_color,
            }),
            None => self.leave_out(TrackKind::Video, number, out),
        }
    }

    pub(super) fn color(&mut self, number: u16, color: Color) {
        if let Some(of) = self.video.iter_mut().find(|of| of.number == number) {
            let config = of.latest().config.clone();
            of.become_next(VideoTrack {
                config,
                told_color: Some(color),
            });
        }
    }

    pub(super) fn audio_config(
        &mut self,
        number: u16,
        track: AudioTrack,
        out: &mut VecDeque<Output>,
    ) -> Result<(), IntakeError> {
        let Some(index) = self.audio.iter().position(|of| of.number == number) else {
            self.leave_out(TrackKind::Audio, number, out);
            return Ok(());
        };
        let of = &mut self.audio[index];
        // Playlists and init sections count in it, and it is fixed when a stream begins.
        if track.config.timescale() != of.track.config.timescale() {
            return Err(IntakeError::SampleRateChanged(audio_id(index)));
        }
        of.next = Some(track).filter(|track| *track != of.track);
        Ok(())
    }

    pub(super) fn take(
        &mut self,
        media: Held,
        out: &mut VecDeque<Output>,
    ) -> Result<(), IntakeError> {
        match media {
            Held::Picture(number, picture) => self.picture(number, picture, out),
            Held::Sound(number, at, data) => self.sound(number, at, data, out),
        }
    }

    pub(super) fn finish(&mut self, out: &mut VecDeque<Output>) {
        for (index, of) in self.audio.iter_mut().enumerate() {
            let last = of.timeline.finish();
            out.extend(last.map(|sample| Output::Sample(audio_id(index), sample)));
        }
        for (index, of) in self.video.iter_mut().enumerate() {
            let last = of.timeline.finish();
            out.extend(last.map(|sample| Output::Sample(video_id(index), sample)));
        }
    }

    fn picture(
        &mut self,
        number: u16,
        picture: PictureIn,
        out: &mut VecDeque<Output>,
    ) -> Result<(), IntakeError> {
        let Some(index) = self.video.iter().position(|of| of.number == number) else {
            self.leave_out(TrackKind::Video, number, out);
            return Ok(());
        };
        let of = &mut self.video[index];
        let unit = of.latest().config.unit(picture.data)?;
        let sync = match unit.picture {
            Picture::None => return Ok(()),
            Picture::Sync => true,
            Picture::Open | Picture::Other => false,
        };
        match unit.picture {
            Picture::Sync => of.opens = false,
            Picture::Open => of.opens = true,
            Picture::Other | Picture::None => {}
        }
        if self.zero.is_none() && !(sync && index == 0) {
            let first = *self.first_picture.get_or_insert(picture.decode);
            let waited = picture.decode.saturating_sub(first);
            return if waited > KEYFRAME_WAIT_MS * TICKS_PER_MS {
                Err(IntakeError::NoKeyframe)
            } else {
                Ok(())
            };
        }
        let zero = *self.zero.get_or_insert(self.start.zero(picture.decode));
        let frame = VideoFrame {
            decode: self.start.time(picture.decode, zero),
            composition: picture.composition,
            sync,
            data: unit.data,
        };
        let id = video_id(index);
        let done = of
            .timeline
            .push(frame)
            .map_err(|e| IntakeError::Jump(id, e))?;
        out.extend(done.map(|sample| Output::Sample(id, sample)));
        if let Some(next) = of.next.take() {
            of.track = next;
            out.push_back(Output::Tracks(Box::new(self.tracks())));
        }
        Ok(())
    }

    fn sound(
        &mut self,
        number: u16,
        at: i64,
        data: Bytes,
        out: &mut VecDeque<Output>,
    ) -> Result<(), IntakeError> {
        let Some(index) = self.audio.iter().position(|of| of.number == number) else {
            self.leave_out(TrackKind::Audio, number, out);
            return Ok(());
        };
        if self.video.is_empty() && index == 0 {
            self.zero.get_or_insert(self.start.zero(at));
        }
        let Some(zero) = self.zero.filter(|zero| at >= *zero) else {
            return Ok(());
        };
        let of = &mut self.audio[index];
        let config = &of.next.as_ref().unwrap_or(&of.track).config;
        let frame = AudioFrame {
            at: self.start.time(at, zero),
            samples: config.frame_samples(&data)?,
            data,
        };
        let id = audio_id(index);
        let done = of
            .timeline
            .push(frame)
            .map_err(|e| IntakeError::Jump(id, e))?;
        out.extend(done.map(|sample| Output::Sample(id, sample)));
        if let Some(next) = of.next.take() {
            of.track = next;
            out.push_back(Output::Tracks(Box::new(self.tracks())));
        }
        Ok(())
    }

    /// Says once that a track has no place; as many times as there are places, whatever the publisher sends.
    fn leave_out(&mut self, kind: TrackKind, number: u16, out: &mut VecDeque<Output>) {
        if self.left_out.len() < TRACKS_MAX && self.left_out.insert((kind, number)) {
            out.push_back(Output::LeftOut { kind, number });
        }
    }
}

impl Pictures {
    /// What the track is from its next picture on.
    fn latest(&self) -> &VideoTrack {
        self.next.as_ref().unwrap_or(&self.track)
    }

    fn become_next(&mut self, track: VideoTrack) {
        self.next = Some(track).filter(|track| *track != self.track);
    }
}

/// There are at most [`TRACKS_MAX`] tracks.
fn video_id(index: usize) -> TrackId {
    TrackId::video(u8::try_from(index).unwrap_or(u8::MAX))
}

fn audio_id(index: usize) -> TrackId {
    TrackId::audio(u8::try_from(index).unwrap_or(u8::MAX))
}
