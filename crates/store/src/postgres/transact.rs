//! One transaction of the writer, on the only connection that writes: the same few statements however large the group is.
//!
//! 1. Channels that begin are inserted where they are not there, in the order of their names.
//! 2. The rows of all channels that are appended to are locked in the order of their ids, so that no two processes wait for
//!    each other in a circle. Their heads are read, and which of the client ids the log holds.
//! 3. [`judge`](judge::judge) says what becomes of each append: a decision in memory, under the lock.
//! 4. What is taken is written at once, and then what its events erase.
//!
//! An answer to a commit that is lost leaves open whether it was done. The log itself knows: on another connection the
//! first append of the group is looked for, behind the lock on its channel, which the lost transaction holds until it has
//! ended one way or the other. Only a server that is gone for longer leaves the question open.

mod judge;

use std::{collections::BTreeMap, sync::Arc};

use fanwave_wire::{Offset, Publication, RoomId, UnixMillis};
use sqlx::{
    AssertSqlSafe, Connection, FromRow, PgConnection, Postgres, Row as _,
    postgres::{PgConnectOptions, PgRow},
};
use tokio::time::{sleep, timeout};

use self::judge::{Holding, Ledger, Verdict, judge};
use super::{
    fault::{NoAnswer, fault, is_open},
    forget,
    open::connect,
    partitions::{FOR_EVER, Known},
    record::write_down,
    retention,
};
use crate::{
    Appended, Cause, StoreError,
    forget::{Person, Place, Step},
    keyring::{Keyring, sealing},
    limits::{ANSWER_WAIT_MAX, RESOLVE_MAX, RESOLVE_PAUSE, STATEMENT_BYTES_MAX},
    rows::{HeldRow, StandingRow, Written, signed},
    statements::{HOLD, PUT_SETTING, RELEASE, STANDING, erasure, events},
    writer::{Request, Transact},
};

/// Owns the connection that writes.
#[derive(Debug)]
pub(crate) struct Transactions {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    partitions: Known,
    keyring: Option<Keyring>,
}

sealing!(PgConnection);

/// By which to recognise a transaction in the log.
#[derive(Debug)]
struct Mark {
    channel_id: i64,
    message: Arc<Publication>,
}

/// It is not for us to say how large a database may be.
#[derive(Debug, thiserror::Error)]
#[error("the size of a database is a matter of its server")]
struct NoQuota;

impl Transactions {
    pub(super) fn new(
        options: PgConnectOptions,
        connection: PgConnection,
        keyring: Option<Keyring>,
    ) -> Self {
        Self {
            options,
            connection: Some(connection),
            partitions: Known::default(),
            keyring,
        }
    }

    async fn connection(&mut self) -> Result<PgConnection, StoreError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => connect(&self.options).await,
        }
    }

    async fn attempt(&mut self, group: &mut [Request]) -> Result<(), StoreError> {
        // A connection that is not put back is closed: it broke, or is to a server that takes no writes any more.
        let mut connection = self.connection().await?;
        let mark = match timeout(
            ANSWER_WAIT_MAX,
            apply(
                &mut connection,
                &mut self.partitions,
                self.keyring.as_ref(),
                group,
            ),
        )
        .await
        {
            Ok(Ok(mark)) => mark,
            Ok(Err(error)) => {
                let error = fault(error);
                self.partitions.forget();
                if !matches!(error, StoreError::Unreachable(_) | StoreError::ReadOnly) {
                    let roll_back = sqlx::raw_sql("ROLLBACK").execute(&mut connection);
                    if let Ok(Ok(_)) = timeout(ANSWER_WAIT_MAX, roll_back).await {
                        self.connection = Some(connection);
                    }
                }
                return Err(error);
            }
            Err(_) => {
                self.partitions.forget();
                return Err(StoreError::Unreachable(Cause::new(NoAnswer)));
            }
        };
        let commit = sqlx::raw_sql("COMMIT").execute(&mut connection);
        let lost = match timeout(ANSWER_WAIT_MAX, commit).await {
            Ok(Ok(_)) => {
                self.connection = Some(connection);
                return Ok(());
            }
            Ok(Err(error)) if is_open(&error) => Cause::new(error),
            Ok(Err(error)) => {
                self.partitions.forget();
                return Err(fault(error));
            }
            Err(_) => Cause::new(NoAnswer),
        };
        self.partitions.forget();
        // Closed before the log is asked: the server lets go of a transaction whose client is gone.
        drop(connection);
        resolve(&self.options, mark, lost).await
    }
}

