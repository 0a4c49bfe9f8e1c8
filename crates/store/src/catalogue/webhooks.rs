//! Webhooks: who is told what happens.

use std::fmt;

use super::{
    Catalogue, CatalogueError, Entry,
    audit::note,
    database::{change, with},
    limits::WEBHOOKS_MAX,
};

/// What a webhook's secret is derived with.
pub type Salt = [u8; 32];

/// Somebody who is told what happens.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Never given to another one.
    pub id: String,
    /// Where events are sent; it may hold a secret.
    pub url: String,
    /// Which kinds of events.
    pub kinds: Vec<String>,
    /// Of which channel; `None` for all.
    pub channel: Option<String>,
    /// Whether anything is sent.
    pub enabled: bool,
    /// What its secret is derived with.
    pub salt: Salt,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// How often it was changed; see [`WebhookChange::version`].
    pub version: i64,
    /// When something is sent to it next at the earliest.
    pub due_at: i64,
    /// How often it has failed in a row.
    pub failures: i64,
}

// The address may hold a secret, and the salt is half of one.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("id", &self.id)
            .field("kinds", &self.kinds)
            .field("enabled", &self.enabled)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Webhook {
    /// Whether it is told of an event of this kind and channel that happened at this time: nobody is told what was before them.
    #[must_use]
    pub fn wants(&self, kind: &str, channel: Option<&str>, at: i64) -> bool {
        self.enabled
            && at >= self.created_at
            && self.kinds.iter().any(|wanted| wanted == kind)
            && self
                .channel
                .as_deref()
                .is_none_or(|wanted| channel == Some(wanted))
    }
}

type Columns = (
    String,
    String,
    String,
    Option<String>,
    bool,
    Vec<u8>,
    i64,
    i64,
    i64,
    i64,
);

impl From<Columns> for Webhook {
    fn from(columns: Columns) -> Self {
        let (id, url, kinds, channel, enabled, salt, created_at, version, due_at, failures) =
            columns;
        Self {
            id,
            url,
            kinds: kinds.split_ascii_whitespace().map(str::to_owned).collect(),
            channel,
            enabled,
            // Another length was never written: a secret that nobody knows signs what is sent.
            salt: salt.try_into().unwrap_or_default(),
            created_at,
            version,
            due_at,
            failures,
        }
    }
}

/// What became of a webhook that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookAdded {
    /// It is there.
    New,
    /// There are [`WEBHOOKS_MAX`] already; nothing was done.
    Full,
}

/// Of which channel a webhook is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfChannel {
    /// Of every one.
    All,
    /// Of this one.
    Only(String),
}

impl OfChannel {
    /// Which one, if it is one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Only(id) => Some(id),
        }
    }
}

/// What is to be changed of a webhook; what is `None` stays as it is.
#[derive(Clone, Default)]
pub struct WebhookChange {
    /// The version that was read: what has changed since is not overwritten. `None`: whatever it is.
    pub version: Option<i64>,
    /// Another address.
    pub url: Option<String>,
    /// Other kinds of events.
    pub kinds: Option<Vec<String>>,
    /// Another channel, or all.
    pub channel: Option<OfChannel>,
    /// Whether anything is sent.
    pub enabled: Option<bool>,
    /// Another secret.
    pub salt: Option<Salt>,
}

impl fmt::Debug for WebhookChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookChange")
            .field("version", &self.version)
            .field("kinds", &self.kinds)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookChanged {
    /// It is made; this is the webhook now.
    Made(Box<Webhook>),
    /// It has another version than was said; nothing was done.
    Moved,
    /// There is no such webhook.
    Unknown,
}

const ALL: &str = "SELECT id, url, kinds, channel, enabled, salt, created_at, version, due_at, failures FROM webhooks \
     ORDER BY id LIMIT $1";
const BY_ID: &str = "SELECT id, url, kinds, channel, enabled, salt, created_at, version, due_at, failures FROM webhooks \
     WHERE id = $1";
const DUE: &str = "SELECT id, url, kinds, channel, enabled, salt, created_at, version, due_at, failures FROM webhooks \
     WHERE enabled = $1 AND due_at <= $2 \
     AND EXISTS (SELECT 1 FROM deliveries WHERE webhook_id = webhooks.id AND state = 'waiting') ORDER BY id LIMIT $3";

