//! Lets go of what has not to be kept any more.
//!
//! 1. Each channel is told for how long its texts are kept (`keeps`); the writer files new ones accordingly. A room under
//!    legal hold keeps all of them for ever.
//! 2. Where that has changed, the texts that are there are filed anew, so many at a time.
//! 3. Partitions whose time is over are dropped, unless something is still to be filed anew.
//!
//! A hold is written before anybody relies on it, and steps 1 and 3 lock out whoever writes one: what was there when the
//! hold was acknowledged is there until it is released. One process sweeps at a time. A sweep that is cut off goes on
//! where it stopped the next time.

use std::collections::BTreeSet;

use fanwave_wire::{Channel, Lane, RoomId, UnixMillis};
use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::timeout;

use super::{
    fault::{NoAnswer, fault},
    open::connect,
    partitions::{self, FOR_EVER, Known},
};
use crate::{
    Cause, Retention, StoreError, Swept,
    limits::{ANSWER_WAIT_MAX, SWEEP_CHANNELS_MAX, SWEEP_MAX, SWEEP_MESSAGES_MAX},
    record::channel_of,
    rows::signed,
};

/// Sweeps once; or not at all, where another process does.
pub(super) async fn sweep(
    options: &PgConnectOptions,
    retention: &Retention,
    now: UnixMillis,
) -> Result<Swept, StoreError> {
    let mut connection = connect(options).await?;
    // The end of the connection is the end of its lock, however it ends.
    let swept = timeout(SWEEP_MAX, work(&mut connection, retention, signed(now.0))).await;
    drop(timeout(ANSWER_WAIT_MAX, connection.close()).await);
    match swept {
        Ok(swept) => swept.map_err(fault),
        Err(_) => Err(StoreError::Unreachable(Cause::new(NoAnswer))),
    }
}

async fn work(
    connection: &mut PgConnection,
    retention: &Retention,
    now: i64,
) -> Result<Swept, sqlx::Error> {
    let alone: bool = sqlx::query_scalar(
        "SELECT pg_try_advisory_lock(hashtext('sweep of ' || current_schema()))",
    )
    .fetch_one(&mut *connection)
    .await?;
    let mut swept = Swept::default();
    if !alone {
        return Ok(swept);
    }
    assign(connection, retention).await?;
    let mut known = Known::default();
    while let Some(removed) = refile(connection, &mut known, now).await? {
        swept.messages += removed;
    }
    for week in partitions::expired(connection, now).await? {
        raise_floors(connection, week).await?;
        if !drop_partition(connection, week).await? {
            break;
        }
        swept.partitions += 1;
    }
    // In so many words: a server may take a while to notice that a connection has ended.
    sqlx::query("SELECT pg_advisory_unlock(hashtext('sweep of ' || current_schema()))")
        .execute(&mut *connection)
        .await?;
    Ok(swept)
}

/// Locks out whoever writes a hold, until the end of the transaction.
async fn without_new_holds(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    // A short wait: those who come behind wait as well.
    sqlx::raw_sql("BEGIN; SET LOCAL lock_timeout = '1s'; LOCK TABLE holds IN SHARE MODE")
        .execute(connection)
        .await?;
    Ok(())
}

async fn commit(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("COMMIT").execute(connection).await?;
    Ok(())
}

/// Tells every channel for how long its texts are kept.
async fn assign(connection: &mut PgConnection, retention: &Retention) -> Result<(), sqlx::Error> {
    let mut after = 0;
    loop {
        without_new_holds(connection).await?;
        let held: Vec<String> = sqlx::query_scalar("SELECT room FROM holds")
            .fetch_all(&mut *connection)
            .await?;
        let held: BTreeSet<String> = held.into_iter().collect();
        let page: Vec<(i64, String, Option<i64>)> = sqlx::query_as(
            "SELECT id, name, keeps FROM channels WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(SWEEP_CHANNELS_MAX)
        .fetch_all(&mut *connection)
        .await?;
        let Some((last, ..)) = page.last() else {
            return commit(connection).await;
        };
        after = *last;
        let (mut ids, mut keeps) = (Vec::new(), Vec::new());
        for (id, name, kept) in &page {
            // A name that a newer release has given is left alone.
            let Some(channel) = channel_of(name) else {
                continue;
            };
            let wanted = if held.contains(channel.room.as_str()) {
                None
            } else {
                retention.millis(&channel)
            };
            if wanted != *kept {
                ids.push(*id);
                keeps.push(wanted);
            }
        }
        lock(connection, &ids).await?;
        sqlx::query(
            "UPDATE channels c SET keeps = w.keeps, refile_after = 0 \
             FROM UNNEST($1::bigint[], $2::bigint[]) AS w (id, keeps) WHERE c.id = w.id",
        )
        .bind(ids)
        .bind(keeps)
        .execute(&mut *connection)
        .await?;
        commit(connection).await?;
    }
}

/// In the order in which writers lock them.
async fn lock(connection: &mut PgConnection, ids: &[i64]) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT 1 FROM channels WHERE id = ANY($1) ORDER BY id FOR UPDATE")
        .bind(ids)
        .execute(connection)
        .await?;
    Ok(())
}