impl Transact for Transactions {
    async fn transact(&mut self, group: &mut [Request]) -> Result<(), StoreError> {
        let is_sure = self.partitions.is_empty();
        match self.attempt(group).await {
            // A partition that was known may have been dropped meanwhile: what is refused for that is not the second time,
            // for which nothing is known.
            Err(StoreError::Refused(_)) if !is_sure => self.attempt(group).await,
            committed => committed,
        }
    }

    fn set_quota(&mut self, _bytes: Option<u64>) -> Result<(), StoreError> {
        Err(StoreError::Refused(Cause::new(NoQuota)))
    }

    async fn close(mut self) {
        if let Some(connection) = self.connection.take() {
            // The server forgets a connection that is cut, too.
            drop(timeout(ANSWER_WAIT_MAX, connection.close()).await);
        }
    }
}

/// Finds out what became of a transaction whose end was not heard.
async fn resolve(
    options: &PgConnectOptions,
    mark: Option<Mark>,
    lost: Cause,
) -> Result<(), StoreError> {
    let Some(mark) = mark else {
        // Channels and settings: to begin one, or to set it again, is the same.
        return Err(StoreError::Unreachable(lost));
    };
    let found = async {
        loop {
            match look_for(options, &mark).await {
                Ok(found) => return found,
                Err(error) => tracing::debug!(%error, "what became of a commit is still open"),
            }
            sleep(RESOLVE_PAUSE).await;
        }
    };
    match timeout(RESOLVE_MAX, found).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(StoreError::Unreachable(lost)),
        Err(_) => Err(StoreError::Unknown(lost)),
    }
}

async fn look_for(options: &PgConnectOptions, mark: &Mark) -> Result<bool, StoreError> {
    let mut connection = connect(options).await?;
    // The lock is had once whoever had it has committed or rolled back.
    sqlx::query("SELECT head FROM channels WHERE id = $1 FOR UPDATE")
        .bind(mark.channel_id)
        .fetch_optional(&mut connection)
        .await
        .map_err(fault)?;
    let draft = &mark.message.draft;
    let found: Option<i32> = sqlx::query_scalar(
        "SELECT 1 FROM messages WHERE channel_id = $1 AND message_offset = $2 AND user_id = $3 AND client_id = $4",
    )
    .bind(mark.channel_id)
    .bind(signed(mark.message.offset.0))
    .bind(&*draft.sender.user.0)
    .bind(&*draft.id.0)
    .fetch_optional(&mut connection)
    .await
    .map_err(fault)?;
    drop(timeout(ANSWER_WAIT_MAX, connection.close()).await);
    Ok(found.is_some())
}

/// All of a transaction but its end.
async fn apply(
    connection: &mut PgConnection,
    partitions: &mut Known,
    keyring: Option<&Keyring>,
    group: &mut [Request],
) -> Result<Option<Mark>, sqlx::Error> {
    begin(connection, keyring).await?;
    // Before any channel is locked, as a sweep does it.
    for request in &mut *group {
        if let Request::Hold {
            room,
            since,
            answer,
        } = request
        {
            hold(connection, room, *since).await?;
            answer.set(Ok(()));
        }
    }
    begin_channels(connection, group).await?;
    write_down(connection, partitions, keyring, group).await?;
    let mark = append(connection, partitions, keyring, group).await?;
    for request in &mut *group {
        if let Request::Forget {
            person,
            place,
            answer,
        } = request
        {
            answer.set(forget(connection, person, *place).await?);
        }
    }
    for request in group {
        if let Request::Put { key, value, answer } = request {
            let put = sqlx::query(PUT_SETTING)
                .bind(key.as_str())
                .bind(value.as_slice());
            put.execute(&mut *connection).await?;
            answer.set(Ok(()));
        }
    }
    Ok(mark)
}

