//! `fanwave load` against several servers, each a process of its own as a user would start it.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Virtual fans.
const FANS: u64 = 400;

/// What signs every token of these tests.
const SECRET: &str = "a-secret-that-only-these-tests-know-0123456789";

/// A server process, which ends with the test.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended by itself, or does now; there is nobody to tell.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn write_secret(file: &Path) {
    fs::write(file, SECRET).expect("there is room for a secret");
    let owner_only = fs::Permissions::from_mode(0o600);
    fs::set_permissions(file, owner_only).expect("the file is ours");
}

/// Starts a server with a data folder of this name, and waits until it is ready.
fn start(folder: &Path, name: &str, variables: &[(&str, String)]) -> Server {
    let data = folder.join(name);
    fs::create_dir_all(&data).expect("there is room for a folder");
    write_secret(&data.join("token-secret"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_fanwave"))
        .arg("serve")
        .env("FANWAVE__HTTP__LISTEN", "127.0.0.1:0")
        .env("FANWAVE__RTMP__LISTEN", "127.0.0.1:0")
        .env("FANWAVE__GATEWAY__LISTEN", "127.0.0.1:0")
        .env("FANWAVE__DATA__DIR", &data)
        // The load's senders are faster than people.
        .env("FANWAVE__CHAT__REFILL", "0s")
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let screen = child.stdout.take().expect("it was asked for");
    let mut address = String::new();
    // What it shows once it is ready, up to its last line but one.
    for line in BufReader::new(screen).lines().map_while(Result::ok) {
        if let Some(found) = line.trim().strip_prefix("Chat port") {
            found.trim().clone_into(&mut address);
        }
        if line.contains("readyz") {
            break;
        }
    }
    assert!(!address.is_empty(), "the server is ready");
    Server { child, address }
}

/// What became of a run.
struct Ran {
    status: ExitStatus,
    screen: String,
    report: Value,
    page: String,
}

/// Runs the load, shows each line of its screen to `watch`, and reads its reports.
fn load(folder: &Path, servers: &str, arguments: &[&str], mut watch: impl FnMut(&str)) -> Ran {
    load_until(folder, servers, arguments, |line, _| watch(line))
}

/// The same, for one who does something to the load itself.
fn load_until(
    folder: &Path,
    servers: &str,
    arguments: &[&str],
    mut watch: impl FnMut(&str, &Child),
) -> Ran {
    let (json, html) = (folder.join("run.json"), folder.join("run.html"));
    let secret = folder.join("secret");
    write_secret(&secret);
    let mut child = Command::new(env!("CARGO_BIN_EXE_fanwave"))
        .args(["load", servers, "--workers", "2"])
        .args(["--fans", &FANS.to_string(), "--connect-rate", "400"])
        .arg("--secret-file")
        .arg(secret)
        .arg("--json")
        .arg(&json)
        .arg("--html")
        .arg(&html)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut screen = String::new();
    let output = child.stdout.take().expect("it was asked for");
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        watch(&line, &child);
        screen.push_str(&line);
        screen.push('\n');
    }
    let status = child.wait().expect("the program ends");
    let report = fs::read_to_string(&json).expect("the report is written");
    Ran {
        status,
        screen,
        report: serde_json::from_str(&report).expect("the report is JSON"),
        page: fs::read_to_string(&html).expect("the page is written"),
    }
}

fn number(report: &Value, pointer: &str) -> u64 {
    let value = report.pointer(pointer).and_then(Value::as_u64);
    value.unwrap_or_else(|| unreachable!("the report has {pointer}"))
}

/// On a machine that is too busy the generator may call its own figures invalid; what was lost is told all the same.
fn assert_nothing_lost(ran: &Ran) {
    let report = &ran.report;
    let code = ran.status.code();
    assert!(matches!(code, Some(0 | 3)), "{code:?}: {report}");
    let expected = number(report, "/lossless/expected");
    assert!(expected > 0);
    assert_eq!(number(report, "/lossless/received"), expected);
    assert_eq!(number(report, "/strays"), 0);
    for figure in ["missing", "duplicates", "reorders"] {
        let figure = format!("/lossless/{figure}");
        assert_eq!(number(report, &figure), 0, "{figure}");
    }
    assert_eq!(number(report, "/connect/connected"), FANS);
}

fn pair(folder: &TempDir, variables: &[(&str, String)]) -> [Server; 2] {
    ["first", "second"].map(|name| start(folder.path(), name, variables))
}

fn names(servers: &[Server; 2]) -> String {
    format!("{},{}", servers[0].address, servers[1].address)
}

/// Every server delivered its share, and its processes were measured.
fn assert_shares(ran: &Ran) {
    let sent_to_each = number(&ran.report, "/lossless/sent") / 2;
    for index in 0..2 {
        let figure = |name| number(&ran.report, &format!("/servers/{index}/{name}"));
        assert_eq!(figure("connected"), FANS / 2);
        assert_eq!(figure("connected_at_end"), FANS / 2);
        assert_eq!(figure("deliveries"), FANS / 2 * sent_to_each);
        assert_eq!(figure("failures"), 0);
        assert!(figure("cpu_ms") > 0);
    }
    assert!(ran.page.contains("<caption>Servers</caption>"));
    let screen = &ran.screen;
    assert!(screen.contains("to 2 servers"), "{screen}");
    assert!(screen.contains(&format!("{0} + {0}", FANS / 2)), "{screen}");
}

fn load_each_alone(encoding: &str) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let servers = pair(&folder, &[]);
    let arguments = ["--each-server-alone", "--encoding", encoding];
    let ran = load(
        folder.path(),
        &names(&servers),
        &[&arguments[..], &["--room-rate", "5", "--duration", "2s"]].concat(),
        |_| {},
    );
    assert_nothing_lost(&ran);
    assert_shares(&ran);
    assert_eq!(number(&ran.report, "/lossless/sent"), 20);
    assert_eq!(ran.report["run"]["encoding"], encoding);
}

