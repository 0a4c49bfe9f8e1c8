//! Emotes: small pictures of a channel, each with a code.

use super::{
    Catalogue, CatalogueError, Entry,
    audit::note,
    database::{change, with},
    limits::{ALL_EMOTES_MAX, EMOTES_MAX},
};

/// An emote, without its picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emote {
    /// Its own; never given to another picture.
    pub id: String,
    /// Where it is shown.
    pub channel: String,
    /// What stands in a message for it.
    pub code: String,
    /// Of the picture.
    pub media_type: String,
    /// Of the picture, pixels.
    pub width: i64,
    /// Of the picture, pixels.
    pub height: i64,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
}

/// What became of an emote that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmoteAdded {
    /// It is there.
    New,
    /// The channel has one of this code; nothing was done.
    Taken,
    /// The channel has [`EMOTES_MAX`] of them; nothing was done.
    Full,
}

/// How often emotes were added or removed: what is read for one is good as long as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmotesVersion(i64);

type Columns = (String, String, String, String, i64, i64, i64);

impl From<Columns> for Emote {
    fn from((id, channel, code, media_type, width, height, created_at): Columns) -> Self {
        Self {
            id,
            channel,
            code,
            media_type,
            width,
            height,
            created_at,
        }
    }
}

const ADD: &str = "INSERT INTO emotes (id, channel, code, media_type, width, height, image, created_at) \
     SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE (SELECT COUNT(*) FROM emotes WHERE channel = $2) < $9 \
     ON CONFLICT (channel, code) DO NOTHING";
/// Counts the change, and has whoever else wants to change the set wait until this one is over.
const LOCK: &str = "INSERT INTO emote_sets (channel, version) VALUES ($1, 1) \
     ON CONFLICT (channel) DO UPDATE SET version = emote_sets.version + 1";
const ALL: &str = "SELECT id, channel, code, media_type, width, height, created_at FROM emotes ORDER BY channel, code LIMIT $1";

impl Catalogue {
    /// Adds an emote with its picture, if its channel has fewer than [`EMOTES_MAX`] and none of this code.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn add_emote(
        &self,
        emote: &Emote,
        image: &[u8],
        entry: &Entry,
    ) -> Result<EmoteAdded, CatalogueError> {
        change!(self, |change| {
            sqlx::query(LOCK)
                .bind(&emote.channel)
                .execute(&mut *change)
                .await?;
            let added = sqlx::query(ADD)
                .bind(&emote.id)
                .bind(&emote.channel)
                .bind(&emote.code)
                .bind(&emote.media_type)
                .bind(emote.width)
                .bind(emote.height)
                .bind(image)
                .bind(emote.created_at)
                .bind(i64::from(EMOTES_MAX))
                .execute(&mut *change)
                .await?
                .rows_affected();
            let taken: Option<(i64,)> = sqlx::query_as(
                "SELECT created_at FROM emotes WHERE channel = $1 AND code = $2 AND id <> $3",
            )
            .bind(&emote.channel)
            .bind(&emote.code)
            .bind(&emote.id)
            .fetch_optional(&mut *change)
            .await?;
            match (added, taken) {
                (0, Some(_)) => Err(EmoteAdded::Taken),
                (0, None) => Err(EmoteAdded::Full),
                (_, _) => {
                    note!(change, entry);
                    Ok(EmoteAdded::New)
                }
            }
        })
    }

    /// Removes an emote. False if the channel has none of that id.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn remove_emote(
        &self,
        channel: &str,
        id: &str,
        entry: &Entry,
    ) -> Result<bool, CatalogueError> {
        change!(self, |change| {
            sqlx::query(LOCK)
                .bind(channel)
                .execute(&mut *change)
                .await?;
            let removed = sqlx::query("DELETE FROM emotes WHERE id = $1 AND channel = $2")
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

    /// What is another one as soon as [`Catalogue::emotes`] are others: cheap to ask for again and again.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn emotes_version(&self) -> Result<EmotesVersion, CatalogueError> {
        let (version,) = with!(self, |pool| {
            sqlx::query_as("SELECT CAST(COALESCE(SUM(version), 0) AS BIGINT) FROM emote_sets")
                .fetch_one(pool)
                .await?
        })?;
        Ok(EmotesVersion(version))
    }

    /// The emotes of all channels, by channel and code; at most [`ALL_EMOTES_MAX`].
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn emotes(&self) -> Result<Vec<Emote>, CatalogueError> {
        let found: Vec<Columns> = with!(self, |pool| {
            sqlx::query_as(ALL)
                .bind(i64::from(ALL_EMOTES_MAX))
                .fetch_all(pool)
                .await?
        })?;
        Ok(found.into_iter().map(Emote::from).collect())
    }

    /// The picture of an emote, with its media type.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn emote_image(
        &self,
        channel: &str,
        id: &str,
    ) -> Result<Option<(String, Vec<u8>)>, CatalogueError> {
        with!(self, |pool| {
            sqlx::query_as("SELECT media_type, image FROM emotes WHERE id = $1 AND channel = $2")
                .bind(id)
                .bind(channel)
                .fetch_optional(pool)
                .await?
        })
    }
}
