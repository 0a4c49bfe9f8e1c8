//! RTMP, SRT and WebRTC in, low-latency HLS out.
//!
//! ```text
//! encoder --RTMP(S)--> rtmp (listener, connection, session) --tags---+
//!                            |                                       v
//!                            +--> ingest (who is let in) --claim--> packager --parts--> stream <--asks-- http <-- viewers
//!                            |    authorise (who is asked)           ^ (media, live)     ^
//! encoder --SRT--> srt (port, publisher) --transport stream----------+      channel: which stream is shown
//! browser --WHIP-> whip (http, port, session) --frames---------------+
//!                                                                    +--samples--> simulcast --RTMP(S)--> other platforms
//! ```
//!
//! This shell owns the sockets, the clocks and the bytes. What an encoder's bytes mean is `media`'s, what a playlist does
//! is `live`'s; nothing here knows a codec or a playlist tag. The root starts it with [`Origin::start`] and mounts
//! [`Origin::router`]; it shares nothing with other shells.

mod archive;
mod authorise;
mod backoff;
mod channel;
mod clock;
mod config;
mod doors;
pub mod fuzz;
mod holds;
mod http;
mod ingest;
mod ladder;
pub mod limits;
mod metrics;
mod news;
mod packager;
mod playlist;
mod rtmp;
mod shared;
mod simulcast;
mod slate;
mod srt;
mod stream;
mod thumbnails;
mod whip;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use axum::Router;
use fanwave_live::Config;
pub use fanwave_live::{AttributeValue, DateRange, DateRangeError, DateRangeSpec, Numbering};
use fanwave_media::health::Report;
use fanwave_wire::RoomId;
use prometheus_client::registry::Registry;
use tokio::{
    sync::{Semaphore, broadcast, watch},
    task::JoinSet,
};

use crate::{
    archive::{Archive, library::Library},
    authorise::Authoriser,
    channel::{Channel, Makes, Waits},
    clock::Clock,
    doors::{Addresses, Doors},
    holds::Holds,
    http::audience::Audience,
    ladder::Ladder,
    limits::WAITING_REQUESTS_MAX,
    metrics::Metrics,
    news::Teller,
    shared::{Patience, Shared, stopped},
    simulcast::Simulcast,
    thumbnails::Thumbnails,
};
pub use crate::{
    archive::{
        library::{LibraryError, RecordingInfo},
        play::Stretch,
    },
    authorise::{Answer, AuthoriserConfig, Endpoint, EndpointError, Form, Post, StreamKeys, sign},
    channel::{AnnounceError, ChannelStatus, Encoder as Publisher, PublisherStatus},
    config::{
        ArchiveConfig, ChannelConfig, ChannelsError, OriginConfig, RecordingConfig, Secret,
        StartError, Takeover,
    },
    http::{Answered, Ask, Awaited, Look, Prepared, ViewerRequest, Viewing, Woken, accepts_gzip},
    ladder::config::{Encoder, LadderConfig, LadderError, RungConfig},
    news::{News, Takeover as ShownInstead, What},
    simulcast::{
        NoPushAddress, PushAddress, PushState, PushStatus, PushTrouble, SimulcastConfig,
        SimulcastError, is_push_name,
    },
    srt::SrtConfig,
    thumbnails::{ThumbnailsConfig, ThumbnailsError},
    whip::WhipConfig,
};

