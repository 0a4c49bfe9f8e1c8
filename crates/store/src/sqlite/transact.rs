//! One transaction of the writer, on the only connection that writes.

use std::{fs::File, iter, sync::Arc};

use fanwave_wire::{Publication, RoomId, UnixMillis};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, FromRow, QueryBuilder, Row, Sqlite,
    SqliteConnection, sqlite::SqliteConnectOptions,
};

use super::{fault::fault, forget, record::write_down, retention::sweep};
use crate::{
    Appended, Held, Standing, StoreError,
    keyring::{Keyring, sealing},
    rows::{HeldRow, StandingRow, Written, signed},
    statements::{HOLD, PUT_SETTING, RELEASE, STANDING, erasure, events},
    writer::{Request, Transact},
};

/// Owns the connection that writes, and the lock that keeps other processes out.
#[derive(Debug)]
pub(crate) struct Transactions {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
    lock: File,
    quota: Quota,
    keyring: Option<Keyring>,
}

sealing!(SqliteConnection);

#[derive(Debug)]
enum Quota {
    Applied(Option<u64>),
    Wanted(Option<u64>),
}

impl Transactions {
    pub(super) fn new(
        options: SqliteConnectOptions,
        connection: SqliteConnection,
        lock: File,
        keyring: Option<Keyring>,
    ) -> Self {
        Self {
            options,
            connection: Some(connection),
            lock,
            quota: Quota::Applied(None),
            keyring,
        }
    }

    async fn attempt(&mut self, group: &mut [Request]) -> Result<(), StoreError> {
        let keyring = self.keyring.clone();
        let connection = self.begin().await?;
        seal_appends(connection, keyring.as_ref(), group)
            .await
            .map_err(fault)?;
        for request in group {
            apply(request, connection, keyring.as_ref())
                .await
                .map_err(fault)?;
        }
        sqlx::query("COMMIT")
            .execute(connection)
            .await
            .map_err(fault)?;
        Ok(())
    }

    /// Begins a transaction, on a new connection where the last one could not.
    async fn begin(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let (Quota::Applied(bytes) | Quota::Wanted(bytes)) = self.quota;
                self.quota = Quota::Wanted(bytes);
                self.options.connect().await.map_err(fault)?
            }
        };
        if let Quota::Wanted(bytes) = self.quota {
            apply_quota(&mut connection, bytes).await.map_err(fault)?;
            self.quota = Quota::Applied(bytes);
        }
        // IMMEDIATE, because a transaction that reads first could be refused when it comes to write.
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut connection)
            .await
            .map_err(fault)?;
        Ok(self.connection.insert(connection))
    }

    /// What was forgotten is in the pages that the write-ahead log still has, too.
    async fn empty_write_ahead_log(&mut self) {
        if let Some(connection) = &mut self.connection {
            let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)");
            if let Err(error) = emptied.execute(connection).await {
                tracing::warn!(%error, "what was forgotten stays in the write-ahead log until it begins anew");
            }
        }
    }

    async fn roll_back(&mut self) {
        if let Some(connection) = &mut self.connection {
            // SQLite has often rolled back by itself by now, and says so with an error. Should a transaction really
            // stay open, the next one cannot begin, and a new connection takes over.
            drop(sqlx::query("ROLLBACK").execute(connection).await);
        }
    }
}

impl Transact for Transactions {
    async fn transact(&mut self, group: &mut [Request]) -> Result<(), StoreError> {
        let committed = self.attempt(group).await;
        if committed.is_err() {
            self.roll_back().await;
        } else if group
            .iter()
            .any(|request| matches!(request, Request::Forget { .. }))
        {
            self.empty_write_ahead_log().await;
        }
        committed
    }

    fn set_quota(&mut self, bytes: Option<u64>) -> Result<(), StoreError> {
        self.quota = Quota::Wanted(bytes);
        Ok(())
    }

    async fn close(mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the message log could not be closed tidily; it will be repaired when opened");
        }
        // Said in so many words, because a process that is just being started may hold a copy of the file's handle.
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the lock of the message log stays until this process ends");
        }
    }
}

