//! The hooks against a back end that says yes, is slow, dies and comes back.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::post,
};
use fanwave_origin::Secret;
use fanwave_wire::{Role, UserId};
use tokio::{net::TcpListener, sync::Semaphore};

use super::*;

/// A back end: how it answers, how many it has been asked, and what was signed.
struct BackEnd {
    /// Places for answers: without one, a question waits for ever.
    answers: Semaphore,
    status: std::sync::Mutex<StatusCode>,
    asked: AtomicUsize,
    signatures: std::sync::Mutex<Vec<String>>,
}

async fn answer(
    State(back_end): State<Arc<BackEnd>>,
    headers: HeaderMap,
    body: String,
) -> impl IntoResponse {
    back_end.asked.fetch_add(1, Ordering::SeqCst);
    let signature = headers.get("fanwave-signature");
    let signature = signature.map(|value| value.to_str().unwrap().to_owned());
    back_end
        .signatures
        .lock()
        .unwrap()
        .extend(signature.map(|signature| format!("{signature}|{body}")));
    let place = back_end.answers.acquire().await.unwrap();
    place.forget();
    let status = *back_end.status.lock().unwrap();
    (status, r#"{"allow":true,"text":"***"}"#)
}

struct Scene {
    back_end: Arc<BackEnd>,
    hook: Hook,
}

impl Scene {
    async fn new(timeout: Duration, on_failure: OnFailure) -> Self {
        let back_end = Arc::new(BackEnd {
            answers: Semaphore::new(0),
            status: std::sync::Mutex::new(StatusCode::OK),
            asked: AtomicUsize::new(0),
            signatures: std::sync::Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/publish", post(answer))
            .with_state(Arc::clone(&back_end));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let config = HookConfig {
            url: format!("http://{address}/publish").parse().unwrap(),
            timeout,
            secret: Some(Secret::new("canary-secret-of-the-proxy")),
            on_failure,
        };
        let metrics = Metrics::register(&mut Registry::default());
        Self {
            back_end,
            hook: Hook::new("publish", config, metrics),
        }
    }

    async fn ask(&self) -> Result<Ruling, OnFailure> {
        self.hook
            .ask(&json!({ "text": "hi" }), answer::ruling)
            .await
    }

    fn asked(&self) -> usize {
        self.back_end.asked.load(Ordering::SeqCst)
    }
}

/// Nobody waits so long unless a machine is very busy.
const PATIENT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_question_is_signed_and_its_answer_is_done() {
    let scene = Scene::new(PATIENT, OnFailure::Refuse).await;
    scene.back_end.answers.add_permits(1);
    assert_eq!(scene.ask().await, Ok(Ruling::Instead("***".into())));
    let signed = scene.back_end.signatures.lock().unwrap().clone();
    let (signature, body) = signed[0].split_once('|').unwrap();
    assert_eq!(body, r#"{"text":"hi"}"#);
    let seconds = signature
        .strip_prefix("t=")
        .unwrap()
        .split_once(',')
        .unwrap()
        .0;
    let at = fanwave_live::WallTime(seconds.parse::<u64>().unwrap() * 1_000);
    let secret = Secret::new("canary-secret-of-the-proxy");
    assert_eq!(
        signature,
        fanwave_origin::sign(&secret, at, body.as_bytes())
    );
}

#[tokio::test]
async fn a_back_end_that_fails_is_asked_no_more_until_it_has_been_tried() {
    let mut scene = Scene::new(PATIENT, OnFailure::Refuse).await;
    *scene.back_end.status.lock().unwrap() = StatusCode::SERVICE_UNAVAILABLE;
    scene.back_end.answers.add_permits(100);
    let failures = usize::try_from(breaker::FAILURES_TO_OPEN).unwrap();
    for _ in 0..failures {
        assert_eq!(scene.ask().await, Err(OnFailure::Refuse));
    }
    assert_eq!(scene.ask().await, Err(OnFailure::Refuse));
    assert_eq!(scene.asked(), failures, "it is left alone");
    *scene.back_end.status.lock().unwrap() = StatusCode::OK;
    scene.hook.age(breaker::OPEN_FIRST);
    assert!(scene.ask().await.is_ok(), "it was tried");
    assert!(scene.ask().await.is_ok(), "and is asked again");
}

#[tokio::test]
async fn a_slow_back_end_holds_nobody_longer_than_the_deadline() {
    let scene = Scene::new(Duration::from_millis(300), OnFailure::Allow).await;
    assert_eq!(scene.ask().await, Err(OnFailure::Allow));
    assert!(scene.asked() <= 1);
}

#[tokio::test]
async fn a_slow_back_end_is_asked_so_many_questions_at_a_time_and_so_many_wait() {
    const BEYOND: usize = 10;
    let scene = Arc::new(Scene::new(PATIENT, OnFailure::Allow).await);
    let mut questions = tokio::task::JoinSet::new();
    for _ in 0..limits::UNDER_WAY_MAX + limits::WAITING_MAX + BEYOND {
        let scene = Arc::clone(&scene);
        questions.spawn(async move { scene.ask().await });
    }
    // The back end has answered nobody: whoever has an answer was not asked about.
    for _ in 0..BEYOND {
        let answer = questions.join_next().await.unwrap().unwrap();
        assert_eq!(answer, Err(OnFailure::Allow));
    }
    assert!(scene.asked() <= limits::UNDER_WAY_MAX, "{}", scene.asked());
    scene.back_end.answers.add_permits(Semaphore::MAX_PERMITS);
    let answers = questions.join_all().await;
    assert!(
        answers.iter().all(Result::is_ok),
        "all others had their turn"
    );
}

#[tokio::test]
async fn each_failure_is_what_its_hook_says_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let hook = |on_failure| HookConfig {
        url: format!("http://{address}/").parse().unwrap(),
        timeout: PATIENT,
        secret: None,
        on_failure,
    };
    let mina = Sender::new(UserId("u-7".into()), "Mina", Role::Fan);
    let channel: Channel = "chat:demo".parse().unwrap();
    let id = fanwave_wire::ClientMessageId("m-1".into());
    for (on_failure, expected) in [
        (
            OnFailure::Allow,
            (Welcome::ByToken, Permit::Yes, Ruling::Yes),
        ),
        (
            OnFailure::Refuse,
            (Welcome::Later, Permit::Later, Ruling::Later),
        ),
    ] {
        let config = ProxyConfig {
            connect: Some(hook(on_failure)),
            subscribe: Some(hook(on_failure)),
            publish: Some(hook(on_failure)),
        };
        let mut registry = Registry::default();
        let proxy = Proxy::start(config, &mut registry).unwrap();
        let arrival = Arrival {
            token: "canary".into(),
            data: None,
            stays: None,
        };
        let saying = Saying {
            who: &mina,
            channel: &channel,
            id: &id,
            text: "hi",
        };
        let answers = (
            proxy.connect(arrival).await,
            proxy.subscribe(&mina, &channel).await,
            proxy.publish(saying).await,
        );
        assert_eq!(answers, expected);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let failed = r#"fanwave_proxy_questions_total{hook="publish",outcome="failed"} 1"#;
        assert!(text.contains(failed), "{text}");
    }
    assert!(Proxy::start(ProxyConfig::default(), &mut Registry::default()).is_none());
}
