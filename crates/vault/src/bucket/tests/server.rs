//! One S3 server: a plain process on a free port, with a folder of its own, ended by its number.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::free_port::free_port;

pub(super) const ACCESS_KEY: &str = "canary-key-of-these-tests";
pub(super) const SECRET_KEY: &str = "canary-secret-of-these-tests";
pub(super) const BUCKET: &str = "fanwave";

/// Far more than it takes to begin.
const START_MAX: Duration = Duration::from_secs(60);

/// It is ended with this value.
#[derive(Debug)]
pub(super) struct Server {
    folder: TempDir,
    port: u16,
    endpoint: String,
    is_tls: bool,
    child: Option<Child>,
}

impl Server {
    /// One with an empty bucket; with a certificate and its key it speaks TLS as localhost.
    pub(super) async fn start(tls: Option<(String, String)>) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        fs::create_dir_all(folder.path().join("data").join(BUCKET)).expect("the folder is ours");
        let port = free_port();
        let endpoint = match &tls {
            Some((certificate, key)) => {
                for (name, pem) in [("certificate", certificate), ("key", key)] {
                    fs::write(folder.path().join(name), pem).expect("the folder is ours");
                }
                format!("https://localhost:{port}")
            }
            None => format!("http://127.0.0.1:{port}"),
        };
        let mut server = Self {
            folder,
            port,
            endpoint,
            is_tls: tls.is_some(),
            child: None,
        };
        server.run().await;
        server
    }

    /// Starts it, again with what it had.
    pub(super) async fn run(&mut self) {
        let mut command = Command::new(program());
        let at = format!("127.0.0.1:{}", self.port);
        let domain = format!("localhost:{}", self.port);
        command.args(["--quiet", "--port", &at, "--virtual-domain", &domain]);
        if self.is_tls {
            command
                .arg("--cert")
                .arg(self.folder.path().join("certificate"));
            command.arg("--key").arg(self.folder.path().join("key"));
        }
        command.arg("posix").arg(self.folder.path().join("data"));
        command.env("ROOT_ACCESS_KEY", ACCESS_KEY);
        command.env("ROOT_SECRET_KEY", SECRET_KEY);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn();
        self.child =
            Some(child.expect("there is an S3 server: scripts/need versitygw installs it"));
        let begun = timeout(START_MAX, async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(begun.await.is_ok(), "the S3 server listens");
    }

    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours");
            child.wait().expect("it is ours");
        }
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The names of all files in its bucket.
    pub(super) fn files(&self) -> Vec<String> {
        let root = self.folder.path().join("data").join(BUCKET);
        let mut names = Vec::new();
        collect(&root, &root, &mut names);
        names.sort();
        names
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn collect(root: &Path, folder: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("it is a folder") {
        let path = entry.expect("it can be read").path();
        let name = path
            .strip_prefix(root)
            .expect("it is below")
            .display()
            .to_string();
        // What the server keeps for itself.
        if name.starts_with(".sgwtmp") {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, names);
        } else {
            names.push(name);
        }
    }
}

fn program() -> PathBuf {
    let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools/peers/versitygw");
    std::env::var_os("FANWAVE_VERSITYGW").map_or_else(|| tools.into(), PathBuf::from)
}
