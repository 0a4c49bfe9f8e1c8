//! The database behind the catalogue, and how it is opened.

use std::path::PathBuf;

use sqlx::{
    PgPool, SqlitePool,
    migrate::Migrator,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::time::timeout;

use super::{
    CatalogueError, OpenError,
    limits::{CALL_WAIT_MAX, CONNECTION_WAIT_MAX, CONNECTIONS_MAX, STATEMENT_WAIT_MAX},
};
use crate::{
    PostgresConfig,
    limits::{IDLE_CONNECTION_MAX, MIGRATION_MAX},
    migrations,
};

/// The steps of the schema that were made; the message log has its own table of them, and may be in the same schema.
const STEPS_TABLE: &str = "catalogue_migrations";

/// Where a catalogue is.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file, which is made if there is none.
    Sqlite(PathBuf),
    /// A server.
    Postgres(PostgresConfig),
}

/// An open catalogue; clones are the same one.
#[derive(Debug, Clone)]
pub struct Catalogue {
    pub(crate) pools: Pools,
}

#[derive(Debug, Clone)]
pub(crate) enum Pools {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Does the same with either database: the text is compiled once for each.
macro_rules! with {
    ($catalogue:expr, |$pool:ident| $body:expr) => {
        $crate::catalogue::database::in_time(async {
            match &$catalogue.pools {
                $crate::catalogue::database::Pools::Sqlite($pool) => {
                    let done: Result<_, sqlx::Error> = async { Ok($body) }.await;
                    done.map_err($crate::sqlite::fault)
                }
                $crate::catalogue::database::Pools::Postgres($pool) => {
                    let done: Result<_, sqlx::Error> = async { Ok($body) }.await;
                    done.map_err($crate::postgres::fault)
                }
            }
        })
        .await
    };
}
pub(crate) use with;

/// A change of several statements: made if the text says `Ok`, and undone if it says `Err`. `SQLite` would first only read, and
/// then find that somebody else has written: it has to say at the beginning that it will write. `PostgreSQL` locks what it changes.
macro_rules! change {
    ($catalogue:expr, |$change:ident| $body:expr) => {
        $crate::catalogue::database::in_time(async {
            match &$catalogue.pools {
                $crate::catalogue::database::Pools::Sqlite(pool) => {
                    let done: Result<_, sqlx::Error> = async {
                        let mut $change = pool.begin_with("BEGIN IMMEDIATE").await?;
                        $crate::catalogue::database::finish!($change, $body)
                    }
                    .await;
                    done.map_err($crate::sqlite::fault)
                }
                $crate::catalogue::database::Pools::Postgres(pool) => {
                    let done: Result<_, sqlx::Error> = async {
                        let mut $change = pool.begin().await?;
                        $crate::catalogue::database::finish!($change, $body)
                    }
                    .await;
                    done.map_err($crate::postgres::fault)
                }
            }
        })
        .await
    };
}
pub(crate) use change;

macro_rules! finish {
    ($change:ident, $body:expr) => {{
        let done: Result<_, _> = $body;
        match done {
            Ok(done) => {
                $change.commit().await?;
                Ok(done)
            }
            Err(undone) => {
                $change.rollback().await?;
                Ok(undone)
            }
        }
    }};
}
pub(crate) use finish;

/// A call that ends in time.
pub(crate) async fn in_time<T>(
    call: impl Future<Output = Result<T, crate::StoreError>>,
) -> Result<T, CatalogueError> {
    match timeout(CALL_WAIT_MAX, call).await {
        Ok(done) => done.map_err(CatalogueError::from),
        Err(_) => Err(CatalogueError::late()),
    }
}

impl Catalogue {
    /// Opens a catalogue, and makes or completes its tables. Many processes may do so at once.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    ///
    /// # Panics
    ///
    /// The schema has no name that [`PostgresConfig::is_schema`] takes.
    pub async fn open(database: &Database) -> Result<Self, OpenError> {
        match database {
            Database::Sqlite(path) => {
                let place = path.display().to_string();
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(STATEMENT_WAIT_MAX);
                let pool = SqlitePoolOptions::new()
                    .max_connections(CONNECTIONS_MAX)
                    .acquire_timeout(CONNECTION_WAIT_MAX)
                    .connect_with(options)
                    .await
                    .map_err(|error| OpenError::unreachable(&place, error))?;
                let steps = steps(migrations::catalogue_sqlite());
                let made = steps.run(&pool).await;
                made.map_err(|error| OpenError::of_migration(&place, error))?;
                Ok(Self {
                    pools: Pools::Sqlite(pool),
                })
            }
            Database::Postgres(config) => {
                assert!(
                    PostgresConfig::is_schema(&config.schema),
                    "the name of a schema is checked where it comes in"
                );
                let place = config.place();
                let pool = PgPoolOptions::new()
                    .max_connections(CONNECTIONS_MAX)
                    .acquire_timeout(CONNECTION_WAIT_MAX)
                    .idle_timeout(IDLE_CONNECTION_MAX)
                    .connect_with(config.options())
                    .await
                    .map_err(|error| OpenError::unreachable(&place, error))?;
                let mut steps = steps(migrations::catalogue_postgres());
                steps.create_schema(config.schema.clone());
                let made = timeout(MIGRATION_MAX, steps.run(&pool)).await;
                made.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()))
                    .map_err(|error| OpenError::of_migration(&place, error))?;
                Ok(Self {
                    pools: Pools::Postgres(pool),
                })
            }
        }
    }

    /// Ends its connections; calls under way are finished.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite(pool) => pool.close().await,
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

/// The steps of a schema. One of a newer release only adds: whoever does not know it works on without it.
fn steps(mut steps: Migrator) -> Migrator {
    steps.dangerous_set_table_name(STEPS_TABLE);
    steps.set_ignore_missing(true);
    steps
}
