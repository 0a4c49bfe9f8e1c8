//! The program as a process of its own, and fans who meet it over real sockets. Every wait is for an event and has a
//! deadline.

#![expect(dead_code, reason = "each test file uses its part")]

use std::{
    collections::BTreeMap,
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use fanwave::{clock, datadir::DataDir};
use fanwave_wire::{Role, Sender, UnixMillis, UserId, token::Claims};
use futures_util::{SinkExt, StreamExt};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message},
};

/// How long any one event may take; far longer than it does, because the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server as a supervisor starts it.
pub(crate) struct Process {
    child: Child,
    screen: String,
    folder: PathBuf,
    log: PathBuf,
    /// Kept open: the program may print more.
    _stdout: BufReader<ChildStdout>,
}

impl Process {
    /// Starts one in a folder, on free ports, and waits until it is up.
    pub(crate) async fn start(folder: &Path, env: &[(&str, &str)]) -> Self {
        let command = Command::new(env!("CARGO_BIN_EXE_fanwave"));
        Self::spawn(command, folder, env).await
    }

    /// The same with so few files that it may have open.
    pub(crate) async fn start_with_files(files: u32, folder: &Path, env: &[(&str, &str)]) -> Self {
        let mut command = Command::new("sh");
        let run = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
        command.args(["-c", &run, env!("CARGO_BIN_EXE_fanwave")]);
        Self::spawn(command, folder, env).await
    }

    async fn spawn(mut command: Command, folder: &Path, env: &[(&str, &str)]) -> Self {
        let log = folder.join("log");
        let appended = File::options().create(true).append(true).open(&log);
        let mut child = command
            .arg("serve")
            .current_dir(folder)
            .env_remove("FANWAVE_CONFIG")
            .env("FANWAVE__HTTP__LISTEN", "127.0.0.1:0")
            .env("FANWAVE__RTMP__LISTEN", "127.0.0.1:0")
            .env("FANWAVE__CHAT__REFILL", "0s")
            .env("FANWAVE__CHAT__SHOWN_PER_SECOND", "0")
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(appended.expect("the log can be written"))
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut screen = String::new();
        while !screen.contains("Ctrl-C") {
            let read = timeout(PATIENCE, stdout.read_line(&mut screen)).await;
            let read = read.expect("it is up in time").expect("the screen is text");
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            assert_ne!(read, 0, "the server ended: {screen}{}", said());
        }
        Self {
            child,
            screen,
            folder: folder.to_owned(),
            log,
            _stdout: stdout,
        }
    }

    fn port_behind(&self, name: &str) -> SocketAddr {
        let line = self
            .screen
            .lines()
            .find(|l| l.trim_start().starts_with(name));
        let port = line
            .and_then(|line| line.trim_end_matches('/').rsplit(':').next())
            .and_then(|port| port.parse().ok())
            .expect("the screen says it");
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// The HTTP port.
    pub(crate) fn http(&self) -> SocketAddr {
        self.port_behind("Watch")
    }

    /// The chat port, if one was configured.
    pub(crate) fn chat(&self) -> SocketAddr {
        self.port_behind("Chat port")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        let pid = pid.and_then(Pid::from_raw).expect("it runs");
        kill_process(pid, signal).expect("it runs");
    }

    /// Waits for its end, and answers the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended.expect("it ends in time").expect("it ran").code()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the log is text")
    }

    /// Waits until the log says something, more often than so many times.
    pub(crate) async fn logs(&self, words: &str, times: usize) {
        let said = async {
            while self.log().matches(words).count() <= times {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, said)
            .await
            .expect("the log says it in time");
    }

    /// A token of this server.
    pub(crate) fn token(&self, user: &str, role: Role) -> String {
        let sender = Sender {
            user: UserId(user.into()),
            name: user.into(),
            role,
            badge: None,
        };
        let now = clock::now();
        let claims = Claims::new(sender, now, UnixMillis(now.0 + 3_600_000)).expect("claims");
        let key = DataDir::open(&self.folder.join("data"))
            .and_then(|data| data.token_key(None))
            .expect("the data folder has a secret");
        key.issue(&claims)
    }

    /// A connected fan.
    pub(crate) async fn fan(&self, user: &str) -> Fan {
        Fan::join(self.http(), &self.token(user, Role::Fan)).await
    }

    /// Status and body of a plain request.
    pub(crate) async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.http())
            .await
            .expect("the port is open");
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let mut answer = String::new();
        let exchange = async {
            stream.write_all(request.as_bytes()).await?;
            stream.read_to_string(&mut answer).await
        };
        timeout(PATIENCE, exchange)
            .await
            .expect("an answer in time")
            .expect("an answer");
        answer
    }
}

/// How a fan was sent away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Farewell {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

/// A fan's client: one command at a time, and a list of the publications it was given.
pub(crate) struct Fan {
    socket: WebSocketStream<TcpStream>,
    asked: u64,
    /// Offset and text.
    pub(crate) heard: Vec<(u64, String)>,
    /// Publications of what happened beside what was said.
    happened: Vec<Value>,
    /// What it was told has been tapped, by kind.
    taps: BTreeMap<String, u64>,
}

