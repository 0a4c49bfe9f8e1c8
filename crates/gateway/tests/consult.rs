//! Decisions that somebody else makes, in their own time: who connects, what they follow, what they say.

mod support;

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use fanwave_bus::BoxFuture;
use fanwave_gateway::{
    GatewayConfig,
    consult::{About, Arrival, Consult, Permit, Ruling, Saying, Welcome},
};
use fanwave_wire::{Channel, Role, Sender, UnixMillis, UserId, token::Claims};
use serde_json::json;
use support::{Node, config, now, publications};
use tokio::sync::Semaphore;

/// Thinks about each question until it is let answer.
#[derive(Default)]
struct App {
    /// Questions that may be answered.
    answers: Option<Semaphore>,
    asked: AtomicUsize,
    heard: Mutex<Vec<String>>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

impl App {
    fn thinking() -> Arc<Self> {
        Arc::new(Self {
            answers: Some(Semaphore::new(0)),
            ..Self::default()
        })
    }

    fn answer(&self, questions: usize) {
        if let Some(answers) = &self.answers {
            answers.add_permits(questions);
        }
    }

    async fn think(&self, about: String) {
        self.heard.lock().expect("no panic before").push(about);
        self.asked.fetch_add(1, Ordering::SeqCst);
        if let Some(answers) = &self.answers {
            answers
                .acquire()
                .await
                .expect("it is never closed")
                .forget();
        }
    }
}

/// Whoever shows `as:NAME` is NAME.
fn of_token(token: &str) -> Welcome {
    let Some(name) = token.strip_prefix("as:") else {
        return match token {
            "nobody" => Welcome::No("sold out".into()),
            "unknown" => Welcome::Later,
            _ => Welcome::ByToken,
        };
    };
    let sender = Sender::new(UserId(name.into()), name, Role::Fan);
    let claims =
        Claims::new(sender, UnixMillis(now()), UnixMillis(now() + 600_000)).expect("legal claims");
    let channels = vec!["chat:demo".parse().expect("a channel")];
    Welcome::As(Box::new(
        claims.subscribed_to(channels).expect("few channels"),
    ))
}

impl Consult for App {
    fn about(&self) -> About {
        About {
            connect: true,
            subscribe: true,
            publish: true,
        }
    }

    fn connect(&self, arrival: Arrival) -> BoxFuture<'_, Welcome> {
        Box::pin(async move {
            let stays = arrival.stays.as_ref().map(|who| who.user.0.to_string());
            self.think(format!("connect {stays:?}")).await;
            of_token(&arrival.token)
        })
    }

    fn subscribe<'a>(&'a self, who: &'a Sender, channel: &'a Channel) -> BoxFuture<'a, Permit> {
        Box::pin(async move {
            self.think(format!("subscribe {} {channel}", who.user.0))
                .await;
            match channel.to_string().as_str() {
                "room:demo" => Permit::No("for members".into()),
                "room:later" => Permit::Later,
                _ => Permit::Yes,
            }
        })
    }

    fn publish<'a>(&'a self, saying: Saying<'a>) -> BoxFuture<'a, Ruling> {
        Box::pin(async move {
            self.think(format!("publish {}", saying.text)).await;
            match saying.text {
                "no" => Ruling::No("not here".into()),
                "later" => Ruling::Later,
                "hold" => Ruling::Hold,
                "instead" => Ruling::Instead("in its place".into()),
                _ => Ruling::Yes,
            }
        })
    }
}

async fn node(app: &Arc<App>) -> Node {
    Node::start(GatewayConfig {
        consult: Some(Arc::clone(app) as Arc<dyn Consult>),
        ..config()
    })
    .await
}

