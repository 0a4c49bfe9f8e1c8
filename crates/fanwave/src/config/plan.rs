//! The plan: every value with its meaning, checked alone and together. The rest of the program sees nothing else.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    num::{NonZeroU16, NonZeroU32},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use fanwave_gateway::SubscribeTokens;
use fanwave_origin::{LadderConfig, Numbering, RecordingConfig, Takeover, ThumbnailsConfig};
use fanwave_room::admit::Rules;
use fanwave_wire::{
    RoomId,
    envelope::NodeName,
    limits::{MESSAGE_TEXT_CHARS_MAX, SYSTEM_ROOM},
};
use tracing_subscriber::EnvFilter;

use super::{
    accounts::{self, Accounts},
    api,
    authorise::{self, Authorise},
    check::Check,
    commands::{self, Commands},
    cost,
    demo::{self, Demo},
    drain::{self, Drain},
    engine::{self, Engine},
    gateway::{self, Gateway},
    http::{self, Http},
    ingest,
    keys::CHANNELS,
    ladder,
    problem::{Fault, Problem},
    proxy::{self, Proxy},
    quality, recording, regions, s3,
    schema::Config,
    settings::{KeyPath, Settings},
    simulcast::{self, Target},
    store::{self, Store},
    thumbnails,
    tokens::{self, Tokens},
    webhook::{self, Webhook},
    webhooks::{self, Webhooks},
};
use crate::outgoing::Guard;

/// Most channels of one server: each costs its packager's windows, some 30 MB while it is live.
pub const CHANNELS_MAX: usize = 256;

/// Longest title of a channel, characters.
pub const TITLE_CHARS_MAX: usize = 100;

/// Everything configured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The HTTP port.
    pub http: Http,
    /// How often one client may ask the API.
    pub rates: fanwave_api::RateLimits,
    /// Where else the same rooms and shows are.
    pub regions: fanwave_api::Regions,
    /// What servers and what they send cost, if that is said.
    pub prices: Option<fanwave_api::Prices>,
    /// Where publishers connect.
    pub rtmp_listen: SocketAddr,
    /// Most of them from one address, through whichever door.
    pub connections_per_peer: usize,
    /// Where they connect over TLS, and with which certificate.
    pub rtmps: Option<(SocketAddr, fanwave_gateway::TlsFiles)>,
    /// Where encoders call by SRT.
    pub srt: Option<ingest::Srt>,
    /// Where browsers and encoders publish by WHIP.
    pub whip: Option<fanwave_origin::WhipConfig>,
    /// Under which addresses encoders reach all of these.
    pub public_doors: ingest::PublicDoors,
    /// Who decides about publishers, beside the stream keys.
    pub authorise: Option<Authorise>,
    /// Who is told what happens.
    pub webhook: Option<Webhook>,
    /// Webhooks of the API, if any are kept here.
    pub webhooks: Option<Webhooks>,
    /// Which addresses of users of the API may be called.
    pub outgoing: Guard,
    /// Who is asked about the chat.
    pub proxy: Proxy,
    /// Target duration of a part.
    pub part_target: Duration,
    /// How long a vanished publisher may take to return.
    pub reconnect_window: Duration,
    /// How far back viewers can go; `None`: as far as memory goes.
    pub dvr_window: Option<Duration>,
    /// What is kept of shows when they are over.
    pub recording: RecordingConfig,
    /// The bucket that recordings are kept in.
    #[cfg(feature = "s3")]
    pub s3: Option<s3::S3>,
    /// What is encoded beside what publishers send.
    pub ladder: LadderConfig,
    /// What pictures are made for whoever seeks.
    pub thumbnails: ThumbnailsConfig,
    /// Who tells how players fare.
    pub quality: fanwave_api::quality::QualityRules,
    /// At least one; ids are unique.
    pub channels: Vec<Channel>,
    /// Where their shows are pushed on to.
    pub simulcast: Vec<Target>,
    /// The chat.
    pub chat: Chat,
    /// Its threads and ports.
    pub gateway: Gateway,
    /// What makes the rooms of servers one.
    pub engine: Engine,
    /// What back ends send over the engine's broker, if it is taken.
    pub commands: Option<Commands>,
    /// Where the chat log is, and how long it is kept.
    pub store: Store,
    /// What other servers call this one; `None`: after its host and port.
    pub name: Option<NodeName>,
    /// How long a guest token is valid.
    pub guest_ttl: Duration,
    /// A signing secret from outside the data folder.
    pub token_secret_file: Option<PathBuf>,
    /// Where the API keys of back ends are.
    pub api_keys_file: Option<PathBuf>,
    /// Whose tokens are taken.
    pub tokens: Tokens,
    /// Accounts, if any are kept here.
    pub accounts: Option<Accounts>,
    /// The data folder.
    pub data_dir: PathBuf,
    /// The log.
    pub log: Log,
    /// How the fans are moved before it.
    pub drain: Drain,
    /// How long stopping may take.
    pub shutdown_deadline: Duration,
    /// The demo show.
    pub demo: Demo,
}

