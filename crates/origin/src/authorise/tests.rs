//! What is asked, byte for byte, and how answers are read.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use fanwave_live::WallTime;
use futures_util::future::BoxFuture;
use tokio::{sync::Notify, task::JoinSet, time::Instant};

use super::{
    Answer, Authoriser, AuthoriserConfig, Endpoint, EndpointError, Form, Occasion, Post,
    StreamKeys, Unanswered, Verdict, nginx, own, readable, signature,
};
use crate::{
    config::Secret,
    ingest::{Protocol, Publisher, Wish},
    limits::AUTHORISER_CALLS_MAX,
};

fn publisher() -> Publisher {
    Publisher {
        protocol: Protocol::Rtmp,
        connection: 42,
        peer: SocketAddr::from(([192, 0, 2, 7], 50_123)),
        wish: Wish {
            app: "live show".to_owned(),
            kind: "live".to_owned(),
            agent: "FMLE/3.0 (compatible; FMSc/1.0)".to_owned(),
            tc_url: Secret::new("rtmp://fans.example:1935/live"),
            ..Wish::of("main?user=ana&pass=%2Fx")
        },
    }
}

fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn answer(status: u16, body: &'static str) -> Answer {
    Answer {
        status,
        location: None,
        body: Bytes::from_static(body.as_bytes()),
    }
}

#[test]
fn nginx_rtmps_form_is_written_as_that_module_writes_it() {
    let common = "app=live%20show&flashver=FMLE/3.0%20(compatible%3B%20FMSc/1.0)&swfurl=&tcurl=rtmp://fans.example:1935/live\
                  &pageurl=&addr=192.0.2.7&clientid=42";
    let cases = [
        (Occasion::Publish, "&call=publish&name=main&type=live"),
        (
            Occasion::Update(Duration::from_millis(30_250)),
            "&call=update_publish&time=30&timestamp=30250&name=main",
        ),
        (
            Occasion::Done(Duration::from_secs(90)),
            "&call=publish_done&name=main",
        ),
    ];
    for (occasion, fields) in cases {
        let body = nginx::write(&publisher(), occasion);
        assert_eq!(text(&body), format!("{common}{fields}&user=ana&pass=%2Fx"));
    }
}

