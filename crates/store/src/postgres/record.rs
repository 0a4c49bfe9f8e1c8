//! Recording into PostgreSQL: the same few statements however many records a group has.
//!
//! Each way to the server and back costs as much as many rows. What is rare (a run begins, or takes over what an older one
//! has; an event deletes something) has statements of its own.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use fanwave_wire::{Lane, Publication, RoomId, limits::CHANNEL_BYTES_MAX};
use sqlx::{PgConnection, Postgres};

use super::{
    partitions::Known,
    retention,
    transact::{Taken, insert_messages, move_heads, seal},
};
use crate::{
    keyring::{Batch, Keyring},
    limits::{ERASURES_READ_MAX, STATEMENT_BYTES_MAX},
    record::{Pending, Record, Run, may_delete},
    rows::signed,
    writer::Request,
};

crate::record::recording!(PgConnection, Postgres);

/// How many rooms, by the names of their lanes, fit into a [statement](STATEMENT_BYTES_MAX).
const ROOMS_IN_STATEMENT: usize =
    STATEMENT_BYTES_MAX / (retention::LANES.len() * (CHANNEL_BYTES_MAX + COLUMN_BYTES));

/// How many lanes do, by two names and two numbers.
const LANES_IN_STATEMENT: usize =
    STATEMENT_BYTES_MAX / (2 * (CHANNEL_BYTES_MAX + COLUMN_BYTES) + 2 * (8 + COLUMN_BYTES));

/// What is beside each value on the line: its length.
const COLUMN_BYTES: usize = 4;

/// A record, its run, and what has to be written to it.
#[derive(Debug)]
struct Opened<'r> {
    record: &'r Record,
    run: Run,
    /// For how long texts are kept, milliseconds.
    keeps: Option<i64>,
    new: Vec<Arc<Publication>>,
}

impl Opened<'_> {
    /// The newest offset that was given.
    fn head(&self) -> i64 {
        let last = self.record.publications.last();
        last.map_or(0, |publication| signed(publication.offset.0))
    }

    fn is_ahead(&self) -> bool {
        self.head() > self.run.head
    }
}

/// The run before another: its id, its head, and when its newest message was taken.
type Older = (i64, i64, i64);

/// Writes down what others have given an offset. Who records the same rooms at the same time waits for the end of the
/// transaction.
pub(super) async fn write_down(
    connection: &mut PgConnection,
    partitions: &mut Known,
    keyring: Option<&Keyring>,
    group: &mut [Request],
) -> Result<(), sqlx::Error> {
    let records: Vec<&Record> = group
        .iter()
        .filter_map(|request| match request {
            Request::Record { record, .. } => Some(record),
            _ => None,
        })
        .collect();
    if records.is_empty() {
        return Ok(());
    }
    lock_rooms(connection, &records).await?;
    let mut left = &*records;
    while !left.is_empty() {
        let (turn, rest) = left.split_at(turn(left));
        write_turn(connection, partitions, keyring, turn).await?;
        left = rest;
    }
    for request in group {
        if let Request::Record { answer, .. } = request {
            answer.set(Ok(()));
        }
    }
    Ok(())
}

/// Keeps out others who record the same rooms, and whoever sweeps them.
async fn lock_rooms(connection: &mut PgConnection, records: &[&Record]) -> Result<(), sqlx::Error> {
    let rooms: BTreeSet<&RoomId> = records.iter().map(|record| &record.channel.room).collect();
    let rooms: Vec<&RoomId> = rooms.into_iter().collect();
    // One after the other in this order, so that no two wait for each other.
    for rooms in rooms.chunks(ROOMS_IN_STATEMENT) {
        let names: Vec<&str> = rooms.iter().map(|room| room.as_str()).collect();
        sqlx::query(
            "SELECT pg_advisory_xact_lock(hashtext('record of ' || current_schema() || ' ' || room)) \
             FROM UNNEST($1::text[]) AS room",
        )
        .bind(names)
        .execute(&mut *connection)
        .await?;
    }
    for rooms in rooms.chunks(ROOMS_IN_STATEMENT) {
        let lanes: Vec<String> = rooms
            .iter()
            .copied()
            .flat_map(retention::lanes_of)
            .collect();
        retention::lock_lanes(connection, &lanes).await?;
    }
    Ok(())
}

