//! The server as a value: all parts, started in the order in which they need each other.
//!
//! 1. The data folder is locked; keys are read or made.
//! 2. Ports are bound before anything else is built, so that a taken port costs nothing.
//! 3. Store, engine, gateway, origin; each registers its metrics.
//! 4. The HTTP server, with everyone's routes. Only now is the server ready.
//! 5. The demo, if wanted: it comes in by the same doors as strangers.
//!
//! Stopping goes the other way (`stop`). Tests start whole servers in one process through here.

mod stop;

use std::{io, net::SocketAddr, path::Path, sync::Arc};

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    response::Response,
};
use fanwave_api::{
    Api, ApiKeys, ChannelInfo, Encoder, EventRefusal, EventValue, Health, Ingest, Library,
    LibraryError, NodeList, Publisher, Recording, Regions, ShowEvent, ShowState, ShowStatus,
    Stretch, Told, quality::Quality,
};
use fanwave_bus::{
    BoxFuture, Engine,
    recorder::{Recorder, Watch},
};
use fanwave_gateway::{Gateway, TlsAcceptor, TlsFiles};
use fanwave_origin::{
    AnnounceError, ArchiveConfig, AttributeValue, ChannelConfig, ChannelStatus, DateRange,
    DateRangeSpec, Origin, OriginConfig, PublisherStatus, RecordingInfo, SrtConfig, Takeover,
    Viewing,
    limits::{SRT_PASSPHRASE_CHARS_MAX, SRT_PASSPHRASE_CHARS_MIN},
};
use fanwave_room::census::Node;
use fanwave_store::{Archive, Store};
use fanwave_vault::Vault;
use fanwave_wire::{RoomId, UnixMillis, token::TokenKey};
use futures_util::stream::BoxStream;
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_rustls::rustls;
use tower::util::MapResponseLayer;
use tower_http::catch_panic::CatchPanicLayer;

#[cfg(feature = "s3")]
use super::bucket;
use super::{
    accounts, authoriser,
    back_ends::{self, GatewayRooms, KeysError},
    beside, commands, encoders,
    engine::Running,
    foreign_pages, gateway,
    health::{self, Readiness, Stage},
    http::{self, Door, HttpServer},
    news::{self, Reporter, Run},
    recorder,
    simulcast::{self, SimulcastProblem},
    store::{self, Sweeper},
    stream_keys, webhook,
    webhooks::{self, Hooks},
};
use crate::{
    assets, clock,
    commands::Commands,
    config::{
        http::{Http, HttpTls},
        ingest::Srt,
        plan::Plan,
    },
    datadir::{DataDir, DataDirError, Locked},
    demo::{self, Demo, DemoError},
    jwks::{self, Follower},
    secret::{self, Secret, SecretError},
    telemetry::HttpMetrics,
};

/// Whether the demo plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Whoever has the stream key publishes.
    Real,
    /// The demo publishes on the first channel, and demo fans chat.
    Demo,
}