impl Fan {
    /// Upgrades a connection to a door.
    ///
    /// # Errors
    ///
    /// The door's answer, if it is another one.
    pub(crate) async fn knock(door: SocketAddr) -> Result<Self, Box<Error>> {
        let stream = TcpStream::connect(door)
            .await
            .map_err(Error::Io)
            .map_err(Box::new)?;
        let url = format!("ws://{door}/connection/websocket");
        let (socket, _) = client_async(url, stream).await.map_err(Box::new)?;
        Ok(Self {
            socket,
            asked: 0,
            heard: Vec::new(),
            happened: Vec::new(),
            taps: BTreeMap::new(),
        })
    }

    /// Comes in by a door, as whom the token says.
    pub(crate) async fn join(door: SocketAddr, token: &str) -> Self {
        let mut fan = Self::knock(door).await.expect("the door is open");
        let connected = fan.ask("connect", json!({ "token": token })).await;
        assert!(connected.is_ok(), "{connected:?}");
        fan
    }

    /// Sends a command and waits for its reply: the result, or the error; or how it was sent away meanwhile.
    pub(crate) async fn ask(&mut self, method: &str, request: Value) -> Result<Value, Farewell> {
        self.asked += 1;
        let id = self.asked;
        let command = json!({ "id": id, method: request }).to_string();
        // A socket that is closed already has the close frame to be read.
        drop(self.socket.send(Message::text(command)).await);
        loop {
            for reply in self.read().await? {
                if reply["id"] == id {
                    return Ok(match &reply["error"] {
                        Value::Null => reply[method].clone(),
                        _ => reply,
                    });
                }
            }
        }
    }

    /// Follows a channel from its head, or from where it was, and answers the result.
    pub(crate) async fn follow(&mut self, channel: &str, since: Option<(&str, u64)>) -> Value {
        let request = match since {
            None => json!({ "channel": channel }),
            Some((epoch, offset)) => {
                json!({ "channel": channel, "recover": true, "epoch": epoch, "offset": offset })
            }
        };
        self.ask("subscribe", request).await.expect("it is there")
    }

    /// Says something under an id of its own; the offset, if it was acknowledged.
    pub(crate) async fn say(
        &mut self,
        channel: &str,
        id: &str,
        text: &str,
    ) -> Result<Option<u64>, Farewell> {
        let data = json!({ "id": id, "text": text });
        let answer = self
            .ask("publish", json!({ "channel": channel, "data": data }))
            .await?;
        Ok(answer["offset"].as_u64())
    }

    /// Waits until a text was published.
    pub(crate) async fn hear(&mut self, text: &str) {
        while !self.heard.iter().any(|(_, heard)| heard == text) {
            self.read().await.expect("the connection is open");
        }
    }

    /// Waits until something of this type has happened, and answers the publication: each once.
    pub(crate) async fn see(&mut self, what: &str) -> Value {
        loop {
            let mut happened = self.happened.iter();
            if let Some(place) = happened.position(|event| event["data"]["type"] == what) {
                return self.happened.remove(place);
            }
            self.read().await.expect("the connection is open");
        }
    }

    /// Waits until so many taps were told, and not one more.
    pub(crate) async fn until_tapped(&mut self, kind: &str, wanted: u64) {
        loop {
            let told = self.taps.get(kind).copied().unwrap_or(0);
            assert!(told <= wanted, "{told} taps were told, of {wanted}");
            if told == wanted {
                return;
            }
            self.read().await.expect("the connection is open");
        }
    }

    /// Listens until it is sent away.
    pub(crate) async fn listen(&mut self) -> Farewell {
        loop {
            if let Err(farewell) = self.read().await {
                // The library answers the close frame while it is read on; then the fan hangs up, like every client.
                drop(timeout(PATIENCE, self.socket.next()).await);
                drop(self.socket.get_mut().shutdown().await);
                return farewell;
            }
        }
    }

    async fn read(&mut self) -> Result<Vec<Value>, Farewell> {
        let message = timeout(PATIENCE, self.socket.next()).await;
        match message.expect("something comes in time") {
            Some(Ok(Message::Text(text))) if text.as_str() == "{}" => {
                drop(self.socket.send(Message::text("{}")).await);
                Ok(Vec::new())
            }
            Some(Ok(Message::Text(text))) => {
                let replies: Vec<Value> = text
                    .lines()
                    .map(|line| serde_json::from_str(line).expect("every line is JSON"))
                    .collect();
                for reply in &replies {
                    let publication = &reply["push"]["pub"];
                    if let Some(text) = publication["data"]["text"].as_str() {
                        let offset = publication["offset"].as_u64().unwrap_or(0);
                        self.heard.push((offset, text.to_owned()));
                    }
                    if publication["data"]["type"].is_string() {
                        self.happened.push(publication.clone());
                    }
                    let told = publication["data"]["counts"].as_object();
                    if let Some(told) = told.filter(|_| publication["data"]["type"] == "reactions")
                    {
                        for (kind, count) in told {
                            *self.taps.entry(kind.clone()).or_default() +=
                                count.as_u64().unwrap_or(0);
                        }
                    }
                }
                Ok(replies)
            }
            Some(Ok(Message::Close(Some(frame)))) => Err(Farewell {
                code: frame.code.into(),
                reason: frame.reason.as_str().to_owned(),
            }),
            Some(Ok(_)) => Ok(Vec::new()),
            Some(Err(_)) | None => Err(Farewell {
                code: 1006,
                reason: String::new(),
            }),
        }
    }
}
