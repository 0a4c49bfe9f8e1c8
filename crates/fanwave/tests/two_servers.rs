//! Two whole servers, each a process of its own, that share their rooms through a real broker: the same for each.
#![cfg(all(feature = "kafka", feature = "nats", feature = "redis"))]

mod brokers;
mod support;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Instant};

use fanwave::clock;
use fanwave_wire::{
    Role, Sender, UnixMillis, UserId,
    token::{Claims, TokenKey},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use self::{
    brokers::{Broker, Kafka, Nats, Redis},
    support::{Fan, PATIENCE, Process},
};

macro_rules! with_each_broker {
    ($($module:ident, $broker:ident: $($case:ident),+;)+) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $case() {
                super::$case::<super::$broker>().await;
            })+
        })+
    };
}

with_each_broker! {
    redis, Redis: fans_of_two_servers_are_in_one_room_also_after_the_broker_was_gone, what_a_moderator_does_reaches_the_sockets_of_every_server, what_a_back_end_sends_is_done_once_also_when_a_server_is_killed;
    nats, Nats: fans_of_two_servers_are_in_one_room_also_after_the_broker_was_gone, what_a_moderator_does_reaches_the_sockets_of_every_server, what_a_back_end_sends_is_done_once_also_when_a_server_is_killed;
    kafka, Kafka: fans_of_two_servers_are_in_one_room_also_after_the_broker_was_gone, what_a_moderator_does_reaches_the_sockets_of_every_server, what_a_back_end_sends_is_done_once_also_when_a_server_is_killed;
}

/// What signs the tokens of all servers: a fan of one may go to another.
const SECRET: &str = "two-servers-that-are-one-platform-have-one-secret";

/// Two servers that are one platform.
struct Platform {
    /// Where the servers keep what is theirs.
    _folder: TempDir,
    servers: [Process; 2],
}

impl Platform {
    async fn start(broker: &impl Broker) -> Self {
        Self::start_with(broker, &[]).await
    }