#[tokio::test]
async fn somebody_is_who_is_said_they_are_and_follows_what_is_said() {
    let app = Arc::new(App::default());
    let node = node(&app).await;
    let mut anna = node.socket().await;
    let connected = anna.log_in("as:anna").await;
    assert!(connected["subs"]["chat:demo"].is_object(), "{connected}");
    for (token, code) in [("nobody", 103), ("unknown", 100)] {
        let mut other = node.socket().await;
        let refused = other.refused("connect", json!({ "token": token })).await;
        assert_eq!(refused, code, "{token}");
        // They may try again on the same socket.
        other.log_in("as:other").await;
    }
    let mut bora = node.fan("bora").await;
    bora.subscribe("chat:demo").await;
    for (channel, code) in [("room:demo", 103), ("room:later", 100)] {
        let params = json!({ "channel": channel });
        assert_eq!(bora.refused("subscribe", params).await, code);
    }
    let params = json!({ "channel": "chat:demo" });
    assert_eq!(bora.refused("subscribe", params).await, 105);
    let reply = anna.command("refresh", json!({ "token": "as:anna" })).await;
    assert!(reply["refresh"]["ttl"].as_u64() > Some(500), "{reply}");
    let heard = app.heard.lock().unwrap().clone();
    assert!(
        heard.contains(&"connect Some(\"anna\")".to_owned()),
        "{heard:?}"
    );
    assert!(
        heard.contains(&"subscribe bora chat:demo".to_owned()),
        "{heard:?}"
    );
    let mut gone = node.socket().await;
    gone.log_in("as:gone").await;
    gone.ask("refresh", json!({ "token": "as:somebody-else" }))
        .await;
    assert_eq!(gone.closed().await, 3500, "nobody becomes somebody else");
}

#[tokio::test]
async fn what_is_said_becomes_what_is_ruled_and_keeps_its_order() {
    let app = Arc::new(App::default());
    let node = node(&app).await;
    let mut anna = node.socket().await;
    anna.log_in("as:anna").await;
    let say = |text: &str| json!({ "channel": "chat:demo", "data": { "text": text } });
    assert_eq!(anna.refused("publish", say("no")).await, 103);
    assert_eq!(anna.refused("publish", say("later")).await, 100);
    let held = anna.command("publish", say("hold")).await;
    assert!(held.get("error").is_none(), "{held}");
    let mut asked = Vec::new();
    for text in ["one", "instead", "three"] {
        asked.push(anna.ask("publish", say(text)).await);
    }
    for id in asked {
        anna.reply(id).await;
    }
    let params = json!({ "channel": "chat:demo", "limit": 10 });
    let history = anna.command("history", params).await;
    let texts: Vec<String> = publications(&history["history"])
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(texts, ["one", "in its place", "three"]);
}

#[tokio::test]
async fn what_is_thought_about_holds_up_nobody_else_and_nothing_is_left_behind() {
    let app = App::thinking();
    let node = node(&app).await;
    let mut anna = node.socket().await;
    let connect = anna.ask("connect", json!({ "token": "as:anna" })).await;
    // What is sent behind it waits for it.
    let say = json!({ "channel": "chat:demo", "data": { "text": "at once" } });
    let publish = anna.ask("publish", say).await;
    app.answer(1);
    assert!(anna.reply(connect).await["connect"].is_object());
    app.answer(1);
    let said = anna.reply(publish).await;
    assert!(said["publish"]["offset"].is_u64(), "{said}");

    // One is thought about; another is not kept waiting by that.
    let mut slow = node.socket().await;
    slow.ask("connect", json!({ "token": "as:slow" })).await;
    let params = json!({ "channel": "chat:demo" });
    let counted = anna.ask("presence_stats", params).await;
    assert!(anna.reply(counted).await.get("error").is_none());
    // Whoever goes meanwhile is not there when the answer comes.
    drop(slow);
    app.answer(1);
    let mut bora = node.socket().await;
    let connect = bora.ask("connect", json!({ "token": "as:bora" })).await;
    app.answer(1);
    assert!(bora.reply(connect).await["connect"].is_object());
    assert_eq!(app.asked.load(Ordering::SeqCst), 4);
}