/// A running origin. Dropping it stops its tasks at once; [`Origin::shutdown`] lets them end in order.
#[derive(Debug)]
pub struct Origin {
    shared: Arc<Shared>,
    addresses: Addresses,
    whip: Option<Arc<whip::Endpoint>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Origin {
    /// Starts to listen for encoders. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`] says what to change.
    pub fn start(config: OriginConfig, registry: &mut Registry) -> Result<Self, StartError> {
        Self::start_with(config, Patience::default(), registry)
    }

    fn start_with(
        config: OriginConfig,
        patience: Patience,
        registry: &mut Registry,
    ) -> Result<Self, StartError> {
        check(&config)?;
        let doors = Doors::of(&config);
        let settings = config.live_settings();
        // The renditions are not known before a publisher comes; one stands for all, so that settings are refused now.
        Config::new(settings.clone(), channel::renditions_to_check())?;
        let clock = Clock::start(config.wall);
        let waits = Waits {
            reconnect_window: config.reconnect_window,
            silence: patience.silence,
            starving: patience.starving,
            recovery: patience.recovery,
        };
        let metrics = Metrics::register(registry);
        let program = config.ladder.program.clone();
        let thumbnails = Thumbnails::new(config.thumbnails, program, metrics.thumbnails.clone());
        let thumbnails = Arc::new(thumbnails);
        let ladder = Ladder::new(config.ladder, patience.rung, metrics.ladder.clone());
        let ladder = Arc::new(ladder);
        let storage_waits = archive::Waits {
            unstored: patience.unstored,
            retry: patience.storage,
        };
        let teller = Teller::new(clock);
        let archive = config.archive.map(|config| {
            let metrics = metrics.storage.clone();
            let archive = Archive::new(config, storage_waits, metrics, teller.clone());
            Arc::new(archive)
        });
        let pushed = config.simulcast;
        let channel = |channel: ChannelConfig| {
            let id = channel.id.clone();
            let makes = Makes {
                ladder: Arc::clone(&ladder),
                thumbnails: Arc::clone(&thumbnails),
                archive: archive.clone(),
                simulcast: Simulcast::of(&id, &pushed, clock),
            };
            let channel = Channel::new(channel, &settings, makes, (waits, clock), teller.clone());
            (id, Arc::new(channel))
        };
        let channels: Arc<BTreeMap<_, _>> =
            Arc::new(config.channels.into_iter().map(channel).collect());
        collect(registry, &channels, !pushed.is_empty());
        if let Some(archive) = &archive {
            archive.tidy(Arc::clone(&channels), clock);
        }
        let shared = Arc::new(Shared {
            channels,
            authoriser: config.authoriser.map(Authoriser::new).map(Arc::new),
            connections: AtomicU64::new(1),
            archive,
            clock,
            metrics,
            audience: Audience::default(),
            teller: teller.clone(),
            patience,
            waiting: Arc::new(Semaphore::new(WAITING_REQUESTS_MAX)),
            holds: Holds::default(),
            stop: watch::Sender::new(false),
        });
        let mut opened = doors::open(&doors, &shared)?;
        keep_channels(&shared, &mut opened.tasks);
        let addresses = opened.addresses;
        tracing::info!(rtmp = %addresses.rtmp, rtmps = ?addresses.rtmps, srt = ?addresses.srt, whip = ?addresses.whip, channels = shared.channels.len(), "listening for encoders");
        Ok(Self {
            shared,
            addresses,
            whip: opened.whip.map(Arc::new),
            tasks: Mutex::new(opened.tasks),
        })
    }

    /// Everything under `/live`, and under `/whip` where there is WHIP; the routes are absolute. Requests should carry
    /// `ConnectInfo<SocketAddr>`: publishers are counted by their addresses.
    pub fn router(&self) -> Router {
        let viewers = http::router(Arc::clone(&self.shared));
        match &self.whip {
            Some(endpoint) => viewers.merge(whip::router(Arc::clone(endpoint))),
            None => viewers,
        }
    }

    /// What viewers ask for again and again, for a server that looks there before it asks the router.
    #[must_use]
    pub fn viewing(&self) -> Viewing {
        Viewing::new(Arc::clone(&self.shared))
    }

    /// How a channel is doing, if there is such a channel.
    #[must_use]
    pub fn status(&self, channel: &RoomId) -> Option<ChannelStatus> {
        self.watch(channel).map(|status| *status.borrow())
    }

    /// How a channel is doing, now and whenever that changes, if there is such a channel.
    #[must_use]
    pub fn watch(&self, channel: &RoomId) -> Option<watch::Receiver<ChannelStatus>> {
        self.shared
            .channels
            .get(channel)
            .map(|channel| channel.status())
    }

    /// How well a channel's publisher sends; `None` while nobody does.
    #[must_use]
    pub fn health(&self, channel: &RoomId) -> Option<Report> {
        self.shared.channels.get(channel)?.health()
    }

    /// Where a channel's publishers come from: the one that is shown, and the one that stands by.
    #[must_use]
    pub fn publishers(&self, channel: &RoomId) -> (Option<Publisher>, Option<Publisher>) {
        let channel = self.shared.channels.get(channel);
        channel.map_or((None, None), |channel| channel.encoders())
    }

    /// How the pushes of a channel's shows to other platforms go, in the order of the configuration.
    #[must_use]
    pub fn pushes(&self, channel: &RoomId) -> Vec<PushStatus> {
        let channel = self.shared.channels.get(channel);
        channel.map_or_else(Vec::new, |channel| channel.simulcast().statuses())
    }

    /// About how many watch at this moment, by the playlists that they ask for here.
    #[must_use]
    pub fn viewers(&self) -> u32 {
        self.shared.audience.count(self.shared.clock.now())
    }

    /// What happens to the shows and their encoders, from now on. A listener who takes too little misses the oldest, and
    /// is told how much; nobody else notices.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<News> {
        self.shared.teller.listen()
    }

    /// Announces that something happens at a time of the channel's show: it stands as EXT-X-DATERANGE in every playlist of
    /// its present stream until that time has left the window.
    ///
    /// # Errors
    /// [`AnnounceError`]: the channel shows nothing now, or its stream does not take it.
    pub fn announce_event(&self, channel: &RoomId, event: DateRange) -> Result<(), AnnounceError> {
        let channel = self
            .shared
            .channels
            .get(channel)
            .ok_or(AnnounceError::NoChannel)?;
        channel.announce_event(event)
    }

    /// All recordings and clips, the newest first.
    #[must_use]
    pub fn recordings(&self) -> Vec<RecordingInfo> {
        self.library()
            .map_or_else(|_| Vec::new(), |library| library.list())
    }

