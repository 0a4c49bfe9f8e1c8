//! The program as it is typed: help, exit codes, and what goes to which output.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// Nothing here takes this long; whatever does has failed.
const DEADLINE: Duration = Duration::from_secs(60);

fn fanwave(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fanwave"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("FANWAVE_CONFIG")
        .output()
        .expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("the output is text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("the output is text")
}

#[test]
fn help_teaches_the_first_steps() {
    let folder = tempfile::tempdir().unwrap();
    let help = fanwave(folder.path(), &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for word in [
        "serve --demo",
        "check-config",
        "config-reference",
        "token",
        "stream-key",
        "nodes",
        "FANWAVE__HTTP__LISTEN",
    ] {
        assert!(stdout(&help).contains(word), "{word}");
    }
    for command in [
        "serve",
        "check-config",
        "token",
        "embed",
        "stream-key",
        "log",
        "nodes",
    ] {
        let help = fanwave(folder.path(), &[command, "--help"]);
        assert_eq!(help.status.code(), Some(0));
        assert!(
            stdout(&help).contains("Next:"),
            "the help of {command} says what comes next"
        );
    }
    assert_eq!(fanwave(folder.path(), &["sevre"]).status.code(), Some(2));
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "asking for help makes no files"
    );
}

#[test]
fn the_reference_is_a_file_that_check_config_takes() {
    let folder = tempfile::tempdir().unwrap();
    let reference = fanwave(folder.path(), &["config-reference"]);
    fs::write(folder.path().join("fanwave.toml"), &reference.stdout).unwrap();
    let checked = fanwave(folder.path(), &["check-config", "fanwave.toml"]);
    assert_eq!(
        (checked.status.code(), stderr(&checked).as_str()),
        (Some(0), "")
    );
    assert!(stdout(&checked).contains("fanwave serve --config fanwave.toml"));
}

#[test]
fn a_mistake_is_exit_code_2_and_named_on_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.toml"), "[http]\nlistn = \"x\"\n").unwrap();
    for arguments in [
        &["check-config", "bad.toml"][..],
        &["serve", "--config", "bad.toml"],
    ] {
        let refused = fanwave(folder.path(), arguments);
        assert_eq!(
            (refused.status.code(), stdout(&refused).as_str()),
            (Some(2), "")
        );
        assert_eq!(
            stderr(&refused),
            "fanwave: bad.toml:2:1: unknown key `http.listn`; did you mean `listen`?\n"
        );
    }
    let missing = fanwave(folder.path(), &["check-config", "none.toml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("none.toml"));
}

#[test]
fn a_stream_key_stays_until_it_is_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let key = || stdout(&fanwave(folder.path(), &["stream-key", "demo"]));
    let first = key();
    assert_eq!(first.trim().len(), 32);
    assert_eq!(key(), first);
    let rotated = stdout(&fanwave(folder.path(), &["stream-key", "demo", "--rotate"]));
    assert_ne!(rotated, first);
    assert_eq!(key(), rotated);
    let file = folder.path().join("data/stream-keys/demo");
    assert_eq!(
        fs::metadata(file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let unknown = fanwave(folder.path(), &["stream-key", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        stderr(&unknown).contains("demo"),
        "it says which channels there are"
    );
}

#[test]
fn a_token_is_signed_with_the_data_folder_s_secret() {
    use fanwave::{clock, datadir::DataDir};

    let folder = tempfile::tempdir().unwrap();
    let made = fanwave(
        folder.path(),
        &[
            "token", "--role", "artist", "--name", " AURORA ", "--days", "2",
        ],
    );
    assert_eq!((made.status.code(), stderr(&made).as_str()), (Some(0), ""));
    let key = DataDir::open(&folder.path().join("data"))
        .unwrap()
        .token_key(None)
        .unwrap();
    let claims = key.verify(stdout(&made).trim(), clock::now()).unwrap();
    assert_eq!(
        (&*claims.sender().name, claims.sender().role),
        ("AURORA", fanwave_wire::Role::Artist)
    );
    let days = (claims.expires_at().0 - claims.issued_at().0) / 86_400_000;
    assert_eq!(days, 2);

    for wrong in [
        &["--role", "king", "--name", "A"][..],
        &["--role", "staff", "--name", ""],
        &["--role", "staff"],
    ] {
        let refused = fanwave(folder.path(), &[&["token"], wrong].concat());
        assert_ne!(refused.status.code(), Some(0), "{wrong:?}");
    }
}

/// A server as a person starts it, and the screen that it printed.
struct Serving {
    child: Child,
    screen: String,
    /// Kept open: the program may print more.
    _stdout: BufReader<ChildStdout>,
}

impl Serving {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fanwave"))
            .arg("serve")
            .current_dir(folder)
            .env_remove("FANWAVE_CONFIG")
            .env("FANWAVE__HTTP__LISTEN", "127.0.0.1:0")
            .env("FANWAVE__RTMP__LISTEN", "127.0.0.1:0")
            .env("FANWAVE__LOG__LEVEL", "trace")
            .env("FANWAVE__DRAIN__PROPAGATION", "0s")
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("log")).expect("the log can be made"))
            .spawn()
            .expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut screen = String::new();
        while !screen.contains("Ctrl-C") {
            assert_ne!(
                stdout.read_line(&mut screen).expect("the screen is text"),
                0,
                "the server ended: {screen}"
            );
        }
        Self {
            child,
            screen,
            _stdout: stdout,
        }
    }

    /// What stands behind a word on the screen.
    fn shown(&self, name: &str) -> &str {
        let line = self
            .screen
            .lines()
            .find(|line| line.trim_start().starts_with(name));
        line.and_then(|line| line.split_whitespace().last())
            .expect("the screen says it")
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("it has an id");
        kill_process(pid, signal).expect("it runs");
    }
}

