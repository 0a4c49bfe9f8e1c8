//! Publishers about whom somebody else decides.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sapflow_rtmp::client::ClientError;
use tokio::time::timeout;

use super::{
    DEADLINE, KEY, Show, authority::Authority, encoder::said_by_ffmpeg, publisher::Publisher,
};
use crate::{
    AuthoriserConfig, Form, PublisherStatus, Secret, StreamKeys, metrics::Refusal, shared::Patience,
};

fn asking(authority: &Authority, form: Form) -> AuthoriserConfig {
    AuthoriserConfig {
        endpoint: authority.endpoint(),
        form,
        timeout: Duration::from_secs(5),
        secret: Some(Secret::new("signing-secret")),
        stream_keys: StreamKeys::Known,
        recheck: None,
    }
}

fn is_about(body: &str, action: &str) -> bool {
    body.starts_with(&format!("{{\"action\":\"{action}\""))
}

#[tokio::test]
async fn a_publisher_gets_the_channel_that_the_authoriser_names_and_its_end_is_told() {
    let mut authority = Authority::start(|body| {
        let known = body.contains(r#""key":"ana","arguments":"token=7""#);
        Some(if known {
            (200, "", r#"{"channel":"demo"}"#)
        } else {
            (403, "", "")
        })
    })
    .await;
    let show = Show::start_asking(asking(&authority, Form::Fanwave)).await;
    let mut publisher = Publisher::connect(show.rtmp(), "ana?token=7")
        .await
        .unwrap();
    let asked = authority.asked().await;
    assert!(is_about(&asked.body, "publish"), "{}", asked.body);
    assert!(
        asked.body.contains(r#""protocol":"rtmp""#)
            && asked.body.contains(r#""address":"127.0.0.1""#)
    );
    assert_eq!(asked.content_type, "application/json");
    assert!(
        asked.signature.starts_with("t=") && asked.signature.contains(",v1="),
        "{}",
        asked.signature
    );
    publisher.send_until(2_200).await;
    show.until(|status| status.live).await;
    publisher.vanish();
    let told = authority.asked().await;
    assert!(is_about(&told.body, "done"), "{}", told.body);
    assert!(
        Publisher::connect(show.rtmp(), "ana?token=8")
            .await
            .is_err()
    );
    assert_eq!(
        show.origin
            .shared
            .metrics
            .refused_count(Refusal::Authoriser),
        1
    );
}

#[tokio::test]
async fn a_stream_key_is_enough_unless_everybody_is_asked_about() {
    let mut authority = Authority::start(|_| Some((403, "", ""))).await;
    let config = asking(&authority, Form::Fanwave);
    let show = Show::start_asking(config.clone()).await;
    let publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.vanish();
    show.until(|status| status.publisher == PublisherStatus::Absent)
        .await;
    assert!(authority.was_left_alone());

    let everybody = AuthoriserConfig {
        stream_keys: StreamKeys::Asked,
        ..config
    };
    let show = Show::start_asking(everybody).await;
    assert!(Publisher::connect(show.rtmp(), KEY).await.is_err());
    assert!(authority.asked().await.body.contains(KEY));
}

#[tokio::test]
async fn a_yes_without_a_channel_means_the_channel_of_the_key_or_of_the_name() {
    let mut authority = Authority::start(|_| Some((200, "", ""))).await;
    let everybody = AuthoriserConfig {
        stream_keys: StreamKeys::Asked,
        ..asking(&authority, Form::NginxRtmp)
    };
    let show = Show::start_asking(everybody).await;
    let by_key = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    show.until(|status| status.publisher == PublisherStatus::Connected)
        .await;
    assert!(
        authority
            .asked()
            .await
            .body
            .contains("&call=publish&name=demo-key-1234&type=live")
    );
    by_key.vanish();
    assert!(
        authority
            .asked()
            .await
            .body
            .contains("&call=publish_done&name=demo-key-1234")
    );
    show.until(|status| status.publisher == PublisherStatus::Absent)
        .await;
    let _by_name = Publisher::connect(show.rtmp(), "demo?user=ana")
        .await
        .unwrap();
    show.until(|status| status.publisher == PublisherStatus::Connected)
        .await;
    let asked = authority.asked().await;
    assert_eq!(asked.content_type, "application/x-www-form-urlencoded");
    assert!(
        asked
            .body
            .ends_with("&call=publish&name=demo&type=live&user=ana"),
        "{}",
        asked.body
    );
    assert!(
        asked
            .body
            .contains(&format!("&tcurl=rtmp://{}/live&", show.rtmp())),
        "{}",
        asked.body
    );
    // A name that is no channel: the yes is of no use, and is given back.
    let nowhere = Publisher::connect(show.rtmp(), "nowhere")
        .await
        .err()
        .unwrap();
    assert_eq!(
        nowhere.to_string(),
        "RTMP publication refused: NetStream.Publish.BadName"
    );
    assert!(
        authority
            .asked()
            .await
            .body
            .contains("&call=publish&name=nowhere")
    );
    assert!(
        authority
            .asked()
            .await
            .body
            .contains("&call=publish_done&name=nowhere")
    );
}

#[tokio::test]
async fn a_redirect_names_the_channel() {
    let authority = Authority::start(|_| Some((302, "demo", ""))).await;
    let show = Show::start_asking(asking(&authority, Form::NginxRtmp)).await;
    let _publisher = Publisher::connect(show.rtmp(), "whatever").await.unwrap();
    show.until(|status| status.publisher == PublisherStatus::Connected)
        .await;
}

#[tokio::test]
async fn an_encoder_is_told_in_the_authorisers_words() {
    let authority =
        Authority::start(|_| Some((403, "", r#"{"reason":"Doors open at eight."}"#))).await;
    let show = Show::start_asking(asking(&authority, Form::Fanwave)).await;
    let said = said_by_ffmpeg(&show, "ana").await;
    assert!(said.contains("Doors open at eight."), "{said}");
}

#[tokio::test]
async fn nobody_is_let_in_while_the_authoriser_says_nothing() {
    let silent = Authority::start(|_| None).await;
    let hasty = AuthoriserConfig {
        timeout: Duration::from_millis(50),
        ..asking(&silent, Form::Fanwave)
    };
    let show = Show::start_asking(hasty).await;
    let refused = Publisher::connect(show.rtmp(), "ana").await.err().unwrap();
    assert_eq!(
        refused.to_string(),
        "RTMP publication refused: NetStream.Publish.Failed"
    );
    assert_eq!(
        show.origin.shared.metrics.refused_count(Refusal::Unasked),
        1
    );
    // Whoever has a key does not need it.
    assert!(Publisher::connect(show.rtmp(), KEY).await.is_ok());

    // The time for coming in is one, whatever it is spent on.
    let patience = Patience {
        before_publish: Duration::from_millis(200),
        ..Patience::default()
    };
    let show = Show::start_with_authoriser(Some(asking(&silent, Form::Fanwave)), patience).await;
    let refused = timeout(DEADLINE, Publisher::connect(show.rtmp(), "ana")).await;
    assert!(refused.expect("an answer in time").is_err());

    let broken = Authority::start(|_| Some((503, "", ""))).await;
    let show = Show::start_asking(asking(&broken, Form::Fanwave)).await;
    let said = said_by_ffmpeg(&show, "ana").await;
    assert!(said.contains("cannot be checked now: try again"), "{said}");
}

#[tokio::test]
async fn a_word_that_is_taken_back_ends_the_publisher() {
    let revoked = Arc::new(AtomicBool::new(false));
    let taken_back = Arc::clone(&revoked);
    let mut authority = Authority::start(move |body| {
        Some(
            if taken_back.load(Ordering::SeqCst) && is_about(body, "update") {
                (403, "", r#"{"reason":"Time is up."}"#)
            } else {
                (200, "", r#"{"channel":"demo"}"#)
            },
        )
    })
    .await;
    let config = AuthoriserConfig {
        recheck: Some(Duration::from_millis(20)),
        ..asking(&authority, Form::Fanwave)
    };
    let show = Show::start_asking(config).await;
    let mut publisher = Publisher::connect(show.rtmp(), "ana").await.unwrap();
    publisher.send_until(2_200).await;
    show.until(|status| status.live).await;
    assert!(is_about(&authority.asked().await.body, "publish"));
    assert!(is_about(&authority.asked().await.body, "update"));
    revoked.store(true, Ordering::SeqCst);
    let end = publisher.until_dismissed().await;
    assert!(
        !matches!(end, ClientError::Disconnected),
        "it is told why: {end}"
    );
    loop {
        let asked = authority.asked().await;
        if is_about(&asked.body, "done") {
            break;
        }
        assert!(is_about(&asked.body, "update"), "{}", asked.body);
    }
}

#[tokio::test]
async fn a_yes_for_a_channel_that_is_taken_is_given_back() {
    let mut authority = Authority::start(|_| Some((200, "", r#"{"channel":"demo"}"#))).await;
    let show = Show::start_asking(asking(&authority, Form::Fanwave)).await;
    let _first = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    let refused = Publisher::connect(show.rtmp(), "ana").await.err().unwrap();
    assert_eq!(
        refused.to_string(),
        "RTMP publication refused: NetStream.Publish.BadName"
    );
    assert!(is_about(&authority.asked().await.body, "publish"));
    assert!(is_about(&authority.asked().await.body, "done"));
}
