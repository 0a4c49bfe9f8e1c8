//! `fanwave log`: what an operator does with the chat log of a server alone: look, export, hold and forget.
//!
//! A log in PostgreSQL can be worked on while servers run; one in a file, while none does.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Subcommand, ValueEnum};
use fanwave_store::{Archive, Format, Search, catalogue::Catalogue};
use fanwave_wire::{Channel, Lane, RoomId, UserId};

use crate::{
    cli::Place,
    clock,
    config::{engine::Engine, plan::Plan},
    datadir::DataDir,
    output, serve,
};

/// What `fanwave log --help` says at its end.
pub(crate) const EXAMPLES: &str = "\
Examples:
  fanwave log export demo > demo.jsonl
  fanwave log export demo --lane room --format csv --config fanwave.toml
  fanwave log search demo night --by guest-1f3a
  fanwave log hold demo
  fanwave log forget guest-1f3a

A log in PostgreSQL ([store] in `fanwave config-reference`) is worked on while servers run; stop the server for one in a file.
Next: docs/store.md says what is kept for how long, and what is gone when.";

/// What can be done with it.
#[derive(Debug, clap::Args)]
pub(crate) struct LogArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Write what was said in a room to standard output, oldest first
    Export {
        /// The room's id
        room: RoomId,
        /// Which of its lanes
        #[arg(long, value_enum, default_value = "chat")]
        lane: LaneName,
        /// JSON Lines, or a table
        #[arg(long, value_enum, default_value = "jsonl")]
        format: FormatName,
        #[command(flatten)]
        place: Place,
    },
    /// Look for what was said in a room's chat, newest first, as JSON Lines
    Search {
        /// The room's id
        room: RoomId,
        /// Words that all have to be there; none finds everything
        words: Vec<String>,
        /// Only what this user has said
        #[arg(long, value_name = "USER")]
        by: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        place: Place,
    },
    /// Put a room under legal hold: nothing of it is let go of until it is released
    Hold {
        /// The room's id
        room: RoomId,
        #[command(flatten)]
        place: Place,
    },
    /// End a legal hold
    Release {
        /// The room's id
        room: RoomId,
        #[command(flatten)]
        place: Place,
    },
    /// List the rooms under legal hold, and since when
    Holds {
        #[command(flatten)]
        place: Place,
    },
    /// Remove what a person has said, and what mentions them
    Forget {
        /// The user's id
        user: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LaneName {
    /// The fans' chatter
    Chat,
    /// The room's own lane
    Room,
    /// The moderators' lane
    Staff,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatName {
    /// One JSON object a line
    Jsonl,
    /// A table with a heading
    Csv,
}

/// Does it.
pub(crate) fn run(args: LogArgs) -> Result<ExitCode, anyhow::Error> {
    let (Act::Export { place, .. }
    | Act::Search { place, .. }
    | Act::Hold { place, .. }
    | Act::Release { place, .. }
    | Act::Holds { place }
    | Act::Forget { place, .. }) = &args.act;
    let plan = place.plan()?;
    if !matches!(plan.engine, Engine::Memory) && !plan.store.record {
        bail!(
            "this server shares its rooms through a broker, which has their log: see [engine] in the configuration, and \
             store.record for one that is kept beside it"
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no threads to be had")?;
    runtime.block_on(async {
        let log = open(&plan).await?;
        if let Act::Forget { user, .. } = &args.act {
            forget_deliveries(&plan, user).await?;
        }
        let done = act(&log, args.act).await;
        log.close().await;
        done
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn open(plan: &Plan) -> Result<Archive, anyhow::Error> {
    let folder = DataDir::open(&plan.data_dir)?;
    Ok(serve::store::open_archive(&plan.store, &folder).await?)
}

async fn act(log: &Archive, act: Act) -> Result<(), anyhow::Error> {
    match act {
        Act::Export {
            room, lane, format, ..
        } => export(log, &channel(lane, room), format).await,
        Act::Search {
            room,
            words,
            by,
            limit,
            ..
        } => {
            let search = Search {
                text: words.join(" "),
                by: by.map(|user| UserId(user.into())),
                limit,
                ..Search::default()
            };
            look(log, &channel(LaneName::Chat, room), search).await
        }
        Act::Hold { room, .. } => {
            let said =
                format!("Nothing of {room} is let go of until `fanwave log release {room}`.\n");
            log.hold(room, clock::now()).await?;
            output::print(&said);
            Ok(())
        }
        Act::Release { room, .. } => {
            let said =
                format!("{room} is under hold no more; what is over goes within the hour.\n");
            log.release(room).await?;
            output::print(&said);
            Ok(())
        }
        Act::Holds { .. } => {
            for (room, since) in log.holds().await? {
                let since = fanwave_live::WallTime(since.0);
                output::print(&format!("{room} since {since}\n"));
            }
            Ok(())
        }
        Act::Forget { user, .. } => forget(log, user).await,
    }
}

fn channel(lane: LaneName, room: RoomId) -> Channel {
    let lane = match lane {
        LaneName::Chat => Lane::Chat,
        LaneName::Room => Lane::Room,
        LaneName::Staff => Lane::Staff,
    };
    Channel { lane, room }
}

async fn export(log: &Archive, channel: &Channel, format: FormatName) -> Result<(), anyhow::Error> {
    let format = match format {
        FormatName::Jsonl => Format::JsonLines,
        FormatName::Csv => Format::Csv,
    };
    output::print(format.heading());
    let mut after = None;
    loop {
        let piece = log.export(channel, format, after.as_ref()).await?;
        output::print(&String::from_utf8_lossy(&piece.bytes));
        after = piece.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn look(log: &Archive, channel: &Channel, mut search: Search) -> Result<(), anyhow::Error> {
    let mut before = None;
    while search.limit > 0 {
        let sought = log.search(channel, &search, before.as_ref()).await?;
        let mut lines = Vec::new();
        for publication in &sought.found.publications {
            Format::JsonLines.write(&sought.found.epoch, publication, &mut lines);
        }
        output::print(&String::from_utf8_lossy(&lines));
        search.limit = search.limit.saturating_sub(sought.found.publications.len());
        before = sought.next;
        if before.is_none() {
            break;
        }
    }
    Ok(())
}

/// Forgets what webhooks were or are to be told about somebody, too.
async fn forget_deliveries(plan: &Plan, user: &str) -> Result<(), anyhow::Error> {
    let Some(planned) = &plan.webhooks else {
        return Ok(());
    };
    let folder = DataDir::open(&plan.data_dir)?;
    let database = serve::webhooks::database(planned, &folder)?;
    let catalogue = Catalogue::open(&database).await?;
    let forgotten = catalogue.forget_deliveries(user).await;
    catalogue.close().await;
    forgotten?;
    Ok(())
}

async fn forget(log: &Archive, user: String) -> Result<(), anyhow::Error> {
    let forgotten = log.forget(UserId(user.into())).await?;
    let mut said = format!(
        "{} messages are gone, or have become nobody's.\n",
        forgotten.messages
    );
    if forgotten.held > 0 {
        said.push_str("Rooms under legal hold were left as they are: see `fanwave log holds`.\n");
    }
    said.push_str("Next: servers that run have a room's newest messages in memory; a moderator clears the person there.\n");
    output::print(&said);
    Ok(())
}
