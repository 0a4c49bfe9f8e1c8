//! `fanwave viewers`: reads the command line, and sends the crowd. What viewers do is in `fanwave_load::audience`.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::ValueEnum;
use fanwave_load::audience::{self, HttpVersion, Shares, ViewersOrder, ViewersReport};

use crate::{config::duration, output};

/// What `fanwave viewers --help` says at its end.
pub const EXAMPLES: &str = "\
Examples:
  fanwave viewers http://127.0.0.1:8080/live/demo/master.m3u8 --viewers 1000
  fanwave viewers http://127.0.0.1:8080/live/demo/master.m3u8 --viewers 5000 --http 2 --viewers-per-connection 50
                                                 as behind an edge, or a hundred of them
  fanwave viewers https://live.example.com:443/live/demo/master.m3u8 --http 2
                                                 as browsers do; --ca FILE for a certificate of your own
  fanwave viewers http://127.0.0.1:8080/ --viewers 64 --again /live/demo/PREFIX/video/7.m4s
                                                 one file as fast as it is answered; several by --again twice

Load goes to that address and nowhere else, and stops by itself. Only load what is yours. A process has as many
connections as it may have files open: start several for more.
Exit codes: 0 all was answered as it should, 1 it could not run, or something was not.";

/// What can be asked for.
#[derive(Debug, clap::Args)]
pub struct ViewersArgs {
    /// The multivariant playlist: http://HOST:PORT/live/CHANNEL/master.m3u8, or https:// for TLS
    url: String,
    /// Believe the certificates in this file (PEM), in place of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Viewers; each follows the pictures and the sound
    #[arg(long, default_value_t = 100)]
    viewers: u32,
    /// What they speak: 1 for HTTP/1.1, 2 for HTTP/2 (in the clear with prior knowledge)
    #[arg(long, value_enum, default_value = "1")]
    http: Version,
    /// Viewers who share one connection of HTTP/2
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    viewers_per_connection: u32,
    /// Connections made per second
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    connect_rate: u32,
    /// How long is measured, from when all are connected
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration::parse)]
    duration: Duration,
    /// Wait for playlists and fetch no parts, as an edge does that has the parts already
    #[arg(long)]
    playlists_only: bool,
    /// Follow the pictures alone
    #[arg(long)]
    pictures_only: bool,
    /// How long after an answer a viewer asks for what comes next
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration::parse)]
    pause: Duration,
    /// Ask for this path over and over in place of the show
    #[arg(long, value_name = "PATH")]
    again: Vec<String>,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// See [`HttpVersion`].
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Version {
    /// HTTP/1.1
    #[value(name = "1")]
    One,
    /// HTTP/2
    #[value(name = "2")]
    Two,
}

/// Sends the crowd.
///
/// # Errors
///
/// The show is not there, or the report cannot be written.
pub fn run(args: ViewersArgs) -> Result<ExitCode, anyhow::Error> {
    let order = ViewersOrder {
        url: args.url,
        ca: args.ca,
        viewers: args.viewers,
        version: match args.http {
            Version::One => HttpVersion::Http1,
            Version::Two => HttpVersion::Http2,
        },
        viewers_per_connection: args.viewers_per_connection,
        connects_per_second: args.connect_rate,
        duration: args.duration,
        playlists_only: args.playlists_only,
        pictures_only: args.pictures_only,
        pause: args.pause,
        again: args.again,
    };
    let report = audience::run(&order, &mut |line| output::print(&format!("{line}\n")))?;
    if let Some(path) = args.json {
        let text = serde_json::to_string_pretty(&report)?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    output::print(&summary(&report));
    Ok(if report.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn summary(report: &ViewersReport) -> String {
    let mut lines = vec![
        format!(
            "{} answers in {:.1} s ({:.0} a second), {:.1} Mbit/s, {} playlists, {} parts",
            report.answers,
            report.seconds,
            report.answers as f64 / report.seconds,
            report.bytes as f64 * 8.0 / 1e6 / report.seconds,
            report.playlists,
            report.parts,
        ),
        times("woken after the first of those who waited", &report.wake_ms),
        times("a part, from asking to its last byte", &report.part_ms),
        times("an answer, from asking to its last byte", &report.again_ms),
        format!(
            "waited for a part, in the median: {}; stalls: {}",
            report.waiters, report.stalls
        ),
        format!(
            "processor time of the generator: {:.1} s",
            report.generator_cpu_s
        ),
    ];
    for (why, count) in &report.failures {
        lines.push(format!("{count} times {why}"));
    }
    lines.retain(|line| !line.is_empty());
    lines.join("\n") + "\n"
}

fn times(what: &str, shares: &Shares) -> String {
    if shares.count == 0 {
        return String::new();
    }
    format!(
        "{what}: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
        shares.p50, shares.p90, shares.p99, shares.max
    )
}