    async fn start_with(broker: &impl Broker, more: &[(&'static str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let secret = folder.path().join("secret");
        fs::write(&secret, SECRET).expect("the folder is ours");
        let alone = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&secret, alone).expect("the file is ours");
        let server = async |name: &str| {
            let mut env = broker.env();
            env.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
            env.push(("FANWAVE__TOKENS__SECRET_FILE", secret.display().to_string()));
            // Fans are read one after the other here, also while a broker takes its time.
            env.push(("FANWAVE__CHAT__PING_INTERVAL", "5m".to_owned()));
            env.push(("FANWAVE__CHAT__PONG_TIMEOUT", "4m".to_owned()));
            let env: Vec<_> = env
                .iter()
                .map(|(key, value)| (*key, value.as_str()))
                .collect();
            let own: PathBuf = folder.path().join(name);
            fs::create_dir(&own).expect("the folder is ours");
            let server = Process::start(&own, &env).await;
            let ready = async {
                while !server.get("/readyz").await.starts_with("HTTP/1.1 200") {
                    tokio::task::yield_now().await;
                }
            };
            timeout(PATIENCE, ready).await.expect("it is ready in time");
            server
        };
        let servers = [server("a").await, server("b").await];
        Self {
            _folder: folder,
            servers,
        }
    }

    /// Somebody who follows the room at one of the servers.
    async fn join(&self, server: usize, user: &str, role: Role) -> Fan {
        let mut fan = Fan::join(self.servers[server].http(), &token(user, role)).await;
        for channel in ["room:demo", "chat:demo"] {
            fan.follow(channel, None).await;
        }
        fan
    }
}

fn token(user: &str, role: Role) -> String {
    let sender = Sender::new(UserId(user.into()), user, role);
    let now = clock::now();
    let claims = Claims::new(sender, now, UnixMillis(now.0 + 3_600_000)).expect("claims");
    let key = TokenKey::new(SECRET.as_bytes()).expect("it is long enough");
    key.issue(&claims)
}

async fn say(fan: &mut Fan, id: &str, text: &str) -> Option<u64> {
    fan.say("chat:demo", id, text).await.expect("it stays open")
}

async fn fans_of_two_servers_are_in_one_room_also_after_the_broker_was_gone<B: Broker>() {
    let mut broker = B::start().await;
    let platform = Platform::start(&broker).await;
    let mut ana = platform.join(0, "ana", Role::Fan).await;
    let mut minji = platform.join(1, "minji", Role::Fan).await;
    assert_eq!(say(&mut ana, "m1", "안녕하세요").await, Some(1));
    minji.hear("안녕하세요").await;
    assert_eq!(say(&mut minji, "m2", "hello").await, Some(2));
    ana.hear("hello").await;
    assert_eq!(history(&platform.servers[1]).await, ["hello", "안녕하세요"]);

    broker.kill();
    let message = json!({"channel": "chat:demo", "data": {"id": "m3", "text": "is anybody there"}});
    let refused = ana.ask("publish", message).await.expect("it stays open");
    assert_eq!(refused["error"]["temporary"], true, "{refused}");
    broker.start_again().await;
    let taken = async {
        loop {
            if let Some(offset) = say(&mut ana, "m3", "is anybody there").await {
                return offset;
            }
        }
    };
    let taken = timeout(PATIENCE, taken).await.expect("it is taken soon");
    assert_eq!(taken, 3);
    minji.hear("is anybody there").await;
    let metrics = platform.servers[0].get("/metrics").await;
    assert!(
        metrics.contains("fanwave_engine_appends_total"),
        "{metrics}"
    );
}

/// The texts that a server knows, the newest first.
async fn history(server: &Process) -> Vec<String> {
    let answer = server.get("/api/v1/channels/demo/messages?lane=chat").await;
    let (_, body) = answer.split_once("\r\n\r\n").expect("it has a body");
    let page: Value = serde_json::from_str(body).expect("the answer is JSON");
    let messages = page["messages"].as_array().expect("they are a list");
    let texts = messages.iter().map(|message| &message["text"]);
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What a moderator of one server does, until a fan of another sees it.
struct Moderation<'a> {
    moderator: &'a mut Fan,
    fan: &'a mut Fan,
}

impl Moderation<'_> {
    /// Has the moderator do something, and answers the event that the fan was told.
    #[expect(
        clippy::print_stdout,
        reason = "the time is for people to read, and not tested"
    )]
    async fn act(&mut self, method: &str, mut data: Value, event: &str) -> Value {
        data["room"] = json!("demo");
        let began = Instant::now();
        do_it(self.moderator, method, data).await;
        let seen = self.fan.see(event).await;
        println!(
            "{method} is seen at the other server after {:?}",
            began.elapsed()
        );
        seen
    }
}

async fn do_it(moderator: &mut Fan, method: &str, data: Value) {
    let answer = moderator.ask("rpc", json!({"method": method, "data": data}));
    let answer = answer.await.expect("it stays open");
    assert_eq!(answer["error"], Value::Null, "{method} is not refused");
}

async fn what_a_moderator_does_reaches_the_sockets_of_every_server<B: Broker>() {
    let broker = B::start().await;
    let platform = Platform::start(&broker).await;
    let mut moderator = platform.join(0, "mod", Role::Moderator).await;
    moderator.follow("staff:demo", None).await;
    let mut minji = platform.join(1, "minji", Role::Fan).await;
    let mut troll = platform.join(1, "troll", Role::Fan).await;
    assert_eq!(say(&mut troll, "t1", "buy my coins").await, Some(1));
    assert_eq!(say(&mut minji, "m1", "hello").await, Some(2));
    let mut moderation = Moderation {
        moderator: &mut moderator,
        fan: &mut minji,
    };

    // A deletion: whoever has seen the event cannot read the message any more.
    let event = moderation.act("delete", json!({"offset": 1}), "deleted");
    assert_eq!(event.await["data"]["offset"], 1);
    assert_eq!(history(&platform.servers[1]).await, ["hello"]);

    // The room's mode: whoever has seen it is held to it.
    moderation
        .act("mode", json!({"emoji_only": true}), "mode")
        .await;
    assert_eq!(say(moderation.fan, "m2", "words").await, None);
    assert_eq!(say(moderation.fan, "m3", "🎤").await, Some(3));
    moderation.act("mode", json!({"hold": true}), "mode").await;
    assert_eq!(say(moderation.fan, "m4", "may I?").await, None);
    let held = moderation.moderator.see("held").await;
    let review = json!({"room": "demo", "held": held["offset"], "approve": true});
    do_it(moderation.moderator, "review", review).await;
    moderation.fan.hear("may I?").await;
    moderation.act("mode", json!({}), "mode").await;
    assert_eq!(say(moderation.fan, "m5", "free again").await, Some(5));

    // A mute, and its end.
    moderation
        .act("mute", json!({"user": "troll"}), "muted")
        .await;
    assert_eq!(say(&mut troll, "t2", "coins").await, None);
    moderation
        .act("pardon", json!({"user": "troll"}), "pardoned")
        .await;
    assert_eq!(say(&mut troll, "t3", "sorry").await, Some(6));

    // A ban closes the sockets there are, and lets no other one in.
    moderation
        .act("ban", json!({"user": "troll"}), "banned")
        .await;
    assert_eq!(troll.listen().await.code, 3507);
    let mut again = Fan::join(platform.servers[1].http(), &token("troll", Role::Fan)).await;
    for channel in ["room:demo", "chat:demo"] {
        let refused = again.ask("subscribe", json!({"channel": channel})).await;
        let refused = refused.expect("it stays open");
        assert_eq!(refused["error"]["code"], 103, "{refused}");
    }
}

