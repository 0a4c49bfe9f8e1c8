//! Stream keys: what encoders publish with, beside the keys of the configuration.

use super::{
    Catalogue, CatalogueError, Digest, Entry,
    audit::note,
    database::{change, with},
    limits::STREAM_KEYS_MAX,
};

/// A key, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamKey {
    /// Its own, by which it is revoked; later ones sort behind earlier ones.
    pub id: String,
    /// The channel that may be published to with it.
    pub channel: String,
    /// What people call it.
    pub name: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// From when on it is good for nothing, in the same milliseconds; `None`: it has no end.
    pub expires_at: Option<i64>,
    /// The show that it is for, and with which it ends.
    pub show: Option<String>,
}

/// What became of a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyAdded {
    /// It is good from now on.
    New,
    /// The channel has [`STREAM_KEYS_MAX`] of them.
    TooMany,
    /// The key that it was to replace is not there.
    Unknown,
}

type Columns = (String, String, String, i64, Option<i64>, Option<String>);

impl From<Columns> for StreamKey {
    fn from((id, channel, name, created_at, expires_at, show): Columns) -> Self {
        Self {
            id,
            channel,
            name,
            created_at,
            expires_at,
            show,
        }
    }
}

/// Whether the show that a key is for, if it is for one, is not over.
macro_rules! of_open_show {
    () => {
        "(show_id IS NULL OR EXISTS (SELECT 1 FROM shows WHERE shows.id = show_id AND state IN ('scheduled', 'live')))"
    };
}

const ADD: &str = concat!(
    "INSERT INTO stream_keys (id, channel, name, key_hash, created_at, expires_at, show_id) \
     SELECT $1, $2, $3, $4, $5, $6, $8 WHERE \
     (SELECT COUNT(*) FROM stream_keys WHERE channel = $2 AND (expires_at IS NULL OR expires_at > $5) AND ",
    of_open_show!(),
    ") < $7"
);
const END: &str = concat!(
    "UPDATE stream_keys SET expires_at = CASE WHEN expires_at < $3 THEN expires_at ELSE $3 END \
     WHERE id = $1 AND channel = $2 AND (expires_at IS NULL OR expires_at > $4) AND ",
    of_open_show!()
);
const OF_CHANNEL: &str = concat!(
    "SELECT id, channel, name, created_at, expires_at, show_id FROM stream_keys \
     WHERE channel = $1 AND (expires_at IS NULL OR expires_at > $2) AND ",
    of_open_show!(),
    " ORDER BY id LIMIT $3"
);
const BY_DIGEST: &str = concat!(
    "SELECT id, channel, name, created_at, expires_at, show_id FROM stream_keys \
     WHERE key_hash = $1 AND (expires_at IS NULL OR expires_at > $2) AND ",
    of_open_show!()
);

const PURGE: &str = "DELETE FROM stream_keys WHERE expires_at <= $1 OR show_id IN \
     (SELECT id FROM shows WHERE state IN ('ended', 'cancelled') AND ended_at <= $2)";

/// How long a key is kept whose show is over: whoever stopped it too early gets it back with its keys.
const KEPT_MS: i64 = 24 * 3_600 * 1_000;

impl Catalogue {
    /// Adds a key. In place of another, that one is good until `ends_at` and not for longer.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn add_stream_key(
        &self,
        key: &StreamKey,
        digest: &Digest,
        replaced: Option<(&str, i64)>,
        entry: &Entry,
    ) -> Result<KeyAdded, CatalogueError> {
        change!(self, |change| {
            let mut is_there = true;
            if let Some((id, ends_at)) = replaced {
                // What ends earlier anyhow does so.
                let ended = sqlx::query(END)
                    .bind(id)
                    .bind(&key.channel)
                    .bind(ends_at)
                    .bind(key.created_at)
                    .execute(&mut *change)
                    .await?;
                is_there = ended.rows_affected() == 1;
            }
            let added = if is_there {
                sqlx::query(ADD)
                    .bind(&key.id)
                    .bind(&key.channel)
                    .bind(&key.name)
                    .bind(&digest[..])
                    .bind(key.created_at)
                    .bind(key.expires_at)
                    .bind(i64::from(STREAM_KEYS_MAX))
                    .bind(&key.show)
                    .execute(&mut *change)
                    .await?
                    .rows_affected()
            } else {
                0
            };
            match (is_there, added) {
                (false, _) => Err(KeyAdded::Unknown),
                (true, 0) => Err(KeyAdded::TooMany),
                (true, _) => {
                    note!(change, entry);
                    Ok(KeyAdded::New)
                }
            }
        })
    }

    /// The keys of a channel that are good, in the order in which they were made.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn stream_keys(
        &self,
        channel: &str,
        now: i64,
    ) -> Result<Vec<StreamKey>, CatalogueError> {
        let found: Vec<Columns> = with!(self, |pool| {
            sqlx::query_as(OF_CHANNEL)
                .bind(channel)
                .bind(now)
                .bind(i64::from(STREAM_KEYS_MAX))
                .fetch_all(pool)
                .await?
        })?;
        Ok(found.into_iter().map(StreamKey::from).collect())
    }

    /// The key that an encoder shows, if it is good.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn stream_key(
        &self,
        digest: &Digest,
        now: i64,
    ) -> Result<Option<StreamKey>, CatalogueError> {
        let found: Option<Columns> = with!(self, |pool| {
            sqlx::query_as(BY_DIGEST)
                .bind(&digest[..])
                .bind(now)
                .fetch_optional(pool)
                .await?
        })?;
        Ok(found.map(StreamKey::from))
    }

    /// Removes a key: it is good for nothing from now on. False if the channel has none of that id.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn revoke_stream_key(
        &self,
        channel: &str,
        id: &str,
        entry: &Entry,
    ) -> Result<bool, CatalogueError> {
        change!(self, |change| {
            let removed = sqlx::query("DELETE FROM stream_keys WHERE id = $1 AND channel = $2")
                .bind(id)
                .bind(channel)
                .execute(&mut *change)
                .await?
                .rows_affected();
            if removed == 1 {
                note!(change, entry);
                Ok(true)
            } else {
                Err(false)
            }
        })
    }

    /// Removes keys that have ended, and those whose show has been over for a day.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn purge_stream_keys(&self, now: i64) -> Result<u64, CatalogueError> {
        with!(self, |pool| {
            sqlx::query(PURGE)
                .bind(now)
                .bind(now.saturating_sub(KEPT_MS))
                .execute(pool)
                .await?
                .rows_affected()
        })
    }
}
