//! `fanwave nodes`: asks a server which servers there are, and prints them as a table or as JSON.

use std::{fmt::Write, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use fanwave_live::WallTime;
use fanwave_wire::{
    Role, Sender, UnixMillis, UserId, path,
    token::{Claims, KEY_BYTES_MIN, TokenKey},
};
use hyper::{StatusCode, Uri};
use serde::Deserialize;
use tokio::time::timeout;

use crate::{
    clock,
    fetch::{self, Question},
    output, secret,
};

/// How long the server may take to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Longest answer that is read: the description of a node has some 500 bytes, of [`NODES_MAX`] 128 KiB.
///
/// [`NODES_MAX`]: fanwave_room::limits::NODES_MAX
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// How long the token is valid that is made of a secret: clocks of two machines may differ.
const TOKEN_TIME: Duration = Duration::from_secs(300);

/// What `fanwave nodes --help` says at its end.
pub(crate) const EXAMPLES: &str = "\
Examples:
  fanwave nodes 127.0.0.1:8080 --secret-file data/token-secret
  FANWAVE_TOKEN=$(fanwave token --role staff --name ops) fanwave nodes https://chat.example.com
  fanwave nodes 127.0.0.1:8080 --secret-file data/token-secret --json | jq '.nodes[].name'

Any server knows them all; the one that answers is marked with a *. A server that is killed is listed for 5 s more.
Servers know of each other through the engine they share ([engine] in `fanwave config-reference`); a server whose engine
is \"memory\" lists itself alone.
Next: take a server out with SIGTERM, and see it drain here.";

/// What can be asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct NodesArgs {
    /// One of the servers
    #[arg(
        value_name = "SERVER",
        help = "One of the servers: HOST:PORT, http://HOST:PORT or https://HOST"
    )]
    server: String,
    #[command(flatten)]
    who: Who,
    /// Print what the server says, as JSON
    #[arg(long)]
    json: bool,
}

/// Who asks: the list is for staff.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// The servers' signing secret (token-secret in the data folder)
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// A token of a member of staff, as `fanwave token --role staff --name NAME` prints it
    #[arg(long, env = "FANWAVE_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl std::fmt::Debug for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Who").finish_non_exhaustive()
    }
}

/// What the server answers.
#[derive(Debug, Deserialize)]
struct Nodes {
    now: u64,
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    name: String,
    version: String,
    this: bool,
    draining: bool,
    started_at: u64,
    heard_at: u64,
    connections: u32,
    connections_max: u32,
    rooms: u32,
    busy_percent: f64,
}

/// What the server answers instead: RFC 9457.
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

/// Asks, and prints.
pub(crate) fn run(args: &NodesArgs) -> Result<ExitCode, anyhow::Error> {
    let url = address(&args.server)?;
    let token = token(&args.who)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no thread to be had")?;
    let question = Question {
        url: &url,
        token: Some(&token),
        bytes_max: ANSWER_BYTES_MAX,
        outgoing: None,
    };
    let answer = runtime
        .block_on(async { timeout(ANSWER_TIME_MAX, fetch::get(question)).await })
        .map_err(|_| anyhow::anyhow!("{} has not answered for {ANSWER_TIME_MAX:?}", args.server))?
        .with_context(|| {
            let hint =
                "is it the HTTP port of a server that runs? It is printed when the server starts";
            format!("{} gives no answer ({hint})", args.server)
        })?;
    if answer.status != StatusCode::OK {
        bail!(refused(&args.server, answer.status, &answer.body));
    }
    let nodes: Nodes = serde_json::from_slice(&answer.body)
        .with_context(|| format!("{} answers something else; is it Fanwave?", args.server))?;
    if args.json {
        let text = std::str::from_utf8(&answer.body).unwrap_or_default();
        output::print(&format!("{text}\n"));
    } else {
        output::print(&table(nodes));
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the list of nodes is.
fn address(server: &str) -> Result<Uri, anyhow::Error> {
    let with_scheme = match server.split_once("://") {
        Some(("http" | "https", _)) => server.to_owned(),
        Some((scheme, _)) => {
            bail!("`{scheme}://` is not asked; write HOST:PORT, http://HOST:PORT or https://HOST")
        }
        None => format!("http://{server}"),
    };
    let base = with_scheme.trim_end_matches('/');
    let url: Uri = format!("{base}{}", path::NODES)
        .parse()
        .with_context(|| format!("`{server}` is no server; write HOST:PORT"))?;
    let authority = url.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') || url.path() != path::NODES {
        bail!(
            "`{server}` is more than a server; write HOST:PORT, http://HOST:PORT or https://HOST"
        );
    }
    Ok(url)
}

fn token(who: &Who) -> Result<String, anyhow::Error> {
    let Some(file) = &who.secret_file else {
        let token = who.token.as_deref().unwrap_or_default().trim();
        return Ok(token.to_owned());
    };
    let secret = secret::read(file, KEY_BYTES_MIN)?;
    let key = TokenKey::new(secret.expose().as_bytes())?;
    let now = clock::now();
    let sender = Sender::new(UserId("fanwave-nodes".into()), "fanwave nodes", Role::Staff);
    let millis = u64::try_from(TOKEN_TIME.as_millis()).unwrap_or(u64::MAX);
    let claims = Claims::new(sender, now, UnixMillis(now.0.saturating_add(millis)))?;
    Ok(key.issue(&claims))
}

/// What went wrong at the server, and what to do about it.
fn refused(server: &str, status: StatusCode, body: &[u8]) -> String {
    let Ok(Problem { code, detail }) = serde_json::from_slice(body) else {
        return format!(
            "{server} answers {status}: it is something else, or a release of Fanwave that has no list of servers"
        );
    };
    let next = match code.as_str() {
        "token_refused" => {
            "; the secret has to be that of the servers (tokens.secret_file, or token-secret in the data folder)"
        }
        "token_missing" | "not_staff" => "; give --secret-file, or the token of a member of staff",
        "not_found" => "; its release of Fanwave has no list of servers",
        _ => "",
    };
    format!("{server} refuses: {detail}{next}")
}

/// One line each, in the order of their names, under a line of headings.
fn table(Nodes { now, mut nodes }: Nodes) -> String {
    nodes.sort_by(|a, b| (&a.name, a.started_at).cmp(&(&b.name, b.started_at)));
    let headings = [
        "NAME",
        "VERSION",
        "STATE",
        "UP SINCE (UTC)",
        "CONNECTIONS",
        "ROOMS",
        "BUSY",
        "HEARD",
    ];
    let mut rows = vec![headings.map(str::to_owned)];
    rows.extend(nodes.iter().map(|node| row(node, now)));
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", line.join("  ").trim_end());
    }
    text
}

