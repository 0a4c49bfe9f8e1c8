//! Sends what waits for webhooks: to each in order, one at a time, by one server at a time.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use fanwave_store::catalogue::{
    Catalogue, CatalogueError, Concluded, Delivery, DeliveryState, Webhook,
};
use hyper::Uri;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{
    Config, TURN,
    lease::Holder,
    metrics::Metrics,
    millis, now, stopped,
    verdict::{Answered, Fate, judge},
};
use crate::{
    fetch::FetchError,
    webhook::{Letter, Missed},
};

/// What a server keeps beyond the time of an attempt before another may send to the same webhook.
const LEASE_SPARE: Duration = Duration::from_secs(10);

/// Webhooks of which is remembered that they fail: twice as many as there can be.
const FAILING_MAX: usize = 64;

/// See the module.
pub(super) struct Postman {
    round: Arc<Round>,
    rounds: JoinSet<String>,
    /// The webhooks that are being sent to: one task each.
    under_way: BTreeSet<String>,
    failing: bool,
}

impl Postman {
    pub(super) fn new(config: Config, holder: Holder, metrics: Metrics) -> Self {
        let round = Round {
            config,
            holder,
            metrics,
            failing: Mutex::default(),
        };
        Self {
            round: Arc::new(round),
            rounds: JoinSet::new(),
            under_way: BTreeSet::new(),
            failing: false,
        }
    }

    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut turns = interval(TURN);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stopping = stop.clone();
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                Some(ended) = self.rounds.join_next() => self.ended(ended.ok()),
                _ = turns.tick() => self.turn(&stopping).await,
            }
        }
        while self.rounds.join_next().await.is_some() {}
    }

    fn ended(&mut self, webhook: Option<String>) {
        match webhook {
            Some(webhook) => drop(self.under_way.remove(&webhook)),
            // One that panicked has not said which it was: those that go on are not begun again, thanks to their leases.
            None => self.under_way.clear(),
        }
    }

    async fn turn(&mut self, stopping: &watch::Receiver<bool>) {
        let due = self.round.config.catalogue.webhooks_due(now()).await;
        let due = match due {
            Ok(due) => due,
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "nothing is sent to webhooks: it waits");
                }
                return;
            }
        };
        self.failing = false;
        for webhook in due {
            if self.under_way.insert(webhook.id.clone()) {
                let (round, stopping) = (Arc::clone(&self.round), stopping.clone());
                self.rounds
                    .spawn(async move { round.send_all(webhook.id, &stopping).await });
            }
        }
    }
}

/// What sends to one webhook share.
struct Round {
    config: Config,
    holder: Holder,
    metrics: Metrics,
    /// The webhooks of which was said that they do not answer as they should.
    failing: Mutex<BTreeSet<String>>,
}

impl Round {
    /// Sends what waits for a webhook until nothing does, or it is to be sent later. Says which it was.
    async fn send_all(&self, webhook: String, stopping: &watch::Receiver<bool>) -> String {
        let work = format!("webhook:{webhook}");
        let span = self.config.timeout.saturating_add(LEASE_SPARE);
        while !*stopping.borrow() && self.holder.take(&work, span).await {
            match self.send_next(&webhook).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::debug!(%error, webhook, "what a webhook is told waits");
                    break;
                }
            }
        }
        self.holder.end(&work).await;
        webhook
    }

    /// Sends what has waited longest. False if the next is not to be sent now.
    async fn send_next(&self, id: &str) -> Result<bool, CatalogueError> {
        let catalogue: &Catalogue = &self.config.catalogue;
        let Some(webhook) = catalogue.webhook(id).await? else {
            return Ok(false);
        };
        if !webhook.enabled || webhook.due_at > now() {
            return Ok(false);
        }
        let Some(delivery) = catalogue.next_delivery(id).await? else {
            return Ok(false);
        };
        let (answered, error) = self.post(&webhook, &delivery).await;
        let attempt = u32::try_from(delivery.attempts.saturating_add(1)).unwrap_or(u32::MAX);
        let failures = u32::try_from(webhook.failures).unwrap_or(u32::MAX);
        let random = getrandom::u64().unwrap_or_default();
        let verdict = judge(answered, (attempt, self.config.attempts), failures, random);
        self.metrics.tried(verdict.fate);
        self.tell(id, verdict.failures, error.as_deref());
        let at = now();
        let concluded = Concluded {
            state: match verdict.fate {
                Fate::Taken => DeliveryState::Taken,
                Fate::Again => DeliveryState::Waiting,
                Fate::Dead => DeliveryState::Dead,
            },
            status: match answered {
                Answered::With(status) => Some(i64::from(status)),
                Answered::Not | Answered::Forbidden => None,
            },
            error,
            at,
            due_at: match verdict.pause {
                Duration::ZERO => 0,
                pause => at.saturating_add(millis(pause)),
            },
            failures: i64::from(verdict.failures),
        };
        catalogue.conclude(&delivery, &concluded).await?;
        Ok(verdict.pause.is_zero())
    }

    /// Sends something once.
    async fn post(&self, webhook: &Webhook, delivery: &Delivery) -> (Answered, Option<String>) {
        let Ok(url) = webhook.url.parse::<Uri>() else {
            return (Answered::Forbidden, Some("the address is none".to_owned()));
        };
        let secret = fanwave_api::webhooks::secret(&self.config.key, webhook);
        let secret = fanwave_origin::Secret::new(&secret);
        let letter = Letter {
            url: &url,
            secret: Some(&secret),
            wait: self.config.timeout,
            outgoing: Some(&self.config.outgoing),
        };
        match letter.post(Bytes::from(delivery.body.clone())).await {
            Ok(status) => (Answered::With(status), None),
            Err(missed @ Missed::Fetch(FetchError::Forbidden(_))) => {
                (Answered::Forbidden, Some(missed.to_string()))
            }
            Err(missed) => (Answered::Not, Some(missed.to_string())),
        }
    }

    /// Says in the log when a webhook begins to fail, and when it takes events again.
    fn tell(&self, webhook: &str, failures: u32, why: Option<&str>) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failures == 0 {
            if failing.remove(webhook) {
                tracing::info!(webhook, "a webhook takes events again");
            }
            return;
        }
        // Those that were removed meanwhile are not known here.
        if failing.len() >= FAILING_MAX {
            failing.clear();
        }
        if failing.insert(webhook.to_owned()) {
            let why = why.unwrap_or("another answer than 2xx");
            tracing::warn!(webhook, why, "a webhook does not take events: they wait");
        }
    }
}
