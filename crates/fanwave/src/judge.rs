//! `fanwave judge`: reads the command line, tells what is found, and writes reports. What is judged, and how, is in the
//! crate `fanwave-judge`.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use fanwave_judge::{
    Address, Finding, Order, Report, Rule, RunError, Severity, Tell,
    limits::JUDGE_TIME_MAX,
    report::Verdict,
    run,
    shell::{Progress, dial::Network},
};
use tokio::sync::Notify;

use crate::{config::duration, output};

/// Exit code when warnings were found, and no error.
const WARNINGS: u8 = 2;
/// Exit code when nothing could be judged.
const NOTHING: u8 = 3;

/// What `fanwave judge --help` says at its end.
pub(crate) const EXAMPLES: &str = "\
Examples:
  fanwave judge http://localhost:8080/live/demo/master.m3u8
  fanwave judge https://live.example.com/show/main.m3u8 --for 10m --html report.html --json report.json
  fanwave judge https://localhost:8443/live/demo/master.m3u8 --insecure
  fanwave judge URL --rule BR-02 --rule BR-05      these rules only
  fanwave judge --rules                            every rule, with its source

It asks as a player does, and some things that players seldom ask; it loads each rendition about once, and stops by
itself. Ctrl-C ends it early, and the reports are written all the same.
Exit codes: 0 nothing but notes, 1 errors, 2 warnings and no error, 3 nothing could be judged.
Next: docs/judge.md explains every rule; open the page that --html wrote.";

/// What can be asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct JudgeArgs {
    /// A multivariant or media playlist of a live stream
    #[arg(value_name = "URL", required_unless_present = "rules")]
    url: Option<String>,
    /// For how long
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    time: Duration,
    /// Judge by this rule; more than once for more
    #[arg(long = "rule", value_name = "ID")]
    only: Vec<Rule>,
    /// List every rule, and do nothing else
    #[arg(long)]
    rules: bool,
    /// Count warnings as errors
    #[arg(long)]
    warnings_as_errors: bool,
    /// Take any certificate
    #[arg(long)]
    insecure: bool,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as one HTML page with charts
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Judges.
pub(crate) fn run_judge(args: &JudgeArgs) -> Result<ExitCode, anyhow::Error> {
    let url = match (&args.url, args.rules) {
        (_, true) => {
            output::print(&rules());
            return Ok(ExitCode::SUCCESS);
        }
        (Some(url), false) => url,
        (None, false) => bail!("name a playlist"),
    };
    if args.time.is_zero() || args.time > JUDGE_TIME_MAX {
        bail!("--for takes more than 0 and at most 24h");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no thread to be had")?;
    let began = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let stop = Arc::new(Notify::new());
    let order = Order {
        address: Address::parse(url)?,
        time: args.time,
        only: args.only.clone(),
        dial: Arc::new(Network::new(args.insecure)?),
        began: i64::try_from(began.as_micros()).unwrap_or(i64::MAX),
        stop: stop.clone(),
    };
    let judged = runtime.block_on(async {
        tokio::spawn(async move {
            // Where signals cannot be had, the run ends by itself.
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.notify_one();
            }
        });
        let time = args.time;
        run(&order, &mut |tell| told(&tell, time)).await
    });
    let report = match judged {
        Ok(report) => report,
        Err(error) => return Ok(nothing(&error)),
    };
    for (path, text) in [
        (&args.json, report.to_json()),
        (&args.html, report.to_html()),
    ] {
        if let Some(path) = path {
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    output::print(&summary(&report, args.html.is_some()));
    Ok(match report.verdict {
        Verdict::Clean => ExitCode::SUCCESS,
        Verdict::Warnings if !args.warnings_as_errors => ExitCode::from(WARNINGS),
        Verdict::Warnings | Verdict::Errors => ExitCode::FAILURE,
    })
}

/// Says why nothing was judged, and ends with a code of its own.
fn nothing(error: &RunError) -> ExitCode {
    say(&format!("fanwave: {error}\n"));
    ExitCode::from(NOTHING)
}

/// Writes to standard error, which has no other reader than whoever started the program.
fn say(text: &str) {
    // The only failure here is a closed output, and there is nowhere left to say so.
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

fn told(tell: &Tell, time: Duration) {
    match tell {
        Tell::Found(finding) => output::print(&one(finding)),
        Tell::Progress(Progress {
            elapsed,
            renditions,
            versions,
            pieces,
            errors,
            warnings,
        }) => say(&format!(
            "{:>4.0} s of {:.0} s: {renditions} renditions, {versions} playlists, {pieces} pieces of media; {errors} errors, {warnings} warnings\n",
            elapsed.as_secs_f64(),
            time.as_secs_f64(),
        )),
    }
}

fn one(finding: &Finding) -> String {
    let line = finding
        .line
        .map_or_else(String::new, |line| format!(", line {line}"));
    format!(
        "{:<7} {}  {}\n        where      {}{line}\n        seen       {}\n        expected   {}\n        what to do {}\n        source     {}; number {} of the checklist\n",
        finding.severity,
        finding.rule,
        finding.title,
        finding.url,
        finding.seen,
        finding.expected,
        finding.advice,
        finding.source,
        finding.number,
    )
}

fn summary(report: &Report, has_page: bool) -> String {
    let mut text = String::new();
    let mut findings: Vec<&Finding> = report.findings.iter().collect();
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.rule));
    if !findings.is_empty() {
        text.push('\n');
    }
    for finding in findings {
        let often = if finding.count == 1 {
            "once".to_owned()
        } else {
            format!("{} times", finding.count)
        };
        written(writeln!(
            text,
            "{:<7} {}  {often:<12} {}",
            finding.severity, finding.rule, finding.place
        ));
    }
    let verdict = match report.verdict {
        Verdict::Clean => "clean",
        Verdict::Warnings => "warnings",
        Verdict::Errors => "errors",
    };
    let next = if has_page {
        ""
    } else {
        " Next: --html FILE writes it down with charts, docs/judge.md explains the rules."
    };
    let end = format!(
        "\n{verdict}: {} errors, {} warnings, {} notes in {:.0} s, {} renditions, {} rules.{next}\n",
        report.errors,
        report.warnings,
        report.notes,
        report.seconds,
        report.renditions.len(),
        report.rules.len(),
    );
    text.push_str(&end);
    text
}

/// Writing to a String cannot fail.
fn written(result: std::fmt::Result) {
    debug_assert!(result.is_ok(), "a String takes everything");
}

/// Every rule as a table.
fn rules() -> String {
    let mut text = String::new();
    for rule in Rule::ALL {
        let facts = rule.facts();
        written(writeln!(
            text,
            "{}  {:<7} {:>2}  {}\n       source: {}\n       what to do: {}",
            facts.id, facts.severity, facts.number, facts.title, facts.source, facts.advice
        ));
    }
    let count = |severity| {
        Rule::ALL
            .iter()
            .filter(|rule| rule.facts().severity == severity)
            .count()
    };
    let end = format!(
        "\n{} rules: {} errors, {} warnings, {} notes. The second number is that of the checklist in docs/judge.md; sources are\nsections of draft-pantos-hls-rfc8216bis-22, or numbers of Apple's HLS authoring specification.\n",
        Rule::ALL.len(),
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Note),
    );
    text.push_str(&end);
    text
}
