//! `fanwave load`: reads the command line, and hands the order over. What fans do is in the crate `fanwave-load`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use clap::ValueEnum;
use fanwave_load::{
    Encoding, Launch, Order, Rate, Scenario, Target, Tokens, order::Credentials, worker,
};
use fanwave_wire::{RoomId, token::KEY_BYTES_MIN};

use crate::{config::duration, output, secret};

mod ending;
mod summary;

/// Exit code of a run whose figures say nothing about the server.
const INVALID: u8 = 3;

/// How many guests are fetched a second.
const GUESTS_PER_SECOND: u32 = 100;

/// The hidden command that a worker process is started with.
pub const WORKER_COMMAND: &str = "load-worker";

/// What `fanwave load --help` says at its end.
pub const EXAMPLES: &str = "\
Examples:
  fanwave load 127.0.0.1:8080 --secret-file data/token-secret --fans 10000
  fanwave load ws://127.0.0.1:8080 --secret-file SECRET --scenario storm --fans 15000 --html storm.html
  fanwave load ws://chat.example.com:80 --token TOKEN --staff-token STAFF --fans 2000 --duration 2m --json run.json
  fanwave load 127.0.0.1:8081,127.0.0.1:8082 --secret-file SECRET --fans 30000
                                                 servers of the same rooms: a fan that loses one comes back to another
  fanwave load 127.0.0.1:8081,127.0.0.1:8082 --secret-file SECRET --each-server-alone
                                                 servers that share nothing but the secret
  fanwave load 127.0.0.1:8080 --secret-file SECRET --encoding protobuf --chat-rate 20
  fanwave load wss://chat.example.com:443 --ca root.pem --secret-file SECRET
  fanwave load 127.0.0.1:8080 --chat-rate 2      as guests: no secret, no token, the lossy lane only

Load goes to those addresses and nowhere else, and stops by itself; Ctrl-C ends the sending early, and the report is
written all the same. Only load what is yours.
Exit codes: 0 all is well, 1 it could not run or the lossless lane lost something, 3 the generator was the limit: the
figures are INVALID.
Next: open the page that --html wrote.";

/// What can be asked for.
#[derive(Debug, clap::Args)]
pub struct LoadArgs {
    /// The servers: ws://HOST:PORT[/path], wss://HOST:PORT[/path] or HOST:PORT; several with commas between, or one after the other. Fans are
    /// dealt out to them in turn; one who loses its server, or is refused, comes back to another
    #[arg(
        value_name = "SERVER",
        required = true,
        num_args = 1..,
        value_delimiter = ','
    )]
    servers: Vec<String>,
    /// The servers share nothing: each gets senders of its own, and its fans come back to it alone
    #[arg(long)]
    each_server_alone: bool,
    /// What the fans do
    #[arg(long, value_enum, default_value = "mega-room")]
    scenario: Kind,
    /// Trust these certificates over TLS (PEM), not the system's: a root, or the server's own
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The form of the protocol that fans speak
    #[arg(long, value_enum, default_value = "json")]
    encoding: Form,
    /// Virtual fans
    #[arg(long, default_value_t = 1_000)]
    fans: u32,
    /// The rooms, by their ids; fans are dealt out to them in turn
    #[arg(
        long = "room",
        value_name = "ID",
        value_delimiter = ',',
        default_value = "demo"
    )]
    rooms: Vec<RoomId>,
    /// Make so many rooms of the first one's id: lot-1, lot-2 and so on
    #[arg(long, value_name = "N")]
    rooms_numbered: Option<u32>,
    /// Fans who connect per second
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    connect_rate: u32,
    /// Messages per second and room in the lossless lane [default: 1 with a secret or staff token, 0 in a ramp]
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    room_rate: Option<Rate>,
    /// Messages per second and room in the lossy lane, written by fans in turn
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    chat_rate: Option<Rate>,
    /// Length of a message's text, bytes
    #[arg(long, value_name = "N", default_value_t = 200)]
    bytes: u16,
    /// Percent of the fans who drop (storm: 100), never read (slow-readers: 7), or come and go (churn: 20)
    #[arg(long, value_name = "PERCENT")]
    share: Option<u8>,
    /// How long messages are sent, after the ramp
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration::parse)]
    duration: Duration,
    /// How long a phone stays connected in churn, on average
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration::parse)]
    stay: Duration,
    /// How much later than announced a ping of the server may come before a fan gives its connection up, as SDKs do
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration::parse)]
    ping_delay: Duration,
    /// HLS viewers of the first room [default: one per hundred fans in mixed]
    #[arg(long, value_name = "N")]
    viewers: Option<u32>,
    /// Where guests and playlists are, when not on the first server's port
    #[arg(long, value_name = "URL")]
    http: Option<String>,
    /// Worker processes [default: as many as descriptors and processors ask for]
    #[arg(long, value_name = "N")]
    workers: Option<u32>,
    #[command(flatten)]
    who: Who,
    /// The server's process, to measure; one for each server, in their order. Found by its port when it is on this
    /// machine
    #[arg(long = "server-pid", value_name = "PID", value_delimiter = ',')]
    server_pids: Vec<u32>,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as one HTML page with charts
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Seed of all jitter; a run can be repeated with it
    #[arg(long)]
    seed: Option<u64>,
}

