//! What one publisher sends into one stream's parts.
//!
//! `media` makes samples of tags or of a transport stream, `live` decides where they are cut, `media` writes each part, and
//! the stream takes it. What is left to this module is to keep the samples until their part is cut, and to tie the
//! publisher's clock to the wall clock. Owned by the publisher's task; never waits.

mod clocked;
mod run;

use std::sync::Arc;

use bytes::Bytes;
use fanwave_live::{Numbering, WallTime, cut::CutError};
use fanwave_media::{
    Demux, DemuxError, Output, Sample, TrackId, TrackKind, Tracks,
    cmaf::WriteError,
    limits::FRAGMENT_BYTES_MAX,
    rtp::{self, RtpError},
    ts::{self, TsError},
};
use prometheus_client::metrics::counter::Counter;
use thiserror::Error;

use self::{
    clocked::{Join, Order},
    run::Run,
};
use crate::{
    channel::{BeginError, Claim, Duty},
    clock,
    limits::AUDIO_ALIGN_MS,
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
    /// The same of a transport stream.
    #[error(transparent)]
    Transport(#[from] TsError),
    /// The same of WebRTC.
    #[error(transparent)]
    Realtime(#[from] RtpError),
    /// What it sends cannot be cut.
    #[error(transparent)]
    Cut(#[from] CutError),
    /// It sends pictures at which a player could begin, were it not for those that follow them.
    #[error(
        "keyframes of open groups (CRA): have the encoder make closed ones, with x265 by open-gop=0"
    )]
    OpenGroups,
    /// A part could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Its stream did not begin.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// Its stream does not take its parts.
    #[error(transparent)]
    Add(#[from] AddError),
    /// Segments are numbered by the clock, and the timestamps are not that.
    #[error(
        "this channel is numbered from the clock, and the encoder's timestamps are off it by {} s: have it send the time of \
         day as timestamps",
        off_millis / 1000
    )]
    NotTheClock {
        /// By so many milliseconds.
        off_millis: u64,
    },
    /// Segments are numbered by the clock, and the publisher has none.
    #[error(
        "this channel is numbered from the clock, and what comes by SRT or WHIP does not carry the time of day: publish by RTMP"
    )]
    NoClock,
    /// More media in one part than a part may have.
    #[error("more than {FRAGMENT_BYTES_MAX} bytes in one part: lower the bitrate in the encoder")]
    PartTooLong,
}

/// What makes samples of what comes.
#[derive(Debug)]
enum Feed {
    Tags(Box<Demux>),
    Transport(Box<ts::Demux>),
    Realtime(Box<rtp::Demux>),
}

impl Feed {
    fn poll_output(&mut self) -> Option<Output> {
        match self {
            Self::Tags(demux) => demux.poll_output(),
            Self::Transport(demux) => demux.poll_output(),
            Self::Realtime(demux) => demux.poll_output(),
        }
    }

    fn has_open_groups(&self) -> bool {
        match self {
            Self::Tags(demux) => demux.has_open_groups(),
            Self::Transport(demux) => demux.has_open_groups(),
            Self::Realtime(demux) => demux.has_open_groups(),
        }
    }