fn row(node: &Node, now: u64) -> [String; 8] {
    let state = if node.draining { "draining" } else { "serving" };
    let mark = if node.this { " *" } else { "" };
    // 2026-11-28T01:02:03.004Z, as people write it.
    let since = WallTime(node.started_at).to_string().replace('T', " ");
    let since = since.split('.').next().unwrap_or_default().to_owned();
    let ago = now.saturating_sub(node.heard_at);
    [
        format!("{}{mark}", printable(&node.name)),
        printable(&node.version),
        state.to_owned(),
        since,
        format!("{} of {}", node.connections, node.connections_max),
        node.rooms.to_string(),
        format!("{:.1} %", node.busy_percent),
        if node.this {
            "answers".to_owned()
        } else {
            format!("{}.{} s ago", ago / 1000, ago % 1000 / 100)
        },
    ]
}

/// What a server says must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_written_in_three_ways() {
        for (server, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080/api/v1/nodes"),
            ("http://[::1]:80/", "http://[::1]:80/api/v1/nodes"),
            ("https://a.example", "https://a.example/api/v1/nodes"),
        ] {
            assert_eq!(address(server).unwrap().to_string(), url);
        }
        for wrong in ["ws://a:1", "http://u:p@a:1", "a:1/b", "a b", ""] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nodes_are_a_table_in_the_order_of_their_names() {
        let node = |name: &str, this| Node {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            this,
            draining: !this,
            started_at: 1_795_374_065_007,
            heard_at: 2_000,
            connections: 17_000,
            connections_max: 20_000,
            rooms: 1,
            busy_percent: 12.5,
        };
        let nodes = Nodes {
            now: 3_250,
            nodes: vec![node("b:8080", true), node("a:8080\u{1b}[2J", false)],
        };
        let expected = "\
NAME        VERSION  STATE     UP SINCE (UTC)       CONNECTIONS      ROOMS  BUSY    HEARD
a:8080[2J   0.1.0    draining  2026-11-22 19:01:05  17000 of 20000  1      12.5 %  1.2 s ago
b:8080 *    0.1.0    serving   2026-11-22 19:01:05  17000 of 20000  1      12.5 %  answers
";
        let squeezed = |text: &str| {
            let lines = text.lines().map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                words.join(" ")
            });
            lines.collect::<Vec<_>>()
        };
        let text = table(nodes);
        assert_eq!(squeezed(&text), squeezed(expected));
        let columns = text
            .lines()
            .map(|line| line.find("0.1.0").or(line.find("VERSION")));
        assert!(
            columns
                .clone()
                .all(|column| column == columns.clone().next().flatten())
        );
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let body = br#"{"code":"token_refused","detail":"token has a wrong signature"}"#;
        let words = refused("a:1", StatusCode::UNAUTHORIZED, body);
        assert!(
            words.contains("wrong signature") && words.contains("token-secret"),
            "{words}"
        );
        let words = refused("a:1", StatusCode::BAD_GATEWAY, b"<html>");
        assert!(words.contains("502") && !words.contains("html"), "{words}");
    }
}