/// Who the fans are.
#[derive(Debug, clap::Args)]
struct Who {
    /// The server's signing secret: every fan gets a token of its own (token-secret in the data folder)
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// One token for all fans
    #[arg(
        long,
        env = "FANWAVE_LOAD_TOKEN",
        hide_env_values = true,
        conflicts_with = "secret_file"
    )]
    token: Option<String>,
    /// A token that may write to the lossless lane
    #[arg(long, env = "FANWAVE_LOAD_STAFF_TOKEN", hide_env_values = true)]
    staff_token: Option<String>,
    /// Without secret and token: how many guests to ask the server for; fans share them
    #[arg(long, value_name = "N", default_value_t = 100)]
    guests: u32,
}

/// See [`Scenario`].
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Connect at a rate, and stay
    Ramp,
    /// Everybody in one room
    MegaRoom,
    /// Everybody spread over many rooms
    ManyRooms,
    /// All dropped at once; they come back as the SDK does, and recover
    Storm,
    /// A share of the fans never reads
    SlowReaders,
    /// A share of the fans drops and returns, as phones do
    Churn,
    /// Chat beside viewers of the broadcast
    Mixed,
}

/// See [`Encoding`].
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// As web pages usually do
    Json,
    /// As apps prefer: binary, and smaller
    Protobuf,
}

impl From<Form> for Encoding {
    fn from(form: Form) -> Self {
        match form {
            Form::Json => Self::Json,
            Form::Protobuf => Self::Protobuf,
        }
    }
}

impl From<Kind> for Scenario {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Ramp => Self::Ramp,
            Kind::MegaRoom => Self::MegaRoom,
            Kind::ManyRooms => Self::ManyRooms,
            Kind::Storm => Self::Storm,
            Kind::SlowReaders => Self::SlowReaders,
            Kind::Churn => Self::Churn,
            Kind::Mixed => Self::Mixed,
        }
    }
}

