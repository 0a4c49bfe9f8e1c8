//! Opens a log, or says in the operator's words why not.

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection,
    migrate::{MigrateError, Migrator},
    postgres::PgConnectOptions,
};
use tokio::time::timeout;

use super::{
    PostgresConfig, Readers,
    fault::{NoAnswer, fault},
    replicas::{self, Replicas},
    transact::Transactions,
};
use crate::{
    Cause, OpenError, PersonKeys, StoreError,
    keyring::Keyring,
    limits::{ANSWER_WAIT_MAX, CONNECT_MAX, MIGRATION_MAX},
    migrations,
};

pub(crate) async fn open(
    config: &PostgresConfig,
    keys: PersonKeys,
) -> Result<(Readers, Transactions, Option<Keyring>), OpenError> {
    let place = config.place();
    let refused = |error| refusal(&place, error);
    assert!(
        PostgresConfig::is_schema(&config.schema),
        "the name of a schema is checked where it comes in"
    );
    let options = config.options();
    let mut connection = prepare(config, migrations::postgres()).await?;
    warn_of_loss(&place, &mut connection)
        .await
        .map_err(|error| refused(fault(error)))?;
    // What the migration has set for itself is not for the writer.
    drop(connection.close().await);
    let keyring = Keyring::of(config, keys).await?;
    let connection = connect(&options).await.map_err(refused)?;
    let mut readers = replicas::readers(options.clone(), config.readers);
    if !config.replicas.is_empty() {
        readers.replicas = Some(Replicas::start(config, &readers));
    }
    let transactions = Transactions::new(options, connection, keyring.clone());
    Ok((readers, transactions, keyring))
}

/// Brings a schema up to date; answers the connection on which that was done.
pub(crate) async fn prepare(
    config: &PostgresConfig,
    migrator: Migrator,
) -> Result<PgConnection, OpenError> {
    let place = config.place();
    let refused = |error| refusal(&place, error);
    let mut connection = connect(&config.options()).await.map_err(refused)?;
    match timeout(MIGRATION_MAX, migrate(config, migrator, &mut connection)).await {
        Ok(migrated) => migrated?,
        Err(_) => return Err(refused(StoreError::Unreachable(Cause::new(NoAnswer)))),
    }
    Ok(connection)
}

/// Whether a schema has a table of this name.
pub(crate) async fn has_table(config: &PostgresConfig, table: &str) -> Result<bool, OpenError> {
    let refused = |error| refusal(&config.place(), error);
    let mut connection = connect(&config.options()).await.map_err(refused)?;
    let there = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(format!("{}.{table}", config.schema))
        .fetch_one(&mut connection);
    let there = match timeout(ANSWER_WAIT_MAX, there).await {
        Ok(there) => there.map_err(|error| refused(fault(error)))?,
        Err(_) => return Err(refused(StoreError::Unreachable(Cause::new(NoAnswer)))),
    };
    drop(timeout(ANSWER_WAIT_MAX, connection.close()).await);
    Ok(there)
}

/// Connects, or gives up in time.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    match timeout(CONNECT_MAX, options.connect()).await {
        Ok(connection) => connection.map_err(fault),
        Err(_) => Err(StoreError::Unreachable(Cause::new(NoAnswer))),
    }
}

/// Brings the schema up to date. The migrator takes an advisory lock of the database: of processes that start at once one
/// works, and the others find it done.
async fn migrate(
    config: &PostgresConfig,
    mut migrator: Migrator,
    connection: &mut PgConnection,
) -> Result<(), OpenError> {
    let place = config.place();
    // They wait for it as long as a migration may take.
    let patient = format!(
        "SET statement_timeout = {0}; SET lock_timeout = {0}",
        MIGRATION_MAX.as_millis()
    );
    sqlx::raw_sql(AssertSqlSafe(patient))
        .execute(&mut *connection)
        .await
        .map_err(|error| refusal(&place, fault(error)))?;
    let there: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)")
            .bind(&config.schema)
            .fetch_one(&mut *connection)
            .await
            .map_err(|error| refusal(&place, fault(error)))?;
    // A step of a newer release only adds: whoever does not know it works on without it.
    migrator.set_ignore_missing(true);
    if !there {
        // Not otherwise: PostgreSQL asks for the right to make schemas even where there is nothing to make.
        migrator.create_schema(config.schema.clone());
    }
    match migrator.run_direct(None, connection, false).await {
        Ok(()) => Ok(()),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
            Err(refusal(&place, fault(error)))
        }
        Err(MigrateError::VersionMismatch(_) | MigrateError::Dirty(_)) => {
            Err(OpenError::ForeignSchema {
                place,
                schema: config.schema.clone(),
            })
        }
        Err(error) => Err(OpenError::Database {
            place,
            cause: Cause::new(error),
        }),
    }
}

/// An acknowledgement is worth what the server makes of a commit, and that is for its operator to say.
async fn warn_of_loss(place: &str, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for setting in ["fsync", "synchronous_commit"] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&mut *connection)
            .await?;
        if value == "off" {
            tracing::warn!(
                place,
                setting,
                "this database acknowledges messages that a loss of power takes away: the setting is off"
            );
        }
    }
    Ok(())
}

fn refusal(place: &str, error: StoreError) -> OpenError {
    let place = place.to_owned();
    match error {
        StoreError::Unreachable(cause) => OpenError::Away { place, cause },
        StoreError::ReadOnly => OpenError::ReadOnly { place },
        error => OpenError::Database {
            place,
            cause: Cause::new(error),
        },
    }
}
