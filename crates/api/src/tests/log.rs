//! The chat log over HTTP, with a real one in a file.

use fanwave_store::Store;
use tempfile::TempDir;

use super::{platform::ALL, *};

/// A broker that has let go of the messages up to an offset.
struct Forgetful(Log, u64);

impl Engine for Forgetful {
    fn attach(&self, _: Arc<dyn Sink>) {}

    fn subscribe<'a>(
        &'a self,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<Snapshot, EngineError>> {
        self.0.subscribe(channel)
    }

    fn unsubscribe<'a>(&'a self, channel: &'a Channel) -> BoxFuture<'a, Result<(), EngineError>> {
        self.0.unsubscribe(channel)
    }

    fn publish<'a>(
        &'a self,
        channel: &'a Channel,
        draft: Draft,
    ) -> BoxFuture<'a, Result<Ack, EngineError>> {
        self.0.publish(channel, draft)
    }

    fn events<'a>(
        &'a self,
        channel: &'a Channel,
        after: Offset,
    ) -> BoxFuture<'a, Result<History, EngineError>> {
        self.0.events(channel, after)
    }

    fn history<'a>(
        &'a self,
        channel: &'a Channel,
        query: HistoryQuery,
    ) -> BoxFuture<'a, Result<History, EngineError>> {
        Box::pin(async move {
            let mut history = self.0.history(channel, query).await?;
            history.publications.retain(|one| one.offset.0 > self.1);
            Ok(history)
        })
    }
}

/// A log that has recorded `recorded` messages of `chat:demo`, and an engine that has forgotten all up to `forgotten`.
async fn app(recorded: u64, forgotten: u64) -> (Router, Archive, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("log.db")).await.unwrap();
    let archive = Archive::from(store);
    let lane: Channel = "chat:demo".parse().unwrap();
    let epoch = Epoch("e1".into());
    let all: Vec<_> = (1..=recorded).map(|n| Arc::new(publication(n))).collect();
    for batch in all.chunks(200) {
        archive.record(&lane, &epoch, batch.to_vec()).await.unwrap();
    }
    let keys = format!("all publish,moderate,read,tokens,log {ALL}\n");
    let log = Log {
        head: recorded,
        fails: false,
    };
    let nothing = Log {
        head: 0,
        fails: true,
    };
    let api = Api {
        engine: Arc::new(Forgetful(log, forgotten)),
        log: Some(archive.clone()),
        recorded: true,
        keys: ApiKeys::parse(&keys).unwrap(),
        ..super::api(nothing, RateLimits::default())
    };
    (router(api), archive, folder)
}

async fn ask(app: &Router, method: &str, path: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header(header::AUTHORIZATION, format!("Bearer {ALL}"));
    call(app.clone(), request.body(Body::empty()).unwrap()).await
}

fn offsets(page: &Value) -> Vec<u64> {
    let messages = page["messages"].as_array().unwrap();
    let offsets = messages.iter().map(|message| message["offset"].as_u64());
    offsets.map(Option::unwrap).collect()
}

