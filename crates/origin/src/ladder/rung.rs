//! One rung of one stream: what its encoder gives back, cut where the source was, on its way into the stream.
//!
//! Two parties meet here, under one mutex that is held for moments. The publisher's task says what the source does, and
//! the rung's keeper ([`super::keeper`]) says what the encoder does. Whoever causes a part to be complete adds it to the
//! stream while it holds the mutex, so that parts come in order.
//!
//! A *run* is what one encoder is given. It begins with a keyframe, and is over when another encoder has to begin,
//! whatever the reason. What an encoder of an earlier run still says is not heard.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use fanwave_live::{
    HandleError, Independence, Moment, PartIndex, Position, RenditionId, RenditionName,
    cut::{
        Sync,
        shadow::{Output, Picture, Placed, Shadow, Source},
    },
};
use fanwave_media::{
    AudioTrack, Sample, Track,
    cmaf::{self, WriteError},
    fmp4,
};
use tokio::sync::{Notify, mpsc, watch};

use super::{
    SourceCut,
    config::RungConfig,
    metrics::{LadderMetrics, Restart},
};
use crate::{
    channel::Channel,
    limits::{RUNG_FEED_MAX, RUNG_SOUND_FEED_MAX},
    news::What,
    stream::{AddError, Made, Step, Stream, Turn},
};

/// What an encoder has to know of the source before its first picture or frame of sound.
#[derive(Debug)]
pub(super) struct SourceInit {
    pub(super) bytes: Bytes,
    pub(super) of: Of,
}

/// What the encoder is told beside the bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    /// Of pictures.
    Pictures {
        /// Width and height.
        size: (u16, u16),
    },
    /// Of sound.
    Sound {
        /// So many are to be made.
        channels: u16,
    },
}

/// What a rung is to be.
#[derive(Debug, Clone)]
pub(super) enum Job {
    /// Smaller pictures.
    Pictures(RungConfig),
    /// Sound of another codec.
    Sound {
        /// What the rendition is called in URLs.
        name: Box<str>,
        /// Its bitrate, thousands of bits per second.
        kilobits: u32,
        /// What it is made from, whose language and label it has.
        like: Box<AudioTrack>,
    },
}

impl Job {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Pictures(config) => config.name(),
            Self::Sound { name, .. } => name.to_string(),
        }
    }

    fn kilobits(&self) -> u32 {
        match self {
            Self::Pictures(config) => config.kilobits,
            Self::Sound { kilobits, .. } => *kilobits,
        }
    }

    /// How much may wait for the encoder.
    fn feed_max(&self) -> usize {
        match self {
            Self::Pictures(_) => RUNG_FEED_MAX,
            Self::Sound { .. } => RUNG_SOUND_FEED_MAX,
        }
    }

    /// What the encoder has made, if it is what it was told to.
    fn made(&self, track: Track) -> Option<Track> {
        match (self, track) {
            (Self::Pictures(_), Track::Video(track)) => Some(Track::Video(track)),
            (Self::Sound { like, .. }, Track::Audio(track)) => Some(Track::Audio(AudioTrack {
                config: track.config,
                language: like.language.clone(),
                label: like.label.clone(),
            })),
            (Self::Pictures(_), Track::Audio(_)) | (Self::Sound { .. }, Track::Video(_)) => None,
        }
    }
}

/// A picture or a frame of sound on its way to the encoder.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) run: u64,
    /// Whether an encoder can begin with it.
    pub(super) sync: bool,
    /// When one that begins with it shows its first; what it gives back of the time before is not meant.
    pub(super) begins_at: u64,
    pub(super) source: Arc<SourceInit>,
    pub(super) fragment: Bytes,
}

/// The same as the source has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fed<'a> {
    pub(super) source: &'a Arc<SourceInit>,
    pub(super) sync: bool,
    pub(super) begins_at: u64,
    pub(super) fragment: &'a Bytes,
}

/// The present run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) number: u64,
    /// Whether the encoder before it failed.
    pub(super) after_failure: bool,
}

/// Where a rung's parts go, and how long they may take.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) channel: Arc<Channel>,
    pub(super) stream: Arc<Stream>,
    pub(super) rendition: RenditionId,
    pub(super) metrics: LadderMetrics,
    /// How long the source's parts are waited for.
    pub(super) patience: Duration,
}

#[derive(Debug)]
pub(super) struct Rung {
    pub(super) job: Job,
    place: Place,
    state: Mutex<State>,
    run: watch::Sender<Run>,
    /// Told when the next deadline may be another.
    due: Notify,
}

#[derive(Debug)]
struct State {
    shadow: Shadow<Bytes>,
    turn: Turn,
    feed: mpsc::Sender<Feed>,
    encoder: Encoder,
    /// When the source's parts came that are not settled yet, and where they are; as many as the shadow waits for.
    led: VecDeque<(Moment, Position)>,
    /// Behind the last one that is.
    behind: Position,
    /// Number of the last fragment.
    sequence: u32,
    /// Whether the stream was playable when it was last looked at.
    is_ready: bool,
    /// Whether it was told that the encoder failed, and not yet that there is one again.
    has_failed: bool,
}

