//! The one task that writes.
//!
//! 1. It takes the first request that waits, and with it all others that wait, up to [`GROUP_MESSAGES_MAX`] messages.
//! 2. It applies them in one transaction. A request that must not be done (an append that does not fit the head, or
//!    whose messages are held already) changes nothing and does not disturb the others.
//! 3. It commits, which flushes the disk once for all, and only then answers.
//!
//! When the disk fails, all of the group is told so and nothing of it is kept. The next group tries again: there is no
//! state in which the writer would have to be helped back.

use std::{fs::File, sync::Arc};

use fanwave_wire::{Epoch, Event, Language, Offset, Publication, UnixMillis};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, QueryBuilder, Row, SqliteConnection,
    sqlite::SqliteConnectOptions,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    fault::fault,
    rows::{event_json, signed, unsigned},
};
use crate::{Appended, Held, Standing, StoreError, limits::GROUP_MESSAGES_MAX};

/// What the writer is asked.
#[derive(Debug)]
pub(super) enum Request {
    /// Begin a channel, unless it has begun.
    Begin {
        channel: String,
        epoch: String,
        answer: Answer<Standing>,
    },
    /// Write messages behind a channel's newest.
    Append {
        channel: String,
        publications: Vec<Arc<Publication>>,
        answer: Answer<Appended>,
    },
    /// Set a setting.
    Put {
        key: String,
        value: Vec<u8>,
        answer: Answer<()>,
    },
    /// Keep the file within so many bytes.
    Quota {
        bytes: Option<u64>,
        answer: Answer<()>,
    },
    /// Do what waits, then end.
    Close { answer: oneshot::Sender<()> },
}

/// Where an answer goes, and what it is once the transaction is committed.
#[derive(Debug)]
pub(super) struct Answer<T> {
    to: oneshot::Sender<Result<T, StoreError>>,
    result: Option<Result<T, StoreError>>,
}

impl<T> Answer<T> {
    pub(super) fn new(to: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { to, result: None }
    }

    fn send(self, committed: Result<(), StoreError>) {
        let result = committed.and_then(|()| self.result.unwrap_or(Err(StoreError::Closed)));
        // Whoever asked may have gone; what was written stays written.
        drop(self.to.send(result));
    }
}

/// Owns the connection that writes, and the lock that keeps other processes out.
#[derive(Debug)]
pub(super) struct Writer {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
    lock: File,
    requests: mpsc::Receiver<Request>,
    quota: Quota,
    health: Health,
    closers: Vec<oneshot::Sender<()>>,
}

#[derive(Debug)]
enum Quota {
    Applied(Option<u64>),
    Wanted(Option<u64>),
}

/// Whether the last transaction succeeded: a disk that stays full is reported once, not once per message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    Failing,
}

impl Writer {
    pub(super) fn new(
        options: SqliteConnectOptions,
        connection: SqliteConnection,
        lock: File,
        requests: mpsc::Receiver<Request>,
    ) -> Self {
        Self {
            options,
            connection: Some(connection),
            lock,
            requests,
            quota: Quota::Applied(None),
            health: Health::Well,
            closers: Vec::new(),
        }
    }

