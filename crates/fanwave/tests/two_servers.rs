//! Two whole servers, each a process of its own, that share their rooms through a real Redis.
#![cfg(feature = "redis")]

mod stranger;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
};

use hyper::StatusCode;
use serde_json::json;
use tempfile::TempDir;
use tokio::{net::TcpStream, time::timeout};

use self::stranger::{DEADLINE, Fan, get};

/// A process with a folder of its own, ended by its number.
struct Process {
    folder: TempDir,
    address: SocketAddr,
    child: Child,
}

impl Process {
    fn redis() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let address = free_address();
        let child = Self::spawn_redis(&folder, address);
        Self {
            folder,
            address,
            child,
        }
    }

    fn spawn_redis(folder: &TempDir, address: SocketAddr) -> Child {
        let mut command = Command::new("redis-server");
        command.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1"]);
        command.args([
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ]);
        command.arg("--dir").arg(folder.path());
        spawn(command, "redis-server is installed: scripts/need redis")
    }

    fn fanwave(redis: &Self) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let address = free_address();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanwave"));
        command.arg("serve").current_dir(folder.path());
        command.env_remove("FANWAVE_CONFIG");
        command.env("FANWAVE__HTTP__LISTEN", address.to_string());
        command.env("FANWAVE__RTMP__LISTEN", "127.0.0.1:0");
        // A message that is refused is sent again, more often than people do.
        command.env("FANWAVE__CHAT__REFILL", "0s");
        command.env("FANWAVE__ENGINE__KIND", "redis");
        let servers = format!("redis://{}", redis.address);
        command.env("FANWAVE__REDIS__SERVERS", servers);
        let child = spawn(command, "the program starts");
        Self {
            folder,
            address,
            child,
        }
    }

    /// Ends it as a power cut does.
    fn kill(&mut self) {
        self.child.kill().expect("it is ours to end");
        self.child.wait().expect("it has ended");
    }

    async fn until_open(&self) {
        let open = async {
            while TcpStream::connect(self.address).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, open).await.expect("it starts in time");
    }

    async fn until_ready(&self) {
        self.until_open().await;
        let ready = async {
            while get(self.address, "/readyz").await.status != StatusCode::OK {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, ready).await.expect("it is ready in time");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have been ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(mut command: Command, expected: &str) -> Child {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null()).spawn().expect(expected)
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are free ports");
    listener.local_addr().expect("it has an address")
}

async fn follow(server: &Process, name: &str) -> Fan {
    let mut fan = Fan::connect(server.address, name).await;
    fan.ask("subscribe", json!({"channel": "chat:demo"})).await;
    fan
}

async fn say(fan: &mut Fan, id: &str, text: &str) -> serde_json::Value {
    let data = json!({"channel": "chat:demo", "id": id, "text": text});
    let answer = fan
        .ask("rpc", json!({"method": "send", "data": data}))
        .await;
    answer["data"]["offset"].clone()
}

#[tokio::test]
async fn fans_of_two_servers_are_in_one_room_also_after_redis_was_gone() {
    let mut redis = Process::redis();
    redis.until_open().await;
    let (first, second) = (Process::fanwave(&redis), Process::fanwave(&redis));
    first.until_ready().await;
    second.until_ready().await;

    let mut ana = follow(&first, "Ana").await;
    let mut minji = follow(&second, "민지").await;
    assert_eq!(say(&mut ana, "m1", "안녕하세요").await, 1);
    minji.hear("안녕하세요").await;
    assert_eq!(say(&mut minji, "m2", "hello").await, 2);
    ana.hear("hello").await;
    let path = "/api/v1/channels/demo/messages?lane=chat";
    let page = get(second.address, path).await;
    assert_eq!(page.header("content-type"), "application/json");
    let messages = &page.json()["messages"];
    assert_eq!(messages[0]["text"], "hello", "the newest first");
    assert_eq!(messages[1]["text"], "안녕하세요");

    redis.kill();
    let data = json!({"channel": "chat:demo", "id": "m3", "text": "is anybody there"});
    let refused = ana
        .try_ask("rpc", json!({"method": "send", "data": data}))
        .await;
    assert_eq!(refused["error"]["temporary"], true, "{refused}");
    redis.child = Process::spawn_redis(&redis.folder, redis.address);
    redis.until_open().await;
    let taken = async {
        loop {
            let data = json!({"channel": "chat:demo", "id": "m3", "text": "is anybody there"});
            let answer = ana
                .try_ask("rpc", json!({"method": "send", "data": data}))
                .await;
            if answer.get("error").is_none() {
                return answer;
            }
        }
    };
    let taken = timeout(DEADLINE, taken).await.expect("it is taken soon");
    assert_eq!(taken["rpc"]["data"]["offset"], 3);
    minji.hear("is anybody there").await;
    let metrics = get(first.address, "/metrics").await.body;
    assert!(
        metrics.contains("fanwave_engine_appends_total"),
        "{metrics}"
    );
}
