//! One node of Cassandra: a plain process on free ports, with a folder of its own, ended by its number.
//!
//! The tests of whole servers use this file too: it knows nothing of this crate.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::free_port;

/// Far more than it takes to begin, on a busy machine.
const START_MAX: Duration = Duration::from_secs(120);

/// One process. It is ended with this value, and with the process that has it.
#[derive(Debug)]
pub(crate) struct Node {
    folder: PathBuf,
    port: u16,
    holder: Option<Child>,
    /// Removes the folder.
    owned: Option<TempDir>,
}

impl Node {
    /// A node that runs, and has no keyspace.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// The same, with more lines in its configuration.
    pub(crate) fn start_with(lines: &str) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let mut node = Self::new(folder.path().to_owned(), lines);
        node.owned = Some(folder);
        node.run();
        node
    }

    /// One for as long as this process runs: its folder goes with it.
    pub(crate) fn start_for_all() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let mut node = Self::new(folder.keep(), "");
        node.run();
        node
    }

    fn new(folder: PathBuf, lines: &str) -> Self {
        let node = Self {
            folder,
            port: free_port(),
            holder: None,
            owned: None,
        };
        let (port, storage) = (node.port, free_port());
        let data = node.folder.join("data");
        let data = data.display();
        // What is acknowledged is in its log, and read again after a kill: with `periodic`, as it comes, it may not be. A disk that
        // all tests write to at once takes longer than the 2 s that a node gives it.
        let configuration = format!(
            "cluster_name: tests\n\
             partitioner: org.apache.cassandra.dht.Murmur3Partitioner\n\
             num_tokens: 1\n\
             initial_token: 0\n\
             listen_address: 127.0.0.1\n\
             rpc_address: 127.0.0.1\n\
             storage_port: {storage}\n\
             native_transport_port: {port}\n\
             endpoint_snitch: SimpleSnitch\n\
             seed_provider:\n\
             \x20 - class_name: org.apache.cassandra.locator.SimpleSeedProvider\n\
             \x20   parameters: [{{seeds: '127.0.0.1:{storage}'}}]\n\
             commitlog_sync: batch\n\
             commitlog_segment_size: 8MiB\n\
             commitlog_disk_access_mode: legacy\n\
             auto_snapshot: false\n\
             concurrent_reads: 4\n\
             concurrent_writes: 4\n\
             write_request_timeout: 8s\n\
             read_request_timeout: 8s\n\
             range_request_timeout: 8s\n\
             cas_contention_timeout: 8s\n\
             data_file_directories: ['{data}/tables']\n\
             commitlog_directory: '{data}/commitlog'\n\
             hints_directory: '{data}/hints'\n\
             saved_caches_directory: '{data}/caches'\n\
             cdc_raw_directory: '{data}/cdc'\n\
             {lines}"
        );
        fs::write(node.folder.join("cassandra.yaml"), configuration).expect("the folder is ours");
        let logging = "<configuration><appender name=\"out\" class=\"ch.qos.logback.core.ConsoleAppender\">\
             <encoder><pattern>%d %-5level %msg%n</pattern></encoder></appender>\
             <root level=\"WARN\"><appender-ref ref=\"out\"/></root></configuration>";
        fs::write(node.folder.join("logback.xml"), logging).expect("the folder is ours");
        node
    }

    /// Where clients connect, on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts the process, again with what it had, and waits until it takes connections.
    pub(crate) fn run(&mut self) {
        // Held by a shell that ends it when its own input ends: also when this process dies.
        let mut command = Command::new("sh");
        command.args([
            "-c",
            r#""$@" </dev/null & echo $! >pid; cat; kill -9 $!; wait $!; [ -z "$FOLDER" ] || rm -rf "$FOLDER""#,
            "sh",
            "java",
        ]);
        let kept = match &self.owned {
            Some(_) => Path::new(""),
            None => &self.folder,
        };
        command.env("FOLDER", kept).args(self.java());
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .expect("the folder is ours");
        let errors = log.try_clone().expect("it is a file");
        command.current_dir(&self.folder);
        command.stdin(Stdio::piped()).stdout(log).stderr(errors);
        self.holder = Some(command.spawn().expect("there is a shell"));
        let began = Instant::now();
        // It listens when it is ready, and not before.
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                began.elapsed() < START_MAX,
                "Cassandra starts (scripts/need cassandra installs it): {}",
                fs::read_to_string(self.log()).unwrap_or_default()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Ends the process as a power cut does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut holder) = self.holder.take() {
            // Whoever holds the process ends it when nobody holds on to its input.
            drop(holder.stdin.take());
            holder.wait().expect("it has ended");
        }
    }

    /// Has it do nothing, and answer nothing, until it may go on.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = fs::read_to_string(self.folder.join("pid")).expect("it runs");
        let sent = Command::new("kill").args([signal, process.trim()]).status();
        assert!(sent.is_ok_and(|sent| sent.success()), "it runs");
    }

    /// Java with Cassandra, and little memory: each of the cases' tables, hundreds of them, takes a megabyte.
    fn java(&self) -> Vec<String> {
        let jars = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/cassandra/*");
        let folder = self.folder.display();
        let mut java: Vec<String> = [
            "-Xmx1g",
            "-Xss512k",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dcassandra-foreground=yes",
            "-Dcassandra.skip_wait_for_gossip_to_settle=0",
            "-Dcassandra.ring_delay_ms=0",
            "-Dcassandra.superuser_setup_delay_ms=0",
            "-Djdk.attach.allowAttachSelf=true",
        ]
        .map(str::to_owned)
        .into();
        if self.owned.is_none() {
            // It is never started again: no new table has to be on the disk.
            java.push("-Dcassandra.unsafesystem=true".to_owned());
        }
        java.push(format!("-Dcassandra.config=file://{folder}/cassandra.yaml"));
        java.push(format!("-Dcassandra.storagedir={folder}/data"));
        java.push(format!("-Dlogback.configurationFile={folder}/logback.xml"));
        // What it reaches into of Java 17, as its own jvm17-server.options has it.
        for module in EXPORTED {
            java.extend(["--add-exports".to_owned(), format!("{module}=ALL-UNNAMED")]);
        }
        for module in OPENED {
            java.extend(["--add-opens".to_owned(), format!("{module}=ALL-UNNAMED")]);
        }
        java.extend(["-cp".to_owned(), jars.display().to_string()]);
        java.push("org.apache.cassandra.service.CassandraDaemon".to_owned());
        java
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

const EXPORTED: [&str; 7] = [
    "java.base/jdk.internal.misc",
    "java.base/java.lang.ref",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "jdk.unsupported/sun.misc",
];

const OPENED: [&str; 14] = [
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "jdk.management/com.sun.management.internal",
];
