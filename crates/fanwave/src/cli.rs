//! The command line: what there is to type, and what each command does.
//!
//! Exit codes: 0 is success, 1 a failure at run time, 2 a mistake in the command line or the configuration, 3 a load
//! test whose generator was the limit. `judge` has its own: 1 errors, 2 warnings, 3 nothing to judge.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use fanwave_api::accounts;
use fanwave_store::catalogue::Catalogue;
use fanwave_wire::{Role, RoomId, Sender, UnixMillis, UserId, token::Claims};

use crate::{
    chat_log, clock,
    config::{self, ConfigError, env, plan::Plan, reference},
    datadir::DataDir,
    embed::command as embed,
    judge, load, nodes, output,
    secret::Secret,
    serve::{self, assembly::Show},
    telemetry, viewers,
};

/// Exit code of a mistake in the command line or the configuration.
const MISTAKE: u8 = 2;

/// Longest life of a token made by hand, days.
const TOKEN_DAYS_MAX: u32 = 400;

const EXAMPLES: &str = "\
First steps:
  fanwave serve --demo            a show with picture, tone and chat; open http://localhost:8080/
  fanwave serve                   the real thing: publish with OBS, the key is printed at start

Then:
  fanwave config-reference > fanwave.toml      every key with its default; delete what you do not change
  fanwave check-config fanwave.toml
  fanwave serve --config fanwave.toml
  fanwave token --role artist --name AURORA    lets an artist write to the room's own lane
  fanwave embed --origin https://shop.example  lets that page show it in a frame
  fanwave load 127.0.0.1:8080                  a crowd of virtual fans, and a report of what they got
  fanwave viewers http://127.0.0.1:8080/live/demo/master.m3u8
                                               the same for the broadcast: viewers who ask as players do
  fanwave nodes 127.0.0.1:8080 --secret-file data/token-secret
                                               which servers there are, and how many fans each has
  fanwave judge http://localhost:8080/live/demo/master.m3u8
                                               which rules of low-latency HLS a stream breaks, ours or any other

Every key is also an environment variable: http.listen is FANWAVE__HTTP__LISTEN.";

/// Live video and chat for fandom events, on one clock.
#[derive(Debug, Parser)]
#[command(name = "fanwave", version, about, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the page, the broadcast and the chat, until Ctrl-C
    #[command(after_help = SERVE_EXAMPLES)]
    Serve {
        #[command(flatten)]
        place: Place,
        /// Also play the demo show on the first channel (needs ffmpeg)
        #[arg(long)]
        demo: bool,
    },
    /// Check a configuration file, and the environment over it, without starting anything
    #[command(after_help = CHECK_EXAMPLES)]
    CheckConfig {
        /// The TOML file
        file: PathBuf,
        /// Also ask the bucket of recording.storage: a small file is written, read, listed and removed there
        #[cfg(feature = "s3")]
        #[arg(long)]
        connect: bool,
    },
    /// Print every configuration key with its meaning, default and cost, as a file that can be used
    ConfigReference,
    /// Make a token for an artist or a member of staff, signed with the data folder's secret
    #[command(after_help = TOKEN_EXAMPLES)]
    Token(TokenArgs),
    /// Make a signed address of a show for other pages, and the HTML to put there
    #[command(after_help = embed::EXAMPLES)]
    Embed(embed::EmbedArgs),
    /// Show a channel's stream key, or make a new one
    #[command(after_help = KEY_EXAMPLES)]
    StreamKey {
        /// The channel's id
        channel: RoomId,
        #[command(flatten)]
        place: Place,
        /// Make a new key; a running server takes it at its next start
        #[arg(long)]
        rotate: bool,
    },
    /// Make the one-time token with which the first member of staff makes their account
    #[command(after_help = SETUP_EXAMPLES)]
    SetupToken {
        #[command(flatten)]
        place: Place,
    },
    /// Put a server under load with virtual fans, and prove what it delivered
    #[command(after_help = load::EXAMPLES)]
    Load(Box<load::LoadArgs>),
    /// Put a broadcast under load with viewers who ask as players do, and measure what they got
    #[command(after_help = viewers::EXAMPLES)]
    Viewers(viewers::ViewersArgs),
    /// Print the description of the HTTP API, OpenAPI 3.1, as every server has it at /api/v1/openapi.json
    #[command(after_help = OPENAPI_EXAMPLES)]
    Openapi,
    /// Search and export the chat log, put rooms under legal hold, and forget a person
    #[command(after_help = chat_log::EXAMPLES)]
    Log(chat_log::LogArgs),
    /// List the servers of the same rooms, as one of them knows them
    #[command(after_help = nodes::EXAMPLES)]
    Nodes(nodes::NodesArgs),
    /// Judge a live low-latency HLS stream from outside, rule by rule
    #[command(after_help = judge::EXAMPLES)]
    Judge(judge::JudgeArgs),
    /// A worker process of `load`; started by it, never by hand
    #[command(name = load::WORKER_COMMAND, hide = true)]
    LoadWorker,
}

