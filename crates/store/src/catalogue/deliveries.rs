//! What webhooks are told: waiting, taken or dead, until it is forgotten.

use std::fmt;

use super::{
    Catalogue, CatalogueError, Entry,
    audit::note,
    database::{change, with},
    limits::{DELIVERIES_KEPT_MAX, PAGE_MAX, REPLAYED_MAX},
};
use crate::row::row;

/// What is to become of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveryState {
    /// It is still to be sent.
    Waiting,
    /// The receiver has it.
    Taken,
    /// It was given up.
    Dead,
}

impl DeliveryState {
    const ALL: [Self; 3] = [Self::Waiting, Self::Taken, Self::Dead];

    /// As it is kept and told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Taken => "taken",
            Self::Dead => "dead",
        }
    }
}

/// An event for one webhook.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its own; later ones sort behind earlier ones.
    pub id: String,
    /// Who is told.
    pub webhook: String,
    /// Names the event: a webhook is told of it once.
    pub event: String,
    /// Which kind of event it is.
    pub kind: String,
    /// When it happened, milliseconds since 1970-01-01 UTC.
    pub at: i64,
    /// Whose name and words are in the body, if anybody's.
    pub about: Option<String>,
    /// What is sent.
    pub body: String,
    /// What is to become of it.
    pub state: DeliveryState,
    /// How often it was sent.
    pub attempts: i64,
    /// Since when it waits; the oldest is sent first.
    pub queued_at: i64,
    /// Since when it does not.
    pub ended_at: Option<i64>,
    /// How the receiver answered last, if it did.
    pub status: Option<i64>,
    /// Why it did not, or why nobody asked it.
    pub error: Option<String>,
}

// The body may have what a fan has said.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("id", &self.id)
            .field("webhook", &self.webhook)
            .field("event", &self.event)
            .field("kind", &self.kind)
            .field("state", &self.state)
            .field("attempts", &self.attempts)
            .field("status", &self.status)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

row! {
    struct Row {
        id: String,
        webhook_id: String,
        event_id: String,
        kind: String,
        at: i64,
        about: Option<String>,
        body: String,
        state: String,
        attempts: i64,
        queued_at: i64,
        ended_at: Option<i64>,
        status: Option<i64>,
        error: Option<String>,
    }
}

impl From<Row> for Delivery {
    fn from(row: Row) -> Self {
        let state = DeliveryState::ALL
            .into_iter()
            .find(|state| state.name() == row.state);
        Self {
            id: row.id,
            webhook: row.webhook_id,
            event: row.event_id,
            kind: row.kind,
            at: row.at,
            about: row.about,
            body: row.body,
            // One of a newer release is not to be sent by this one.
            state: state.unwrap_or(DeliveryState::Dead),
            attempts: row.attempts,
            queued_at: row.queued_at,
            ended_at: row.ended_at,
            status: row.status,
            error: row.error,
        }
    }
}

/// How far the events of a lane were taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Of which run of offsets.
    pub epoch: String,
    /// The last that was.
    pub read_to: i64,
}

/// A lane's cursor that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// Of which lane.
    pub lane: String,
    /// Where it stood, as it was read; `None` where there was none.
    pub from: Option<Cursor>,
    /// Where it stands then.
    pub to: Cursor,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concluded {
    /// What is to become of the delivery.
    pub state: DeliveryState,
    /// How the receiver answered, if it did.
    pub status: Option<i64>,
    /// Why it did not, or why nobody asked it.
    pub error: Option<String>,
    /// When.
    pub at: i64,
    /// When the webhook is sent something next at the earliest.
    pub due_at: i64,
    /// How often it has failed in a row.
    pub failures: i64,
}

/// Which deliveries are sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Those that are dead, or those that were taken.
    pub state: DeliveryState,
    /// Of events that happened from here.
    pub from: i64,
    /// Up to here, inclusive.
    pub to: i64,
}

/// What is kept of an event's error, characters.
const ERROR_CHARS_MAX: usize = 200;

const ADD: &str = "INSERT INTO deliveries (id, webhook_id, event_id, kind, at, about, body, state, attempts, queued_at) \
     SELECT $1, id, $3, $4, $5, $6, $7, 'waiting', 0, $8 FROM webhooks WHERE id = $2 \
     ON CONFLICT (webhook_id, event_id) DO NOTHING";

static NOWHERE: Cursor = Cursor {
    epoch: String::new(),
    read_to: -1,
};