/// Why the server did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A port is taken or not ours to take.
    #[error(
        "cannot listen for {what} on {address}: {source}. Stop the program that has the port, or choose another one: \
         {key} in the configuration file, or the variable {variable}"
    )]
    Listen {
        /// HTTP, RTMP or chat.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// Which key changes it.
        key: &'static str,
        /// Which variable changes it.
        variable: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The chat log cannot be opened.
    #[error(transparent)]
    Store(#[from] fanwave_store::OpenError),
    /// The password of its database.
    #[error("the password of the chat log's database cannot be read: {0}")]
    StorePassword(SecretError),
    /// The password of the engine's broker.
    #[error("the engine's password cannot be read: {0}")]
    EnginePassword(SecretError),
    /// A file for TLS to the engine's broker.
    #[cfg(feature = "redis")]
    #[error("cannot read {}, which the engine needs for TLS: {source}", path.display())]
    EngineTls {
        /// Which file.
        path: std::path::PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The engine's broker cannot be used as configured.
    #[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
    #[error("the engine cannot start: {0}")]
    Engine(fanwave_bus::shared::BrokerError),
    /// The catalogue of accounts.
    #[error(transparent)]
    Catalogue(#[from] fanwave_store::catalogue::OpenError),
    /// The gateway.
    #[error("the chat gateway cannot start: {0}")]
    Gateway(#[from] fanwave_gateway::StartError),
    /// The secret that questions to the authoriser are signed with.
    #[error("the authoriser's secret cannot be read: {0}")]
    AuthoriserSecret(SecretError),
    /// The secret that an issuer knows us by.
    #[error("the secret of oidc.client_secret_file cannot be read: {0}")]
    OidcSecret(SecretError),
    /// The passphrase of the SRT port.
    #[error("the passphrase for SRT cannot be read: {0}")]
    SrtPassphrase(SecretError),
    /// The passphrase of the SRT port is too long for SRT.
    #[error(
        "the passphrase for SRT has more than {SRT_PASSPHRASE_CHARS_MAX} characters: srt.passphrase_file needs a shorter one"
    )]
    SrtPassphraseLong,
    /// The secret that events are signed with.
    #[error("the webhook's secret cannot be read: {0}")]
    WebhookSecret(SecretError),
    /// The secret that questions to the proxy are signed with.
    #[error("the proxy's secret cannot be read: {0}")]
    ProxySecret(SecretError),
    /// The API keys of back ends.
    #[error("the API keys of api.keys_file cannot be used: {0}")]
    ApiKeys(#[from] KeysError),
    /// The origin.
    #[error("the broadcast cannot start: {0}")]
    Origin(fanwave_origin::StartError),
    /// What shows are pushed on with.
    #[error(transparent)]
    Simulcast(#[from] SimulcastProblem),
    /// The folder of the media of shows.
    #[error("the media folder cannot be used: {0}")]
    Media(fanwave_vault::VaultError),
    /// The bucket that recordings are kept in.
    #[cfg(feature = "s3")]
    #[error(transparent)]
    Bucket(bucket::BucketProblem),
    /// The certificate or the key of the HTTP port.
    #[error("TLS cannot be spoken at http.tls_listen: {0}")]
    HttpTls(fanwave_gateway::TlsError),
    /// The certificate or the key of the RTMPS port.
    #[error("TLS cannot be spoken at rtmp.tls_listen: {0}")]
    RtmpsTls(fanwave_gateway::TlsError),
    /// It is configured, and not in this build.
    #[cfg(not(feature = "http3"))]
    #[error("http.h3_listen is set, and this build has no HTTP/3: build it with the feature http3")]
    NoHttp3,
    /// The demo.
    #[error(transparent)]
    Demo(#[from] DemoError),
}

/// A channel as it is served.
#[derive(Debug, Clone)]
pub struct ServedChannel {
    /// Its id.
    pub id: RoomId,
    /// What the page shows.
    pub title: Arc<str>,
    /// What its publisher has to show.
    pub stream_key: Secret,
    /// What becomes of a second publisher.
    pub takeover: Takeover,
    /// How its segments are numbered.
    pub numbering: fanwave_origin::Numbering,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    addresses: HttpAddresses,
    rtmp_addr: SocketAddr,
    channels: Vec<ServedChannel>,
    token_key: TokenKey,
    readiness: Readiness,
    http: HttpServer,
    gateway: Arc<Gateway>,
    origin: Arc<Origin>,
    engine: Running,
    store: Store,
    /// What is swept: the log, or what is recorded in its place.
    archive: Archive,
    /// Lets go of its oldest messages.
    sweeper: Sweeper,
    /// Writes down in it what is said over a broker, if that is wanted.
    recorder: Option<Recorder>,
    demo: Option<Demo>,
    /// Given back last, when nothing writes to the folder any more.
    data: Locked,
    /// Reads the keys of others, if tokens of others are taken.
    key_follower: Option<Follower>,
    /// Tells the operator's server what happens, if there is one.
    reporter: Option<Reporter>,
    /// Accounts, if they are kept here.
    register: Option<accounts::Register>,
    /// Webhooks of the API, if there are any.
    hooks: Option<Hooks>,
    /// Has done what back ends send over the broker, if that is taken.
    commands: Option<Commands>,
}

impl Server {
    /// Starts everything. What was started before an error is dropped again.
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    pub async fn start(plan: &Plan, show: Show) -> Result<Self, StartError> {
        if show == Show::Demo {
            demo::find_ffmpeg(&plan.demo)?;
        }
        let data = DataDir::open(&plan.data_dir)?.lock()?;
        let token_key = data.folder().token_key(plan.token_secret_file.as_deref())?;
        let channels = served_channels(plan, data.folder())?;
        let api_keys = back_ends::keys(plan.api_keys_file.as_deref())?;
        let (doors, addresses) = doors(&plan.http)?;
        let mut registry = Registry::default();
        let http_metrics = HttpMetrics::register(&mut registry);
        let media = media(plan, data.folder()).await?;
        let register = accounts::Register::open(plan.accounts.as_ref(), data.folder()).await?;
        let origin = start_origin(plan, &channels, (media, register.as_ref()), &mut registry)?;
        let run = Run::new();
        let reporter = reporter(plan, &origin, &run, &mut registry)?;
        let store = store::start(&plan.store, data.folder(), &mut registry).await?;
        let engine = Running::start(plan, &store, &mut registry).await?;
        let archive = store::archive(&plan.store, &store).await?;
        let recorder = recorder::start(plan, &archive, &mut registry);
        let (keys, key_follower) = jwks::keys(&plan.tokens, &token_key, &mut registry).await;
        let server = (addresses.plain, beside::of(&origin, &http_metrics));
        let gateway = gateway::start(plan, server, (engine.as_engine(), keys), &mut registry)?;
        let readiness = Readiness::default();
        let (folder, accounts) = (data.folder(), register.as_ref());
        let parts = (folder, accounts, &token_key, (&*origin, &run));
        let hooks = hooks(plan, parts, engine.as_engine(), &mut registry).await?;
        let keys = (token_key.clone(), api_keys);
        let shells = (Arc::clone(&origin), Arc::clone(&gateway), run);
        let api = Arc::new(Api {
            accounts: accounts.map(|kept| kept.desk(&token_key, &plan.outgoing)),
            webhooks: hooks.as_ref().map(|hooks| hooks.desk(&token_key)),
            log: log(plan, &engine, &archive),
            quality: Quality::new(plan.quality, &mut registry),
            ..api(plan, &channels, keys, engine.as_engine(), shells)
        });
        let commands = commands::start(plan, &api, &mut registry).await?;
        let log = (&engine, &store, recorder.as_ref(), commands.as_ref());
        let pulses = health::router(readiness.clone(), pulses(&gateway, log, &origin), registry);
        let api = (fanwave_api::router(api), pulses, &token_key);
        let pages = pages(plan, (&gateway, &origin), api);
        let http = HttpServer::start(doors, &plan.http, pages, http_metrics);
        readiness.set(Stage::Ready);
        let server = Self {
            rtmp_addr: origin.rtmp_addr(),
            addresses,
            channels,
            token_key,
            readiness,
            http,
            gateway,
            origin,
            engine,
            recorder,
            sweeper: Sweeper::start(archive.clone(), plan.store.retention.clone()),
            archive,
            store,
            demo: None,
            data,
            key_follower,
            reporter,
            register,
            hooks,
            commands,
        };
        server.playing(plan, show)
    }

    /// The server with its demo, if that is wanted.
    fn playing(mut self, plan: &Plan, show: Show) -> Result<Self, StartError> {
        if show == Show::Demo {
            self.demo = Some(self.start_demo(plan)?);
        }
        Ok(self)
    }

    fn start_demo(&self, plan: &Plan) -> Result<Demo, DemoError> {
        let first = &self.channels[0];
        let stage = demo::Stage {
            channel: first.id.clone(),
            stream_key: first.stream_key.clone(),
            rtmp: self.rtmp_addr,
            http: self.addresses.plain,
            token_key: self.token_key.clone(),
            folder: self.data_dir().to_owned(),
        };
        Demo::start(&plan.demo, stage)
    }

    /// The HTTP port; differs from the plan's when that was 0.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.addresses.plain
    }

    /// The HTTP port that speaks TLS, if there is one; differs from the plan's when that was 0.
    #[must_use]
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.addresses.tls
    }

    /// The UDP port of HTTP/3, if there is one; differs from the plan's when that was 0.
    #[must_use]
    pub fn h3_addr(&self) -> Option<SocketAddr> {
        self.addresses.quic
    }

    /// The ports for chat sockets alone; each differs from the plan's when that was 0.
    #[must_use]
    pub fn chat_addrs(&self) -> &[SocketAddr] {
        self.gateway.addresses()
    }

    /// The RTMP port; differs from the plan's when that was 0.
    #[must_use]
    pub fn rtmp_addr(&self) -> SocketAddr {
        self.rtmp_addr
    }

    /// The RTMPS port, if there is one; differs from the plan's when that was 0.
    #[must_use]
    pub fn rtmps_addr(&self) -> Option<SocketAddr> {
        self.origin.rtmps_addr()
    }

    /// The SRT port, if there is one; differs from the plan's when that was 0.
    #[must_use]
    pub fn srt_addr(&self) -> Option<SocketAddr> {
        self.origin.srt_addr()
    }

    /// The UDP port for media of WHIP, if there is one; differs from the plan's when that was 0.
    #[must_use]
    pub fn whip_addr(&self) -> Option<SocketAddr> {
        self.origin.whip_addr()
    }

    /// The channels; the first is the one of the demo.
    #[must_use]
    pub fn channels(&self) -> &[ServedChannel] {
        &self.channels
    }

    /// The data folder.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.data.folder().path()
    }

    /// Whether the demo plays.
    #[must_use]
    pub fn show(&self) -> Show {
        if self.demo.is_some() {
            Show::Demo
        } else {
            Show::Real
        }
    }
}

/// Everything that is served over HTTP: first what is not the broadcast.
fn pages(
    plan: &Plan,
    (gateway, origin): (&Gateway, &Origin),
    (api, pulses, key): (Router, Router, &TokenKey),
) -> (Router, Viewing) {
    let routes = gateway
        .router()
        .merge(foreign_pages::may_read(api, plan.readers()))
        .merge(pulses)
        .merge(assets::router(key.clone(), &plan.regions));
    let routes = with_security_headers(routes, &plan.regions, origin);
    (routes, origin.viewing())
}

/// Webhooks of the API, which are told what happens from now on.
async fn hooks(
    plan: &Plan,
    (folder, register, key, (origin, run)): (
        &DataDir,
        Option<&accounts::Register>,
        &TokenKey,
        (&Origin, &Run),
    ),
    engine: Arc<dyn Engine>,
    registry: &mut Registry,
) -> Result<Option<Hooks>, StartError> {
    let parts = webhooks::Parts {
        folder,
        register,
        key,
        origin,
        run: run.clone(),
        engine,
    };
    Hooks::start(plan, parts, registry).await
}

/// The chat log, if it is kept here.
fn log(plan: &Plan, engine: &Running, archive: &Archive) -> Option<Archive> {
    let is_kept = matches!(engine, Running::Memory(_)) || plan.store.record;
    is_kept.then(|| archive.clone())
}

/// Who is asked how it is.
fn pulses(
    gateway: &Arc<Gateway>,
    (engine, store, recorder, commands): (&Running, &Store, Option<&Recorder>, Option<&Commands>),
    origin: &Arc<Origin>,
) -> health::Pulses {
    let log = store.clone();
    let is_log = matches!(engine, Running::Memory(_));
    let recorder = recorder.map(Recorder::watch);
    let reactor = Arc::clone(gateway);
    let (broadcast, uploads) = (Arc::clone(origin), Arc::clone(origin));
    health::Pulses {
        reactor: Arc::new(move || reactor.is_alive()),
        engine: engine.pulse(),
        log: Arc::new(move || !is_log || log.is_well()),
        recorder: Arc::new(move || recorder.as_ref().is_none_or(Watch::is_well)),
        storage: Arc::new(move || broadcast.stores()),
        bucket: Arc::new(move || uploads.uploads()),
        commands: commands::pulse(commands),
    }
}

/// Answers [`ShowStatus`] from the origin.
struct OriginShows(Arc<Origin>, Run);

impl ShowStatus for OriginShows {
    fn state(&self, channel: &RoomId) -> ShowState {
        match self.0.status(channel) {
            Some(ChannelStatus {
                live: true,
                since: Some(since),
                ..
            }) => ShowState::Live { since },
            _ => ShowState::OffAir,
        }
    }

    fn announce(&self, channel: &RoomId, event: ShowEvent) -> Result<(), EventRefusal> {
        let value = |value| match value {
            EventValue::Text(text) => AttributeValue::Text(text),
            EventValue::Number(number) => AttributeValue::Number(number),
        };
        let attributes = event.attributes.into_iter();
        let range = DateRange::new(&DateRangeSpec {
            id: event.id,
            class: event.class,
            start: fanwave_live::WallTime(event.start.0),
            duration: event.duration,
            attributes: attributes.map(|(name, of)| (name, value(of))).collect(),
        })
        .map_err(|error| EventRefusal::Refused(error.to_string()))?;
        self.0
            .announce_event(channel, range)
            .map_err(|error| match error {
                AnnounceError::IdUsed => EventRefusal::IdUsed,
                AnnounceError::NoChannel | AnnounceError::NotLive => EventRefusal::NotLive,
                other => EventRefusal::Refused(other.to_string()),
            })
    }

    fn follow(&self, channel: &RoomId) -> BoxStream<'static, Told> {
        news::follow(&self.0, self.1.clone(), channel.clone())
    }

    fn ingest(&self, channel: &RoomId) -> Ingest {
        let publisher = match self.0.status(channel).map(|status| status.publisher) {
            Some(PublisherStatus::Connected) => Publisher::Connected,
            Some(PublisherStatus::Lost) => Publisher::Lost,
            Some(PublisherStatus::Absent) | None => Publisher::Absent,
        };
        let health = self.0.health(channel).map(|report| Health {
            video_bits_per_second: report.video_bits_per_second,
            audio_bits_per_second: report.audio_bits_per_second,
            frame_rate_milli: report.frame_rate_milli,
            keyframe_interval: report.keyframe_interval,
            keyframe_interval_max: report.keyframe_interval_max,
            drift_ms: report.drift_ms,
            lag: report.lag,
            starving: report.starving,
            dropped_pictures: report.dropped_pictures,
            timestamp_jumps: report.timestamp_jumps,
        });
        let encoder = |from: fanwave_origin::Publisher| Encoder {
            address: from.address,
            protocol: from.protocol,
            since: from.since,
        };
        let (shown, standby) = self.0.publishers(channel);
        Ingest {
            publisher,
            health,
            encoders: (shown.map(encoder), standby.map(encoder)),
            simulcast: simulcast::described(self.0.pushes(channel)),
        }
    }
}

/// Answers [`Library`] from the origin.
struct OriginLibrary(Arc<Origin>);

impl Library for OriginLibrary {
    fn list(&self) -> Vec<Recording> {
        self.0.recordings().into_iter().map(recording).collect()
    }

    fn get(&self, id: &str) -> Option<Recording> {
        self.0.recording(id).map(recording)
    }

    fn timeline<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Vec<Stretch>, LibraryError>> {
        Box::pin(async move {
            let stretches = self.0.timeline(id).await.map_err(refusal)?;
            let stretch = |stretch: fanwave_origin::Stretch| Stretch {
                starts_at: UnixMillis(stretch.starts_at_ms),
                media_ms: stretch.media_ms,
                duration_ms: stretch.duration_ms,
            };
            Ok(stretches.into_iter().map(stretch).collect())
        })
    }

    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), LibraryError>> {
        Box::pin(async move { self.0.delete_recording(id).await.map_err(refusal) })
    }

    fn clip<'a>(
        &'a self,
        id: &'a str,
        from: UnixMillis,
        to: UnixMillis,
    ) -> BoxFuture<'a, Result<Recording, LibraryError>> {
        Box::pin(async move {
            let clip = self.0.clip(id, from.0, to.0).await;
            clip.map(recording).map_err(refusal)
        })
    }
}