/// Begins a transaction. Where it seals something, no key ends before it does, and none is used that has ended.
async fn begin(
    connection: &mut PgConnection,
    keyring: Option<&Keyring>,
) -> Result<(), sqlx::Error> {
    let sealing = Keyring::sealing(keyring).and_then(|keyring| Some((keyring, keyring.begin()?)));
    let Some((keyring, begin)) = sealing else {
        sqlx::raw_sql("BEGIN").execute(connection).await?;
        return Ok(());
    };
    let rows = sqlx::raw_sql(AssertSqlSafe(begin))
        .fetch_all(connection)
        .await?;
    let destroyed = rows.last().ok_or(sqlx::Error::RowNotFound)?;
    keyring.confirm(destroyed.try_get(0)?);
    Ok(())
}

/// A sweep moves rows from partition to partition, and a row that has been moved cannot be changed: not both at once.
async fn forget(
    connection: &mut PgConnection,
    person: &Person,
    place: Place,
) -> Result<Result<Step, StoreError>, sqlx::Error> {
    let alone: bool = sqlx::query_scalar(
        "SELECT pg_try_advisory_xact_lock(hashtext('sweep of ' || current_schema()))",
    )
    .fetch_one(&mut *connection)
    .await?;
    if !alone {
        return Ok(Err(StoreError::Busy));
    }
    Ok(Ok(forget::step(connection, person, place).await?))
}

async fn hold(
    connection: &mut PgConnection,
    room: &RoomId,
    since: Option<UnixMillis>,
) -> Result<(), sqlx::Error> {
    let Some(since) = since else {
        // What it kept is filed anew by the next sweep.
        let release = sqlx::query(RELEASE).bind(room.as_str());
        release.execute(connection).await?;
        return Ok(());
    };
    sqlx::query(HOLD)
        .bind(room.as_str())
        .bind(signed(since.0))
        .execute(&mut *connection)
        .await?;
    retention::hold(connection, room).await
}

async fn begin_channels(
    connection: &mut PgConnection,
    group: &mut [Request],
) -> Result<(), sqlx::Error> {
    let new: BTreeMap<&str, &str> = group
        .iter()
        .filter_map(|request| match request {
            Request::Begin { channel, epoch, .. } => Some((&**channel, &**epoch)),
            _ => None,
        })
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let (names, epochs): (Vec<_>, Vec<_>) = new.into_iter().unzip();
    sqlx::query(
        "INSERT INTO channels (name, epoch) SELECT * FROM UNNEST($1::text[], $2::text[]) ON CONFLICT (name) DO NOTHING",
    )
    .bind(names)
    .bind(epochs)
    .execute(&mut *connection)
    .await?;
    for request in group {
        if let Request::Begin {
            channel, answer, ..
        } = request
        {
            let row: StandingRow = sqlx::query_as(STANDING)
                .bind(channel.as_str())
                .fetch_one(&mut *connection)
                .await?;
            answer.set(Ok(row.standing()?));
        }
    }
    Ok(())
}

/// An append that is to be written.
#[derive(Debug)]
pub(super) struct Taken<'g> {
    pub(super) channel_id: i64,
    /// For how long its texts are kept, milliseconds.
    pub(super) keeps: Option<i64>,
    /// As they are written.
    pub(super) publications: &'g [Arc<Publication>],
}

/// What is erased by it: the messages of a channel as they were appended, and as they are written.
type Erasing<'g> = (&'g str, &'g [Arc<Publication>], &'g [Arc<Publication>]);