    /// Works until the store is closed or dropped, and all that waited is done.
    pub(super) async fn run(mut self) {
        while let Some(first) = self.requests.recv().await {
            let mut group = self.gather(first);
            if group.is_empty() {
                continue;
            }
            let committed = self.transact(&mut group).await;
            self.report(&committed);
            if committed.is_err() {
                self.roll_back().await;
            }
            for request in group {
                request.answer(&committed);
            }
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the message log could not be closed tidily; it will be repaired when opened");
        }
        // Said in so many words, because a process that is just being started may hold a copy of the file's handle.
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the lock of the message log stays until this process ends");
        }
        for closer in self.closers {
            // Whoever asked may have gone.
            let _ = closer.send(());
        }
    }

    /// Takes all that waits with the first, and sets aside what needs no transaction.
    fn gather(&mut self, first: Request) -> Vec<Request> {
        let mut group = Vec::new();
        let mut messages = 0;
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Close { answer } => {
                    self.closers.push(answer);
                    self.requests.close();
                }
                Request::Quota { bytes, mut answer } => {
                    self.quota = Quota::Wanted(bytes);
                    answer.result = Some(Ok(()));
                    answer.send(Ok(()));
                }
                request => {
                    messages += request.messages();
                    group.push(request);
                }
            }
            // The next request has at most APPEND_MAX messages, of which the maximum of a group has many.
            next = if messages < GROUP_MESSAGES_MAX {
                self.requests.try_recv().ok()
            } else {
                None
            };
        }
        group
    }

    async fn transact(&mut self, group: &mut [Request]) -> Result<(), StoreError> {
        let connection = self.begin().await?;
        for request in group {
            request.apply(connection).await.map_err(fault)?;
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

    async fn roll_back(&mut self) {
        if let Some(connection) = &mut self.connection {
            // SQLite has often rolled back by itself by now, and says so with an error. Should a transaction really
            // stay open, the next one cannot begin, and a new connection takes over.
            drop(sqlx::query("ROLLBACK").execute(connection).await);
        }
    }

    fn report(&mut self, committed: &Result<(), StoreError>) {
        match (committed, self.health) {
            (Ok(()), Health::Failing) => {
                tracing::info!("the message log can be written again");
                self.health = Health::Well;
            }
            (Err(error), Health::Well) => {
                tracing::error!(%error, "the message log cannot be written; sends are refused until it can");
                self.health = Health::Failing;
            }
            (Ok(()), Health::Well) | (Err(_), Health::Failing) => {}
        }
    }
}

impl Request {
    fn messages(&self) -> usize {
        match self {
            Self::Append { publications, .. } => publications.len(),
            Self::Begin { .. } | Self::Put { .. } | Self::Quota { .. } | Self::Close { .. } => 1,
        }
    }

    async fn apply(&mut self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        match self {
            Self::Begin {
                channel,
                epoch,
                answer,
            } => {
                answer.result = Some(Ok(begin_channel(connection, channel, epoch).await?));
            }
            Self::Append {
                channel,
                publications,
                answer,
            } => {
                answer.result = Some(append(connection, channel, publications).await?);
            }
            Self::Put { key, value, answer } => {
                put(connection, key, value).await?;
                answer.result = Some(Ok(()));
            }
            Self::Quota { .. } | Self::Close { .. } => {}
        }
        Ok(())
    }

    fn answer(self, committed: &Result<(), StoreError>) {
        let committed = committed.clone();
        match self {
            Self::Begin { answer, .. } => answer.send(committed),
            Self::Append { answer, .. } => answer.send(committed),
            Self::Put { answer, .. } | Self::Quota { answer, .. } => answer.send(committed),
            Self::Close { .. } => {}
        }
    }
}

async fn begin_channel(
    connection: &mut SqliteConnection,
    channel: &str,
    epoch: &str,
) -> Result<Standing, sqlx::Error> {
    sqlx::query("INSERT INTO channels (name, epoch) VALUES (?, ?) ON CONFLICT (name) DO NOTHING")
        .bind(channel)
        .bind(epoch)
        .execute(&mut *connection)
        .await?;
    let row = sqlx::query("SELECT epoch, head FROM channels WHERE name = ?")
        .bind(channel)
        .fetch_one(connection)
        .await?;
    let epoch: String = row.try_get(0)?;
    Ok(Standing {
        epoch: Epoch(epoch.into()),
        head: Offset(unsigned(&row, 1)?),
    })
}

/// The inner result is the answer to the one who asked; the outer one fails the whole group.
async fn append(
    connection: &mut SqliteConnection,
    channel: &str,
    publications: &[Arc<Publication>],
) -> Result<Result<Appended, StoreError>, sqlx::Error> {
    let (Some(first), Some(last)) = (publications.first(), publications.last()) else {
        return Ok(Ok(Appended::Stored));
    };
    let held = find_held(connection, channel, publications).await?;
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
    insert_messages(connection, channel_id, publications).await?;
    if let Some(room) = channel.strip_prefix("room:") {
        for publication in publications {
            if let Some(event) = publication.draft.body.as_event() {
                erase(connection, &format!("chat:{room}"), event).await?;
            }
        }
    }
    Ok(Ok(Appended::Stored))
}

async fn insert_messages(
    connection: &mut SqliteConnection,
    channel_id: i64,
    publications: &[Arc<Publication>],
) -> Result<(), sqlx::Error> {
    let mut insert = QueryBuilder::new(
        "INSERT INTO messages (channel_id, message_offset, at, user_id, name, role, client_id, text, badge, language, \
         reply_offset, reply_user, event) ",
    );
    let events = publications
        .iter()
        .map(|publication| event_json(&publication.draft.body))
        .collect::<Result<Vec<_>, _>>()?;
    insert.push_values(
        publications.iter().zip(events),
        |mut row, (publication, event)| {
            let Publication { offset, at, draft } = publication.as_ref();
            let text = draft.body.as_text();
            let reply = text.and_then(|text| text.reply_to.as_deref());
            let language = text
                .map(|text| text.language)
                .filter(|language| !language.is_unknown());
            row.push_bind(channel_id)
                .push_bind(signed(offset.0))
                .push_bind(signed(at.0))
                .push_bind(&*draft.sender.user.0)
                .push_bind(&*draft.sender.name)
                .push_bind(draft.sender.role.name())
                .push_bind(&*draft.id.0)
                .push_bind(text.map_or("", |text| &*text.text))
                .push_bind(draft.sender.badge.as_deref())
                .push_bind(language.map(Language::code))
                .push_bind(reply.map(|reply| signed(reply.offset.0)))
                .push_bind(reply.map(|reply| &*reply.user.0))
                .push_bind(event);
        },
    );
    insert.build().persistent(false).execute(connection).await?;
    Ok(())
}

/// What a deletion in the lossless lane takes from the chat lane, in the same transaction: from the moment it is
/// acknowledged nobody reads the text again.
async fn erase(
    connection: &mut SqliteConnection,
    chat: &str,
    event: &Event,
) -> Result<(), sqlx::Error> {
    let mut update = QueryBuilder::new(
        "UPDATE messages SET text = '', event = NULL, reply_offset = NULL, reply_user = NULL, deleted = 1 \
         WHERE channel_id = (SELECT id FROM channels WHERE name = ",
    );
    update.push_bind(chat);
    match event {
        Event::Deleted { offset } => {
            update
                .push(") AND message_offset = ")
                .push_bind(signed(offset.0));
        }
        Event::Cleared { user, through } => {
            update.push(") AND user_id = ").push_bind(&*user.0);
            update
                .push(" AND message_offset <= ")
                .push_bind(signed(through.0));
        }
        _ => return Ok(()),
    }
    update.build().execute(connection).await?;
    Ok(())
}

/// Which of these messages the log has under an earlier offset.
async fn find_held(
    connection: &mut SqliteConnection,
    channel: &str,
    publications: &[Arc<Publication>],
) -> Result<Vec<Held>, sqlx::Error> {
    let mut query = QueryBuilder::new(
        "SELECT m.user_id, m.client_id, m.message_offset, m.at \
         FROM messages m JOIN channels c ON c.id = m.channel_id WHERE c.name = ",
    );
    query
        .push_bind(channel)
        .push(" AND (m.user_id, m.client_id) IN (");
    query.push_values(publications, |mut row, publication| {
        let draft = &publication.draft;
        row.push_bind(&*draft.sender.user.0).push_bind(&*draft.id.0);
    });
    query.push(")");
    let rows = query
        .build()
        .persistent(false)
        .fetch_all(connection)
        .await?;
    let mut held = Vec::with_capacity(rows.len());
    for row in &rows {
        let (user, id): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let (offset, at) = (Offset(unsigned(row, 2)?), UnixMillis(unsigned(row, 3)?));
        let same =
            |draft: &fanwave_wire::Draft| *draft.sender.user.0 == *user && *draft.id.0 == *id;
        let proposed = publications
            .iter()
            .filter(|publication| same(&publication.draft));
        held.extend(proposed.map(|publication| Held {
            proposed: publication.offset,
            offset,
            at,
        }));
    }
    Ok(held)
}

async fn put(
    connection: &mut SqliteConnection,
    key: &str,
    value: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO settings (key, value) VALUES (?, ?) \
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )
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