async fn apply(
    request: &mut Request,
    connection: &mut SqliteConnection,
    keyring: Option<&Keyring>,
) -> Result<(), sqlx::Error> {
    match request {
        Request::Begin {
            channel,
            epoch,
            answer,
        } => answer.set(Ok(begin_channel(connection, channel, epoch).await?)),
        Request::Append {
            channel,
            publications,
            sealed,
            answer,
        } => {
            let written = sealed.as_ref().unwrap_or(publications);
            answer.set(append(connection, channel, publications, written).await?);
        }
        Request::Record { record, answer } => {
            write_down(connection, keyring, record).await?;
            answer.set(Ok(()));
        }
        Request::Put { key, value, answer } => {
            put(connection, key, value).await?;
            answer.set(Ok(()));
        }
        Request::Hold {
            room,
            since,
            answer,
        } => {
            hold(connection, room, *since).await?;
            answer.set(Ok(()));
        }
        Request::Sweep {
            after,
            retention,
            now,
            answer,
        } => answer.set(Ok(sweep(connection, *after, retention, *now).await?)),
        Request::Forget {
            person,
            place,
            answer,
        } => answer.set(Ok(forget::step(connection, person, *place).await?)),
        Request::Quota { .. } | Request::Close { .. } => {}
    }
    Ok(())
}

async fn hold(
    connection: &mut SqliteConnection,
    room: &RoomId,
    since: Option<UnixMillis>,
) -> Result<(), sqlx::Error> {
    let statement = match since {
        Some(since) => sqlx::query(HOLD).bind(room.as_str()).bind(signed(since.0)),
        None => sqlx::query(RELEASE).bind(room.as_str()),
    };
    statement.execute(connection).await?;
    Ok(())
}

async fn begin_channel(
    connection: &mut SqliteConnection,
    channel: &str,
    epoch: &str,
) -> Result<Standing, sqlx::Error> {
    sqlx::query("INSERT INTO channels (name, epoch) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(channel)
        .bind(epoch)
        .execute(&mut *connection)
        .await?;
    let row: StandingRow = sqlx::query_as(STANDING)
        .bind(channel)
        .fetch_one(connection)
        .await?;
    row.standing()
}

/// The inner result is the answer to the one who asked; the outer one fails the whole group.
async fn append(
    connection: &mut SqliteConnection,
    channel: &str,
    publications: &[Arc<Publication>],
    written: &[Arc<Publication>],
) -> Result<Result<Appended, StoreError>, sqlx::Error> {
    let (Some(first), Some(last)) = (publications.first(), publications.last()) else {
        return Ok(Ok(Appended::Stored));
    };
    let held = find_held(connection, channel, written).await?;
    if !held.is_empty() {
        return Ok(Ok(Appended::Held(held)));
    }
    // Moves the head only from where the caller believes it: nobody else can have written in between unseen.
    let moved =
        sqlx::query("UPDATE channels SET head = ? WHERE name = ? AND head = ? RETURNING id")
            .bind(signed(last.offset.0))
            .bind(channel)
            .bind(signed(first.offset.0) - 1)
            .fetch_optional(&mut *connection)
            .await?;
    let Some(row) = moved else {
        return Ok(Err(StoreError::Moved));
    };
    let channel_id: i64 = row.try_get(0)?;
    insert_messages(connection, channel_id, written).await?;
    for (publication, written) in publications.iter().zip(written) {
        for event in events(publication, written) {
            if let Some(mut update) = erasure::<Sqlite>(channel, event) {
                update.build().execute(&mut *connection).await?;
            }
        }
    }
    Ok(Ok(Appended::Stored))
}

pub(super) async fn insert_messages(
    connection: &mut SqliteConnection,
    channel_id: i64,
    publications: &[Arc<Publication>],
) -> Result<(), sqlx::Error> {
    for rows in in_few_sizes(publications) {
        insert_rows(connection, channel_id, rows).await?;
    }
    Ok(())
}

/// Pieces of so few lengths that the statement of each is prepared once, and not for every transaction.
fn in_few_sizes<T>(mut all: &[T]) -> impl Iterator<Item = &[T]> {
    const SIZES: [usize; 5] = [256, 64, 16, 4, 1];

    iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= all.len())?;
        let (piece, rest) = all.split_at(size);
        all = rest;
        Some(piece)
    })
}

async fn insert_rows(
    connection: &mut SqliteConnection,
    channel_id: i64,
    publications: &[Arc<Publication>],
) -> Result<(), sqlx::Error> {
    let mut insert = QueryBuilder::new(
        "INSERT INTO messages (channel_id, message_offset, at, user_id, name, role, client_id, text, badge, language, \
         reply_offset, reply_user, event, checksum) ",
    );
    let written = publications
        .iter()
        .map(|publication| Written::new(publication))
        .collect::<Result<Vec<_>, _>>()?;
    insert.push_values(written, |mut row, written| {
        let Publication { offset, at, draft } = written.publication;
        let checksum = written.checksum();
        row.push_bind(channel_id)
            .push_bind(signed(offset.0))
            .push_bind(signed(at.0))
            .push_bind(&*draft.sender.user.0)
            .push_bind(&*draft.sender.name)
            .push_bind(draft.sender.role.name())
            .push_bind(&*draft.id.0)
            .push_bind(written.text)
            .push_bind(draft.sender.badge.as_deref())
            .push_bind(written.language)
            .push_bind(written.reply_offset)
            .push_bind(written.reply_user)
            .push_bind(written.event)
            .push_bind(checksum);
    });
    insert.build().execute(connection).await?;
    Ok(())
}