    /// One of them.
    #[must_use]
    pub fn recording(&self, id: &str) -> Option<RecordingInfo> {
        self.library().ok()?.get(id)
    }

    /// How times of the show become times in a player of a recording.
    ///
    /// # Errors
    /// [`LibraryError`].
    pub async fn timeline(&self, id: &str) -> Result<Vec<Stretch>, LibraryError> {
        self.library()?.timeline(id).await
    }

    /// Deletes a recording or a clip. What a clip shows of a recording stays.
    ///
    /// # Errors
    /// [`LibraryError`].
    pub async fn delete_recording(&self, id: &str) -> Result<(), LibraryError> {
        self.library()?.delete(id).await
    }

    /// Cuts a clip of a recording between two times, milliseconds since 1970, of whole segments. It stays when the recording is
    /// deleted.
    ///
    /// # Errors
    /// [`LibraryError`].
    pub async fn clip(
        &self,
        id: &str,
        from_ms: u64,
        to_ms: u64,
    ) -> Result<RecordingInfo, LibraryError> {
        self.library()?.clip(id, from_ms, to_ms).await
    }

    fn library(&self) -> Result<Library, LibraryError> {
        let archive = self.shared.archive.as_ref();
        let archive = archive.ok_or(LibraryError::Unknown)?;
        Ok(archive.library(self.shared.clock))
    }

    /// Whether everything that should be stored can be.
    #[must_use]
    pub fn stores(&self) -> bool {
        self.shared.metrics.storage.failing.get() == 0
    }

    /// Whether what is recorded gets to the bucket behind the folder, and in time; also where there is none.
    #[must_use]
    pub fn uploads(&self) -> bool {
        self.shared.metrics.storage.uploads.is_well()
    }

    /// Where encoders connect.
    #[must_use]
    pub fn rtmp_addr(&self) -> SocketAddr {
        self.addresses.rtmp
    }

    /// Where encoders connect over TLS, if they can.
    #[must_use]
    pub fn rtmps_addr(&self) -> Option<SocketAddr> {
        self.addresses.rtmps
    }

    /// Where encoders call by SRT, if they can.
    #[must_use]
    pub fn srt_addr(&self) -> Option<SocketAddr> {
        self.addresses.srt
    }

    /// Where media of WHIP sessions comes in by UDP, if there are any.
    #[must_use]
    pub fn whip_addr(&self) -> Option<SocketAddr> {
        self.addresses.whip
    }

    /// Lets publishers go, answers waiting requests with 503, and returns when all of that is done.
    ///
    /// Playlists do not end: the show may go on after a restart, and a player that has seen the end never looks again.
    pub async fn shutdown(&self) {
        self.shared.stop();
        let mut tasks =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
        // What the publishers' last parts made whole is stored as well.
        if let Some(archive) = &self.shared.archive {
            archive.shutdown().await;
        }
        self.shared.teller.close();
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// Whether everything can be as it is wanted, as far as that is known before a publisher comes.
fn check(config: &OriginConfig) -> Result<(), StartError> {
    config.check()?;
    config.ladder.check()?;
    config.thumbnails.check()?;
    simulcast::check(&config.simulcast, &config.channels)?;
    Ok(())
}

/// Has metrics read off the channels; those of pushes where there are any.
fn collect(
    registry: &mut Registry,
    channels: &Arc<BTreeMap<RoomId, Arc<Channel>>>,
    is_pushed: bool,
) {
    let ingest = metrics::ingest::Ingest(Arc::clone(channels));
    let origin = registry.sub_registry_with_prefix("origin");
    origin.register_collector(Box::new(ingest));
    if is_pushed {
        let pushes = simulcast::Pushes(Arc::clone(channels));
        let simulcast = registry.sub_registry_with_prefix("simulcast");
        simulcast.register_collector(Box::new(pushes));
    }
}

/// Keeps who waits for something, every channel, what it shows while its encoder is away, and where it is pushed on to.
fn keep_channels(shared: &Arc<Shared>, tasks: &mut JoinSet<()>) {
    tasks.spawn(holds::keep(Arc::clone(shared), shared.stop.subscribe()));
    for channel in shared.channels.values() {
        let stop = || shared.stop.subscribe();
        tasks.spawn(keep(Arc::clone(channel), shared.clock, stop()));
        channel.simulcast().keep(&channel.status(), &stop(), tasks);
        if channel.ladder().slate().is_some() {
            let parts = shared.metrics.parts.clone();
            tasks.spawn(slate::keep(Arc::clone(channel), parts, stop()));
        }
    }
}

/// Keeps one channel's deadlines until the origin stops.
async fn keep(channel: Arc<Channel>, clock: Clock, mut stop: watch::Receiver<bool>) {
    loop {
        let due = channel.handle_time().map(|moment| clock.instant(moment));
        let sleep = async {
            match due {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = channel.woken() => {}
            () = sleep => {}
        }
    }
}

#[cfg(test)]
mod tests;