/// Carries out the order.
///
/// # Errors
///
/// The order, the machine or the server do not allow it, or a report cannot be written.
pub fn run(args: LoadArgs) -> Result<ExitCode, anyhow::Error> {
    let (json, html) = (args.json.clone(), args.html.clone());
    let launch = launch(args)?;
    ending::count(&launch.ends)?;
    let report = fanwave_load::run(&launch, &mut |line| output::print(&format!("{line}\n")))?;
    for (path, text) in [(json, report.to_json()), (html, report.to_html())] {
        if let Some(path) = path {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    output::print(&summary::of(&report));
    Ok(match (report.verdict.valid, report.verdict.nothing_lost) {
        (false, _) => ExitCode::from(INVALID),
        (true, false) => ExitCode::FAILURE,
        (true, true) => ExitCode::SUCCESS,
    })
}

/// Runs a worker over this process's standard input and output.
///
/// # Errors
///
/// See [`worker::run`].
pub fn run_worker() -> Result<ExitCode, anyhow::Error> {
    ending::leave_to_the_coordinator()?;
    worker::run(io::stdin(), io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

fn launch(args: LoadArgs) -> Result<Launch, anyhow::Error> {
    let scenario = Scenario::from(args.scenario);
    let may_announce = args.who.secret_file.is_some() || args.who.staff_token.is_some();
    let usual_room_rate = u32::from(may_announce && scenario != Scenario::Ramp);
    let usual_viewers = match scenario {
        Scenario::Mixed => (args.fans / 100).max(1),
        _ => 0,
    };
    let order = Order {
        scenario,
        servers: args
            .servers
            .iter()
            .map(|server| Target::parse(server, args.http.as_deref()))
            .collect::<Result<_, _>>()?,
        alone: args.each_server_alone,
        ca: args.ca.as_deref().map(absolute).transpose()?,
        encoding: args.encoding.into(),
        rooms: rooms(args.rooms, args.rooms_numbered)?,
        fans: args.fans,
        viewers: args.viewers.unwrap_or(usual_viewers),
        connects_per_second: args.connect_rate,
        room_rate: args.room_rate.unwrap_or(Rate {
            milli: usual_room_rate * 1_000,
        }),
        chat_rate: args.chat_rate.unwrap_or_default(),
        text_bytes: args.bytes,
        share_percent: args.share.unwrap_or(usual_share(scenario)),
        duration: args.duration,
        stay: args.stay,
        ping_delay: args.ping_delay,
        run: getrandom::u32()?,
        seed: args.seed.map_or_else(getrandom::u64, Ok)?,
    };
    Ok(Launch {
        order,
        tokens: tokens(args.who)?,
        workers: args.workers,
        server_pids: args.server_pids,
        program: std::env::current_exe().context("this program does not know where it is")?,
        arguments: vec![WORKER_COMMAND.to_owned()],
        ends: Arc::default(),
    })
}

/// A file's name, whole: workers are told it, too.
fn absolute(path: &Path) -> Result<PathBuf, anyhow::Error> {
    std::path::absolute(path).with_context(|| format!("cannot find {}", path.display()))
}

const fn usual_share(scenario: Scenario) -> u8 {
    match scenario {
        Scenario::Storm => 100,
        Scenario::SlowReaders => 7,
        Scenario::Churn => 20,
        _ => 0,
    }
}

fn rooms(named: Vec<RoomId>, numbered: Option<u32>) -> Result<Vec<RoomId>, anyhow::Error> {
    let (Some(count), Some(first)) = (numbered, named.first()) else {
        return Ok(named);
    };
    let limit = fanwave_load::limits::ROOMS_MAX;
    let ids = (1..=count.min(limit)).map(|number| format!("{first}-{number}").parse());
    ids.collect::<Result<_, _>>()
        .context("--rooms-numbered makes ids that cannot be any")
}

fn tokens(who: Who) -> Result<Tokens, anyhow::Error> {
    if let Some(file) = who.secret_file {
        let secret = secret::read(&file, KEY_BYTES_MIN)?;
        return Ok(Tokens::Given(Credentials::Secret(
            secret.expose().to_owned(),
        )));
    }
    let staff = who.staff_token;
    Ok(match who.token {
        Some(token) => Tokens::Given(Credentials::Tokens {
            fans: vec![token],
            staff,
        }),
        None => Tokens::Guests {
            count: who.guests,
            per_second: GUESTS_PER_SECOND,
            staff,
        },
    })
}

/// `10`, `0.5` or `2.25` messages per second.
fn parse_rate(text: &str) -> Result<Rate, String> {
    let explain = || format!("`{text}` is no rate: write messages per second, such as 10 or 0.5");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 3 {
        return Err(explain());
    }
    let whole: u32 = whole.parse().map_err(|_| explain())?;
    let thousandths: u32 = format!("{fraction:0<3}").parse().map_err(|_| explain())?;
    let milli = whole
        .checked_mul(1_000)
        .and_then(|milli| milli.checked_add(thousandths));
    milli.map(|milli| Rate { milli }).ok_or_else(explain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_whole_or_have_a_few_digits() {
        for (text, milli) in [
            ("0", 0),
            ("10", 10_000),
            ("0.5", 500),
            ("2.25", 2_250),
            ("1.001", 1_001),
        ] {
            assert_eq!(parse_rate(text), Ok(Rate { milli }), "{text}");
        }
        for text in ["", ".", "-1", "1.", ".5", "1.0001", "a", "5000000", "1e3"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rooms_can_be_numbered() {
        let named = || vec!["lot".parse().unwrap(), "other".parse().unwrap()];
        assert_eq!(rooms(named(), None).unwrap(), named());
        let numbered = rooms(named(), Some(2)).unwrap();
        assert_eq!(
            numbered,
            ["lot-1".parse().unwrap(), "lot-2".parse().unwrap()]
        );
    }
}