fn recording(info: RecordingInfo) -> Recording {
    Recording {
        id: info.id,
        channel: info.channel,
        from: UnixMillis(info.from_ms),
        to: UnixMillis(info.to_ms),
        bytes: info.bytes,
        ended: info.ended,
        clip: info.clip,
    }
}

/// The storage's own words are for the operator's log.
fn refusal(error: fanwave_origin::LibraryError) -> LibraryError {
    use fanwave_origin::LibraryError as Error;
    match error {
        Error::Unknown => LibraryError::Unknown,
        Error::Growing => LibraryError::Conflict(error.to_string()),
        Error::Span | Error::OfClip => LibraryError::Refused(error.to_string()),
        error => {
            tracing::warn!(%error, "a recording cannot be worked on");
            LibraryError::Unavailable
        }
    }
}

/// Answers [`NodeList`] from the gateway.
struct GatewayNodes(Arc<Gateway>);

impl NodeList for GatewayNodes {
    fn nodes(&self) -> Vec<Node> {
        self.0.nodes()
    }
}

/// Where HTTP is spoken.
#[derive(Debug, Clone, Copy)]
struct HttpAddresses {
    plain: SocketAddr,
    tls: Option<SocketAddr>,
    quic: Option<SocketAddr>,
}

/// The HTTP ports, bound.
fn doors(plan: &Http) -> Result<(Vec<Door>, HttpAddresses), StartError> {
    let keys = ("http.listen", "FANWAVE__HTTP__LISTEN");
    let (listener, plain) = listen(plan.listen, keys)?;
    let mut addresses = HttpAddresses {
        plain,
        tls: None,
        quic: None,
    };
    let mut doors = vec![Door::Plain(listener)];
    if let Some(secure) = &plan.tls {
        let acceptor = TlsAcceptor::new(&secure.files).map_err(StartError::HttpTls)?;
        let keys = ("http.tls_listen", "FANWAVE__HTTP__TLS_LISTEN");
        let (listener, address) = listen(secure.listen, keys)?;
        doors.push(Door::Tls(listener, acceptor));
        addresses.tls = Some(address);
        if let Some(address) = secure.h3_listen {
            let (door, address) = quic_door(address, secure)?;
            doors.push(door);
            addresses.quic = Some(address);
        }
    }
    Ok((doors, addresses))
}