const SETUP_EXAMPLES: &str = "\
Examples:
  fanwave setup-token --config fanwave.toml
  curl http://localhost:8080/api/v1/setup -H 'content-type: application/json' \\
    -d '{\"token\": \"fws_...\", \"login\": \"boss\", \"password\": \"...\", \"name\": \"Boss\"}'

The token is good for a day and for one account; a new one takes the place of the one before. accounts.registration must not
be \"off\".";

const SERVE_EXAMPLES: &str = "\
Examples:
  fanwave serve --demo
  fanwave serve --config fanwave.toml
  FANWAVE__HTTP__LISTEN=127.0.0.1:8081 fanwave serve --data-dir /srv/fanwave

The watch page, the RTMP server and the stream keys are printed at start. Ctrl-C stops it in order, a second one at once.
SIGTERM first moves the fans to other servers, a few at a time: see [drain] in the reference.
Next: `fanwave config-reference` shows everything that can be set.";

const CHECK_EXAMPLES: &str = "\
Every problem is named with its line. Exit code 0: the server would take it; 2: it would not.
With --connect, also whether recordings can be kept in the bucket of recording.storage: 1 if they cannot.
Next: `fanwave serve --config FILE`.";

const TOKEN_EXAMPLES: &str = "\
Examples:
  fanwave token --role artist --name AURORA
  fanwave token --role staff --name \"Front desk\" --days 7 --config fanwave.toml

The token is printed on one line. It is a secret: whoever has it is the artist until it expires.
Next: give it to a client as its connect token, for example in npm `centrifuge`: new Centrifuge(url, { token }).";

const OPENAPI_EXAMPLES: &str = "\
Examples:
  fanwave openapi > openapi.json
  npx openapi-typescript openapi.json -o fanwave.d.ts

Next: docs/api.md says how to authenticate, and what is true of all requests.";

const KEY_EXAMPLES: &str = "\
Examples:
  fanwave stream-key demo
  fanwave stream-key demo --rotate

Next: in OBS, Settings > Stream > Custom: server rtmp://HOST:1935/live, and this key.";

/// Which configuration and data folder.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// The TOML file; without one, defaults and environment variables hold
    #[arg(long, value_name = "FILE", env = "FANWAVE_CONFIG")]
    config: Option<PathBuf>,
    /// The data folder, instead of data.dir
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct TokenArgs {
    /// What the bearer may do
    #[arg(long, value_enum)]
    role: StaffRole,
    /// The name shown beside every message
    #[arg(long)]
    name: String,
    /// The user id; one is made from role and name when there is none
    #[arg(long)]
    user: Option<String>,
    /// How long the token is valid, 1 to 400 days
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=i64::from(TOKEN_DAYS_MAX)))]
    days: u32,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StaffRole {
    /// May also write to the room's own lane
    Artist,
    /// May also write to the room's own lane
    Staff,
}

/// Runs the program with the process's arguments.
#[must_use]
pub fn run() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve { place, demo } => serve(&place, demo),
        #[cfg(feature = "s3")]
        Command::CheckConfig { file, connect } => check(&file).and_then(|code| match connect {
            true => check_bucket(&file),
            false => Ok(code),
        }),
        #[cfg(not(feature = "s3"))]
        Command::CheckConfig { file } => check(&file),
        Command::ConfigReference => {
            output::print(&reference::print());
            Ok(ExitCode::SUCCESS)
        }
        Command::Openapi => {
            output::print(&fanwave_api::openapi::print());
            Ok(ExitCode::SUCCESS)
        }
        Command::Token(args) => token(&args),
        Command::Embed(args) => embed::run(args),
        Command::StreamKey {
            channel,
            place,
            rotate,
        } => stream_key(&channel, &place, rotate),
        Command::SetupToken { place } => setup_token(&place),
        Command::Load(args) => load::run(*args),
        Command::Viewers(args) => viewers::run(args),
        Command::Log(args) => chat_log::run(args),
        Command::Nodes(args) => nodes::run(&args),
        Command::Judge(args) => judge::run_judge(&args),
        Command::LoadWorker => load::run_worker(),
    };
    done.unwrap_or_else(|error| {
        complain(&error);
        let mistake = error.is::<ConfigError>();
        ExitCode::from(if mistake { MISTAKE } else { 1 })
    })
}

fn serve(place: &Place, demo: bool) -> Result<ExitCode, anyhow::Error> {
    let plan = place.plan()?;
    telemetry::start_log(&plan.log)?;
    let show = if demo { Show::Demo } else { Show::Real };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads to be had")?;
    let code = runtime.block_on(Box::pin(serve::run(&plan, show)));
    // What still runs after the deadline or a second signal is not waited for.
    runtime.shutdown_background();
    code
}