impl Plan {
    /// Origins whose pages may use the chat and the API here, beside those of this server: what is listed, and the regions.
    #[must_use]
    pub fn readers(&self) -> Vec<String> {
        let regions = self
            .regions
            .ranked
            .iter()
            .map(|region| region.url.to_string());
        let listed = self.http.allowed_origins.iter().cloned();
        listed.chain(regions).collect()
    }
}

/// One channel.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Its id.
    pub id: RoomId,
    /// What the page shows.
    pub title: Arc<str>,
    /// A stream key from outside the data folder.
    pub stream_key_file: Option<PathBuf>,
    /// What becomes of a second encoder.
    pub takeover: Takeover,
    /// How its segments are numbered.
    pub numbering: Numbering,
}

/// The chat.
#[derive(Debug, Clone)]
pub struct Chat {
    /// Sockets at once.
    pub connections_max: usize,
    /// What the rooms ask of a message.
    pub rules: Rules,
    /// Commands of one connection in the long run.
    pub commands_per_second: NonZeroU16,
    /// How often each connection is pinged.
    pub ping_interval: Duration,
    /// How long a ping may stay unanswered.
    pub pong_timeout: Duration,
    /// Shortest time between two rounds over a busy room.
    pub tick: Duration,
    /// Messages of one language shown per second; 0 shows all.
    pub shown_per_second: u32,
    /// Whether a subscribe command needs a token of its own.
    pub subscribe_tokens: SubscribeTokens,
    /// Encoded messages kept per lane.
    pub room_log_bytes: usize,
}

/// The log.
#[derive(Debug, Clone)]
pub struct Log {
    /// What is logged, in the filter syntax of `tracing-subscriber`; it has been parsed once.
    pub filter: String,
    /// For whom.
    pub format: LogFormat,
}

/// Who reads the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A person at a terminal.
    Human,
    /// A machine.
    Json,
}