const MOVE: &str = "INSERT INTO cursors (lane, epoch, read_to) VALUES ($1, $2, $3) ON CONFLICT (lane) DO UPDATE \
     SET epoch = $2, read_to = $3 WHERE cursors.epoch = $4 AND cursors.read_to = $5";

/// Where too many wait, the oldest are given up: what happened last matters most.
const CROWD: &str = "UPDATE deliveries SET state = 'dead', error = 'too many waited', ended_at = $3 \
     WHERE webhook_id = $1 AND state = 'waiting' AND id IN (SELECT id FROM deliveries \
     WHERE webhook_id = $1 AND state = 'waiting' ORDER BY queued_at DESC, id DESC LIMIT $4 OFFSET $2)";

const FORGET: &str = "DELETE FROM deliveries WHERE webhook_id = $1 AND state = $4 AND id IN (SELECT id FROM deliveries \
     WHERE webhook_id = $1 AND state = $4 ORDER BY queued_at DESC, id DESC LIMIT $3 OFFSET $2)";

const AGAIN: &str = "UPDATE webhooks SET due_at = 0, failures = 0 WHERE id = $1";

impl Catalogue {
    /// Takes events over: each of these deliveries waits from now on, but for those of an event that its webhook has already, and the
    /// cursor goes on, all of it or nothing. False if somebody else has moved the cursor: then nothing is done.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn spread(
        &self,
        advance: Option<&Advance>,
        deliveries: &[Delivery],
        now: i64,
    ) -> Result<bool, CatalogueError> {
        let mut webhooks: Vec<&str> = deliveries.iter().map(|one| &*one.webhook).collect();
        webhooks.sort_unstable();
        webhooks.dedup();
        let kept = i64::from(DELIVERIES_KEPT_MAX);
        change!(self, |change| {
            let moved = match advance {
                None => 1,
                Some(advance) => {
                    // No cursor stands before the first offset: where there was none, none is found.
                    let from = advance.from.as_ref().unwrap_or(&NOWHERE);
                    sqlx::query(MOVE)
                        .bind(&advance.lane)
                        .bind(&advance.to.epoch)
                        .bind(advance.to.read_to)
                        .bind(&from.epoch)
                        .bind(from.read_to)
                        .execute(&mut *change)
                        .await?
                        .rows_affected()
                }
            };
            if moved == 0 {
                Err(false)
            } else {
                for one in deliveries {
                    sqlx::query(ADD)
                        .bind(&one.id)
                        .bind(&one.webhook)
                        .bind(&one.event)
                        .bind(&one.kind)
                        .bind(one.at)
                        .bind(&one.about)
                        .bind(&one.body)
                        .bind(one.queued_at)
                        .execute(&mut *change)
                        .await?;
                }
                for webhook in &webhooks {
                    sqlx::query(CROWD)
                        .bind(*webhook)
                        .bind(kept)
                        .bind(now)
                        .bind(kept)
                        .execute(&mut *change)
                        .await?;
                    for state in [DeliveryState::Taken, DeliveryState::Dead] {
                        sqlx::query(FORGET)
                            .bind(*webhook)
                            .bind(kept)
                            .bind(kept)
                            .bind(state.name())
                            .execute(&mut *change)
                            .await?;
                    }
                }
                Ok(true)
            }
        })
    }

    /// How far the events of a lane were taken over.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn cursor(&self, lane: &str) -> Result<Option<Cursor>, CatalogueError> {
        let found: Option<(String, i64)> = with!(self, |pool| {
            sqlx::query_as("SELECT epoch, read_to FROM cursors WHERE lane = $1")
                .bind(lane)
                .fetch_optional(pool)
                .await?
        })?;
        Ok(found.map(|(epoch, read_to)| Cursor { epoch, read_to }))
    }

    /// What has waited longest for a webhook.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn next_delivery(&self, webhook: &str) -> Result<Option<Delivery>, CatalogueError> {
        let found: Option<Row> = with!(self, |pool| {
            sqlx::query_as(
                "SELECT * FROM deliveries WHERE webhook_id = $1 AND state = 'waiting' ORDER BY queued_at, id LIMIT 1",
            )
            .bind(webhook)
            .fetch_optional(pool)
            .await?
        })?;
        Ok(found.map(Delivery::from))
    }

    /// Notes how an attempt to send a delivery has ended.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn conclude(
        &self,
        delivery: &Delivery,
        concluded: &Concluded,
    ) -> Result<(), CatalogueError> {
        let error = concluded.error.as_ref();
        let error: Option<String> =
            error.map(|error| error.chars().take(ERROR_CHARS_MAX).collect());
        let ended = (concluded.state != DeliveryState::Waiting).then_some(concluded.at);
        change!(self, |change| {
            // What was sent again meanwhile by somebody's wish stays to be sent.
            sqlx::query(
                "UPDATE deliveries SET attempts = attempts + 1, state = $2, status = $3, error = $4, ended_at = $5 \
                 WHERE id = $1 AND queued_at = $6",
            )
            .bind(&delivery.id)
            .bind(concluded.state.name())
            .bind(concluded.status)
            .bind(&error)
            .bind(ended)
            .bind(delivery.queued_at)
            .execute(&mut *change)
            .await?;
            sqlx::query("UPDATE webhooks SET due_at = $2, failures = $3 WHERE id = $1")
                .bind(&delivery.webhook)
                .bind(concluded.due_at)
                .bind(concluded.failures)
                .execute(&mut *change)
                .await?;
            Ok::<(), ()>(())
        })
    }

    /// Deliveries of a webhook, newest first, before one of them; from the newest without one. At most [`PAGE_MAX`].
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn deliveries_before(
        &self,
        (webhook, state): (&str, Option<DeliveryState>),
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Delivery>, CatalogueError> {
        let limit = i64::from(limit.min(PAGE_MAX));
        let state = state.map(DeliveryState::name);
        let found: Vec<Row> = with!(self, |pool| {
            // No id sorts behind a tilde.
            sqlx::query_as(
                "SELECT * FROM deliveries WHERE webhook_id = $1 AND state = COALESCE($2, state) AND id < $3 \
                 ORDER BY id DESC LIMIT $4",
            )
            .bind(webhook)
            .bind(state)
            .bind(before.unwrap_or("~"))
            .bind(limit)
            .fetch_all(pool)
            .await?
        })?;
        Ok(found.into_iter().map(Delivery::from).collect())
    }

    /// Has a delivery of a webhook sent again, once more as often as it takes. False if there is none.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn replay(
        &self,
        (webhook, delivery): (&str, &str),
        now: i64,
        entry: &Entry,
    ) -> Result<bool, CatalogueError> {
        change!(self, |change| {
            let found = sqlx::query(
                "UPDATE deliveries SET state = 'waiting', attempts = 0, queued_at = $3, ended_at = NULL, status = NULL, \
                 error = NULL WHERE webhook_id = $1 AND id = $2",
            )
            .bind(webhook)
            .bind(delivery)
            .bind(now)
            .execute(&mut *change)
            .await?
            .rows_affected();
            if found == 0 {
                Err(false)
            } else {
                sqlx::query(AGAIN)
                    .bind(webhook)
                    .execute(&mut *change)
                    .await?;
                note!(change, entry);
                Ok(true)
            }
        })
    }

    /// Has a stretch of a webhook's deliveries sent again, the oldest [`REPLAYED_MAX`] of it, in their order. Says how many.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn replay_stretch(
        &self,
        webhook: &str,
        stretch: Stretch,
        now: i64,
        entry: &Entry,
    ) -> Result<u64, CatalogueError> {
        change!(self, |change| {
            let found = sqlx::query(
                "UPDATE deliveries SET state = 'waiting', attempts = 0, queued_at = $5, ended_at = NULL, status = NULL, \
                 error = NULL WHERE id IN (SELECT id FROM deliveries WHERE webhook_id = $1 AND state = $2 \
                 AND at >= $3 AND at <= $4 ORDER BY id LIMIT $6)",
            )
            .bind(webhook)
            .bind(stretch.state.name())
            .bind(stretch.from)
            .bind(stretch.to)
            .bind(now)
            .bind(i64::from(REPLAYED_MAX))
            .execute(&mut *change)
            .await?
            .rows_affected();
            sqlx::query(AGAIN)
                .bind(webhook)
                .execute(&mut *change)
                .await?;
            note!(change, entry);
            Ok::<u64, u64>(found)
        })
    }

    /// Forgets what webhooks were or are to be told about a person. Says how much.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn forget_deliveries(&self, about: &str) -> Result<u64, CatalogueError> {
        with!(self, |pool| {
            sqlx::query("DELETE FROM deliveries WHERE about = $1")
                .bind(about)
                .execute(pool)
                .await?
                .rows_affected()
        })
    }

    /// Forgets what was taken or given up before a time. Says how much.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn purge_deliveries(&self, before: i64) -> Result<u64, CatalogueError> {
        with!(self, |pool| {
            sqlx::query("DELETE FROM deliveries WHERE state <> 'waiting' AND ended_at < $1")
                .bind(before)
                .execute(pool)
                .await?
                .rows_affected()
        })
    }
}
