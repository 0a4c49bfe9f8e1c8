//! What the gateway makes of an engine that is slow, fails, or leaves gaps: fans still get everything once and in order,
//! or are told.

mod support;

use std::sync::{Arc, Mutex, OnceLock};

use fanwave_bus::{Ack, BoxFuture, Engine, EngineError, History, HistoryQuery, Sink, Snapshot};
use fanwave_wire::{
    Channel, ClientMessageId, Draft, Epoch, Offset, Publication, Role, Sender, UnixMillis, UserId,
};
use serde_json::json;
use support::{Node, PATIENCE, one_reactor};
use tokio::{
    io::AsyncReadExt,
    sync::{Semaphore, mpsc},
    time::timeout,
};

/// An engine that does what the test says, when the test says it.
struct Scripted {
    sink: OnceLock<Arc<dyn Sink>>,
    log: Mutex<Vec<Arc<Publication>>>,
    epoch: Mutex<Epoch>,
    calls: mpsc::Sender<String>,
    /// Lets one subscribe answer per permit.
    snapshots: Semaphore,
    /// Lets one message that says "hold" through per permit.
    held: Semaphore,
}

/// What the engine is being asked, as it is asked.
struct Calls(mpsc::Receiver<String>);

impl Calls {
    async fn next(&mut self) -> String {
        timeout(PATIENCE, self.0.recv())
            .await
            .expect("a call in time")
            .expect("an engine")
    }
}

impl Scripted {
    fn new() -> (Arc<Self>, Calls) {
        let (calls, heard) = mpsc::channel(1_000);
        let scripted = Self {
            sink: OnceLock::new(),
            log: Mutex::new(Vec::new()),
            epoch: Mutex::new(Epoch("first".into())),
            calls,
            snapshots: Semaphore::new(0),
            held: Semaphore::new(0),
        };
        (Arc::new(scripted), Calls(heard))
    }

    /// Puts messages into the log, without delivering them.
    fn store(&self, count: usize) {
        let mut log = self.log.lock().expect("unpoisoned");
        for _ in 0..count {
            let offset = Offset(log.len() as u64 + 1);
            let sender = Sender {
                user: UserId("u".into()),
                name: "n".into(),
                role: Role::Fan,
                badge: None,
            };
            let id = ClientMessageId("i".into());
            let draft = Draft::text(id, sender, offset.0.to_string());
            log.push(Arc::new(Publication {
                offset,
                at: UnixMillis(1),
                draft,
            }));
        }
    }

    /// Delivers what stands at an offset.
    fn deliver(&self, offset: usize) {
        let publication = Arc::clone(&self.log.lock().expect("unpoisoned")[offset - 1]);
        self.sink
            .get()
            .expect("attached")
            .deliver(&channel(), &publication);
    }

    async fn called(&self, call: String) {
        self.calls.send(call).await.expect("a test that listens");
    }

    fn snapshot(&self) -> Snapshot {
        let log = self.log.lock().expect("unpoisoned");
        let epoch = self.epoch.lock().expect("unpoisoned").clone();
        Snapshot {
            epoch,
            head: Offset(log.len() as u64),
            floor: Offset(0),
            recent: log.clone(),
        }
    }
}

fn channel() -> Channel {
    "chat:demo".parse().expect("a channel")
}

impl Engine for Scripted {
    fn attach(&self, sink: Arc<dyn Sink>) {
        assert!(self.sink.set(sink).is_ok(), "attached once");
    }

    fn subscribe<'a>(&'a self, asked: &'a Channel) -> BoxFuture<'a, Result<Snapshot, EngineError>> {
        Box::pin(async move {
            if *asked != channel() {
                return Ok(Snapshot {
                    head: Offset(0),
                    recent: Vec::new(),
                    ..self.snapshot()
                });
            }
            let snapshot = self.snapshot();
            self.called("subscribe".to_owned()).await;
            self.snapshots.acquire().await.expect("open").forget();
            Ok(snapshot)
        })
    }