/// What a back end wants said, by one of a few senders.
fn publish(number: usize) -> String {
    let (id, user) = (format!("c{number}"), format!("u-{}", number % SENDERS));
    let body = json!({"id": id, "text": id, "sender": {"user": user}});
    json!({"id": id, "path": "/api/v1/channels/demo/publish", "body": body}).to_string()
}

/// Senders of what a back end sends: those of one wait for each other.
const SENDERS: usize = 20;

async fn what_a_back_end_sends_is_done_once_also_when_a_server_is_killed<B: Broker>() {
    const MANY: usize = 300;
    let broker = B::start().await;
    let platform = Platform::start_with(&broker, &[("FANWAVE__COMMANDS__TAKE", "on")]).await;
    let mut minji = platform.join(1, "minji", Role::Fan).await;
    let mut troll = platform.join(1, "troll", Role::Fan).await;
    let Platform {
        _folder,
        servers: [first, second],
    } = platform;
    let ban = json!({"id": "ban", "path": "/api/v1/channels/demo/users/troll/ban?actor=kim"});
    broker
        .send(&[ban.to_string(), "no command".to_owned()])
        .await;
    assert_eq!(minji.see("banned").await["data"]["user"], "troll");
    assert_eq!(troll.listen().await.code, 3507);
    counted(&first, "dead_letters_total 1").await;

    let commands: Vec<_> = (0..MANY).map(publish).collect();
    broker.send(&commands).await;
    minji.hear("c50").await;
    drop(first);
    counted(&second, "leads 1").await;
    // Sent behind all others, to the same place: done when they are.
    let last = json!({"id": "last", "path": "/api/v1/channels/demo/pins", "body": {"id": "last", "text": "x"}});
    broker.send(&[last.to_string()]).await;
    minji.see("pinned").await;
    let said = whole_history(&second).await;
    let mut sorted = said.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..MANY).collect::<Vec<_>>(), "each once");
    for sender in 0..SENDERS {
        let of_sender = said.iter().filter(|number| *number % SENDERS == sender);
        assert!(
            of_sender.is_sorted_by(|newer, older| newer > older),
            "in the order of {sender}"
        );
    }
}

/// Waits until a server has counted something.
async fn counted(server: &Process, metric: &str) {
    let counted = async {
        while !server
            .get("/metrics")
            .await
            .contains(&format!("fanwave_commands_{metric}\n"))
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, counted)
        .await
        .expect("it is counted in time");
}

/// The numbers of all that was said, the newest first.
async fn whole_history(server: &Process) -> Vec<usize> {
    let mut numbers = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/channels/demo/messages?lane=chat&limit=100{cursor}");
        let answer = server.get(&path).await;
        let (_, body) = answer.split_once("\r\n\r\n").expect("it has a body");
        let page: Value = serde_json::from_str(body).expect("the answer is JSON");
        let messages = page["messages"].as_array().expect("they are a list");
        let texts = messages
            .iter()
            .filter_map(|message| message["text"].as_str());
        numbers.extend(texts.map(|text| text[1..].parse::<usize>().expect("a number")));
        match page["next_before"].as_u64() {
            Some(before) => cursor = format!("&before={before}"),
            None => return numbers,
        }
    }
}