#[cfg(feature = "http3")]
fn quic_door(address: SocketAddr, secure: &HttpTls) -> Result<(Door, SocketAddr), StartError> {
    let listen = |source| StartError::Listen {
        what: "HTTP/3",
        address,
        key: "http.h3_listen",
        variable: "FANWAVE__HTTP__H3_LISTEN",
        source,
    };
    let endpoint = http::quic::bind(address, &secure.files).map_err(|error| match error {
        http::quic::BindError::Io(source) => listen(source),
        http::quic::BindError::Tls(error) => StartError::HttpTls(error),
    })?;
    let taken = endpoint.local_addr().map_err(listen)?;
    Ok((Door::Quic(endpoint), taken))
}

#[cfg(not(feature = "http3"))]
fn quic_door(_: SocketAddr, _: &HttpTls) -> Result<(Door, SocketAddr), StartError> {
    Err(StartError::NoHttp3)
}

fn listen(
    address: SocketAddr,
    (key, variable): (&'static str, &'static str),
) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = http::bind(address);
    let bound = bound.and_then(|listener| listener.local_addr().map(|taken| (listener, taken)));
    bound.map_err(|source| StartError::Listen {
        what: "HTTP",
        address,
        key,
        variable,
        source,
    })
}

fn served_channels(plan: &Plan, folder: &DataDir) -> Result<Vec<ServedChannel>, DataDirError> {
    let served = plan.channels.iter().map(|channel| {
        let stream_key = folder.stream_key(&channel.id, channel.stream_key_file.as_deref())?;
        Ok(ServedChannel {
            id: channel.id.clone(),
            title: Arc::clone(&channel.title),
            stream_key,
            takeover: channel.takeover,
            numbering: channel.numbering,
        })
    });
    served.collect()
}