/// Makes the plan, or reports everything that stands against it.
///
/// # Errors
///
/// At least one problem, each with the place of its key.
pub fn make(settings: &Settings) -> Result<Plan, Vec<Problem>> {
    let mut check = Check::new(settings);
    let config = settings.config().map_err(|error| unreadable(&error))?;
    let shutdown_deadline = check.duration(
        KeyPath::of("shutdown", "deadline"),
        &config.shutdown.deadline,
        secs(1)..=secs(300),
    );
    let postgres = store::postgres(&mut check, &config.postgresql);
    #[cfg(not(feature = "s3"))]
    s3::plan(&mut check, &config);
    let plan = Plan {
        http: http::plan(&mut check, &config),
        rates: api::plan(&mut check, &config),
        regions: regions::plan(&mut check, &config.regions),
        prices: cost::plan(&mut check, &config.cost),
        rtmp_listen: check.address(KeyPath::of("rtmp", "listen"), &config.rtmp.listen),
        connections_per_peer: ingest::connections_per_peer(&mut check, &config.rtmp),
        rtmps: ingest::rtmps(&mut check, &config.rtmp),
        srt: ingest::srt(&mut check, &config.srt),
        whip: ingest::whip(&mut check, &config.whip),
        public_doors: ingest::public_doors(&mut check, &config),
        authorise: authorise::plan(&mut check, &config.authorise),
        webhook: webhook::plan(&mut check, &config.webhook),
        webhooks: webhooks::plan(&mut check, &config.webhooks, &postgres),
        outgoing: webhooks::outgoing(&mut check, &config.outgoing),
        proxy: proxy::plan(&mut check, &config.proxy),
        part_target: check.duration(
            KeyPath::of("live", "part_target"),
            &config.live.part_target,
            ms(200)..=secs(2),
        ),
        reconnect_window: check.duration(
            KeyPath::of("live", "reconnect_window"),
            &config.live.reconnect_window,
            secs(1)..=secs(600),
        ),
        dvr_window: recording::dvr_window(&mut check, &config.dvr.window),
        recording: recording::plan(&mut check, &config.recording, &config.channels),
        #[cfg(feature = "s3")]
        s3: s3::plan(&mut check, &config),
        ladder: ladder::plan(&mut check, &config.ladder),
        thumbnails: thumbnails::plan(&mut check, &config.thumbnails, &config.channels),
        quality: quality::plan(&mut check, &config.quality),
        channels: channels(&mut check, &config),
        simulcast: simulcast::plan(&mut check, &config),
        chat: chat(&mut check, &config),
        gateway: gateway::plan(&mut check, &config.gateway),
        engine: engine::plan(&mut check, &config),
        commands: commands::plan(&mut check, &config),
        store: store::plan(&mut check, &config, &postgres),
        name: engine::name(&mut check, &config.engine),
        guest_ttl: tokens::guest_ttl(&mut check, &config.tokens),
        token_secret_file: check.secret_file(
            KeyPath::of("tokens", "secret_file"),
            &config.tokens.secret_file,
        ),
        tokens: tokens::plan(&mut check, &config.tokens),
        api_keys_file: check.secret_file(KeyPath::of("api", "keys_file"), &config.api.keys_file),
        accounts: accounts::plan(&mut check, &config, &postgres),
        data_dir: check.path(KeyPath::of("data", "dir"), &config.data.dir),
        log: log(&mut check, &config),
        drain: drain::plan(&mut check, &config.drain, shutdown_deadline),
        shutdown_deadline,
        demo: demo::plan(&mut check, &config.demo),
    };
    check.finish(plan)
}

fn unreadable(error: &toml::de::Error) -> Vec<Problem> {
    vec![Problem {
        origin: super::problem::Origin::Default,
        fault: Fault::Syntax(error.message().to_owned()),
    }]
}

fn channels(check: &mut Check<'_>, config: &Config) -> Vec<Channel> {
    if config.channels.is_empty() || config.channels.len() > CHANNELS_MAX {
        let reason = format!("must have 1 to {CHANNELS_MAX} entries");
        check.refuse(KeyPath::entry(CHANNELS, 0, "id"), reason);
    }
    let mut ids = BTreeSet::new();
    let mut planned = Vec::with_capacity(config.channels.len());
    for (index, channel) in config.channels.iter().enumerate() {
        let key = |name| KeyPath::entry(CHANNELS, index, name);
        let stream_key_file = check.secret_file(key("stream_key_file"), &channel.stream_key_file);
        let takeover = match channel.takeover.as_str() {
            "" | "refuse" => Takeover::Refuse,
            "replace" => Takeover::Replace,
            "backup" => Takeover::Backup,
            _ => {
                check.refuse(
                    key("takeover"),
                    "must be \"refuse\", \"replace\" or \"backup\"",
                );
                Takeover::Refuse
            }
        };
        let numbering = match channel.numbering.as_str() {
            "" | "counted" => Numbering::Counted,
            "clock" => Numbering::Clock,
            _ => {
                check.refuse(key("numbering"), "must be \"counted\" or \"clock\"");
                Numbering::Counted
            }
        };
        if channel.title.chars().count() > TITLE_CHARS_MAX
            || channel.title.chars().any(char::is_control)
        {
            check.refuse(
                key("title"),
                format!("must have at most {TITLE_CHARS_MAX} characters, on one line"),
            );
        }
        let id = match channel.id.parse::<RoomId>() {
            Ok(id) if id.as_str() == SYSTEM_ROOM => {
                check.refuse(key("id"), "is the servers' own room");
                continue;
            }
            Ok(id) if is_file_name(id.as_str()) => id,
            Ok(_) => {
                check.refuse(key("id"), "must not begin with a dot");
                continue;
            }
            Err(error) => {
                check.refuse(key("id"), format!("makes no channel: {error}"));
                continue;
            }
        };
        if !ids.insert(id.clone()) {
            check.refuse(key("id"), "is the id of another channel too");
        }
        let title = if channel.title.is_empty() {
            id.as_str()
        } else {
            &channel.title
        };
        planned.push(Channel {
            title: title.into(),
            id,
            stream_key_file,
            takeover,
            numbering,
        });
    }
    planned
}