/// What is wrong with a receiver may be over when it has another address or is switched on: it is sent something at once.
const CHANGE: &str = "UPDATE webhooks SET url = COALESCE($2, url), kinds = COALESCE($3, kinds), \
     channel = CASE WHEN $4 THEN $5 ELSE channel END, enabled = COALESCE($6, enabled), salt = COALESCE($7, salt), \
     version = version + 1, due_at = 0, failures = 0 WHERE id = $1 AND version = COALESCE($8, version)";

/// As kinds are kept.
fn joined(kinds: &[String]) -> String {
    format!(" {} ", kinds.join(" "))
}

impl Catalogue {
    /// Adds a webhook, if there are fewer than [`WEBHOOKS_MAX`].
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn add_webhook(
        &self,
        webhook: &Webhook,
        entry: &Entry,
    ) -> Result<WebhookAdded, CatalogueError> {
        change!(self, |change| {
            let added = sqlx::query(
                "INSERT INTO webhooks (id, url, kinds, channel, enabled, salt, created_at, version, due_at, failures) \
                 SELECT $1, $2, $3, $4, $5, $6, $7, 1, 0, 0 WHERE (SELECT COUNT(*) FROM webhooks) < $8",
            )
            .bind(&webhook.id)
            .bind(&webhook.url)
            .bind(joined(&webhook.kinds))
            .bind(&webhook.channel)
            .bind(webhook.enabled)
            .bind(&webhook.salt[..])
            .bind(webhook.created_at)
            .bind(i64::from(WEBHOOKS_MAX))
            .execute(&mut *change)
            .await?
            .rows_affected();
            if added == 0 {
                Err(WebhookAdded::Full)
            } else {
                note!(change, entry);
                Ok(WebhookAdded::New)
            }
        })
    }

    /// All webhooks, in the order in which they were made; [`WEBHOOKS_MAX`] at most.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, CatalogueError> {
        let found: Vec<Columns> = with!(self, |pool| {
            sqlx::query_as(ALL)
                .bind(i64::from(WEBHOOKS_MAX))
                .fetch_all(pool)
                .await?
        })?;
        Ok(found.into_iter().map(Webhook::from).collect())
    }

    /// Those that something waits for, and that may be sent something now.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn webhooks_due(&self, now: i64) -> Result<Vec<Webhook>, CatalogueError> {
        let found: Vec<Columns> = with!(self, |pool| {
            sqlx::query_as(DUE)
                .bind(true)
                .bind(now)
                .bind(i64::from(WEBHOOKS_MAX))
                .fetch_all(pool)
                .await?
        })?;
        Ok(found.into_iter().map(Webhook::from).collect())
    }

    /// A webhook by its id.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn webhook(&self, id: &str) -> Result<Option<Webhook>, CatalogueError> {
        let found: Option<Columns> = with!(self, |pool| {
            sqlx::query_as(BY_ID).bind(id).fetch_optional(pool).await?
        })?;
        Ok(found.map(Webhook::from))
    }

    /// Changes a webhook.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn change_webhook(
        &self,
        id: &str,
        wanted: &WebhookChange,
        entry: &Entry,
    ) -> Result<WebhookChanged, CatalogueError> {
        let kinds = wanted.kinds.as_deref().map(joined);
        change!(self, |change| {
            let changed = sqlx::query(CHANGE)
                .bind(id)
                .bind(&wanted.url)
                .bind(&kinds)
                .bind(wanted.channel.is_some())
                .bind(wanted.channel.as_ref().and_then(OfChannel::id))
                .bind(wanted.enabled)
                .bind(wanted.salt.as_ref().map(|salt| &salt[..]))
                .bind(wanted.version)
                .execute(&mut *change)
                .await?
                .rows_affected();
            let now: Option<Columns> = sqlx::query_as(BY_ID)
                .bind(id)
                .fetch_optional(&mut *change)
                .await?;
            match now {
                None => Err(WebhookChanged::Unknown),
                Some(_) if changed == 0 => Err(WebhookChanged::Moved),
                Some(now) => {
                    note!(change, entry);
                    Ok(WebhookChanged::Made(Box::new(now.into())))
                }
            }
        })
    }

    /// Removes a webhook with all that waits for it. False if there is none.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn remove_webhook(&self, id: &str, entry: &Entry) -> Result<bool, CatalogueError> {
        change!(self, |change| {
            let removed = sqlx::query("DELETE FROM webhooks WHERE id = $1")
                .bind(id)
                .execute(&mut *change)
                .await?
                .rows_affected();
            if removed == 0 {
                Err(false)
            } else {
                note!(change, entry);
                Ok(true)
            }
        })
    }
}
