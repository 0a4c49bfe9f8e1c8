//! Keys in a file, beside that of the log. Whoever has the log open has it, and nobody else.

use std::{
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use fanwave_wire::UserId;
use sqlx::{
    QueryBuilder, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::By;
use crate::{Cause, OpenError, limits::LOCK_WAIT_MAX, migrations, seal::Key};

/// "FANK": tells our files from other programs' databases.
const APPLICATION_ID: i32 = 0x4641_4E4B;

/// Rows of one statement.
const ROWS_MAX: usize = 256;

#[derive(Debug)]
pub(super) struct File(SqlitePool);

/// Where the keys of a log are: `fanwave-keys.db`, if it is `fanwave.db`.
pub(super) fn path_of(log: &Path) -> PathBuf {
    let mut name = log.file_stem().unwrap_or_default().to_owned();
    name.push("-keys.db");
    log.with_file_name(name)
}

impl File {
    pub(super) async fn open(path: &Path) -> Result<Self, OpenError> {
        let place = || path.display().to_string();
        let made = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path);
        made.map_err(|error| OpenError::Keys {
            place: place(),
            cause: Cause::new(error),
        })?;
        open(path).await.map_err(|error| OpenError::Keys {
            place: place(),
            cause: Cause::new(error),
        })
    }

    pub(super) async fn id(&self) -> Result<String, sqlx::Error> {
        let id = sqlx::query_scalar("SELECT id FROM keyring");
        id.fetch_one(&self.0).await
    }

    pub(super) async fn find(
        &self,
        by: By,
        names: &[UserId],
    ) -> Result<Vec<(String, String, Vec<u8>)>, sqlx::Error> {
        let statement = match by {
            By::Person => {
                "SELECT person, pseudonym, key FROM people WHERE person IN (SELECT value FROM json_each($1))"
            }
            By::Pseudonym => {
                "SELECT person, pseudonym, key FROM people WHERE pseudonym IN (SELECT value FROM json_each($1))"
            }
        };
        let names =
            serde_json::to_string(names).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let rows = sqlx::query_as(statement).bind(names);
        rows.fetch_all(&self.0).await
    }

    /// Adds keys of people who have none.
    pub(super) async fn add(&self, keys: &[Key]) -> Result<(), sqlx::Error> {
        let mut change = self.0.begin_with("BEGIN IMMEDIATE").await?;
        for keys in keys.chunks(ROWS_MAX) {
            let mut insert = QueryBuilder::new("INSERT INTO people (person, pseudonym, key) ");
            insert.push_values(keys, |mut row, key| {
                row.push_bind(&*key.person.0)
                    .push_bind(&*key.pseudonym.0)
                    .push_bind(key.secret());
            });
            insert.push(" ON CONFLICT (person) DO NOTHING");
            insert
                .build()
                .persistent(false)
                .execute(&mut *change)
                .await?;
        }
        change.commit().await
    }

    pub(super) async fn destroy(&self, pseudonym: &UserId) -> Result<(), sqlx::Error> {
        let mut change = self.0.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM people WHERE pseudonym = $1")
            .bind(&*pseudonym.0)
            .execute(&mut *change)
            .await?;
        sqlx::query("UPDATE keyring SET destroyed = destroyed + 1")
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        // It is in the pages that the write-ahead log still has, too.
        let (is_busy, _, _): (bool, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&self.0)
            .await?;
        if is_busy {
            tracing::warn!(
                "a key that was destroyed stays in the write-ahead log of the keys until it begins anew"
            );
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

async fn open(path: &Path) -> Result<File, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // A key is on the disk before what is sealed with it.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(LOCK_WAIT_MAX)
        // What is deleted is written over, and not only let go of.
        .pragma("secure_delete", "ON");
    let pool = SqlitePoolOptions::new()
        .max_connections(2)
        .acquire_timeout(LOCK_WAIT_MAX)
        .connect_with(options)
        .await?;
    claim(&pool).await?;
    migrations::keys_sqlite().run(&pool).await?;
    Ok(File(pool))
}

/// Makes an empty file ours, and refuses another program's.
async fn claim(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let id: i32 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(pool)
        .await?;
    if id == APPLICATION_ID {
        return Ok(());
    }
    let objects: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema")
        .fetch_one(pool)
        .await?;
    if id != 0 || objects != 0 {
        return Err(sqlx::Error::Configuration(
            "it is a database of something else".into(),
        ));
    }
    // APPLICATION_ID in decimal: a pragma takes no bound value.
    sqlx::query("PRAGMA application_id = 1178685003")
        .execute(pool)
        .await?;
    Ok(())
}
