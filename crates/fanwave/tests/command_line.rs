//! The program as it is typed: help, exit codes, and what goes to which output.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

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
        "FANWAVE__HTTP__LISTEN",
    ] {
        assert!(stdout(&help).contains(word), "{word}");
    }
    for command in ["serve", "check-config", "token", "stream-key"] {
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