/// Locks all runs of these lanes.
pub(super) async fn lock_lanes(
    connection: &mut PgConnection,
    lanes: &[String],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "SELECT 1 FROM channels WHERE split_part(name, '#', 1) = ANY($1) ORDER BY id FOR UPDATE",
    )
    .bind(lanes)
    .execute(connection)
    .await?;
    Ok(())
}

/// A text, and when it may go.
type Filed = (i64, i64, i64);

/// Files some texts of one channel anew, and says how many of them had to go; `None` when nothing is left to do.
async fn refile(
    connection: &mut PgConnection,
    known: &mut Known,
    now: i64,
) -> Result<Option<u64>, sqlx::Error> {
    let next: Option<(i64, String)> = sqlx::query_as(
        "SELECT id, name FROM channels WHERE refile_after IS NOT NULL ORDER BY id LIMIT 1",
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some((id, name)) = next else {
        return Ok(None);
    };
    sqlx::raw_sql("BEGIN").execute(&mut *connection).await?;
    // All lanes of the room: a deletion in one of them changes texts of another.
    let lanes = lanes(&name);
    lock_lanes(connection, &lanes).await?;
    let (keeps, after): (Option<i64>, Option<i64>) =
        sqlx::query_as("SELECT keeps, refile_after FROM channels WHERE id = $1")
            .bind(id)
            .fetch_one(&mut *connection)
            .await?;
    let texts: Vec<Filed> = sqlx::query_as(
        "SELECT message_offset, at, kept_until FROM messages \
         WHERE channel_id = $1 AND message_offset > $2 AND event IS NULL ORDER BY message_offset LIMIT $3",
    )
    .bind(id)
    .bind(after.unwrap_or_default())
    .bind(SWEEP_MESSAGES_MAX)
    .fetch_all(&mut *connection)
    .await?;
    let ends = |at: i64| keeps.map_or(FOR_EVER, |keeps| at.saturating_add(keeps));
    let (gone, kept): (Vec<Filed>, Vec<Filed>) =
        texts.iter().partition(|(_, at, _)| ends(*at) <= now);
    remove(connection, id, &gone).await?;
    let moved: Vec<Filed> = kept
        .into_iter()
        .map(|(offset, at, filed)| (offset, filed, ends(at)))
        .filter(|(_, filed, wanted)| filed != wanted)
        .collect();
    known
        .ensure(connection, moved.iter().map(|(_, _, wanted)| *wanted))
        .await?;
    move_texts(connection, id, &moved).await?;
    let is_last = i64::try_from(texts.len()).is_ok_and(|count| count < SWEEP_MESSAGES_MAX);
    let last = texts.last().map(|(offset, ..)| *offset);
    sqlx::query("UPDATE channels SET refile_after = $2, floor = GREATEST(floor, $3) WHERE id = $1")
        .bind(id)
        .bind(last.filter(|_| !is_last))
        .bind(gone.last().map_or(0, |(offset, ..)| *offset))
        .execute(&mut *connection)
        .await?;
    commit(connection).await?;
    Ok(Some(gone.len() as u64))
}

/// The names of all lanes of a channel's room.
fn lanes(name: &str) -> Vec<String> {
    let Some(channel) = channel_of(name) else {
        return vec![name.to_owned()];
    };
    lanes_of(&channel.room)
}

/// All lanes of a room.
pub(super) const LANES: [Lane; 4] = [Lane::Room, Lane::Chat, Lane::Staff, Lane::Vote];

/// Their names.
pub(super) fn lanes_of(room: &RoomId) -> Vec<String> {
    LANES
        .map(|lane| {
            let room = room.clone();
            Channel { lane, room }.to_string()
        })
        .into()
}

async fn remove(
    connection: &mut PgConnection,
    channel_id: i64,
    texts: &[Filed],
) -> Result<(), sqlx::Error> {
    let (offsets, filed): (Vec<i64>, Vec<i64>) = texts
        .iter()
        .map(|(offset, _, filed)| (*offset, *filed))
        .unzip();
    sqlx::query(
        "DELETE FROM messages m USING UNNEST($2::bigint[], $3::bigint[]) AS w (message_offset, kept_until) \
         WHERE m.channel_id = $1 AND m.message_offset = w.message_offset AND m.kept_until = w.kept_until",
    )
    .bind(channel_id)
    .bind(offsets)
    .bind(filed)
    .execute(connection)
    .await?;
    Ok(())
}

/// Offsets, under which time they are filed, and under which they are to be.
async fn move_texts(
    connection: &mut PgConnection,
    channel_id: i64,
    texts: &[Filed],
) -> Result<(), sqlx::Error> {
    let offsets: Vec<i64> = texts.iter().map(|(offset, ..)| *offset).collect();
    let filed: Vec<i64> = texts.iter().map(|(_, filed, _)| *filed).collect();
    let wanted: Vec<i64> = texts.iter().map(|(_, _, wanted)| *wanted).collect();
    sqlx::query(
        "UPDATE messages m SET kept_until = w.wanted \
         FROM UNNEST($2::bigint[], $3::bigint[], $4::bigint[]) AS w (message_offset, kept_until, wanted) \
         WHERE m.channel_id = $1 AND m.message_offset = w.message_offset AND m.kept_until = w.kept_until",
    )
    .bind(channel_id)
    .bind(offsets)
    .bind(filed)
    .bind(wanted)
    .execute(connection)
    .await?;
    Ok(())
}

/// Before a partition goes: channels remember how far their texts may be gone.
async fn raise_floors(connection: &mut PgConnection, week: i64) -> Result<(), sqlx::Error> {
    let name = partitions::name(week);
    let mut after = 0;
    loop {
        let ids: Vec<i64> =
            sqlx::query_scalar("SELECT id FROM channels WHERE id > $1 ORDER BY id LIMIT $2")
                .bind(after)
                .bind(SWEEP_CHANNELS_MAX)
                .fetch_all(&mut *connection)
                .await?;
        let Some(last) = ids.last() else {
            return Ok(());
        };
        after = *last;
        let newest = format!(
            "SELECT c.id, m.newest FROM UNNEST($1::bigint[]) AS c (id) CROSS JOIN LATERAL \
             (SELECT message_offset AS newest FROM {name} WHERE channel_id = c.id ORDER BY message_offset DESC LIMIT 1) m"
        );
        let newest: Vec<(i64, i64)> = sqlx::query_as(AssertSqlSafe(newest))
            .bind(&ids)
            .fetch_all(&mut *connection)
            .await?;
        let (ids, newest): (Vec<i64>, Vec<i64>) = newest.into_iter().unzip();
        sqlx::raw_sql("BEGIN").execute(&mut *connection).await?;
        lock(connection, &ids).await?;
        sqlx::query(
            "UPDATE channels c SET floor = GREATEST(c.floor, w.newest) \
             FROM UNNEST($1::bigint[], $2::bigint[]) AS w (id, newest) WHERE c.id = w.id",
        )
        .bind(ids)
        .bind(newest)
        .execute(&mut *connection)
        .await?;
        commit(connection).await?;
    }
}

/// Drops a partition, unless something that is in it may have to be filed anew.
async fn drop_partition(connection: &mut PgConnection, week: i64) -> Result<bool, sqlx::Error> {
    without_new_holds(connection).await?;
    let is_filed: bool = sqlx::query_scalar(
        "SELECT NOT EXISTS (SELECT 1 FROM channels WHERE refile_after IS NOT NULL)",
    )
    .fetch_one(&mut *connection)
    .await?;
    if is_filed {
        let name = partitions::name(week);
        sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE {name}")))
            .execute(&mut *connection)
            .await?;
    }
    commit(connection).await?;
    Ok(is_filed)
}

/// Puts a room under hold, in a transaction: nothing that it says, or has said, is let go of.
pub(super) async fn hold(connection: &mut PgConnection, room: &RoomId) -> Result<(), sqlx::Error> {
    let lanes = lanes_of(room);
    lock_lanes(connection, &lanes).await?;
    sqlx::query(
        "UPDATE channels SET keeps = NULL, refile_after = 0 WHERE split_part(name, '#', 1) = ANY($1) AND keeps IS NOT NULL",
    )
    .bind(&lanes)
    .execute(connection)
    .await?;
    Ok(())
}
