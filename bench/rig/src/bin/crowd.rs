//! Up to 15,000 fans of one server. Commands come on standard input, answers go to standard output, each a line of JSON:
//! see [`fanwave_rig::crowd::command`].

use std::{fs, net::SocketAddr, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Parser;
use fanwave_rig::{
    crowd::{Crowd, Settings, dialect::Dialect},
    process::Process,
};

/// A crowd of fans.
#[derive(Debug, Parser)]
struct Arguments {
    /// Address of the server.
    #[arg(long)]
    target: SocketAddr,
    /// Its protocol.
    #[arg(long)]
    dialect: Dialect,
    /// Path of its WebSocket.
    #[arg(long, default_value = "/")]
    path: String,
    /// File with one token a line, for the fans.
    #[arg(long)]
    tokens: Option<PathBuf>,
    /// File with the publisher's token.
    #[arg(long)]
    publisher_token: Option<PathBuf>,
    /// Channel the fans join and the publisher speaks in; the last one said counts.
    #[arg(long, default_value = "room:demo", overrides_with = "channel")]
    channel: String,
    /// Number of the room in its messages' marks.
    #[arg(long, default_value_t = 0)]
    room: u64,
    /// Process whose costs are read.
    #[arg(long)]
    server_pid: u32,
    /// Address for the publisher's protocol connection, or with --lines for its lines.
    #[arg(long)]
    publish_to: SocketAddr,
    /// Whether messages are published as lines.
    #[arg(long)]
    lines: bool,
    /// The server's certificate; with it the fans speak TLS 1.3.
    #[arg(long)]
    certificate: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let read = |path: &Option<PathBuf>| match path {
        Some(path) => {
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        }
        None => Ok(String::new()),
    };
    let settings = Settings {
        target: arguments.target,
        dialect: arguments.dialect,
        path: arguments.path,
        tokens: read(&arguments.tokens)?
            .lines()
            .map(str::to_owned)
            .collect(),
        channel: arguments.channel,
        room: arguments.room,
        server: Process {
            pid: arguments.server_pid,
        },
        publish_to: arguments.publish_to,
        publish_lines: arguments.lines,
        publisher_token: read(&arguments.publisher_token)?.trim().to_owned(),
        certificate: arguments.certificate,
    };
    Crowd::new(settings)?.run()
}