/// Judges all appends of a group, and writes those that are taken.
async fn append(
    connection: &mut PgConnection,
    partitions: &mut Known,
    keyring: Option<&Keyring>,
    group: &mut [Request],
) -> Result<Option<Mark>, sqlx::Error> {
    let mut ledger = Ledger::default();
    let names: Vec<&str> = appends(group).map(|(channel, _)| channel).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let rows: Vec<(i64, String, i64, Option<i64>)> = sqlx::query_as(
        "SELECT id, name, head, keeps FROM channels WHERE name = ANY($1) ORDER BY id FOR UPDATE",
    )
    .bind(names)
    .fetch_all(&mut *connection)
    .await?;
    for (id, name, head, keeps) in rows {
        ledger.open(name, id, Offset(head.unsigned_abs()), keeps);
    }
    seal_appends(connection, keyring, group).await?;
    find_held(connection, group, &mut ledger).await?;
    let (mut taken, mut erasing) = (Vec::new(), Vec::<Erasing<'_>>::new());
    for request in &mut *group {
        let Request::Append {
            channel,
            publications,
            sealed,
            answer,
        } = request
        else {
            continue;
        };
        let written = sealed.as_ref().unwrap_or(publications);
        answer.set(match judge(&mut ledger, channel, written) {
            Verdict::Taken { channel_id, keeps } => {
                taken.push(Taken {
                    channel_id,
                    keeps,
                    publications: written,
                });
                erasing.push((channel, publications, written));
                Ok(Appended::Stored)
            }
            Verdict::Held(held) => Ok(Appended::Held(held)),
            Verdict::Moved => Err(StoreError::Moved),
        });
    }
    let Some(first) = taken.first() else {
        return Ok(None);
    };
    let mark = first.publications.first().map(|message| Mark {
        channel_id: first.channel_id,
        message: Arc::clone(message),
    });
    let (ids, heads) = ledger
        .moved()
        .map(|(id, head)| (id, signed(head.0)))
        .unzip();
    move_heads(connection, ids, heads).await?;
    insert_messages(connection, partitions, &taken).await?;
    for (channel, publications, written) in erasing {
        for event in publications
            .iter()
            .zip(written)
            .flat_map(|(publication, written)| events(publication, written))
        {
            if let Some(mut update) = erasure::<Postgres>(channel, event) {
                update.build().execute(&mut *connection).await?;
            }
        }
    }
    Ok(mark)
}

/// The appends of a group, as they are written.
fn appends(group: &[Request]) -> impl Iterator<Item = (&str, &[Arc<Publication>])> {
    group.iter().filter_map(|request| match request {
        Request::Append {
            channel,
            publications,
            sealed,
            ..
        } => Some((&**channel, &**sealed.as_ref().unwrap_or(publications))),
        _ => None,
    })
}

/// Which of the messages of a group the log has under an earlier offset.
async fn find_held(
    connection: &mut PgConnection,
    group: &[Request],
    ledger: &mut Ledger,
) -> Result<(), sqlx::Error> {
    let mut asked = Asked::default();
    for (channel, publications) in appends(group) {
        let Some(channel_id) = ledger.channel_id(channel) else {
            continue;
        };
        for publication in publications {
            let draft = &publication.draft;
            let (user, id) = (&*draft.sender.user.0, &*draft.id.0);
            let bytes = 3 * 4 + 8 + user.len() + id.len();
            if asked.bytes + bytes > STATEMENT_BYTES_MAX {
                ask_held(connection, std::mem::take(&mut asked), ledger).await?;
            }
            asked.bytes += bytes;
            asked.channels.push(channel_id);
            asked.users.push(user);
            asked.ids.push(id);
        }
    }
    ask_held(connection, asked, ledger).await
}

/// Messages that are looked for in the log, each column as one array.
#[derive(Debug, Default)]
struct Asked<'g> {
    /// What they take on the line.
    bytes: usize,
    channels: Vec<i64>,
    users: Vec<&'g str>,
    ids: Vec<&'g str>,
}

async fn ask_held(
    connection: &mut PgConnection,
    asked: Asked<'_>,
    ledger: &mut Ledger,
) -> Result<(), sqlx::Error> {
    let rows: Vec<PgRow> = sqlx::query(
        "SELECT m.channel_id, m.user_id, m.client_id, m.message_offset, m.at \
         FROM UNNEST($1::bigint[], $2::text[], $3::text[]) AS w (channel_id, user_id, client_id) \
         JOIN messages m ON m.channel_id = w.channel_id AND m.user_id = w.user_id AND m.client_id = w.client_id",
    )
    .bind(asked.channels)
    .bind(asked.users)
    .bind(asked.ids)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let (channel_id,): (i64,) = FromRow::from_row(row)?;
        let row = HeldRow::from_row(row)?;
        let held = row.held(Offset(0))?;
        ledger.hold(
            (channel_id, row.user_id, row.client_id),
            Holding {
                offset: held.offset,
                at: held.at,
            },
        );
    }
    Ok(())
}

/// Sets the heads of channels by their ids.
pub(super) async fn move_heads(
    connection: &mut PgConnection,
    ids: Vec<i64>,
    heads: Vec<i64>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE channels c SET head = w.head FROM UNNEST($1::bigint[], $2::bigint[]) AS w (id, head) WHERE c.id = w.id",
    )
    .bind(ids)
    .bind(heads)
    .execute(connection)
    .await?;
    Ok(())
}

