//! Opens a log, or says in the operator's words why not.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use sqlx::{
    ConnectOptions, SqliteConnection,
    migrate::MigrateError,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    Readers,
    fault::{code, primary_code},
    transact::Transactions,
};
use crate::{
    Cause, OpenError, PersonKeys,
    keyring::Keyring,
    limits::{LOCK_WAIT_MAX, READ_MAX, READERS_MAX},
    migrations,
};

/// "FANW": tells our files from other programs' databases.
const APPLICATION_ID: i32 = 0x4641_4E57;

pub(crate) async fn open(
    path: &Path,
    keys: PersonKeys,
) -> Result<(Readers, Transactions, Option<Keyring>), OpenError> {
    let lock = lock(path)?;
    let keyring = Keyring::beside(path, keys).await?;
    let options = writer_options(path);
    let refused = |error| refusal(path, error);
    let mut connection = options.connect().await.map_err(refused)?;
    claim(path, &mut connection).await?;
    migrate(path, &mut connection).await?;
    sync_folder(path).map_err(|cause| unreachable(path, cause))?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .min_connections(1)
        .acquire_timeout(LOCK_WAIT_MAX)
        .connect_with(reader_options(path))
        .await
        .map_err(refused)?;
    let transactions = Transactions::new(options, connection, lock, keyring.clone());
    Ok((Readers(readers), transactions, keyring))
}

/// How the one writer connects. A commit in WAL mode flushes the disk only under `synchronous=FULL`
/// (<https://www.sqlite.org/pragma.html#pragma_synchronous>).
fn writer_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(LOCK_WAIT_MAX)
        // What is deleted is written over, and not only let go of.
        .pragma("secure_delete", "ON")
}

fn reader_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(LOCK_WAIT_MAX)
        // A whole answer fits: no reader's thread waits in the middle of one for whoever takes the rows.
        .row_buffer_size(READ_MAX)
}

/// Two processes that number the messages of one log would give one offset twice. The system lets go of the lock when
/// the process ends, however it ends.
fn lock(path: &Path) -> Result<File, OpenError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let file = File::create(PathBuf::from(beside)).map_err(|cause| unreachable(path, cause))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(cause)) => Err(unreachable(path, cause)),
    }
}

/// Makes an empty file ours, and refuses another program's.
async fn claim(path: &Path, connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let refused = |error| refusal(path, error);
    let id: i32 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await
        .map_err(refused)?;
    if id == APPLICATION_ID {
        return Ok(());
    }
    let objects: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema")
        .fetch_one(&mut *connection)
        .await
        .map_err(refused)?;
    if id != 0 || objects != 0 {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
        });
    }
    // APPLICATION_ID in decimal: a pragma takes no bound value.
    sqlx::query("PRAGMA application_id = 1178685015")
        .execute(connection)
        .await
        .map_err(refused)?;
    Ok(())
}

async fn migrate(path: &Path, connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let steps = migrations::sqlite();
    match steps.run(connection).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(step)) => {
            let known = steps
                .iter()
                .map(|migration| migration.version)
                .max()
                .unwrap_or(0);
            Err(OpenError::Newer {
                path: path.to_owned(),
                step,
                known,
            })
        }
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
            Err(refusal(path, error))
        }
        Err(error) => Err(OpenError::Refused {
            path: path.to_owned(),
            cause: Cause::new(error),
        }),
    }
}

/// A new file is found again after a loss of power only once its folder is on the disk, too.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

fn unreachable(path: &Path, cause: io::Error) -> OpenError {
    OpenError::Unreachable {
        path: path.to_owned(),
        cause,
    }
}

fn refusal(path: &Path, error: sqlx::Error) -> OpenError {
    let path = path.to_owned();
    match primary_code(&error) {
        Some(code::CORRUPT | code::NOTADB) => OpenError::Damaged {
            path,
            cause: Cause::new(error),
        },
        Some(code::FULL) => OpenError::Full { path },
        Some(code::BUSY | code::LOCKED) => OpenError::InUse { path },
        _ => OpenError::Refused {
            path,
            cause: Cause::new(error),
        },
    }
}