    fn unsubscribe<'a>(&'a self, asked: &'a Channel) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            if *asked != channel() {
                return Ok(());
            }
            self.called("unsubscribe".to_owned()).await;
            Ok(())
        })
    }

    fn publish<'a>(
        &'a self,
        _: &'a Channel,
        draft: Draft,
    ) -> BoxFuture<'a, Result<Ack, EngineError>> {
        Box::pin(async move {
            self.called(format!("publish {}", text_of(&draft))).await;
            match text_of(&draft) {
                "disk full" => {
                    return Err(EngineError::Unavailable {
                        reason: "no space on /secret/path".to_owned(),
                    });
                }
                "busy" => return Err(EngineError::Busy),
                "hold" => self.held.acquire().await.expect("open").forget(),
                text => assert!(text != "panic", "as the test wants it"),
            }
            Ok(Ack {
                epoch: Epoch("first".into()),
                offset: Offset(1),
                at: UnixMillis(1),
                duplicate: false,
            })
        })
    }

    fn events<'a>(
        &'a self,
        _: &'a Channel,
        _: Offset,
    ) -> BoxFuture<'a, Result<History, EngineError>> {
        Box::pin(async move {
            let Snapshot { epoch, head, .. } = self.snapshot();
            Ok(History {
                epoch,
                head,
                publications: Vec::new(),
            })
        })
    }

    fn history<'a>(
        &'a self,
        _: &'a Channel,
        query: HistoryQuery,
    ) -> BoxFuture<'a, Result<History, EngineError>> {
        Box::pin(async move {
            let Snapshot {
                epoch,
                head,
                recent,
                ..
            } = self.snapshot();
            let since = query.since.unwrap_or_default();
            self.called(format!("history since {}", since.0)).await;
            let publications = recent
                .into_iter()
                .filter(|p| p.offset > since)
                .take(query.limit)
                .collect();
            Ok(History {
                epoch,
                head,
                publications,
            })
        })
    }
}

/// A node with one fan in the room, and an empty list of calls.
async fn room(stored: usize) -> (Node, Arc<Scripted>, Calls, support::Fan) {
    let (engine, mut calls) = Scripted::new();
    engine.store(stored);
    engine.snapshots.add_permits(1_000);
    let dynamic: Arc<dyn Engine> = Arc::<Scripted>::clone(&engine);
    let config = fanwave_gateway::GatewayConfig {
        close_timeout: PATIENCE,
        ..one_reactor()
    };
    let node = Node::with_engine(config, dynamic).await;
    let fan = node.follower("anna", "chat:demo").await;
    assert_eq!(calls.next().await, "subscribe");
    (node, engine, calls, fan)
}

#[tokio::test]
async fn deliveries_that_overtake_the_snapshot_come_once_and_after_it() {
    let (engine, mut calls) = Scripted::new();
    engine.store(3);
    let dynamic: Arc<dyn Engine> = Arc::<Scripted>::clone(&engine);
    let node = Node::with_engine(one_reactor(), dynamic).await;
    let mut fan = node.fan("anna").await;
    let id = fan
        .ask("subscribe", json!({ "channel": "chat:demo" }))
        .await;
    assert_eq!(calls.next().await, "subscribe");
    engine.store(2);
    for offset in [2, 3, 4, 5] {
        engine.deliver(offset);
    }
    engine.snapshots.add_permits(1);
    let reply = fan.reply(id).await;
    engine.store(1);
    engine.deliver(6);
    // The snapshot stood at 3. Whether what overtook it is in the room before the subscription begins or is pushed
    // after it, it comes once.
    let from = reply["subscribe"]["offset"].as_u64().unwrap();
    assert!((3..=5).contains(&from), "{reply}");
    for offset in from + 1..=6 {
        assert_eq!(fan.publication().await, (offset, offset.to_string()));
    }
    let recovered = node
        .fan("bora")
        .await
        .recover(
            "chat:demo",
            &support::Position {
                epoch: "first".to_owned(),
                offset: 2,
            },
        )
        .await;
    let offsets: Vec<u64> = support::publications(&recovered)
        .into_iter()
        .map(|(offset, _)| offset)
        .collect();
    assert_eq!(offsets, [3, 4, 5, 6]);
}

