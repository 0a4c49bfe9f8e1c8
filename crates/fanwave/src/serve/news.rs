//! What happens to the shows, in the form in which it is told to the operator: by the webhook, and to whoever follows a channel.

use fanwave_origin::{News, Origin, ShownInstead, What};
use futures_util::{StreamExt, stream, stream::BoxStream};
use serde_json::{Value, json};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    task::JoinHandle,
};

use crate::webhook::{Event, Webhook};

/// What this process calls its events by, so that an id is never given twice.
#[derive(Debug, Clone)]
pub(super) struct Run(String);

impl Run {
    pub(super) fn new() -> Self {
        let random = getrandom::u64().unwrap_or_else(|_| crate::clock::now().0);
        Self(format!("{random:016x}"))
    }

    fn event(&self, news: News) -> Event {
        let (kind, data) = told(&news.what);
        Event {
            id: format!("{}-{}", self.0, news.number),
            kind,
            at: news.at,
            number: news.number,
            channel: Some(news.channel),
            withheld: news.withheld,
            data,
        }
    }
}

/// What happened, by its name and with what there is to say of it (`docs/webhooks.md`).
fn told(what: &What) -> (&'static str, Value) {
    match what {
        What::ShowLive => ("show.live", json!({})),
        What::ShowEnded => ("show.ended", json!({})),
        What::PublishStarted { standby } => ("publish.started", json!({"standby": standby})),
        What::PublishStopped { standby } => ("publish.stopped", json!({"standby": standby})),
        What::Takeover(why) => {
            let reason = match why {
                ShownInstead::Replaced => "replaced",
                ShownInstead::Silent => "silent",
                ShownInstead::Gone => "gone",
                ShownInstead::Recovered => "recovered",
            };
            ("publish.takeover", json!({"reason": reason}))
        }
        What::EncoderLost => ("encoder.lost", json!({})),
        What::EncoderBack => ("encoder.back", json!({})),
        What::Starving => ("encoder.starving", json!({})),
        What::Recovered => ("encoder.recovered", json!({})),
        What::TimestampJump => ("encoder.timestamp_jump", json!({})),
        What::PicturesDropped { pictures } => {
            ("encoder.pictures_dropped", json!({"pictures": pictures}))
        }
        What::RungFailed { rung, reason } => {
            let data = json!({"rung": rung.as_str(), "reason": reason});
            ("rung.failed", data)
        }
        What::RungBack { rung } => ("rung.back", json!({"rung": rung.as_str()})),
        What::RecordingReady { recording } => {
            ("recording.ready", json!({"recording": recording.as_ref()}))
        }
    }
}

/// Tells the webhook of all that happens. Dropping it ends that at once.
#[derive(Debug)]
pub(super) struct Reporter(JoinHandle<()>);

impl Reporter {
    /// Has to be called within a tokio runtime.
    pub(super) fn start(origin: &Origin, run: Run, webhook: Webhook) -> Self {
        Self(tokio::spawn(report(origin.listen(), run, webhook)))
    }

    /// Returns when the last has been told, or cannot be; the origin has to be shut down before.
    pub(super) async fn finish(mut self) {
        if let Err(error) = (&mut self.0).await {
            tracing::warn!(%error, "the last events were not told");
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn report(mut news: Receiver<News>, run: Run, webhook: Webhook) {
    loop {
        match news.recv().await {
            Ok(news) => webhook.tell(&run.event(news)),
            Err(RecvError::Lagged(events)) => webhook.missed(events),
            Err(RecvError::Closed) => break,
        }
    }
    webhook.shutdown().await;
}

/// What happens from now on, until the origin has shut down. Whoever takes too little misses the oldest, as the numbers tell.
pub(super) fn all(origin: &Origin, run: Run) -> BoxStream<'static, Event> {
    let news = stream::unfold(origin.listen(), async |mut news| {
        loop {
            match news.recv().await {
                Ok(one) => return Some((one, news)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    news.map(move |news| run.event(news)).boxed()
}

/// The same of one channel.
pub(super) fn follow(
    origin: &Origin,
    run: Run,
    channel: fanwave_wire::RoomId,
) -> BoxStream<'static, fanwave_api::Told> {
    all(origin, run)
        .filter(move |event| std::future::ready(event.channel.as_ref() == Some(&channel)))
        .map(|event| fanwave_api::Told {
            id: event.id.clone(),
            kind: event.kind,
            body: String::from_utf8_lossy(&event.body()).into_owned(),
        })
        .boxed()
}

#[cfg(test)]
mod tests {
    use fanwave_wire::UnixMillis;

    use super::*;

    #[test]
    fn an_event_is_named_by_its_process_and_number() {
        let run = Run("00c0ffee".to_owned());
        let news = |number, what| News {
            number,
            at: UnixMillis(1_795_000_000_000),
            channel: "demo".parse().unwrap(),
            what,
            withheld: 3,
        };
        let what = What::RungFailed {
            rung: "audio-aac".parse().unwrap(),
            reason: "crash",
        };
        let told: Value = serde_json::from_slice(&run.event(news(17, what)).body()).unwrap();
        assert_eq!(
            told,
            json!({
                "id": "00c0ffee-17", "type": "rung.failed", "at": 1_795_000_000_000_u64, "number": 17,
                "channel": "demo", "withheld": 3, "data": {"rung": "audio-aac", "reason": "crash"},
            })
        );
        assert_ne!(Run::new().0, Run::new().0);
    }
}