/// The origin shows what the gateway reads, so that a renewed certificate is shown there as well.
fn rtmps(
    (address, files): &(SocketAddr, TlsFiles),
) -> Result<(SocketAddr, Arc<rustls::ServerConfig>), StartError> {
    let config = fanwave_gateway::bare_config(files).map_err(StartError::RtmpsTls)?;
    Ok((*address, config))
}

fn srt(plan: &Srt) -> Result<SrtConfig, StartError> {
    let passphrase = plan.passphrase_file.as_deref();
    let passphrase = passphrase.map(|path| secret::read(path, SRT_PASSPHRASE_CHARS_MIN));
    let passphrase = passphrase.transpose().map_err(StartError::SrtPassphrase)?;
    if passphrase
        .as_ref()
        .is_some_and(|text| text.expose().len() > SRT_PASSPHRASE_CHARS_MAX)
    {
        return Err(StartError::SrtPassphraseLong);
    }
    Ok(SrtConfig {
        listen: plan.listen,
        latency: plan.latency,
        passphrase: passphrase.map(|text| fanwave_origin::Secret::new(text.expose())),
    })
}

/// Where media is kept: in the data folder, and recordings by way of it in a bucket, if one is configured.
#[cfg_attr(
    not(feature = "s3"),
    expect(clippy::unused_async, reason = "only a bucket is waited for")
)]
async fn media(plan: &Plan, folder: &DataDir) -> Result<Vault, StartError> {
    let vault = Vault::in_folder(&folder.media()?).map_err(StartError::Media)?;
    #[cfg(feature = "s3")]
    if let Some(planned) = &plan.s3 {
        let opened = bucket::open(planned, |name| std::env::var(name).ok());
        let opened = opened.map_err(StartError::Bucket)?;
        match bucket::probe(planned, &opened).await {
            // Not the end: shows are recorded nearby until it can be reached, and whoever watches sees the log.
            Err(error) if error.may_pass() => {
                tracing::error!(%error, "the bucket cannot be used yet; until it can, recordings wait in the data folder");
            }
            probed => probed.map_err(StartError::Bucket)?,
        }
        return Ok(vault.backed_by(opened.store(), planned.waiting_bytes_max));
    }
    #[cfg(not(feature = "s3"))]
    let _: &Plan = plan;
    Ok(vault)
}