#[tokio::test]
async fn a_gap_is_filled_from_the_log() {
    let (_node, engine, mut calls, mut fan) = room(1).await;
    engine.store(600);
    engine.deliver(2);
    assert_eq!(fan.publication().await.0, 2);
    engine.deliver(500);
    for offset in 3..=601 {
        assert_eq!(fan.publication().await.0, offset);
    }
    // Pages of 200 from where the room stood.
    for since in [2, 202, 402] {
        assert_eq!(calls.next().await, format!("history since {since}"));
    }
    // What comes late is what everybody has.
    engine.deliver(501);
    engine.store(1);
    engine.deliver(602);
    assert_eq!(fan.publication().await.0, 602);
}

/// More at once than the inbox holds: what it drops is read back, and nobody can tell.
#[tokio::test]
async fn a_burst_beyond_the_inbox_is_read_back() {
    const BURST: usize = 3 * fanwave_gateway::limits::DELIVERIES_WAITING_MAX;
    let (engine, _calls) = Scripted::new();
    engine.snapshots.add_permits(1);
    let dynamic: Arc<dyn Engine> = Arc::<Scripted>::clone(&engine);
    let config = fanwave_gateway::GatewayConfig {
        room_log_bytes: 64 * 1024 * 1024,
        ..one_reactor()
    };
    let node = Node::with_engine(config, dynamic).await;
    let mut fan = node.follower("anna", "chat:demo").await;
    engine.store(BURST);
    for offset in 1..=BURST {
        engine.deliver(offset);
    }
    for offset in 1..=BURST as u64 {
        assert_eq!(fan.publication().await.0, offset);
    }
}

#[tokio::test]
async fn fans_are_told_when_the_log_is_out_of_reach_and_when_it_is_back() {
    let (node, engine, _calls, mut anna) = room(1).await;
    let mut bora = node.follower("bora", "room:demo").await;
    let sink = engine.sink.get().expect("the gateway is attached");
    for (reaches, word) in [(false, "paused"), (true, "resumed")] {
        sink.reaches_log(reaches);
        for (fan, channel) in [(&mut anna, "chat:demo"), (&mut bora, "room:demo")] {
            let push = fan.push().await;
            let told = json!({ "channel": channel, "pub": { "data": { "type": word } } });
            assert_eq!(push, told);
        }
    }
    // It has no place in the log, and moves nobody's.
    engine.store(1);
    engine.deliver(2);
    assert_eq!(anna.publication().await.0, 2);
}

#[tokio::test]
async fn a_log_that_began_anew_makes_fans_subscribe_again() {
    let (_node, engine, _calls, mut fan) = room(5).await;
    *engine.epoch.lock().unwrap() = Epoch("second".into());
    engine.store(2);
    engine.deliver(7);
    let push = fan.push().await;
    assert_eq!(
        (&push["channel"], &push["unsubscribe"]["code"]),
        (&json!("chat:demo"), &json!(2500))
    );
    let result = fan
        .recover(
            "chat:demo",
            &support::Position {
                epoch: "first".to_owned(),
                offset: 5,
            },
        )
        .await;
    assert_eq!(
        (&result["epoch"], &result["was_recovering"]),
        (&json!("second"), &json!(true))
    );
    assert!(result.get("recovered").is_none(), "{result}");
}

#[tokio::test]
async fn an_engine_that_fails_is_told_as_temporary_and_in_our_own_words() {
    let (_node, _engine, _calls, mut fan) = room(0).await;
    for text in ["disk full", "busy", "panic"] {
        let reply = fan
            .command(
                "publish",
                json!({ "channel": "chat:demo", "data": { "text": text } }),
            )
            .await;
        assert_eq!(
            (&reply["error"]["code"], &reply["error"]["temporary"]),
            (&json!(100), &json!(true)),
            "{text}: {reply}"
        );
        let message = reply["error"]["message"].as_str().unwrap();
        assert!(
            message.ends_with("try again") && !message.contains("secret"),
            "{message}"
        );
    }
    assert_eq!(fan.say("chat:demo", "well again").await, 1);
}