/// What is known of the present run's encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoder {
    /// It begins with the next keyframe.
    Waiting,
    /// It was given pictures, and has given none back yet.
    Starting,
    /// It gives pictures back.
    Running,
}

impl Rung {
    /// A rung of a stream whose source begins, and what its keeper has to feed to the encoder.
    pub(super) fn new(job: Job, place: Place, turn: Turn) -> (Arc<Self>, mpsc::Receiver<Feed>) {
        let (feed, fed) = mpsc::channel(job.feed_max());
        let state = State {
            shadow: Shadow::new(place.patience),
            turn,
            feed,
            encoder: Encoder::Waiting,
            led: VecDeque::new(),
            behind: Position::default(),
            sequence: 0,
            is_ready: false,
            has_failed: false,
        };
        let run = Run {
            number: 0,
            after_failure: false,
        };
        let rung = Self {
            job,
            place,
            state: Mutex::new(state),
            run: watch::Sender::new(run),
            due: Notify::new(),
        };
        (Arc::new(rung), fed)
    }

    pub(super) fn runs(&self) -> watch::Receiver<Run> {
        self.run.subscribe()
    }

    pub(super) fn metrics(&self) -> &LadderMetrics {
        &self.place.metrics
    }

    /// The source has more to be encoded, which fills these places.
    pub(super) fn handle_source(&self, fed: &Fed<'_>, places: impl IntoIterator<Item = Source>) {
        let mut state = self.lock();
        for place in places {
            state.shadow.handle_source(place);
        }
        if state.encoder == Encoder::Waiting && !fed.sync {
            return;
        }
        let feed = Feed {
            run: self.run.borrow().number,
            sync: fed.sync,
            begins_at: fed.begins_at,
            source: Arc::clone(fed.source),
            fragment: fed.fragment.clone(),
        };
        match state.feed.try_send(feed) {
            Ok(()) if state.encoder == Encoder::Waiting => state.encoder = Encoder::Starting,
            Ok(()) => {}
            // The keeper is gone, and with it the rung's encoder for good: all that follows is a gap.
            Err(mpsc::error::TrySendError::Closed(_)) => {}
            // Also while it waits: what an earlier encoder did not take is still to be cleared away.
            Err(mpsc::error::TrySendError::Full(_)) => {
                if state.encoder != Encoder::Waiting {
                    self.replace_encoder(&mut state, Restart::Slow);
                }
            }
        }
        self.deliver(&mut state);
    }

    /// The source was cut: a part that is complete already is added together with the end of its segment.
    pub(super) fn handle_cuts(&self, cuts: &[SourceCut]) {
        let now = self.now();
        let mut state = self.lock();
        for cut in cuts {
            match cut {
                SourceCut::Part(lead, place) => {
                    state.led.push_back((now, *place));
                    state.shadow.handle_part(now, *lead);
                }
                SourceCut::SegmentEnd => state.shadow.handle_segment_end(),
            }
        }
        self.deliver(&mut state);
        drop(state);
        self.due.notify_one();
    }

    /// The source's timeline ends here, and goes on elsewhere, if it does. What is not complete is a gap.
    pub(super) fn handle_break(&self) {
        let mut state = self.lock();
        let fresh = Shadow::new(self.place.patience);
        let outputs: Vec<_> = std::mem::replace(&mut state.shadow, fresh)
            .finish()
            .collect();
        self.add(&mut state, outputs);
        state.led.clear();
        state.encoder = Encoder::Waiting;
        self.next_run(false);
    }

    /// The encoder of that run gave something back.
    pub(super) fn handle_outputs(&self, run: u64, outputs: Vec<fmp4::Output>) {
        let mut state = self.lock();
        if self.run.borrow().number != run {
            return;
        }
        for output in outputs {
            match output {
                fmp4::Output::Init(track) => {
                    let Place {
                        stream, rendition, ..
                    } = &self.place;
                    let offered = self.job.made(*track).ok_or(AddError::OtherConfig);
                    let offered = offered.and_then(|track| {
                        let bandwidth = u64::from(self.job.kilobits()) * 1_000;
                        stream.offer(state.turn, *rendition, Made { track, bandwidth })
                    });
                    if let Err(error) = offered {
                        tracing::warn!(rung = self.job.name(), %error, "the encoder's output is not taken");
                        self.replace_encoder(&mut state, Restart::Output);
                        break;
                    }
                }
                fmp4::Output::Sample(sample) => {
                    state.encoder = Encoder::Running;
                    if std::mem::take(&mut state.has_failed) {
                        self.tell(|rung| What::RungBack { rung });
                    }
                    state.shadow.handle_picture(Picture {
                        presentation_time: sample.presentation_time(),
                        sync: if sample.sync { Sync::Sync } else { Sync::Delta },
                        payload: sample.data,
                    });
                }
            }
        }
        self.deliver(&mut state);
    }

    /// The encoder of that run is gone.
    pub(super) fn handle_failure(&self, run: u64, why: Restart) {
        let mut state = self.lock();
        if self.run.borrow().number == run {
            self.replace_encoder(&mut state, why);
            self.deliver(&mut state);
        }
    }