#[test]
fn servers_that_share_nothing_each_deliver_everything_to_their_own_fans() {
    load_each_alone("json");
}

#[test]
fn fans_who_speak_protobuf_get_everything_too() {
    load_each_alone("protobuf");
}

#[test]
fn fans_of_servers_that_share_nothing_miss_what_the_other_one_said() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let servers = pair(&folder, &[]);
    let ran = load(
        folder.path(),
        &names(&servers),
        &["--room-rate", "5", "--duration", "1s"],
        |_| {},
    );
    // The one sender is at the first server, and the fans of the second never hear it.
    assert!(matches!(ran.status.code(), Some(1 | 3)));
    assert_eq!(number(&ran.report, "/lossless/missing"), FANS / 2 * 5);
    assert_eq!(number(&ran.report, "/servers/1/deliveries"), 0);
    let screen = &ran.screen;
    assert!(screen.contains("--each-server-alone"), "{screen}");
}

#[test]
fn fans_of_a_server_that_is_killed_go_to_another() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let servers = pair(&folder, &[]);
    let targets = names(&servers);
    let [mut first, second] = servers;
    let everybody = format!("{FANS} connected");
    let arguments = ["--room-rate", "0", "--chat-rate", "1", "--duration", "6s"];
    let ran = load(folder.path(), &targets, &arguments, |line| {
        if line.contains(&everybody) && line.contains(&format!("({0} + {0})", FANS / 2)) {
            // Once it is dead, killing it changes nothing.
            first.child.kill().expect("it is ours");
        }
    });
    drop(second);
    assert_eq!(number(&ran.report, "/servers/0/connected_at_end"), 0);
    assert_eq!(number(&ran.report, "/servers/1/connected_at_end"), FANS);
    assert_eq!(number(&ran.report, "/returns/away"), 0);
    assert!(number(&ran.report, "/servers/0/closes/1006") > 0);
    let falls = ran.report["returns"]["falls"].as_array();
    assert_eq!(falls.map(Vec::len), Some(1), "one server was killed");
    let fall = |name| number(&ran.report, &format!("/returns/falls/0/{name}"));
    assert_eq!(fall("fans"), FANS);
    assert!((FANS / 100 + 1..=FANS / 2).contains(&fall("lost")));
    // All of them came back at last, and the SDK waits half a second at least.
    assert!(fall("all_back_ms") >= 500);
    assert!(fall("all_back_ms") >= fall("nearly_all_back_ms"));
    assert!(ran.screen.contains("99 % back after"), "{}", ran.screen);
}

#[test]
fn who_will_not_wait_gets_the_report_of_what_was_done() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let server = start(folder.path(), "only", &[]);
    let arguments = ["--room-rate", "5", "--duration", "1h"];
    let everybody = format!("{FANS} connected");
    let mut asked = false;
    let ran = load_until(folder.path(), &server.address, &arguments, |line, child| {
        let heard = line.contains(&everybody) && !line.contains(" 0/s delivered");
        // To ask twice is not to wait for the report.
        if heard && !std::mem::replace(&mut asked, true) {
            kill_process(Pid::from_child(child), Signal::INT).expect("it runs");
        }
    });
    assert_nothing_lost(&ran);
    let sent = number(&ran.report, "/lossless/sent");
    assert_eq!(number(&ran.report, "/lossless/accepted"), sent);
    assert_eq!(number(&ran.report, "/lossless/unanswered"), 0);
    assert!(sent < 5 * 300, "not an hour's: {sent}");
}

/// A certificate for these servers, and the variables that name it.
fn certificate(folder: &TempDir) -> [(&'static str, String); 2] {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate can be made");
    let write = |name: &str, text: String| {
        let file = folder.path().join(name);
        fs::write(&file, text).expect("there is room for a certificate");
        let owner_only = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&file, owner_only).expect("the file is ours");
        file.display().to_string()
    };
    let certificate = write("certificate.pem", made.cert.pem());
    let key = write("key.pem", made.signing_key.serialize_pem());
    [
        ("FANWAVE__GATEWAY__TLS_CERTIFICATE", certificate),
        ("FANWAVE__GATEWAY__TLS_KEY", key),
    ]
}

#[test]
fn fans_come_over_tls_to_whom_they_trust() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let variables = certificate(&folder);
    let servers = pair(&folder, &variables);
    let targets = servers
        .each_ref()
        .map(|server| format!("wss://{}", server.address));
    let arguments = ["--each-server-alone", "--ca", &variables[0].1];
    let ran = load(
        folder.path(),
        &targets.join(","),
        &[&arguments[..], &["--room-rate", "5", "--duration", "2s"]].concat(),
        |_| {},
    );
    assert_nothing_lost(&ran);
    assert_shares(&ran);
    // Every fan has a session of its own, and no more than that.
    assert!(number(&ran.report, "/generator/resident_bytes") > FANS * 1_000);

    let stranger = Command::new(env!("CARGO_BIN_EXE_fanwave"))
        .args(["load", &targets[0], "--room-rate", "0", "--secret-file"])
        .arg(folder.path().join("secret"))
        .output()
        .expect("the program starts");
    let told = String::from_utf8_lossy(&stranger.stderr);
    assert_eq!(stranger.status.code(), Some(1), "{told}");
    assert!(told.contains("--ca FILE"), "{told}");
}