#[tokio::test]
async fn publishes_of_one_connection_keep_their_order_and_their_bound() {
    let (node, engine, mut calls, mut fan) = room(0).await;
    let publish = |text: &str| json!({ "channel": "chat:demo", "data": { "text": text } });
    let first = fan.ask("publish", publish("hold")).await;
    assert_eq!(calls.next().await, "publish hold");
    let mut waiting = Vec::new();
    for n in 0..fanwave_gateway::limits::CALLS_WAITING_PER_CONNECTION_MAX {
        waiting.push(fan.ask("publish", publish(&n.to_string())).await);
    }
    assert_eq!(fan.refused("publish", publish("one too many")).await, 111);
    // Another fan's does not wait for them, and theirs have not been let through.
    let mut bora = node.fan("bora").await;
    bora.say("chat:demo", "from bora").await;
    assert_eq!(calls.next().await, "publish from bora");
    engine.held.add_permits(1);
    fan.reply(first).await;
    for (n, id) in waiting.into_iter().enumerate() {
        fan.reply(id).await;
        assert_eq!(calls.next().await, format!("publish {n}"));
    }
}

#[tokio::test]
async fn a_room_is_closed_a_while_after_its_last_fan_and_opened_with_the_next() {
    let (node, _engine, mut calls, mut fan) = room(0).await;
    let mut second = node.follower("bora", "chat:demo").await;
    for leaver in [&mut second, &mut fan] {
        leaver
            .command("unsubscribe", json!({ "channel": "chat:demo" }))
            .await;
    }
    // Nobody is gone for long: the room is still open.
    second.subscribe("chat:demo").await;
    drop(second);
    assert_eq!(calls.next().await, "unsubscribe");
    fan.subscribe("chat:demo").await;
    assert_eq!(calls.next().await, "subscribe");
}

#[tokio::test]
async fn who_leaves_while_the_room_opens_is_not_in_it() {
    let (engine, mut calls) = Scripted::new();
    let dynamic: Arc<dyn Engine> = Arc::<Scripted>::clone(&engine);
    let node = Node::with_engine(one_reactor(), dynamic).await;
    let mut fan = node.fan("anna").await;
    let mut gone = node.fan("bora").await;
    let id = fan
        .ask("subscribe", json!({ "channel": "chat:demo" }))
        .await;
    gone.ask("subscribe", json!({ "channel": "chat:demo" }))
        .await;
    assert_eq!(calls.next().await, "subscribe");
    fan.command("unsubscribe", json!({ "channel": "chat:demo" }))
        .await;
    gone.socket.close(None).await.unwrap();
    assert_eq!(gone.closed().await, 1005);
    engine.snapshots.add_permits(1);
    assert_eq!(fan.reply(id).await["error"]["code"], 107);
    assert_eq!(calls.next().await, "unsubscribe", "nobody is left");
}

/// What the engine answers after our close frame has nobody to go to: an attempt to write it would find our half of the
/// stream at its end, and give up the socket before the peer has read why.
#[tokio::test]
async fn nothing_follows_a_close_frame() {
    let (node, engine, mut calls, mut fan) = room(0).await;
    fan.ask(
        "publish",
        json!({ "channel": "chat:demo", "data": { "text": "hold" } }),
    )
    .await;
    assert_eq!(calls.next().await, "publish hold");
    fan.send("garbage").await;
    let mut stream = fan.socket.into_inner();
    let mut heard = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut heard))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(heard, b"\x88\x0d\x0d\xadbad request");
    engine.held.add_permits(1);
    // Another fan's message goes the same way after it.
    let mut bora = node.fan("bora").await;
    bora.say("chat:demo", "from bora").await;
    assert_eq!(
        node.gateway.connections(),
        2,
        "the peer is still waited for"
    );
}

fn text_of(draft: &Draft) -> &str {
    draft.body.as_text().map_or("", |text| &text.text)
}