/// The columns of messages, each as one array.
#[derive(Debug, Default)]
struct Columns<'m> {
    /// What they take on the line.
    bytes: usize,
    channel_id: Vec<i64>,
    message_offset: Vec<i64>,
    at: Vec<i64>,
    kept_until: Vec<i64>,
    user_id: Vec<&'m str>,
    name: Vec<&'m str>,
    role: Vec<&'m str>,
    client_id: Vec<&'m str>,
    text: Vec<&'m str>,
    badge: Vec<Option<&'m str>>,
    language: Vec<Option<&'m str>>,
    reply_offset: Vec<Option<i64>>,
    reply_user: Vec<Option<&'m str>>,
    event: Vec<Option<String>>,
    checksum: Vec<i64>,
}

impl<'m> Columns<'m> {
    fn push(&mut self, channel_id: i64, kept_until: i64, written: Written<'m>) {
        let Publication { offset, at, draft } = written.publication;
        self.checksum.push(written.checksum());
        self.channel_id.push(channel_id);
        self.message_offset.push(signed(offset.0));
        self.at.push(signed(at.0));
        self.kept_until.push(kept_until);
        self.user_id.push(&draft.sender.user.0);
        self.name.push(&draft.sender.name);
        self.role.push(draft.sender.role.name());
        self.client_id.push(&draft.id.0);
        self.text.push(written.text);
        self.badge.push(draft.sender.badge.as_deref());
        self.language.push(written.language);
        self.reply_offset.push(written.reply_offset);
        self.reply_user.push(written.reply_user);
        self.event.push(written.event);
    }
}

/// What a row takes: each column its length, and itself.
fn on_the_line(written: &Written<'_>) -> usize {
    const COLUMNS: usize = 15;

    let draft = &written.publication.draft;
    let texts = [
        Some(&*draft.sender.user.0),
        Some(&*draft.sender.name),
        Some(draft.sender.role.name()),
        Some(&*draft.id.0),
        Some(written.text),
        draft.sender.badge.as_deref(),
        written.language,
        written.reply_user,
        written.event.as_deref(),
    ];
    let texts: usize = texts.into_iter().flatten().map(str::len).sum();
    COLUMNS * 4 + (COLUMNS - 9) * 8 + texts
}

pub(super) async fn insert_messages(
    connection: &mut PgConnection,
    partitions: &mut Known,
    taken: &[Taken<'_>],
) -> Result<(), sqlx::Error> {
    let mut columns = Columns::default();
    for append in taken {
        for publication in append.publications {
            let written = Written::new(publication)?;
            let bytes = on_the_line(&written);
            if columns.bytes + bytes > STATEMENT_BYTES_MAX {
                insert_rows(connection, partitions, std::mem::take(&mut columns)).await?;
            }
            columns.bytes += bytes;
            let keeps = append.keeps.filter(|_| written.event.is_none());
            let kept_until = keeps.map_or(FOR_EVER, |keeps| {
                signed(publication.at.0).saturating_add(keeps)
            });
            columns.push(append.channel_id, kept_until, written);
        }
    }
    insert_rows(connection, partitions, columns).await
}

async fn insert_rows(
    connection: &mut PgConnection,
    partitions: &mut Known,
    columns: Columns<'_>,
) -> Result<(), sqlx::Error> {
    if columns.channel_id.is_empty() {
        return Ok(());
    }
    partitions
        .ensure(connection, columns.kept_until.iter().copied())
        .await?;
    sqlx::query(
        "INSERT INTO messages (channel_id, message_offset, at, kept_until, user_id, name, role, client_id, text, badge, \
         language, reply_offset, reply_user, event, checksum) \
         SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], \
         $8::text[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::text[], $14::text[], $15::bigint[])",
    )
    .bind(columns.channel_id)
    .bind(columns.message_offset)
    .bind(columns.at)
    .bind(columns.kept_until)
    .bind(columns.user_id)
    .bind(columns.name)
    .bind(columns.role)
    .bind(columns.client_id)
    .bind(columns.text)
    .bind(columns.badge)
    .bind(columns.language)
    .bind(columns.reply_offset)
    .bind(columns.reply_user)
    .bind(columns.event)
    .bind(columns.checksum)
    .execute(connection)
    .await?;
    Ok(())
}