/// How many of the records come before one of a channel that is among them already, and fit into statements.
fn turn(records: &[&Record]) -> usize {
    let mut channels = BTreeSet::new();
    let again = records
        .iter()
        .position(|record| !channels.insert(&record.channel));
    again.unwrap_or(records.len()).min(LANES_IN_STATEMENT)
}

/// Writes records of channels that are all different. What a chat has is written before a deletion beside it is done.
async fn write_turn(
    connection: &mut PgConnection,
    partitions: &mut Known,
    keyring: Option<&Keyring>,
    records: &[&Record],
) -> Result<(), sqlx::Error> {
    let mut opened = open_runs(connection, records).await?;
    find_new(connection, &mut opened).await?;
    drop_deleted(connection, &mut opened).await?;
    // Only of what is written: whoever was forgotten, and is in what comes late, gets no key for it.
    let channels: Vec<String> = opened
        .iter()
        .map(|o| o.record.channel.to_string())
        .collect();
    let batches = opened.iter().zip(&channels).map(|(opened, channel)| Batch {
        channel,
        publications: &opened.new,
    });
    let batches: Vec<_> = batches.collect();
    let sealed = seal(connection, keyring, &batches).await?;
    let written = |index: usize| match &sealed {
        Some(sealed) => &sealed[index],
        None => &opened[index].new,
    };
    let taken: Vec<_> = opened
        .iter()
        .enumerate()
        .filter(|(_, opened)| !opened.new.is_empty())
        .map(|(index, opened)| Taken {
            channel_id: opened.run.id,
            keeps: opened.keeps,
            publications: written(index),
        })
        .collect();
    if !taken.is_empty() {
        insert_messages(connection, partitions, &taken).await?;
    }
    close_runs(connection, &opened).await?;
    for (index, Opened { record, new, .. }) in opened.iter().enumerate() {
        if may_delete(&record.channel) {
            for (publication, written) in new.iter().zip(written(index)) {
                erase(connection, record, publication, written).await?;
            }
        }
    }
    Ok(())
}

async fn open_runs<'r>(
    connection: &mut PgConnection,
    records: &[&'r Record],
) -> Result<Vec<Opened<'r>>, sqlx::Error> {
    let names: Vec<String> = records.iter().map(|r| r.channel.to_string()).collect();
    let rows: Vec<(String, String, i64, i64, Option<i64>)> =
        sqlx::query_as("SELECT name, epoch, id, head, keeps FROM channels WHERE name = ANY($1)")
            .bind(&names)
            .fetch_all(&mut *connection)
            .await?;
    let newest: BTreeMap<String, _> = rows
        .into_iter()
        .map(|(name, epoch, id, head, keeps)| (name, (epoch, id, head, keeps)))
        .collect();
    let mut opened = Vec::with_capacity(records.len());
    for (record, name) in records.iter().zip(&names) {
        let (run, keeps) = match newest.get(name) {
            Some((epoch, id, head, keeps)) if **epoch == *record.epoch.0 => {
                let (id, head, is_newest) = (*id, *head, true);
                (
                    Run {
                        id,
                        head,
                        is_newest,
                    },
                    *keeps,
                )
            }
            _ => {
                let run = find_run(connection, record).await?;
                let keeps = sqlx::query_scalar("SELECT keeps FROM channels WHERE id = $1")
                    .bind(run.id)
                    .fetch_one(&mut *connection)
                    .await?;
                (run, keeps)
            }
        };
        opened.push(Opened {
            record,
            run,
            keeps,
            new: Vec::new(),
        });
    }
    Ok(opened)
}

