//! `fanwave load` against a whole server: the proof tool is proved on a server that loses nothing.

use std::{path::Path, process::Command, time::Duration};

use fanwave::{
    config::{self, plan::Plan},
    serve::assembly::{Server, Show},
};
use serde_json::Value;
use tokio::time::timeout;

/// The longest run takes six seconds on an idle machine; whatever takes this long has failed.
const DEADLINE: Duration = Duration::from_secs(100);

/// Virtual fans.
const FANS: u64 = 200;

fn plan(data: &Path) -> Plan {
    let data = data.to_str().expect("a temporary folder has a plain name");
    let variables = [
        ("FANWAVE__HTTP__LISTEN", "127.0.0.1:0"),
        ("FANWAVE__RTMP__LISTEN", "127.0.0.1:0"),
        ("FANWAVE__DATA__DIR", data),
        // The load's senders are faster than people.
        ("FANWAVE__CHAT__REFILL", "0s"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    config::parse(None, variables).expect("the test's configuration is fine")
}

/// Runs the program against a server of its own and returns its JSON report.
async fn load(arguments: &'static [&'static str]) -> Value {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let data = folder.path().join("data");
    let server = Box::pin(Server::start(&plan(&data), Show::Real))
        .await
        .expect("the server starts");
    let target = format!("ws://{}", server.http_addr());
    let (json, html) = (
        folder.path().join("run.json"),
        folder.path().join("run.html"),
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanwave"));
    command
        .args([
            "load",
            &target,
            "--fans",
            &FANS.to_string(),
            "--workers",
            "2",
            "--secret-file",
        ])
        .arg(data.join("token-secret"))
        .arg("--json")
        .arg(&json)
        .arg("--html")
        .arg(&html)
        .args(arguments);
    let running = tokio::task::spawn_blocking(move || command.output());
    let output = timeout(DEADLINE, running)
        .await
        .expect("the run ends in time");
    let output = output
        .expect("the thread lives")
        .expect("the program starts");
    // On a machine that is too busy the generator may call its own figures invalid; what was lost is told all the same.
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "{:?}: {told}",
        output.status
    );
    let page = std::fs::read_to_string(&html).expect("the page is written");
    assert!(page.contains("<svg"), "the page has charts");
    let report = std::fs::read_to_string(&json).expect("the report is written");
    serde_json::from_str(&report).expect("the report is JSON")
}

fn number(report: &Value, pointer: &str) -> u64 {
    let value = report.pointer(pointer).and_then(Value::as_u64);
    value.unwrap_or_else(|| unreachable!("the report has {pointer}"))
}

fn assert_nothing_lost(report: &Value) {
    let sent = number(report, "/lossless/sent");
    assert_eq!(number(report, "/lossless/accepted"), sent);
    assert_eq!(number(report, "/lossless/expected"), FANS * sent);
    assert_eq!(number(report, "/lossless/received"), FANS * sent);
    for figure in ["missing", "duplicates", "reorders"] {
        assert_eq!(
            number(report, &format!("/lossless/{figure}")),
            0,
            "{figure}"
        );
    }
    assert_eq!(number(report, "/connect/connected"), FANS);
    assert_eq!(number(report, "/returns/away"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mega_room_gets_everything() {
    let report = load(&[
        "--scenario",
        "mega-room",
        "--room-rate",
        "10",
        "--chat-rate",
        "4",
        "--duration",
        "2s",
    ])
    .await;
    assert_nothing_lost(&report);
    assert_eq!(number(&report, "/lossless/sent"), 20);
    assert_eq!(number(&report, "/lossless/delivery/count"), FANS * 20);
    // The lossy lane promises less, but some of it comes, and nothing comes twice.
    let (sent, received) = (
        number(&report, "/lossy/accepted"),
        number(&report, "/lossy/received"),
    );
    assert!(
        sent > 0 && received > 0 && received <= sent * FANS,
        "{received} of {sent}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_comes_back_and_recovers_everything() {
    let report = load(&[
        "--scenario",
        "storm",
        "--room-rate",
        "10",
        "--duration",
        "4s",
    ])
    .await;
    assert_nothing_lost(&report);
    assert_eq!(number(&report, "/returns/time/count"), FANS);
    assert!(
        number(&report, "/lossless/recovered") > 0,
        "messages were sent while everybody was away"
    );
    assert!(
        number(&report, "/returns/all_back_ms") >= 500,
        "nobody comes back before the SDK does"
    );
}