fn check(file: &Path) -> Result<ExitCode, anyhow::Error> {
    let plan = config::load(Some(file), env::variables())?;
    let channels: Vec<&str> = plan
        .channels
        .iter()
        .map(|channel| channel.id.as_str())
        .collect();
    output::print(&format!(
        "{} is fine: HTTP on {}, RTMP on {}, channels {}, data in {}.\nNext: fanwave serve --config {}\n",
        file.display(),
        plan.http.listen,
        plan.rtmp_listen,
        channels.join(", "),
        plan.data_dir.display(),
        file.display(),
    ));
    Ok(ExitCode::SUCCESS)
}

/// Asks the bucket what the server would ask of it.
#[cfg(feature = "s3")]
fn check_bucket(file: &Path) -> Result<ExitCode, anyhow::Error> {
    let plan = config::load(Some(file), env::variables())?;
    let Some(planned) = &plan.s3 else {
        output::print("Recordings are kept in the data folder: there is no bucket to ask.\n");
        return Ok(ExitCode::SUCCESS);
    };
    let bucket = serve::bucket::open(planned, |name| std::env::var(name).ok())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no threads to be had")?;
    runtime.block_on(serve::bucket::probe(planned, &bucket))?;
    output::print(
        "The bucket of recording.storage can be written, read, listed and deleted from.\n",
    );
    Ok(ExitCode::SUCCESS)
}

fn token(args: &TokenArgs) -> Result<ExitCode, anyhow::Error> {
    let plan = args.place.plan()?;
    let key = DataDir::open(&plan.data_dir)?.token_key(plan.token_secret_file.as_deref())?;
    let name = fanwave_api::name::parse(&args.name).context("--name cannot be used")?;
    let (role, prefix) = match args.role {
        StaffRole::Artist => (Role::Artist, "artist"),
        StaffRole::Staff => (Role::Staff, "staff"),
    };
    let user = args
        .user
        .clone()
        .unwrap_or_else(|| format!("{prefix}-{name}"));
    let now = clock::now();
    let ttl = Duration::from_secs(u64::from(args.days) * 86_400).as_secs() * 1000;
    let sender = Sender {
        user: UserId(user.into()),
        name,
        role,
        badge: None,
    };
    let claims = Claims::new(sender, now, UnixMillis(now.0 + ttl))?;
    output::print(&format!("{}\n", key.issue(&claims)));
    Ok(ExitCode::SUCCESS)
}

fn setup_token(place: &Place) -> Result<ExitCode, anyhow::Error> {
    let plan = place.plan()?;
    let Some(planned) = &plan.accounts else {
        anyhow::bail!(
            "no accounts are kept here: set accounts.registration to \"closed\" or \"open\" first"
        );
    };
    let database = serve::accounts::database(planned, &DataDir::open(&plan.data_dir)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no threads to be had")?;
    let token = runtime.block_on(async {
        let catalogue = Catalogue::open(&database).await?;
        let token = accounts::invite_first(&catalogue, clock::now()).await?;
        catalogue.close().await;
        Ok::<_, anyhow::Error>(token)
    })?;
    let Some(token) = token else {
        anyhow::bail!(
            "there is a member of staff already: they make others, with PATCH /api/v1/accounts/ID"
        );
    };
    output::print(&format!("{token}\n"));
    Ok(ExitCode::SUCCESS)
}

fn stream_key(channel: &RoomId, place: &Place, rotate: bool) -> Result<ExitCode, anyhow::Error> {
    let plan = place.plan()?;
    let known = plan.channels.iter().find(|planned| planned.id == *channel);
    let Some(planned) = known else {
        let ids: Vec<&str> = plan
            .channels
            .iter()
            .map(|planned| planned.id.as_str())
            .collect();
        anyhow::bail!(
            "no channel `{channel}` is configured; there are: {}",
            ids.join(", ")
        );
    };
    let folder = DataDir::open(&plan.data_dir)?;
    let key: Secret = match (&planned.stream_key_file, rotate) {
        (Some(file), true) => {
            anyhow::bail!(
                "this channel's key is in {}: change it there",
                file.display()
            )
        }
        (file, false) => folder.stream_key(channel, file.as_deref())?,
        (None, true) => folder.rotate_stream_key(channel)?,
    };
    output::print(&format!("{}\n", key.expose()));
    Ok(ExitCode::SUCCESS)
}

impl Place {
    /// What is configured there.
    pub(crate) fn plan(&self) -> Result<Plan, ConfigError> {
        let mut plan = config::load(self.config.as_deref(), env::variables())?;
        if let Some(dir) = &self.data_dir {
            plan.data_dir.clone_from(dir);
        }
        Ok(plan)
    }
}

/// Says on standard error what went wrong, with those of its causes that it does not name itself.
#[expect(
    clippy::print_stderr,
    reason = "this is the one place where the program speaks before or without a log"
)]
fn complain(error: &anyhow::Error) {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    eprintln!("fanwave: {text}");
}