/// What of each record is behind its head, and lies in no older run.
async fn find_new(
    connection: &mut PgConnection,
    opened: &mut [Opened<'_>],
) -> Result<(), sqlx::Error> {
    let older = older_runs(connection, opened).await?;
    for Opened {
        record, run, new, ..
    } in opened
    {
        for publication in &record.publications {
            if signed(publication.offset.0) <= run.head {
                continue;
            }
            let is_carried = match older.get(&run.id) {
                Some(older) => carry(connection, *older, run.id, publication).await?,
                None => false,
            };
            if !is_carried {
                new.push(Arc::clone(publication));
            }
        }
    }
    Ok(())
}

/// The run before each, where there is one.
async fn older_runs(
    connection: &mut PgConnection,
    opened: &[Opened<'_>],
) -> Result<HashMap<i64, Older>, sqlx::Error> {
    let (mut ids, mut from, mut until) = (Vec::new(), Vec::new(), Vec::new());
    for Opened { record, run, .. } in opened.iter().filter(|opened| opened.is_ahead()) {
        let range = Record::older_range(&record.channel);
        ids.push(run.id);
        from.push(range.0);
        until.push(range.1);
    }
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(i64, i64, i64, i64)> = sqlx::query_as(
        "SELECT o.of, o.id, o.head, COALESCE((SELECT m.at FROM messages m WHERE m.channel_id = o.id \
         ORDER BY m.message_offset DESC LIMIT 1), 0) \
         FROM (SELECT DISTINCT ON (w.id) w.id AS of, c.id, c.head \
         FROM UNNEST($1::bigint[], $2::text[], $3::text[]) AS w (id, name_from, name_until) \
         JOIN channels c ON c.name > w.name_from AND c.name < w.name_until AND c.id < w.id \
         ORDER BY w.id, c.id DESC) o",
    )
    .bind(ids)
    .bind(from)
    .bind(until)
    .fetch_all(connection)
    .await?;
    let older = rows
        .into_iter()
        .map(|(of, id, head, newest_at)| (of, (id, head, newest_at)));
    Ok(older.collect())
}

/// Leaves out of each room's chat what was to be deleted when it comes.
async fn drop_deleted(
    connection: &mut PgConnection,
    opened: &mut [Opened<'_>],
) -> Result<(), sqlx::Error> {
    let rooms: Vec<String> = chats(opened).map(str::to_owned).collect();
    if rooms.is_empty() {
        return Ok(());
    }
    let rows: Vec<(String, i64, String, i64)> = sqlx::query_as(
        "SELECT e.room, e.message_offset, e.sender, e.at FROM UNNEST($1::text[]) AS w (room) \
         CROSS JOIN LATERAL (SELECT * FROM erasures WHERE erasures.room = w.room \
         ORDER BY message_offset LIMIT $2) e",
    )
    .bind(rooms)
    .bind(ERASURES_READ_MAX)
    .fetch_all(connection)
    .await?;
    let mut pending: HashMap<String, Vec<Pending>> = HashMap::new();
    for (room, message_offset, sender, at) in rows {
        let waits = Pending {
            message_offset,
            sender,
            at,
        };
        pending.entry(room).or_default().push(waits);
    }
    for Opened { record, new, .. } in opened {
        if record.channel.lane == Lane::Chat
            && let Some(pending) = pending.get(record.channel.room.as_str())
        {
            new.retain(|publication| !pending.iter().any(|pending| pending.deletes(publication)));
        }
    }
    Ok(())
}

/// The rooms whose chat has something new.
fn chats<'o>(opened: &'o [Opened<'_>]) -> impl Iterator<Item = &'o str> {
    opened
        .iter()
        .filter(|opened| opened.record.channel.lane == Lane::Chat && opened.is_ahead())
        .map(|opened| opened.record.channel.room.as_str())
}

/// Moves the heads, and forgets the deletions that no message to come is meant by.
async fn close_runs(
    connection: &mut PgConnection,
    opened: &[Opened<'_>],
) -> Result<(), sqlx::Error> {
    let ahead = opened.iter().filter(|opened| opened.is_ahead());
    let (ids, heads): (Vec<i64>, Vec<i64>) = ahead
        .clone()
        .map(|opened| (opened.run.id, opened.head()))
        .unzip();
    if ids.is_empty() {
        return Ok(());
    }
    move_heads(connection, ids, heads).await?;
    let newest =
        ahead.filter(|opened| opened.run.is_newest && opened.record.channel.lane == Lane::Chat);
    let (rooms, heads): (Vec<&str>, Vec<i64>) = newest
        .map(|opened| (opened.record.channel.room.as_str(), opened.head()))
        .unzip();
    if rooms.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM erasures e USING UNNEST($1::text[], $2::bigint[]) AS w (room, head) \
         WHERE e.room = w.room AND e.message_offset <= w.head",
    )
    .bind(rooms)
    .bind(heads)
    .execute(connection)
    .await?;
    Ok(())
}
