//! API keys: what back ends show, beside the keys of the configuration.

use super::{
    Catalogue, CatalogueError, Digest, Entry,
    audit::note,
    database::{change, with},
    limits::API_KEYS_MAX,
};

/// A key, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its own, by which it is revoked; later ones sort behind earlier ones.
    pub id: String,
    /// What people call it, and who acts with it where nobody is named.
    pub name: String,
    /// What it may be used for, in the caller's words, with commas between them.
    pub scopes: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// From when on it is good for nothing, in the same milliseconds; `None`: it has no end.
    pub expires_at: Option<i64>,
}

type Columns = (String, String, String, i64, Option<i64>);

impl From<Columns> for ApiKey {
    fn from((id, name, scopes, created_at, expires_at): Columns) -> Self {
        Self {
            id,
            name,
            scopes,
            created_at,
            expires_at,
        }
    }
}

const ADD: &str = "INSERT INTO api_keys (id, name, scopes, key_hash, created_at, expires_at) \
     SELECT $1, $2, $3, $4, $5, $6 WHERE \
     (SELECT COUNT(*) FROM api_keys WHERE expires_at IS NULL OR expires_at > $5) < $7";

impl Catalogue {
    /// Adds a key. False if there are [`API_KEYS_MAX`] already.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn add_api_key(
        &self,
        key: &ApiKey,
        digest: &Digest,
        entry: &Entry,
    ) -> Result<bool, CatalogueError> {
        change!(self, |change| {
            let added = sqlx::query(ADD)
                .bind(&key.id)
                .bind(&key.name)
                .bind(&key.scopes)
                .bind(&digest[..])
                .bind(key.created_at)
                .bind(key.expires_at)
                .bind(i64::from(API_KEYS_MAX))
                .execute(&mut *change)
                .await?
                .rows_affected();
            if added == 1 {
                note!(change, entry);
                Ok(true)
            } else {
                Err(false)
            }
        })
    }

    /// The keys that are good, in the order in which they were made.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn api_keys(&self, now: i64) -> Result<Vec<ApiKey>, CatalogueError> {
        let found: Vec<Columns> = with!(self, |pool| {
            sqlx::query_as(
                "SELECT id, name, scopes, created_at, expires_at FROM api_keys \
                 WHERE expires_at IS NULL OR expires_at > $1 ORDER BY id LIMIT $2",
            )
            .bind(now)
            .bind(i64::from(API_KEYS_MAX))
            .fetch_all(pool)
            .await?
        })?;
        Ok(found.into_iter().map(ApiKey::from).collect())
    }

    /// The key that a back end shows, if it is good.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn api_key(
        &self,
        digest: &Digest,
        now: i64,
    ) -> Result<Option<ApiKey>, CatalogueError> {
        let found: Option<Columns> = with!(self, |pool| {
            sqlx::query_as(
                "SELECT id, name, scopes, created_at, expires_at FROM api_keys \
                 WHERE key_hash = $1 AND (expires_at IS NULL OR expires_at > $2)",
            )
            .bind(&digest[..])
            .bind(now)
            .fetch_optional(pool)
            .await?
        })?;
        Ok(found.map(ApiKey::from))
    }

    /// Removes a key: it is good for nothing from now on. False if there is none of that id.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn revoke_api_key(&self, id: &str, entry: &Entry) -> Result<bool, CatalogueError> {
        change!(self, |change| {
            let removed = sqlx::query("DELETE FROM api_keys WHERE id = $1")
                .bind(id)
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

    /// Removes keys that have ended.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn purge_api_keys(&self, now: i64) -> Result<u64, CatalogueError> {
        with!(self, |pool| {
            sqlx::query("DELETE FROM api_keys WHERE expires_at <= $1")
                .bind(now)
                .execute(pool)
                .await?
                .rows_affected()
        })
    }
}
