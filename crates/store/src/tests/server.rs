//! One server of PostgreSQL: a plain process with a folder of its own, ended by its number.
//!
//! The tests of whole servers use this file too: it knows nothing of this crate.

use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::free_port;

/// Far more than it takes to begin, on a busy machine.
const START_MAX: Duration = Duration::from_secs(60);

/// PostgreSQL refuses to run as root: it then runs as `nobody`, whose number this is on every Linux.
const NOBODY: u32 = 65_534;

/// Who may do everything in it, without a password.
pub(crate) const USER: &str = "fanwave";

/// How every server is set.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
# Whoever runs the tests may connect, whoever the server runs as.
unix_socket_permissions = 0777
max_connections = 100
shared_buffers = 32MB
dynamic_shared_memory_type = mmap
# The tests end processes, not machines.
fsync = off
full_page_writes = off
";

/// One process. It is ended with this value, and with the process that has it.
#[derive(Debug)]
pub(crate) struct Server {
    folder: PathBuf,
    port: u16,
    holder: Option<Child>,
    /// Removes the folder.
    owned: Option<TempDir>,
}

impl Server {
    /// A server that runs, and has an empty database called `postgres`.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let mut server = Self::new(folder.path().to_owned());
        server.owned = Some(folder);
        server.run();
        server
    }

    /// The same, for as long as this process runs: its folder goes with it.
    pub(crate) fn start_for_all() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let mut server = Self::new(folder.keep());
        server.run();
        server
    }

    fn new(folder: PathBuf) -> Self {
        let server = Self::empty(folder);
        let mut init = server.command("initdb");
        init.arg("-D").arg(server.data());
        init.args(["-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C"]);
        init.args(["--no-sync", "--no-instructions"]);
        succeeds(&mut init);
        fs::write(server.data().join("postgresql.conf"), SETTINGS).expect("the folder is ours");
        server
    }

    /// Without a database yet.
    fn empty(folder: PathBuf) -> Self {
        if is_root(&folder) {
            chown(&folder, Some(NOBODY), Some(NOBODY)).expect("root may");
        }
        Self {
            folder,
            port: free_port(),
            holder: None,
            owned: None,
        }
    }

    /// A server that follows this one, which runs.
    pub(crate) fn copy(&self) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let mut copy = Self::empty(folder.path().to_owned());
        let mut backup = self.command("pg_basebackup");
        backup.args(["-h", &self.host(), "-p", &self.port().to_string()]);
        backup.args(["-U", USER, "--checkpoint=fast", "--no-sync"]);
        // With a file that says whom it follows.
        backup
            .args(["--write-recovery-conf", "-D"])
            .arg(copy.data());
        succeeds(&mut backup);
        copy.owned = Some(folder);
        copy.run();
        copy
    }

    /// Where its files are.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The folder of its Unix socket: its address as PostgreSQL understands it.
    pub(crate) fn host(&self) -> String {
        self.folder.display().to_string()
    }

    /// Of the socket, and on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts the process, again with what it had, and waits until it takes connections.
    pub(crate) fn run(&mut self) {
        let status = self.data().join("postmaster.pid");
        // What a process that was killed has left behind.
        drop(fs::remove_file(&status));
        // Held by a shell that ends it when its own input ends: also when this process dies.
        let mut command = Command::new("sh");
        command.args([
            "-c",
            r#""$@" </dev/null & cat; kill -QUIT $!; wait $!; [ -z "$FOLDER" ] || rm -rf "$FOLDER""#,
            "sh",
        ]);
        if self.owned.is_none() {
            command.env("FOLDER", &self.folder);
        } else {
            command.env("FOLDER", "");
        }
        let postgres = self.command("postgres");
        command
            .arg(postgres.get_program())
            .args(postgres.get_args());
        command.arg("-D").arg(self.data());
        command.arg("-k").arg(&self.folder);
        command.args(["-p", &self.port.to_string()]);
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .expect("the folder is ours");
        command.current_dir(&self.folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        command.stderr(Stdio::from(log));
        self.holder = Some(command.spawn().expect("there is a shell"));
        let began = Instant::now();
        // The server writes here when it takes connections, as pg_ctl knows it.
        while !fs::read_to_string(&status).is_ok_and(|text| {
            text.lines()
                .nth(7)
                .is_some_and(|line| line.trim() == "ready")
        }) {
            assert!(
                began.elapsed() < START_MAX,
                "PostgreSQL starts: {}",
                fs::read_to_string(self.folder.join("log")).unwrap_or_default()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends the process at once, without a checkpoint: what was not committed is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut holder) = self.holder.take() {
            // Whoever holds the process ends it when nobody holds on to its input.
            drop(holder.stdin.take());
            holder.wait().expect("it has ended");
        }
    }

    /// A program of PostgreSQL's, as somebody whom it lets run it.
    fn command(&self, name: &str) -> Command {
        let program = program(name);
        let mut command = if is_root(Path::new("/proc/self")) {
            let mut command = Command::new("setpriv");
            let nobody = NOBODY.to_string();
            command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(&self.folder);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program of PostgreSQL's that makes a folder.
fn succeeds(command: &mut Command) {
    let made = command.stdin(Stdio::null()).output();
    let made = made.expect("there is PostgreSQL: scripts/need postgresql installs it");
    assert!(
        made.status.success(),
        "a folder for PostgreSQL can be made (scripts/need postgresql installs it): {}",
        String::from_utf8_lossy(&made.stderr)
    );
}

/// Whether what this process makes is root's.
fn is_root(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.uid() == 0)
}

/// Where Debian has it, of the newest version; otherwise on the path.
pub(crate) fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    versions
        .filter_map(|version| {
            let folder = version.ok()?;
            let number: u32 = folder.file_name().to_str()?.parse().ok()?;
            let program = folder.path().join("bin").join(name);
            program.exists().then_some((number, program))
        })
        .max()
        .map_or_else(|| name.into(), |(_, program)| program)
}
