//! What whoever runs the shows is told of them.

use std::time::Duration;

use fanwave_vault::Vault;
use prometheus_client::registry::Registry;
use tokio::{sync::broadcast::Receiver, time::timeout};

use super::{DEADLINE, KEY, Show, publisher::Publisher};
use crate::{
    ArchiveConfig, LadderConfig, News, PublisherStatus, RecordingConfig, RungConfig, ShownInstead,
    Takeover, What, limits::NEWS_BURST, shared::Patience,
};

/// The next news of `demo`.
pub(super) async fn next(news: &mut Receiver<News>) -> What {
    let next = timeout(DEADLINE, news.recv()).await;
    let next = next.expect("news in time").expect("the origin runs");
    assert_eq!(next.channel.as_str(), "demo");
    next.what
}

/// The news until the wanted one, which is the last of them.
pub(super) async fn until(news: &mut Receiver<News>, wanted: impl Fn(&What) -> bool) -> Vec<What> {
    let mut all = Vec::new();
    loop {
        all.push(next(news).await);
        if all.last().is_some_and(&wanted) {
            return all;
        }
    }
}

const STARTED: What = What::PublishStarted { standby: false };
const STOPPED: What = What::PublishStopped { standby: false };

#[tokio::test]
async fn an_encoder_that_comes_goes_and_returns_is_told_of() {
    let show = Show::start_with(DEADLINE, Patience::default()).await;
    let mut news = show.origin.listen();
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(4_400).await;
    let told = until(&mut news, |what| *what == What::ShowLive).await;
    assert_eq!(told, [STARTED, What::ShowLive]);
    publisher.vanish();
    let told = until(&mut news, |what| *what == What::EncoderLost).await;
    assert_eq!(told, [STOPPED, What::EncoderLost]);
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(2_400).await;
    let told = until(&mut news, |what| *what == What::EncoderBack).await;
    assert_eq!(told, [STARTED, What::EncoderBack]);
    // Timestamps that leap.
    publisher.skip_to(10_000);
    publisher.send_for(2_400).await;
    assert_eq!(next(&mut news).await, What::TimestampJump);
    publisher.vanish();
    let told = until(&mut news, |what| *what == What::EncoderLost).await;
    assert_eq!(told, [STOPPED, What::EncoderLost]);
    // When all has been told, whoever listens hears that.
    show.origin.shutdown().await;
    while let Ok(news) = news.recv().await {
        assert!(news.number > 8, "{news:?}");
    }
}

#[tokio::test]
async fn a_show_that_is_over_is_told_of_and_so_is_its_recording() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::in_folder(folder.path()).unwrap();
    let show = Show::start_so(&mut Registry::default(), Patience::default(), |config| {
        config.reconnect_window = Duration::from_millis(50);
        config.archive = Some(ArchiveConfig {
            vault,
            window: None,
            recording: RecordingConfig {
                channels: ["demo".parse().unwrap()].into(),
                ..RecordingConfig::default()
            },
        });
    })
    .await;
    let mut news = show.origin.listen();
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(4_400).await;
    show.until(|status| status.live).await;
    publisher.vanish();
    let is_ready = |what: &What| matches!(what, What::RecordingReady { .. });
    let told = until(&mut news, is_ready).await;
    assert!(told.contains(&What::ShowEnded), "{told:?}");
    let Some(What::RecordingReady { recording }) = told.last() else {
        panic!("{told:?}");
    };
    let recorded = show.origin.recording(recording).expect("it is there");
    assert!(recorded.ended);
    assert!(news.try_recv().is_err(), "it is told of once");
}

#[tokio::test]
async fn a_second_encoder_that_takes_over_is_told_of() {
    let show = Show::start_taking_over(Takeover::Replace, Patience::default()).await;
    let mut news = show.origin.listen();
    let mut first = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    first.send_until(4_400).await;
    show.until(|status| status.live).await;
    let _second = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    let is_over = |what: &What| matches!(what, What::PublishStopped { .. });
    let told = until(&mut news, is_over).await;
    assert_eq!(
        told,
        [
            STARTED,
            What::ShowLive,
            What::Takeover(ShownInstead::Replaced),
            STARTED,
            What::PublishStopped { standby: true },
        ]
    );
    first.until_dismissed().await;

    let show = Show::start_taking_over(Takeover::Backup, Patience::default()).await;
    let mut news = show.origin.listen();
    let main = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    show.until(|status| status.publisher == PublisherStatus::Connected)
        .await;
    let _backup = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    show.until(|status| status.standby).await;
    let channel = "demo".parse().unwrap();
    let from = |encoder: crate::Publisher| (encoder.protocol, encoder.address);
    let here = ("rtmp", std::net::Ipv4Addr::LOCALHOST.into());
    let (shown, standby) = show.origin.publishers(&channel);
    assert_eq!(
        (shown.map(from), standby.map(from)),
        (Some(here), Some(here))
    );
    main.vanish();
    let gone = What::Takeover(ShownInstead::Gone);
    let told = until(&mut news, |what| *what == gone).await;
    let standby = What::PublishStarted { standby: true };
    assert_eq!(told, [STARTED, standby, STOPPED, gone]);
    let (shown, standby) = show.origin.publishers(&channel);
    assert_eq!((shown.map(from), standby.map(from)), (Some(here), None));
}

#[tokio::test]
async fn an_encoder_that_flaps_floods_nobody() {
    let show = Show::start_with(DEADLINE, Patience::default()).await;
    let mut news = show.origin.listen();
    for _ in 0..10 * NEWS_BURST {
        let publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
        publisher.vanish();
        show.until(|status| status.publisher == PublisherStatus::Absent)
            .await;
    }
    let mut told = 0;
    while news.try_recv().is_ok() {
        told += 1;
    }
    assert_eq!(told, NEWS_BURST);
}

#[tokio::test]
async fn a_rung_without_an_encoder_is_told_of() {
    let ladder = LadderConfig {
        rungs: vec![RungConfig {
            lines: 240,
            kilobits: 400,
        }],
        rungs_max: 1,
        program: "/nowhere/ffmpeg".into(),
        ..LadderConfig::default()
    };
    let show = Show::start_ladder(ladder, DEADLINE, Patience::default()).await;
    let mut news = show.origin.listen();
    let mut publisher = Publisher::connect(show.rtmp(), KEY).await.unwrap();
    publisher.send_until(2_400).await;
    let is_rung = |what: &What| matches!(what, What::RungFailed { .. });
    let told = until(&mut news, is_rung).await;
    let Some(What::RungFailed { rung, reason }) = told.last() else {
        panic!("{told:?}");
    };
    assert_eq!((rung.as_str(), *reason), ("240p", "start"));
}