/// Which of these messages the log has under an earlier offset.
async fn find_held(
    connection: &mut SqliteConnection,
    channel: &str,
    publications: &[Arc<Publication>],
) -> Result<Vec<Held>, sqlx::Error> {
    let mut held = Vec::new();
    for asked in in_few_sizes(publications) {
        let rows = self::held(channel, asked)
            .build()
            .fetch_all(&mut *connection)
            .await?;
        for row in &rows {
            let row = HeldRow::from_row(row)?;
            let same = |draft: &fanwave_wire::Draft| {
                *draft.sender.user.0 == *row.user_id && *draft.id.0 == *row.client_id
            };
            let proposed = asked.iter().filter(|publication| same(&publication.draft));
            for publication in proposed {
                held.push(row.held(publication.offset)?);
            }
        }
    }
    Ok(held)
}

/// Looks each message up by its sender and id: what it costs does not grow with the log. (`SQLite` would otherwise read the
/// whole channel, and compare; a CROSS JOIN it does not turn round.)
fn held<'a>(channel: &'a str, publications: &'a [Arc<Publication>]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("WITH asked (user_id, client_id) AS (");
    query.push_values(publications, |mut row, publication| {
        let draft = &publication.draft;
        row.push_bind(&*draft.sender.user.0).push_bind(&*draft.id.0);
    });
    query
        .push(
            ") SELECT DISTINCT m.user_id, m.client_id, m.message_offset, m.at \
             FROM asked a CROSS JOIN messages m INDEXED BY messages_by_client_id \
             WHERE m.user_id = a.user_id AND m.client_id = a.client_id \
             AND m.channel_id = (SELECT id FROM channels WHERE name = ",
        )
        .push_bind(channel)
        .push(")");
    query
}

async fn put(
    connection: &mut SqliteConnection,
    key: &str,
    value: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query(PUT_SETTING)
        .bind(key)
        .bind(value)
        .execute(connection)
        .await?;
    Ok(())
}

/// `SQLite` counts in pages, and a pragma takes no bound value: what is put into the text here is a number.
async fn apply_quota(
    connection: &mut SqliteConnection,
    bytes: Option<u64>,
) -> Result<(), sqlx::Error> {
    /// The largest that `SQLite` knows (<https://www.sqlite.org/limits.html>).
    const PAGES_MAX: u64 = 4_294_967_294;
    let page_bytes: i64 = sqlx::query_scalar("PRAGMA page_size")
        .fetch_one(&mut *connection)
        .await?;
    let page_bytes = u64::try_from(page_bytes).unwrap_or(1).max(1);
    let pages = bytes.map_or(PAGES_MAX, |bytes| (bytes / page_bytes).clamp(1, PAGES_MAX));
    sqlx::query(AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")))
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use fanwave_wire::{
        Body, ClientMessageId, Draft, Offset, Role, Sender, Text, UnixMillis, UserId,
    };

    use super::*;
    use crate::{Store, limits::APPEND_MAX};

    fn said(offset: u64) -> Arc<Publication> {
        Arc::new(Publication {
            offset: Offset(offset),
            at: UnixMillis(offset),
            draft: Draft {
                id: ClientMessageId(offset.to_string().into()),
                sender: Sender::new(UserId("fan-1".into()), Arc::from("Mina"), Role::Fan),
                body: Body::Text(Text::plain("hello")),
            },
        })
    }

    #[tokio::test]
    async fn a_message_is_looked_up_and_no_channel_is_read_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fanwave.db");
        Store::open(&file).await.unwrap().close().await;
        let options = SqliteConnectOptions::new().filename(&file);
        let mut connection = options.connect().await.unwrap();
        for count in [1, 2, APPEND_MAX as u64] {
            let publications: Vec<_> = (1..=count).map(said).collect();
            let explain = format!(
                "EXPLAIN QUERY PLAN {}",
                held("chat:demo", &publications).into_string()
            );
            let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(AssertSqlSafe(explain))
                .fetch_all(&mut connection)
                .await
                .unwrap();
            let steps: Vec<&str> = plan.iter().map(|(.., step)| step.as_str()).collect();
            let looked_up = "SEARCH m USING INDEX messages_by_client_id (channel_id=? AND user_id=? AND client_id=?)";
            assert!(steps.contains(&looked_up), "{count} messages: {steps:?}");
        }
        connection.close().await.unwrap();
    }
}