/// Ids name files of the data folder; the characters of an id are harmless there, `.` and `..` are not.
fn is_file_name(id: &str) -> bool {
    !id.starts_with('.')
}

fn chat(check: &mut Check<'_>, config: &Config) -> Chat {
    let key = |name| KeyPath::of("chat", name);
    let chat = &config.chat;
    let chars_max = u64::try_from(MESSAGE_TEXT_CHARS_MAX).unwrap_or(u64::MAX);
    let burst: u32 = check.number(key("burst"), chat.burst, 1..=1000);
    let commands: u16 = check.number(
        key("commands_per_second"),
        chat.commands_per_second,
        1..=1000,
    );
    let ping_interval = check.duration(
        key("ping_interval"),
        &chat.ping_interval,
        secs(5)..=secs(300),
    );
    let pong_timeout = check.duration(key("pong_timeout"), &chat.pong_timeout, secs(1)..=secs(300));
    if pong_timeout >= ping_interval {
        check.refuse(key("pong_timeout"), "must be below chat.ping_interval");
    }
    let log_kib: usize = check.number(key("room_log_kib"), chat.room_log_kib, 64..=65_536);
    Chat {
        connections_max: check.number(key("connections_max"), chat.connections_max, 1..=1_000_000),
        rules: Rules {
            text_chars_max: check.number(
                key("message_chars_max"),
                chat.message_chars_max,
                1..=chars_max,
            ),
            burst: NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN),
            refill: check.duration(key("refill"), &chat.refill, ms(0)..=secs(600)),
        },
        commands_per_second: NonZeroU16::new(commands).unwrap_or(NonZeroU16::MIN),
        ping_interval,
        pong_timeout,
        tick: check.duration(key("tick"), &chat.tick, ms(1)..=secs(1)),
        shown_per_second: check.number(key("shown_per_second"), chat.shown_per_second, 0..=1_000),
        subscribe_tokens: subscribe_tokens(check, &chat.subscribe_tokens),
        room_log_bytes: log_kib * 1024,
    }
}

fn subscribe_tokens(check: &mut Check<'_>, text: &str) -> SubscribeTokens {
    match text {
        "off" => SubscribeTokens::Off,
        "required" => SubscribeTokens::Required,
        _ => {
            let path = KeyPath::of("chat", "subscribe_tokens");
            check.refuse(path, "must be \"off\" or \"required\"");
            SubscribeTokens::Required
        }
    }
}

fn log(check: &mut Check<'_>, config: &Config) -> Log {
    let log = &config.log;
    if log.level.is_empty() || EnvFilter::try_new(&log.level).is_err() {
        check.refuse(
            KeyPath::of("log", "level"),
            "must be error, warn, info, debug or trace, or a list such as \"info,fanwave_gateway=debug\"",
        );
    }
    let format = match log.format.as_str() {
        "human" => LogFormat::Human,
        "json" => LogFormat::Json,
        _ => {
            check.refuse(
                KeyPath::of("log", "format"),
                "must be \"human\" or \"json\"",
            );
            LogFormat::Human
        }
    };
    Log {
        filter: log.level.clone(),
        format,
    }
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