#[tokio::test]
async fn history_goes_on_where_the_brokers_log_begins() {
    let (app, _archive, _folder) = app(90, 60).await;
    let mut seen = Vec::new();
    let mut path = "/channels/demo/messages?limit=25".to_owned();
    loop {
        let page = ask(&app, "GET", &path).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        seen.extend(offsets(&page.body));
        let Some(before) = page.body["next_before"].as_u64() else {
            break;
        };
        path = format!("/channels/demo/messages?limit=25&before={before}");
    }
    assert_eq!(seen, (1..=90).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stretch_of_time_is_replayed_page_by_page() {
    let (app, _archive, _folder) = app(90, 60).await;
    let window = format!("from={}&until={}", NOW.0 + 10, NOW.0 + 31);
    let page = ask(
        &app,
        "GET",
        &format!("/channels/demo/log?{window}&limit=15"),
    )
    .await;
    assert_eq!(offsets(&page.body), (10..=24).collect::<Vec<_>>());
    assert_eq!(page.body["messages"][0]["epoch"], "e1");
    let after = page.body["next_after"].as_str().unwrap();
    assert_eq!(after, "24-e1");
    let path = format!("/channels/demo/log?{window}&limit=15&after={after}");
    let page = ask(&app, "GET", &path).await;
    assert_eq!(offsets(&page.body), (25..=30).collect::<Vec<_>>());
    assert!(page.body["next_after"].is_null());
    for (query, code) in [
        ("channels/demo/log?from_ms=1", "malformed_query"),
        ("channels/demo/log?after=x", "malformed_query"),
        ("channels/nowhere/log", "unknown_channel"),
        ("recordings/nowhere/log", "unknown_recording"),
    ] {
        let refused = ask(&app, "GET", &format!("/{query}")).await;
        assert_eq!(refused.body["code"], code, "{query}");
    }
}

#[tokio::test]
async fn a_recording_is_replayed_by_its_player() {
    let (app, _archive, _folder) = app(90, 60).await;
    // It begins with what was said 11 ms after the beginning of time.
    let page = ask(
        &app,
        "GET",
        "/recordings/demo.over/log?from_ms=4&until_ms=10",
    )
    .await;
    assert_eq!(offsets(&page.body), (15..=20).collect::<Vec<_>>());
    assert_eq!(page.body["messages"][0]["media_ms"], 4);
    let all = ask(&app, "GET", "/recordings/demo.over/log?limit=200").await;
    assert_eq!(offsets(&all.body), (11..=90).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_search_says_where_to_go_on() {
    let (app, _archive, _folder) = app(90, 60).await;
    let page = ask(
        &app,
        "GET",
        "/channels/demo/log/search?text=line%209&limit=1",
    )
    .await;
    assert_eq!(offsets(&page.body), [90]);
    let before = page.body["next_before"].as_str().unwrap();
    let path = format!("/channels/demo/log/search?text=line%209&before={before}");
    assert_eq!(offsets(&ask(&app, "GET", &path).await.body), [9]);
    let nobody = ask(&app, "GET", "/channels/demo/log/search?user=nobody").await;
    assert!(offsets(&nobody.body).is_empty());
    let long = "x".repeat(300);
    let refused = ask(
        &app,
        "GET",
        &format!("/channels/demo/log/search?text={long}"),
    )
    .await;
    assert_eq!(refused.body["code"], "malformed_query");
}

#[tokio::test]
async fn holds_and_exports_are_for_those_who_may() {
    let (app, archive, _folder) = app(600, 0).await;
    let held = ask(&app, "PUT", "/holds/demo").await;
    assert_eq!(
        (held.status, &held.body["channel"]),
        (StatusCode::OK, &json!("demo"))
    );
    assert_eq!(archive.holds().await.unwrap().len(), 1);
    let released = ask(&app, "DELETE", "/holds/demo").await;
    assert_eq!(released.status, StatusCode::NO_CONTENT);
    let unknown = ask(&app, "PUT", "/holds/nowhere").await;
    assert_eq!(unknown.body["code"], "unknown_channel");
    let stranger = Request::builder().uri("/api/v1/channels/demo/log/export");
    let refused = call(app.clone(), stranger.body(Body::empty()).unwrap()).await;
    assert_eq!(refused.body["code"], "token_missing");
    let file = Request::builder()
        .uri("/api/v1/channels/demo/log/export?format=csv")
        .header(header::AUTHORIZATION, format!("Bearer {ALL}"));
    let file = app
        .oneshot(file.body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(file.headers()[header::CACHE_CONTROL], "no-store");
    let file = file.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(file.split(|byte| *byte == b'\n').count(), 602);
}

#[tokio::test]
async fn where_no_log_is_kept_that_is_said() {
    let platform = Arc::<platform::Platform>::default();
    let refused = platform.get("/channels/demo/log/search").await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (StatusCode::NOT_FOUND, &json!("no_log"))
    );
    // And a key that may moderate may not govern the log.
    let refused = platform.get("/holds").await;
    assert_eq!(refused.body["code"], "scope_missing");
}