#[test]
fn serving_shows_one_screen_and_stops_in_order_at_either_signal() {
    let folder = tempfile::tempdir().unwrap();
    for signal in [Signal::INT, Signal::TERM] {
        let mut serving = Serving::start(folder.path());
        assert!(
            serving.screen.lines().count() <= 24,
            "one screen:\n{}",
            serving.screen
        );
        assert!(serving.shown("Watch").starts_with("http://localhost:"));
        assert!(serving.shown("Server").starts_with("rtmp://localhost:"));
        let key = fs::read_to_string(folder.path().join("data/stream-keys/demo")).unwrap();
        assert_eq!(serving.shown("Stream key"), key.trim());
        serving.signal(signal);
        assert_eq!(serving.child.wait().unwrap().code(), Some(0));
        let log = fs::read_to_string(folder.path().join("log")).unwrap();
        let secret = fs::read_to_string(folder.path().join("data/token-secret")).unwrap();
        assert!(log.contains("serving") && log.contains("stopped"), "{log}");
        assert!(
            !log.contains(key.trim()) && !log.contains(secret.trim()),
            "no secret is in the log"
        );
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut serving = Serving::start(folder.path());
    let address = serving
        .shown("Watch")
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    let mut hanging = TcpStream::connect(address.replace("localhost", "127.0.0.1")).unwrap();
    // The interim answer shows that the request is being served; its body never comes.
    let request = "POST /api/v1/guests HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n";
    hanging.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 12];
    hanging.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    serving.signal(Signal::INT);
    // Stopping has begun, and waits for the request.
    let log = folder.path().join("log");
    let asked_at = Instant::now();
    while !fs::read_to_string(&log)
        .unwrap()
        .contains("a second signal ends it at once")
    {
        assert!(asked_at.elapsed() < DEADLINE, "the first signal is taken");
        std::thread::yield_now();
    }
    serving.signal(Signal::INT);
    let code = serving.child.wait().unwrap().code();
    assert_eq!(code, Some(130), "{}", fs::read_to_string(&log).unwrap());
}

#[test]
fn a_link_for_other_pages_is_signed_and_only_for_pages_that_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let embed = |arguments: &[&str]| {
        let url = ["embed", "--url", "https://live.example"];
        fanwave(folder.path(), &[&url[..], arguments].concat())
    };
    let made = embed(&["--origin", "https://shop.example", "--show", "chat"]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let lines = stdout(&made);
    assert!(lines.starts_with(
        "<iframe\n  src=\"https://live.example/embed/demo?origin=https://shop.example&amp;expires="
    ));
    assert!(lines.contains("&amp;show=chat&amp;theme=dark&amp;signature="));
    let alone = embed(&["--origin", "https://shop.example", "--address-only"]);
    assert!(stdout(&alone).starts_with("https://live.example/embed/demo?origin="));
    for (wrong, says) in [
        (["--origin", "*"], "is no origin"),
        (["--origin", "https://shop.example/"], "is no origin"),
    ] {
        let refused = embed(&wrong);
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).contains(says), "{}", stderr(&refused));
    }
    let unnamed = embed(&["--origin", "https://shop.example", "--channel", "other"]);
    assert!(stderr(&unnamed).contains("there are: demo"));
}
