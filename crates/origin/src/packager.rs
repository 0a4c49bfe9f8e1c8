//! One publisher's tags into one stream's parts.
//!
//! `media` makes samples of the tags, `live` decides where they are cut, `media` writes each part, and the stream takes
//! it. What is left to this module is to keep the samples until their part is cut, and to tie the publisher's clock to
//! the wall clock. Owned by the publisher's task; never waits.

mod run;

use std::sync::Arc;

use fanwave_live::{WallTime, cut::CutError};
use fanwave_media::{
    Demux, DemuxError, Output, Sample, TrackKind, Tracks, VIDEO_TIMESCALE, cmaf::WriteError,
    limits::FRAGMENT_BYTES_MAX,
};
use prometheus_client::metrics::counter::Counter;
use thiserror::Error;

use self::run::Run;
use crate::{
    channel::{BeginError, Claim},
    rtmp::session::Event,
    stream::AddError,
};

/// Why a publisher is let go.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum PackError {
    /// What it sends is not what this server takes.
    #[error(transparent)]
    Demux(#[from] DemuxError),
    /// What it sends cannot be cut.
    #[error(transparent)]
    Cut(#[from] CutError),
    /// A part could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Its stream did not begin.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// Its stream does not take its parts.
    #[error(transparent)]
    Add(#[from] AddError),
    /// More media in one part than a part may have.
    #[error("more than {FRAGMENT_BYTES_MAX} bytes in one part: lower the bitrate in the encoder")]
    PartTooLong,
}

#[derive(Debug)]
pub(crate) struct Packager {
    demux: Demux,
    claim: Claim,
    parts_made: Counter,
    /// Known, and waiting for the first picture.
    tracks: Option<Box<Tracks>>,
    /// Samples that came out before the first picture did; at most what the look-ahead of one picture lets through.
    early: Vec<(TrackKind, Sample)>,
    run: Option<Run>,
}

impl Packager {
    pub(crate) fn new(claim: Claim, parts_made: Counter) -> Self {
        let demux = Demux::new(claim.start_ms());
        Self {
            demux,
            claim,
            parts_made,
            tracks: None,
            early: Vec::new(),
            run: None,
        }
    }

    /// Takes what the publisher sent.
    pub(crate) fn handle(&mut self, event: &Event) -> Result<(), PackError> {
        match event {
            Event::Announced { audio } => self.demux.handle_announcement(*audio)?,
            Event::Video { timestamp, body } => self.demux.handle_video(*timestamp, body)?,
            Event::Audio { timestamp, body } => self.demux.handle_audio(*timestamp, body)?,
            Event::Publish { .. } | Event::Finished => {}
        }
        self.claim.touch();
        self.advance()
    }

    /// The publisher is gone: what it sent is made into parts to the last sample, as far as it goes.
    pub(crate) fn finish(mut self) {
        self.demux.finish();
        let advanced = self.advance();
        // What came before an error is still shown.
        let closed = self.run.as_mut().map_or(Ok(()), Run::close);
        if let Err(error) = advanced.and(closed) {
            tracing::debug!(channel = %self.claim.channel().id(), %error, "the last samples were dropped");
        }
    }

    fn advance(&mut self) -> Result<(), PackError> {
        while let Some(output) = self.demux.poll_output() {
            match output {
                Output::Tracks(tracks) => self.tracks = Some(tracks),
                Output::Sample(kind, sample) => self.early.push((kind, sample)),
            }
        }
        if self.run.is_none() {
            self.begin()?;
        }
        let Some(run) = &mut self.run else {
            return Ok(());
        };
        for (kind, sample) in self.early.drain(..) {
            run.take(kind, sample)?;
            run.deliver()?;
        }
        Ok(())
    }

    /// Begins once there is a picture: its time ties the publisher's clock to the wall clock.
    fn begin(&mut self) -> Result<(), PackError> {
        let pictures = || {
            self.early
                .iter()
                .filter(|(kind, _)| *kind == TrackKind::Video)
                .map(|(_, sample)| sample)
        };
        let (Some(first), Some(last)) = (pictures().next(), pictures().next_back()) else {
            return Ok(());
        };
        let Some(tracks) = self.tracks.take() else {
            return Ok(());
        };
        // The picture after `last` has just arrived, and `last` ends where that one begins.
        let zero = self
            .claim
            .channel()
            .clock()
            .wall()
            .0
            .saturating_sub(video_millis(last.end()));
        let zero = WallTime(zero);
        let anchor = WallTime(zero.0.saturating_add(video_millis(first.decode_time)));
        let on_air = self.claim.begin((*tracks).clone(), anchor)?;
        tracing::info!(
            channel = %self.claim.channel().id(),
            prefix = on_air.stream.prefix(),
            video = tracks.video.codec(),
            width = tracks.video.width(),
            height = tracks.video.height(),
            audio = tracks.audio.as_ref().map(fanwave_media::AacConfig::codec),
            "on air"
        );
        // The cutter begins with a picture: sound of the same moment must not come before it.
        self.early.sort_by_key(|(kind, sample)| {
            (millis(sample.decode_time, timescale(*kind, &tracks)), *kind)
        });
        let channel = Arc::clone(self.claim.channel());
        self.run = Some(Run::new(
            channel,
            on_air,
            *tracks,
            zero,
            self.parts_made.clone(),
        ));
        Ok(())
    }
}

fn video_millis(ticks: u64) -> u64 {
    millis(ticks, VIDEO_TIMESCALE)
}

fn millis(ticks: u64, timescale: u32) -> u64 {
    ticks.saturating_mul(1_000) / u64::from(timescale.max(1))
}

fn timescale(kind: TrackKind, tracks: &Tracks) -> u32 {
    match (kind, &tracks.audio) {
        (TrackKind::Audio, Some(audio)) => audio.sample_rate(),
        (TrackKind::Audio, None) | (TrackKind::Video, _) => VIDEO_TIMESCALE,
    }
}