    fn finish(&mut self) {
        match self {
            Self::Tags(demux) => demux.finish(),
            Self::Transport(demux) => demux.finish(),
            Self::Realtime(demux) => demux.finish(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Packager {
    feed: Feed,
    claim: Claim,
    parts_made: Counter,
    /// What the publisher sends, once that is known.
    tracks: Option<Box<Tracks>>,
    /// What came out before the first picture did, or the first sound where there are no pictures; at most what the
    /// look-ahead of one picture lets through.
    early: Vec<Output>,
    /// Where segments are numbered by the clock: what has to be the same for whoever hears the publisher.
    clocked: Option<(Order, Join)>,
    run: Option<Run>,
}

impl Packager {
    /// For a publisher that sends tags.
    pub(crate) fn new(claim: Claim, parts_made: Counter) -> Self {
        let (demux, clocked) = match claim.channel().numbering() {
            Numbering::Counted => (Demux::new(claim.start_ms()), None),
            Numbering::Clock => (
                Demux::by_timestamps(AUDIO_ALIGN_MS),
                Some(Default::default()),
            ),
        };
        Self {
            clocked,
            ..Self::fed(Feed::Tags(Box::new(demux)), claim, parts_made)
        }
    }

    /// For a publisher that sends a transport stream.
    pub(crate) fn transport(claim: Claim, parts_made: Counter) -> Self {
        let demux = ts::Demux::new(claim.start_ms());
        Self::fed(Feed::Transport(Box::new(demux)), claim, parts_made)
    }

    /// For a publisher of WebRTC that sends these streams.
    pub(crate) fn realtime(claim: Claim, parts_made: Counter, offered: rtp::Offered) -> Self {
        let demux = rtp::Demux::new(claim.start_ms(), offered);
        Self::fed(Feed::Realtime(Box::new(demux)), claim, parts_made)
    }

    fn fed(feed: Feed, claim: Claim, parts_made: Counter) -> Self {
        Self {
            feed,
            clocked: None,
            claim,
            parts_made,
            tracks: None,
            early: Vec::new(),
            run: None,
        }
    }

    /// Takes what a publisher of tags sent.
    ///
    /// # Errors
    /// [`PackError`] says why to let the publisher go.
    pub(crate) fn handle(&mut self, event: &Event) -> Result<(), PackError> {
        if let Feed::Tags(demux) = &mut self.feed {
            match event {
                Event::Announced { audio } => demux.handle_announcement(*audio),
                Event::Video { timestamp, body } => demux.handle_video(*timestamp, body)?,
                Event::Audio { timestamp, body } => demux.handle_audio(*timestamp, body)?,
                Event::Publish { .. } | Event::Finished => {}
            }
        }
        self.claim.touch();
        self.advance()
    }

    /// Takes bytes of a transport stream.
    ///
    /// # Errors
    /// [`PackError`] says why to let the publisher go.
    pub(crate) fn handle_transport(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        if let Feed::Transport(demux) = &mut self.feed {
            demux.handle(bytes)?;
        }
        self.claim.touch();
        self.advance()
    }

    /// Takes a frame of WebRTC; `at_ms` is since any moment that stays the same.
    ///
    /// # Errors
    /// [`PackError`] says why to let the publisher go.
    pub(crate) fn handle_frame(
        &mut self,
        at_ms: u64,
        kind: TrackKind,
        rtp: u32,
        data: Bytes,
    ) -> Result<(), PackError> {
        if let Feed::Realtime(demux) = &mut self.feed {
            demux.handle_frame(at_ms, kind, rtp, data)?;
        }
        self.claim.touch();
        self.advance()
    }

    /// Takes a sender report of WebRTC.
    ///
    /// # Errors
    /// [`PackError`] says why to let the publisher go.
    pub(crate) fn handle_report(
        &mut self,
        kind: TrackKind,
        report: rtp::Report,
    ) -> Result<(), PackError> {
        if let Feed::Realtime(demux) = &mut self.feed {
            demux.handle_report(kind, report)?;
        }
        self.advance()
    }

    /// What was lost of a transport stream on its way.
    pub(crate) fn losses(&self) -> ts::Losses {
        match &self.feed {
            Feed::Tags(_) | Feed::Realtime(_) => ts::Losses::default(),
            Feed::Transport(demux) => demux.losses(),
        }
    }

    /// The publisher is gone: what it sent is made into parts to the last sample, as far as it goes.
    pub(crate) fn finish(mut self) {
        self.feed.finish();
        let advanced = self.advance().and_then(|()| {
            if let Some((order, _)) = &mut self.clocked {
                order.flush(&mut self.early);
            }
            self.advance()
        });
        // What came before an error is still shown.
        let closed = self.run.as_mut().map_or(Ok(()), Run::close);
        if let Err(error) = advanced.and(closed) {
            tracing::debug!(channel = %self.claim.channel().id(), %error, "the last samples were dropped");
        }
    }

    fn advance(&mut self) -> Result<(), PackError> {
        self.sort_out();
        if self.run.is_none() {
            if self.claim.duty() == Duty::StandBy {
                // What is not shown is not kept: whoever takes over begins with what comes then.
                self.early.clear();
                return Ok(());
            }
            let counted = self.claim.channel().numbering() == Numbering::Counted;
            if !counted && self.clocked.is_none() {
                return Err(PackError::NoClock);
            }
            match self.begin() {
                // The other encoder was chosen at this very moment.
                Err(PackError::Begin(BeginError::Add(AddError::Superseded)))
                    if self.claim.duty() != Duty::Leave =>
                {
                    self.early.clear();
                    return Ok(());
                }
                begun => begun?,
            }
        }
        let Some(run) = &mut self.run else {
            return Ok(());
        };
        let leaps = run.leaps();
        let mut early = std::mem::take(&mut self.early).into_iter();
        while let Some(output) = early.next() {
            let taken = match output {
                // What a name stands for must not depend on what was before: this is another stream.
                Output::Tracks(tracks) if let Some((_, join)) = &mut self.clocked => {
                    run.close()?;
                    self.run = None;
                    self.tracks = Some(tracks);
                    *join = Join::default();
                    self.early = early.collect();
                    return self.advance();
                }
                Output::Tracks(tracks) => {
                    self.tracks = Some(tracks.clone());
                    run.change(*tracks)
                }
                Output::Sample(id, sample) => run.take(id, sample).and_then(|()| run.deliver()),
                Output::LeftOut { .. } => Ok(()),
            };
            match taken {
                // Another encoder was shown meanwhile: this one stands by, or begins anew where it is to be shown again.
                Err(PackError::Add(AddError::Superseded)) if self.claim.duty() != Duty::Leave => {
                    self.run = None;
                    break;
                }
                Err(PackError::Cut(CutError::KeyframeInterval { .. }))
                    if self.feed.has_open_groups() =>
                {
                    return Err(PackError::OpenGroups);
                }
                taken => taken?,
            }
        }
        if self.run.as_ref().is_some_and(|run| run.leaps() > leaps) {
            self.claim.note_jump();
        }
        Ok(())
    }

    /// Takes what has come out of the frames.
    fn sort_out(&mut self) {
        while let Some(output) = self.feed.poll_output() {
            match output {
                Output::Tracks(tracks) if self.run.is_none() => {
                    // What came before is of another configuration, and nobody has seen any of it.
                    self.early.clear();
                    self.tracks = Some(tracks);
                }
                Output::LeftOut { kind, number } => {
                    let channel = self.claim.channel().id();
                    tracing::warn!(%channel, %kind, number, "a track came after the stream had begun, and is left out");
                }
                output => {
                    if let (Some(tracks), Output::Sample(id, sample)) = (&self.tracks, &output) {
                        self.claim.observe(tracks, *id, sample);
                    }
                    match (&mut self.clocked, &self.tracks) {
                        (Some((order, _)), Some(tracks)) => {
                            order.sort(tracks, output, &mut self.early);
                        }
                        _ => self.early.push(output),
                    }
                }
            }
        }
    }

    /// Begins once there is a picture that can be decoded alone, or a frame of sound where there are none: its time ties
    /// the publisher's clock to the wall clock.
    fn begin(&mut self) -> Result<(), PackError> {
        if self.clocked.is_none() {
            self.drop_undecodable();
        }
        let Some(tracks) = self.tracks.clone() else {
            return Ok(());
        };
        let leader = tracks.leader();
        let timescale = tracks.timescale(leader);
        let leading = || {
            self.early.iter().filter_map(|output| match output {
                Output::Sample(id, sample) if *id == leader => Some(sample),
                _ => None,
            })
        };
        let Some(last) = leading().next_back() else {
            return Ok(());
        };
        // The frame after `last` has just arrived, and `last` ends where that one begins.
        let wall = self.claim.channel().clock().wall();
        let shown = millis(last.end(), timescale);
        let zero = match &mut self.clocked {
            None => WallTime(wall.0.saturating_sub(shown)),
            Some((_, join)) => {
                let zero = clock::zero(wall, shown)
                    .map_err(|off_millis| PackError::NotTheClock { off_millis })?;
                let picture = (leader, timescale);
                if !join.find(self.claim.channel(), zero, picture, &mut self.early) {
                    return Ok(());
                }
                zero
            }
        };
        let first = self.early.iter().find_map(|output| match output {
            Output::Sample(id, sample) if *id == leader => Some(sample),
            _ => None,
        });
        let Some(first) = first else {
            return Ok(());
        };
        let anchor = WallTime(zero.0.saturating_add(millis(first.decode_time, timescale)));
        let on_air = self.claim.begin((*tracks).clone(), anchor)?;
        tracing::info!(
            channel = %self.claim.channel().id(),
            prefix = on_air.stream.prefix(),
            tracks = described(&tracks),
            "on air"
        );
        // The cutter begins with a picture: sound of the same moment must not come before it. By the clock it does not.
        let unsorted = if self.clocked.is_none() {
            &mut self.early[..]
        } else {
            &mut []
        };
        for stretch in unsorted.split_mut(|o| matches!(o, Output::Tracks(_))) {
            stretch.sort_by_key(|output| match output {
                Output::Sample(id, sample) => {
                    Some((millis(sample.decode_time, tracks.timescale(*id)), *id))
                }
                Output::Tracks(_) | Output::LeftOut { .. } => None,
            });
        }
        let channel = Arc::clone(self.claim.channel());
        self.run = Some(Run::new(
            channel,
            on_air,
            (*tracks).clone(),
            zero,
            self.parts_made.clone(),
        )?);
        Ok(())
    }
}

/// The tracks as a log line has them, such as `video avc1.64001f 1280x720, audio mp4a.40.2`.
fn described(tracks: &Tracks) -> String {
    let one = |id| {
        let video = tracks.video(id).map(|track| &track.config);
        let audio = tracks.audio(id).map(|track| &track.config);
        let of = match (video, audio) {
            (Some(video), _) => {
                let (codec, width, height) = (video.codec(), video.width(), video.height());
                format!("{codec} {width}x{height}")
            }
            (None, audio) => audio
                .map(fanwave_media::AudioConfig::codec)
                .unwrap_or_default(),
        };
        format!("{id} {of}")
    };
    tracks.ids().map(one).collect::<Vec<_>>().join(", ")
}

impl Packager {
    /// Drops what comes before the first picture that can be decoded alone. A publisher's first one is; a stand-by is shown
    /// from anywhere in its timeline.
    fn drop_undecodable(&mut self) {
        let Some(tracks) = &self.tracks else {
            return;
        };
        let leader = tracks.leader();
        let at = |id: TrackId, sample: &Sample| millis(sample.decode_time, tracks.timescale(id));
        let leading = self.early.iter().filter_map(|output| match output {
            Output::Sample(id, sample) if *id == leader => Some(sample),
            _ => None,
        });
        let mut leading = leading.peekable();
        let has_any = leading.peek().is_some();
        let first = leading
            .find(|sample| sample.sync)
            .map(|sample| at(leader, sample));
        match first {
            Some(first) => self.early.retain(|output| match output {
                Output::Sample(id, sample) => at(*id, sample) >= first,
                Output::Tracks(_) | Output::LeftOut { .. } => true,
            }),
            None if has_any => self
                .early
                .retain(|output| !matches!(output, Output::Sample(..))),
            None => {}
        }
    }
}

fn millis(ticks: u64, timescale: u32) -> u64 {
    ticks.saturating_mul(1_000) / u64::from(timescale.max(1))
}