fn start_origin(
    plan: &Plan,
    channels: &[ServedChannel],
    (vault, register): (Vault, Option<&accounts::Register>),
    registry: &mut Registry,
) -> Result<Arc<Origin>, StartError> {
    let channels = channels.iter().map(|channel| ChannelConfig {
        id: channel.id.clone(),
        stream_key: fanwave_origin::Secret::new(channel.stream_key.expose()),
        takeover: channel.takeover,
        numbering: channel.numbering,
    });
    // The folder is looked through also when nothing is kept any more: what was kept is played.
    let archive = ArchiveConfig {
        vault,
        window: plan.dvr_window,
        recording: plan.recording.clone(),
    };
    let operators = authoriser::config(plan.authorise.as_ref());
    let operators = operators.map_err(StartError::AuthoriserSecret)?;
    let authoriser = match register {
        Some(register) => Some(stream_keys::before(operators, register.catalogue())),
        None => operators,
    };
    let config = OriginConfig {
        rtmp_listen: plan.rtmp_listen,
        connections_per_peer: plan.connections_per_peer,
        rtmps: plan.rtmps.as_ref().map(rtmps).transpose()?,
        srt: plan.srt.as_ref().map(srt).transpose()?,
        whip: plan.whip.clone(),
        part_target: plan.part_target,
        reconnect_window: plan.reconnect_window,
        ladder: plan.ladder.clone(),
        simulcast: simulcast::configs(&plan.simulcast)?,
        thumbnails: plan.thumbnails.clone(),
        authoriser,
        archive: Some(archive),
        // The chat's own: one timeline for both, also when the machine's clock is set.
        wall: || fanwave_live::WallTime(clock::now().0),
        ..OriginConfig::new(channels.collect())
    };
    let origin =
        Origin::start(config, registry.sub_registry_with_prefix("fanwave")).map_err(|error| {
            match error {
                fanwave_origin::StartError::Bind { what, addr, source } => {
                    let (key, variable) = match what {
                        "RTMPS" => ("rtmp.tls_listen", "FANWAVE__RTMP__TLS_LISTEN"),
                        "SRT" => ("srt.listen", "FANWAVE__SRT__LISTEN"),
                        "WHIP" => ("whip.listen_udp", "FANWAVE__WHIP__LISTEN_UDP"),
                        _ => ("rtmp.listen", "FANWAVE__RTMP__LISTEN"),
                    };
                    StartError::Listen {
                        what,
                        address: addr,
                        key,
                        variable,
                        source,
                    }
                }
                other => StartError::Origin(other),
            }
        })?;
    Ok(Arc::new(origin))
}