#[test]
fn our_form_is_one_object() {
    let body = own::write(&publisher(), Occasion::Publish);
    assert_eq!(
        text(&body),
        r#"{"action":"publish","protocol":"rtmp","channel":null,"app":"live show","key":"main","arguments":"user=ana&pass=%2Fx","address":"192.0.2.7","agent":"FMLE/3.0 (compatible; FMSc/1.0)","connection":42,"seconds":0}"#
    );
    let body = own::write(&publisher(), Occasion::Done(Duration::from_millis(61_900)));
    assert!(text(&body).starts_with(r#"{"action":"done""#));
    assert!(text(&body).ends_with(r#""seconds":61}"#));
}

#[test]
fn answers_in_nginx_rtmps_form() {
    let allowed = |channel: Option<&str>| {
        Ok(Verdict::Allowed {
            channel: channel.map(str::to_owned),
        })
    };
    let redirect = |location: Option<&str>| Answer {
        location: location.map(str::to_owned),
        ..answer(302, "")
    };
    assert_eq!(nginx::read(&answer(204, "")), allowed(None));
    assert_eq!(nginx::read(&redirect(Some("demo"))), allowed(Some("demo")));
    assert_eq!(nginx::read(&redirect(None)), allowed(None));
    assert!(nginx::read(&redirect(Some("rtmp://192.0.2.1/a/b"))).is_err());
    for status in [100, 401, 404, 500, 999] {
        let verdict = nginx::read(&answer(status, "<html>"));
        assert!(
            matches!(verdict, Ok(Verdict::Refused { .. })),
            "{status}: {verdict:?}"
        );
    }
}

#[test]
fn answers_in_our_form() {
    let allowed = |channel: Option<&str>| {
        Ok(Verdict::Allowed {
            channel: channel.map(str::to_owned),
        })
    };
    let refused = |reason: &str| {
        Ok(Verdict::Refused {
            reason: reason.to_owned(),
        })
    };
    assert_eq!(own::read(&answer(200, "")), allowed(None));
    assert_eq!(own::read(&answer(204, " \n")), allowed(None));
    assert_eq!(
        own::read(&answer(200, r#"{"channel":"demo","more":1}"#)),
        allowed(Some("demo"))
    );
    assert!(matches!(
        own::read(&answer(200, "yes")),
        Err(Unanswered::Answer(_))
    ));
    assert_eq!(
        own::read(&answer(403, r#"{"reason":"doors open\r\nat eight"}"#)),
        refused("doors open at eight")
    );
    assert_eq!(
        own::read(&answer(404, "<html>not here</html>")),
        refused("You may not publish here.")
    );
    for status in [302, 500, 503] {
        assert_eq!(
            own::read(&answer(status, "")),
            Err(Unanswered::Status(status))
        );
    }
}

#[test]
fn reasons_are_one_short_line() {
    assert_eq!(readable(" a\u{0}b\n\tc "), "a b c");
    assert_eq!(readable(&"x".repeat(1_000)).len(), 200);
}

#[test]
fn a_signature_covers_the_time_and_the_body() {
    // printf '1795000000.{"a":1}' | openssl dgst -sha256 -hmac signing-secret
    let sign =
        |ms, body: &[u8]| signature::sign(&Secret::new("signing-secret"), WallTime(ms), body);
    assert_eq!(
        sign(1_795_000_000_999, br#"{"a":1}"#),
        "t=1795000000,v1=3acf33fab1502c0640117878f740c584e30498876ee1604ef7350ce368889fc8"
    );
    assert_ne!(
        sign(1_795_000_001_000, br#"{"a":1}"#)[13..],
        sign(1_795_000_000_000, br#"{"a":1}"#)[13..]
    );
}

#[test]
fn nothing_of_a_question_is_shown() {
    let shown = format!("{:?}", publisher());
    assert!(!shown.contains("ana") && !shown.contains("main"), "{shown}");
}

/// Counts how many ask at once, and lets them go when told to.
#[derive(Debug, Default)]
struct Crowd {
    now: AtomicUsize,
    most: AtomicUsize,
    open: Notify,
}

#[derive(Debug)]
struct Door(Arc<Crowd>);

impl Endpoint for Door {
    fn post(&self, _: Post) -> BoxFuture<'static, Result<Answer, EndpointError>> {
        let crowd = Arc::clone(&self.0);
        Box::pin(async move {
            let now = crowd.now.fetch_add(1, Ordering::SeqCst) + 1;
            crowd.most.fetch_max(now, Ordering::SeqCst);
            crowd.open.notified().await;
            crowd.now.fetch_sub(1, Ordering::SeqCst);
            Ok(answer(200, ""))
        })
    }
}

#[tokio::test]
async fn no_more_ask_at_once_than_there_are_places() {
    let crowd = Arc::new(Crowd::default());
    let authoriser = Arc::new(Authoriser::new(AuthoriserConfig {
        endpoint: Arc::new(Door(Arc::clone(&crowd))),
        form: Form::Fanwave,
        timeout: Duration::from_secs(60),
        secret: None,
        stream_keys: StreamKeys::Asked,
        recheck: None,
    }));
    let mut asking = JoinSet::new();
    for _ in 0..AUTHORISER_CALLS_MAX * 3 {
        let authoriser = Arc::clone(&authoriser);
        asking.spawn(async move {
            let far = Instant::now() + Duration::from_secs(60);
            authoriser.ask_to_publish(&publisher(), far).await
        });
    }
    while !asking.is_empty() {
        crowd.open.notify_one();
        tokio::task::yield_now().await;
        while let Some(answered) = asking.try_join_next() {
            assert!(answered.unwrap().is_ok());
        }
    }
    assert_eq!(crowd.most.load(Ordering::SeqCst), AUTHORISER_CALLS_MAX);
}