    /// Makes a gap of what was waited for too long; says when to come back.
    pub(super) fn handle_time(&self) -> Option<Moment> {
        let now = self.now();
        let mut state = self.lock();
        if state.shadow.poll_timeout().is_some_and(|due| due <= now) {
            state.shadow.handle_timeout(now);
            // The rest of the segment is a gap now: the encoder catches up best by leaving it out. One that has only
            // just begun is given more time.
            if state.encoder == Encoder::Running {
                self.replace_encoder(&mut state, Restart::Slow);
            }
            self.deliver(&mut state);
        }
        state.shadow.poll_timeout()
    }

    /// Returns when [`Rung::handle_time`] has to be asked again.
    pub(super) async fn due(&self) {
        self.due.notified().await;
    }

    fn replace_encoder(&self, state: &mut State, why: Restart) {
        tracing::info!(
            rung = self.job.name(),
            ?why,
            "the rung's encoder is replaced"
        );
        self.place.metrics.restarted(why);
        state.has_failed = true;
        self.tell(|rung| What::RungFailed {
            rung,
            reason: why.name(),
        });
        state.shadow.handle_lost();
        state.encoder = Encoder::Waiting;
        self.next_run(true);
    }

    fn tell(&self, what: impl FnOnce(RenditionName) -> What) {
        if let Ok(name) = self.job.name().parse() {
            self.place.channel.tell(what(name));
        }
    }

    fn next_run(&self, after_failure: bool) {
        self.run.send_modify(|run| {
            *run = Run {
                number: run.number.wrapping_add(1),
                after_failure,
            };
        });
    }

    /// Adds what the shadow has ready.
    fn deliver(&self, state: &mut State) {
        let outputs: Vec<_> = std::iter::from_fn(|| state.shadow.poll_output()).collect();
        self.add(state, outputs);
    }

    fn add(&self, state: &mut State, outputs: Vec<Output<Bytes>>) {
        if outputs.is_empty() {
            return;
        }
        let now = self.now();
        let steps = outputs
            .into_iter()
            .map(|output| self.step(state, now, output))
            .collect();
        match self.place.stream.follow(now, state.turn, steps) {
            // A show begins when its last rendition has.
            Ok(()) if !state.is_ready && self.place.stream.is_ready() => {
                state.is_ready = true;
                self.place.channel.announce();
            }
            // The stream went on without, as gap, or with another publisher.
            Ok(()) | Err(AddError::Late | AddError::Superseded) => {}
            Err(AddError::Live(HandleError::Away)) => {}
            Err(error) => {
                tracing::warn!(rung = self.job.name(), %error, "the rung's parts are not taken");
            }
        }
    }

    /// What the stream is told, and where it belongs.
    fn step(&self, state: &mut State, now: Moment, output: Output<Bytes>) -> (Position, Step) {
        let rendition = self.place.rendition;
        let (pictures, start, duration) = match output {
            Output::SegmentEnd => return (state.behind, Step::SegmentEnd { rendition }),
            Output::Gap { start, duration } => (None, start, duration),
            Output::Part {
                pictures,
                start,
                duration,
            } => (Some(pictures), start, duration),
        };
        let (led_at, place) = state.led.pop_front().unwrap_or((now, state.behind));
        state.behind = Position {
            msn: place.msn,
            part: PartIndex(place.part.0.saturating_add(1)),
        };
        let independent = pictures
            .iter()
            .flatten()
            .any(|picture| picture.sync == Sync::Sync);
        let samples = pictures.as_ref().map_or(0, Vec::len);
        let first = pictures.iter().flatten().next();
        let decode_time = first.map_or(0, |picture| picture.decode_time);
        let written = pictures.and_then(|pictures| {
            state.sequence = state.sequence.wrapping_add(1);
            write(state.sequence, pictures).ok()
        });
        let step = match written {
            Some(bytes) => {
                let lag = now.0.saturating_sub(led_at.0);
                self.place.metrics.lag.observe(lag.as_secs_f64());
                Step::Part {
                    rendition,
                    start,
                    duration,
                    independence: if independent {
                        Independence::Independent
                    } else {
                        Independence::Dependent
                    },
                    samples,
                    decode_time,
                    bytes,
                }
            }
            None => {
                self.place.metrics.gaps.inc();
                Step::Gap {
                    rendition,
                    start,
                    duration,
                }
            }
        };
        (place, step)
    }

    fn now(&self) -> Moment {
        self.place.channel.clock().now()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part of these pictures.
fn write(sequence: u32, pictures: Vec<Placed<Bytes>>) -> Result<Bytes, WriteError> {
    let samples: Vec<_> = pictures
        .into_iter()
        .map(|picture| Sample {
            decode_time: picture.decode_time,
            duration: picture.duration,
            // Times of a publisher are within seconds of each other, see `media::limits`.
            composition: i32::try_from(picture.composition).unwrap_or_default(),
            sync: picture.sync == Sync::Sync,
            data: picture.payload,
        })
        .collect();
    cmaf::fragment(sequence, &samples)
}
