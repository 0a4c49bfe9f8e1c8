//! Sessions: who has logged in, until they log out, are thrown out, or too much time has passed.

use super::{
    Account, Catalogue, CatalogueError, accounts,
    database::{change, with},
    limits::{PURGE_MAX, SESSIONS_MAX},
};

/// SHA-256 of a token. A token has 256 random bits: nothing slower is needed to keep it from being guessed.
pub type Digest = [u8; 32];

/// One that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// Its own, by which it is ended; later ones sort behind earlier ones.
    pub id: String,
    /// Of the token that its bearer shows.
    pub token: Digest,
    /// Whose.
    pub account: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// From when on it is none.
    pub expires_at: i64,
}

/// One that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// By which it is ended.
    pub id: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// From when on it is none.
    pub expires_at: i64,
}

const OF_TOKEN: &str = "SELECT s.id, s.created_at, s.expires_at, \
     a.id, a.login, a.name, a.password, a.role, a.suspended, a.created_at, a.version \
     FROM sessions s JOIN accounts a ON a.id = s.account_id \
     WHERE s.token_hash = $1 AND s.expires_at > $2 AND a.suspended = $3";

type Columns = (
    String,
    i64,
    i64,
    String,
    String,
    String,
    Option<String>,
    String,
    bool,
    i64,
    i64,
);

impl Catalogue {
    /// Begins a session, and ends the oldest where an account has more than [`SESSIONS_MAX`]. False if there is no such
    /// account, or it is suspended: then none begins.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn begin_session(&self, session: &NewSession) -> Result<bool, CatalogueError> {
        change!(self, |change| {
            // Only of an account that is there and may come in at this moment, whatever its password was worth before.
            let begun = sqlx::query(
                "INSERT INTO sessions (id, token_hash, account_id, created_at, expires_at) \
                 SELECT $1, $2, id, $4, $5 FROM accounts WHERE id = $3 AND suspended = $6",
            )
            .bind(&session.id)
            .bind(&session.token[..])
            .bind(&session.account)
            .bind(session.created_at)
            .bind(session.expires_at)
            .bind(false)
            .execute(&mut *change)
            .await?
            .rows_affected();
            sqlx::query(
                "DELETE FROM sessions WHERE account_id = $1 AND id NOT IN \
                 (SELECT id FROM sessions WHERE account_id = $1 ORDER BY id DESC LIMIT $2)",
            )
            .bind(&session.account)
            .bind(i64::from(SESSIONS_MAX))
            .execute(&mut *change)
            .await?;
            if begun == 1 { Ok(true) } else { Err(false) }
        })
    }

    /// The session of a token, and whose it is; nobody's if it has ended or its account is suspended.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn session(
        &self,
        token: &Digest,
        now: i64,
    ) -> Result<Option<(Session, Account)>, CatalogueError> {
        let found: Option<Columns> = with!(self, |pool| {
            sqlx::query_as(OF_TOKEN)
                .bind(&token[..])
                .bind(now)
                .bind(false)
                .fetch_optional(pool)
                .await?
        })?;
        Ok(found.map(|columns| {
            let (
                id,
                created_at,
                expires_at,
                account,
                login,
                name,
                password,
                role,
                kept_out,
                since,
                version,
            ) = columns;
            let session = Session {
                id,
                created_at,
                expires_at,
            };
            let account: accounts::Columns = (
                account, login, name, password, role, kept_out, since, version,
            );
            (session, account.into())
        }))
    }

    /// The sessions of an account that go on, newest first; at most [`SESSIONS_MAX`].
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn sessions_of(
        &self,
        account: &str,
        now: i64,
    ) -> Result<Vec<Session>, CatalogueError> {
        let found: Vec<(String, i64, i64)> = with!(self, |pool| {
            sqlx::query_as(
                "SELECT id, created_at, expires_at FROM sessions WHERE account_id = $1 AND expires_at > $2 \
                 ORDER BY id DESC LIMIT $3",
            )
            .bind(account)
            .bind(now)
            .bind(i64::from(SESSIONS_MAX))
            .fetch_all(pool)
            .await?
        })?;
        let session = |(id, created_at, expires_at)| Session {
            id,
            created_at,
            expires_at,
        };
        Ok(found.into_iter().map(session).collect())
    }

    /// Ends a session of an account, or all of them. Says how many.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn end_sessions(
        &self,
        account: &str,
        only: Option<&str>,
    ) -> Result<u64, CatalogueError> {
        with!(self, |pool| {
            let query = match only {
                Some(id) => sqlx::query("DELETE FROM sessions WHERE account_id = $1 AND id = $2")
                    .bind(account)
                    .bind(id),
                None => sqlx::query("DELETE FROM sessions WHERE account_id = $1").bind(account),
            };
            query.execute(pool).await?.rows_affected()
        })
    }

    /// Removes sessions that have ended by themselves, at most [`PURGE_MAX`]. Says how many; fewer than that are all.
    ///
    /// # Errors
    ///
    /// See [`CatalogueError`].
    pub async fn purge_sessions(&self, now: i64) -> Result<u64, CatalogueError> {
        with!(self, |pool| {
            sqlx::query(
                "DELETE FROM sessions WHERE id IN \
                 (SELECT id FROM sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            )
            .bind(now)
            .bind(i64::from(PURGE_MAX))
            .execute(pool)
            .await?
            .rows_affected()
        })
    }
}
