//! Lets go of what has not to be kept any more, a bounded number of messages in each transaction.

use fanwave_wire::{RoomId, UnixMillis};
use sqlx::SqliteConnection;

use crate::{
    Retention,
    limits::{SWEEP_CHANNELS_MAX, SWEEP_MESSAGES_MAX},
    record::channel_of,
    rows::signed,
    writer::Step,
};

/// Does a piece of a sweep: channels behind this one, until enough is done.
pub(super) async fn sweep(
    connection: &mut SqliteConnection,
    after: i64,
    retention: &Retention,
    now: UnixMillis,
) -> Result<Step, sqlx::Error> {
    let channels: Vec<(i64, String, i64)> =
        sqlx::query_as("SELECT id, name, floor FROM channels WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(SWEEP_CHANNELS_MAX)
            .fetch_all(&mut *connection)
            .await?;
    let mut step = Step {
        after: None,
        messages: 0,
    };
    for (index, (id, name, floor)) in channels.iter().enumerate() {
        // A name that a newer release has given is left alone.
        let Some(channel) = channel_of(name) else {
            continue;
        };
        let Some(keeps) = retention.millis(&channel) else {
            continue;
        };
        if is_held(connection, &channel.room).await? {
            continue;
        }
        let kept_from = signed(now.0).saturating_sub(keeps);
        let (removed, is_done) = trim(connection, *id, *floor, kept_from).await?;
        step.messages += removed;
        if !is_done {
            // This one again, in the next transaction.
            step.after = Some(
                index
                    .checked_sub(1)
                    .map_or(after, |before| channels[before].0),
            );
            return Ok(step);
        }
    }
    let is_page_full = i64::try_from(channels.len()).is_ok_and(|count| count == SWEEP_CHANNELS_MAX);
    step.after = channels.last().map(|(id, ..)| *id).filter(|_| is_page_full);
    Ok(step)
}

async fn is_held(connection: &mut SqliteConnection, room: &RoomId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM holds WHERE room = $1)")
        .bind(room.as_str())
        .fetch_one(connection)
        .await
}

/// Removes the oldest texts of a channel, which are not from this time or later: at most so many. Events stay, and are
/// passed over once.
async fn trim(
    connection: &mut SqliteConnection,
    channel_id: i64,
    floor: i64,
    kept_from: i64,
) -> Result<(u64, bool), sqlx::Error> {
    // The first alone, because most channels have nothing to remove.
    let oldest = oldest(connection, channel_id, floor, 1).await?;
    if oldest.first().is_none_or(|(_, at)| *at >= kept_from) {
        return Ok((0, true));
    }
    let page = self::oldest(connection, channel_id, floor, SWEEP_MESSAGES_MAX).await?;
    let expired = page.iter().take_while(|(_, at)| *at < kept_from);
    let Some((last, _)) = expired.last() else {
        return Ok((0, true));
    };
    let removed = sqlx::query(
        "DELETE FROM messages WHERE channel_id = $1 AND message_offset > $2 AND message_offset <= $3 AND event IS NULL",
    )
    .bind(channel_id)
    .bind(floor)
    .bind(*last)
    .execute(&mut *connection)
    .await?;
    sqlx::query("UPDATE channels SET floor = $2 WHERE id = $1")
        .bind(channel_id)
        .bind(*last)
        .execute(connection)
        .await?;
    let is_done = page.last().is_some_and(|(newest, _)| newest > last)
        || i64::try_from(page.len()).is_ok_and(|count| count < SWEEP_MESSAGES_MAX);
    Ok((removed.rows_affected(), is_done))
}

async fn oldest(
    connection: &mut SqliteConnection,
    channel_id: i64,
    floor: i64,
    count: i64,
) -> Result<Vec<(i64, i64)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT message_offset, at FROM messages WHERE channel_id = $1 AND message_offset > $2 \
         ORDER BY message_offset LIMIT $3",
    )
    .bind(channel_id)
    .bind(floor)
    .bind(count)
    .fetch_all(connection)
    .await
}
