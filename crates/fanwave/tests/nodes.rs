//! Whole servers that share a real Redis know of each other: who is there, how many fans they have together, and what
//! those tap.
#![cfg(feature = "redis")]

#[path = "../../free_port.rs"]
mod free_port;
mod support;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use fanwave_wire::Role;
use free_port::free_port;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpStream, time::timeout};

use self::support::{Fan, PATIENCE, Process};

/// A Redis, ended with the test.
struct Redis {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Redis {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let child = Command::new("redis-server")
            .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed: scripts/need redis");
        let open = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, open).await.expect("it starts in time");
        Self {
            child,
            address,
            _folder: folder,
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A server of a Redis, in a folder of its own.
struct Server {
    process: Process,
    folder: TempDir,
}

impl Server {
    async fn start(redis: &Redis, name: &str) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let servers = format!("redis://{}", redis.address);
        let env = [
            ("FANWAVE__ENGINE__KIND", "redis"),
            ("FANWAVE__REDIS__SERVERS", &servers),
            ("FANWAVE__ENGINE__NAME", name),
            // Long enough to be seen draining, however busy the machine is.
            ("FANWAVE__DRAIN__PROPAGATION", "60s"),
        ];
        let process = Process::start(folder.path(), &env).await;
        Self { process, folder }
    }

    async fn follower(&self, user: &str) -> Fan {
        let mut fan = self.process.fan(user).await;
        fan.follow("chat:demo", None).await;
        fan
    }

    /// What `fanwave nodes` prints, asking this one.
    fn nodes(&self, further: &[&str]) -> Output {
        let server = self.process.http().to_string();
        let arguments = [
            &["nodes", &server, "--secret-file", "data/token-secret"],
            further,
        ]
        .concat();
        fanwave(self.folder.path(), &arguments)
    }

    fn nodes_as_json(&self) -> Vec<Value> {
        let printed = self.nodes(&["--json"]);
        assert!(printed.status.success(), "{printed:?}");
        let mut answer: Value = serde_json::from_slice(&printed.stdout).expect("it is JSON");
        serde_json::from_value(answer["nodes"].take()).expect("it is a list")
    }

    /// Asks until so many connections and users follow the chat; each time as another fan, for one may not ask so often.
    async fn until_present(&self, clients: u64, users: u64) {
        let wanted = json!({"num_clients": clients, "num_users": users});
        let asked = async {
            loop {
                let mut fan = self.process.fan("passer-by").await;
                let about = json!({"channel": "chat:demo"});
                let stats = fan.ask("presence_stats", about).await;
                if stats.expect("it is there") == wanted {
                    return;
                }
            }
        };
        let asked = timeout(PATIENCE, asked).await;
        asked.expect("soon so many are there");
    }

    /// Asks until the nodes are as they should be: name, and whether it drains.
    async fn until_nodes(&self, wanted: &[(&str, bool)]) {
        let asked = async {
            loop {
                let nodes = self.nodes_as_json();
                let mut seen: Vec<(&str, bool)> = nodes
                    .iter()
                    .map(|node| {
                        let name = node["name"].as_str().expect("it has a name");
                        (name, node["draining"] == true)
                    })
                    .collect();
                seen.sort_unstable();
                if seen == wanted {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let asked = timeout(PATIENCE, asked).await;
        asked.expect("the nodes are soon as they should be");
    }
}

fn fanwave(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fanwave"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("FANWAVE_CONFIG")
        .env_remove("FANWAVE_TOKEN")
        .output()
        .expect("the program starts")
}

async fn tap(fan: &mut Fan, batch: &str, hearts: u32) {
    let data = json!({"room": "demo", "batch": batch, "taps": {"heart": hearts}});
    let answer = fan
        .ask("rpc", json!({"method": "react", "data": data}))
        .await;
    assert!(answer.expect("it is there").get("error").is_none());
}

#[tokio::test]
async fn servers_of_one_redis_count_and_show_the_fans_of_all() {
    let redis = Redis::start().await;
    let one = Server::start(&redis, "one").await;
    let two = Server::start(&redis, "two").await;
    let mut ana = one.follower("ana").await;
    let mut minji = two.follower("민지").await;
    let _phone = two.follower("민지").await;
    one.until_present(3, 2).await;
    two.until_present(3, 2).await;
    let page = json!({"method": "presence.page", "data": {"room": "demo"}});
    let page = ana.ask("rpc", page).await.expect("it is there");
    assert_eq!(page["data"]["count"], 2, "{page}");
    assert_eq!(page["data"]["users"], json!(["ana"]), "{page}");

    tap(&mut ana, "1", 3).await;
    minji.until_tapped("heart", 3).await;
    tap(&mut minji, "2", 2).await;
    ana.until_tapped("heart", 5).await;
    minji.until_tapped("heart", 5).await;

    let metrics = one.process.get("/metrics").await;
    assert!(metrics.contains("fanwave_gateway_nodes 2"), "{metrics}");
    drop(minji);
    one.until_present(2, 2).await;
}

#[tokio::test]
async fn servers_are_listed_drain_and_go() {
    let redis = Redis::start().await;
    let one = Server::start(&redis, "one").await;
    let mut two = Server::start(&redis, "two").await;
    one.until_nodes(&[("one", false), ("two", false)]).await;
    two.until_nodes(&[("one", false), ("two", false)]).await;
    let printed = one.nodes(&[]);
    let table = String::from_utf8(printed.stdout).expect("it is text");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[0].starts_with("NAME"), "{table}");
    assert!(
        lines[1].starts_with("one *") && lines[1].contains("answers"),
        "{table}"
    );
    assert!(
        lines[2].starts_with("two ") && lines[2].contains("s ago"),
        "{table}"
    );
    assert!(
        lines[1..]
            .iter()
            .all(|line| line.contains(env!("CARGO_PKG_VERSION")))
    );

    let _here = one.follower("ana").await;
    let _away = two.follower("minji").await;
    one.until_present(2, 2).await;
    two.process.signal(Signal::TERM);
    one.until_nodes(&[("one", false), ("two", true)]).await;
    // Told twice, it goes at once, and says so.
    two.process.signal(Signal::TERM);
    two.process.ended().await;
    one.until_nodes(&[("one", false)]).await;
    one.until_present(1, 1).await;

    let mut three = Server::start(&redis, "three").await;
    let _away = three.follower("minji").await;
    one.until_nodes(&[("one", false), ("three", false)]).await;
    one.until_present(2, 2).await;
    three.process.signal(Signal::KILL);
    three.process.ended().await;
    one.until_nodes(&[("one", false)]).await;
    one.until_present(1, 1).await;
}

#[tokio::test]
async fn a_server_alone_lists_itself_for_the_staff() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let server = Process::start(folder.path(), &[]).await;
    let address = server.http().to_string();
    let list =
        |arguments: &[&str]| fanwave(folder.path(), &[&["nodes", &address], arguments].concat());
    let staff = server.token("ops", Role::Staff);
    let printed = list(&["--token", &staff, "--json"]);
    let answer: Value = serde_json::from_slice(&printed.stdout).expect("it is JSON");
    let nodes = answer["nodes"].as_array().expect("it is a list");
    assert_eq!(
        (nodes.len(), &nodes[0]["this"]),
        (1, &json!(true)),
        "{answer}"
    );
    let name = nodes[0]["name"].as_str().expect("it has a name");
    let port = server.http().port();
    assert!(name.ends_with(&format!(":{port}")), "{name}");

    let complaint = |printed: Output| {
        assert_eq!(printed.status.code(), Some(1), "{printed:?}");
        assert!(printed.stdout.is_empty(), "{printed:?}");
        String::from_utf8(printed.stderr).expect("it is text")
    };
    let fan = server.token("fan", Role::Fan);
    let words = complaint(list(&["--token", &fan]));
    assert!(words.contains("fanwave token --role staff"), "{words}");
    assert!(
        !words.contains(&fan),
        "no secret is in a complaint: {words}"
    );
    let words = complaint(list(&["--token", "nonsense"]));
    assert!(words.contains("token-secret"), "{words}");
    let nowhere = ["nodes", "127.0.0.1:1", "--token", "nonsense"];
    let words = complaint(fanwave(folder.path(), &nowhere));
    assert!(
        words.contains("127.0.0.1:1") && words.contains("HTTP port"),
        "{words}"
    );
    // Nobody asks without saying who they are.
    let unsigned = list(&[]);
    assert_eq!(unsigned.status.code(), Some(2), "{unsigned:?}");
}
