//! One server of Kafka: a plain process on free ports, with a folder of its own, ended by its number.
//!
//! The tests of whole servers use this file too: it knows nothing of this crate.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// One process. It is ended with this value, and with the process that has it.
#[derive(Debug)]
pub(crate) struct Server {
    folder: TempDir,
    child: Option<Child>,
}

impl Server {
    /// A server that has nothing and does not run, of a cluster that these properties tell it of.
    pub(crate) fn new(properties: &str) -> Self {
        Self::with_users(properties, &[])
    }

    /// The same, which knows these users: `MECHANISM=[name=NAME,password=PASSWORD]`.
    pub(crate) fn with_users(properties: &str, users: &[&str]) -> Self {
        let server = Self {
            folder: tempfile::tempdir().expect("there is room for a folder"),
            child: None,
        };
        let text = format!(
            "process.roles=broker,controller\n\
             controller.listener.names=CONTROLLER\n\
             log.dirs={}\n\
             log.retention.ms=-1\n\
             auto.create.topics.enable=false\n\
             offsets.topic.replication.factor=1\n\
             num.network.threads=1\n\
             num.io.threads=2\n\
             log.cleaner.enable=false\n\
             {properties}",
            server.data().display()
        );
        let written = std::fs::write(server.configuration(), text);
        written.expect("the folder is ours");
        let mut format = Command::new("java");
        format.args(java());
        format.args(["kafka.tools.StorageTool", "format", "--config"]);
        format.arg(server.configuration());
        format.args(["--cluster-id", "ZmFud2F2ZS10ZXN0cy0wMQ"]);
        for user in users {
            format.args(["--add-scram", user]);
        }
        format.stdout(Stdio::null()).stderr(Stdio::null());
        let formatted = format.status();
        let formatted = formatted.expect("there is Java: scripts/need kafka installs it");
        assert!(formatted.success(), "a new folder can be formatted");
        server
    }

    fn configuration(&self) -> PathBuf {
        self.folder.path().join("server.properties")
    }

    /// Where its logs are.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the process, again with what it had. It can be used seconds later.
    pub(crate) fn run(&mut self) {
        // Held by a shell that ends it when its own input ends: also when this process dies.
        let mut command = Command::new("sh");
        command.args([
            "-c",
            r#""$@" </dev/null & cat; kill -9 $!; wait $!"#,
            "sh",
            "java",
        ]);
        command
            .args(java())
            .arg("kafka.Kafka")
            .arg(self.configuration());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(command.spawn().expect("there is a shell"));
    }

    /// Ends the process as a power cut does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Whoever holds the process ends it when nobody holds on to its input.
            drop(child.stdin.take());
            child.wait().expect("it has ended");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Java with Kafka, and little memory.
fn java() -> Vec<String> {
    let jars = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/kafka/*");
    let small = [
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
    ];
    let jars = jars.display().to_string();
    small.map(str::to_owned).into_iter().chain([jars]).collect()
}
