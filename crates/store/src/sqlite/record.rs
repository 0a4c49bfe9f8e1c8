//! Recording into a file: one record after the other, in the process.

use std::sync::Arc;

use fanwave_wire::{Lane, Publication};
use sqlx::{Sqlite, SqliteConnection};

use super::transact::{insert_messages, seal};
use crate::{
    keyring::{Batch, Keyring},
    limits::ERASURES_READ_MAX,
    record::{Pending, Record, Run, may_delete},
    rows::signed,
};

crate::record::recording!(SqliteConnection, Sqlite);

/// A run, and what has to be written to it.
#[derive(Debug)]
struct Opened {
    run: Run,
    new: Vec<Arc<Publication>>,
}

/// Writes down what others have given an offset.
pub(super) async fn write_down(
    connection: &mut SqliteConnection,
    keyring: Option<&Keyring>,
    record: &Record,
) -> Result<(), sqlx::Error> {
    let opened = open_run(connection, record).await?;
    if opened.new.is_empty() {
        return close_run(connection, record, &opened, &[]).await;
    }
    // Only of what is written: whoever was forgotten, and is in what comes late, gets no key for it.
    let channel = record.channel.to_string();
    let batch = Batch {
        channel: &channel,
        publications: &opened.new,
    };
    let sealed = seal(connection, keyring, &[batch]).await?;
    let sealed = sealed.into_iter().flatten().next();
    let written = sealed.as_ref().unwrap_or(&opened.new);
    insert_messages(connection, opened.run.id, written).await?;
    close_run(connection, record, &opened, written).await
}

/// Finds the run of a record, or begins it, and what of the record has to be written to it.
async fn open_run(
    connection: &mut SqliteConnection,
    record: &Record,
) -> Result<Opened, sqlx::Error> {
    let run = find_run(connection, record).await?;
    let mut new = Vec::with_capacity(record.publications.len());
    let mut older = None;
    for publication in &record.publications {
        if signed(publication.offset.0) <= run.head {
            continue;
        }
        if older.is_none() {
            older = Some(older_run(connection, record, run.id).await?);
        }
        let is_carried = match older {
            Some(Some(older)) => carry(connection, older, run.id, publication).await?,
            _ => false,
        };
        if !is_carried {
            new.push(Arc::clone(publication));
        }
    }
    if record.channel.lane == Lane::Chat {
        let pending = pending(connection, record).await?;
        new.retain(|publication| !pending.iter().any(|pending| pending.deletes(publication)));
    }
    Ok(Opened { run, new })
}

/// The run before this one: its id, its head, and when its newest message was taken.
async fn older_run(
    connection: &mut SqliteConnection,
    record: &Record,
    id: i64,
) -> Result<Option<(i64, i64, i64)>, sqlx::Error> {
    let (from, until) = Record::older_range(&record.channel);
    sqlx::query_as(
        "SELECT c.id, c.head, COALESCE((SELECT m.at FROM messages m WHERE m.channel_id = c.id \
         ORDER BY m.message_offset DESC LIMIT 1), 0) \
         FROM channels c WHERE c.name > $1 AND c.name < $2 AND c.id < $3 ORDER BY c.id DESC LIMIT 1",
    )
    .bind(from)
    .bind(until)
    .bind(id)
    .fetch_optional(connection)
    .await
}

/// What is to be deleted from a room's chat when it comes.
async fn pending(
    connection: &mut SqliteConnection,
    record: &Record,
) -> Result<Vec<Pending>, sqlx::Error> {
    let rows: Vec<(i64, String, i64)> = sqlx::query_as(
        "SELECT message_offset, sender, at FROM erasures WHERE room = $1 ORDER BY message_offset LIMIT $2",
    )
    .bind(record.channel.room.as_str())
    .bind(ERASURES_READ_MAX)
    .fetch_all(connection)
    .await?;
    let pending = rows
        .into_iter()
        .map(|(message_offset, sender, at)| Pending {
            message_offset,
            sender,
            at,
        });
    Ok(pending.collect())
}

/// After the new messages are there: moves the head, and deletes what they delete.
async fn close_run(
    connection: &mut SqliteConnection,
    record: &Record,
    opened: &Opened,
    written: &[Arc<Publication>],
) -> Result<(), sqlx::Error> {
    let Some(last) = record.publications.last() else {
        return Ok(());
    };
    let head = signed(last.offset.0);
    if head <= opened.run.head {
        return Ok(());
    }
    sqlx::query("UPDATE channels SET head = $2 WHERE id = $1")
        .bind(opened.run.id)
        .bind(head)
        .execute(&mut *connection)
        .await?;
    if record.channel.lane == Lane::Chat && opened.run.is_newest {
        sqlx::query("DELETE FROM erasures WHERE room = $1 AND message_offset <= $2")
            .bind(record.channel.room.as_str())
            .bind(head)
            .execute(&mut *connection)
            .await?;
    }
    if may_delete(&record.channel) {
        for (publication, written) in opened.new.iter().zip(written) {
            erase(connection, record, publication, written).await?;
        }
    }
    Ok(())
}