/// Has the operator's server told what happens, if there is one.
fn reporter(
    plan: &Plan,
    origin: &Origin,
    run: &Run,
    registry: &mut Registry,
) -> Result<Option<Reporter>, StartError> {
    let webhook = webhook::start(plan.webhook.as_ref(), registry);
    let webhook = webhook.map_err(StartError::WebhookSecret)?;
    Ok(webhook.map(|webhook| Reporter::start(origin, run.clone(), webhook)))
}

fn api(
    plan: &Plan,
    channels: &[ServedChannel],
    (key, keys): (TokenKey, ApiKeys),
    engine: Arc<dyn Engine>,
    (origin, gateway, run): (Arc<Origin>, Arc<Gateway>, Run),
) -> Api {
    let infos = channels.iter().map(|c| ChannelInfo {
        id: c.id.clone(),
        title: Arc::clone(&c.title),
    });
    Api {
        channels: infos.collect(),
        part_target: plan.part_target,
        guest_ttl: plan.guest_ttl,
        key,
        keys,
        engine,
        log: None,
        recorded: plan.store.record,
        rooms: Arc::new(GatewayRooms(Arc::clone(&gateway))),
        doors: encoders::doors(plan, &origin),
        shows: Arc::new(OriginShows(Arc::clone(&origin), run)),
        library: Arc::new(OriginLibrary(origin)),
        nodes: Arc::new(GatewayNodes(gateway)),
        regions: plan.regions.clone(),
        prices: plan.prices.clone(),
        rates: plan.rates.clone(),
        accounts: None,
        webhooks: None,
        quality: Quality::default(),
        now: clock::now,
    }
}

/// Headers that every answer has unless its handler knows better; and a handler that panics costs one answer.
///
/// What a page may do is said of pages: to playlists and media, of which a viewer asks for four a second, it means nothing,
/// and the origin says for itself that their types are not to be guessed.
fn with_security_headers(pages: Router, regions: &Regions, origin: &Origin) -> Router {
    let all = assets::security_headers(regions);
    pages
        // In one layer: each has a price at every request.
        .layer(MapResponseLayer::new(move |answer| {
            with_headers(answer, &all)
        }))
        .merge(origin.router())
        .layer(CatchPanicLayer::new())
}

fn with_headers(mut response: Response, all: &[(HeaderName, HeaderValue)]) -> Response {
    let is_framed = response
        .extensions_mut()
        .remove::<assets::Framed>()
        .is_some();
    let headers = response.headers_mut();
    for (name, value) in all {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    if is_framed {
        headers.remove(header::X_FRAME_OPTIONS);
    }
    response
}
