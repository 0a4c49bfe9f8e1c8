//! The tables, and every statement about them, prepared once.
//!
//! The write times of messages are made up: 1 as they were recorded, 2 for what changes them, 3 for what removes them.

use scylla::{
    client::session::Session,
    errors::PrepareError,
    statement::{Statement, prepared::PreparedStatement},
};

/// The tables. Every step only adds: a server works with what a newer release has made.
pub(super) const TABLES: &[&str] = &[
    // Runs of offsets of a channel, in the order in which the archive has met them.
    "CREATE TABLE IF NOT EXISTS runs (channel text, run int, epoch text, PRIMARY KEY (channel, run))",
    // Up to which offset a run is recorded, and when that was said, milliseconds since 1970-01-01 UTC.
    "CREATE TABLE IF NOT EXISTS heads (channel text, run int, head bigint, at bigint, PRIMARY KEY (channel, run))",
    // Which partitions of messages there are.
    "CREATE TABLE IF NOT EXISTS buckets (channel text, run int, sort tinyint, stretch bigint, week int, \
     PRIMARY KEY (channel, run, sort, stretch, week))",
    // What was said, and what happened. Text is kept compressed; a partition is read as a whole or from one end.
    "CREATE TABLE IF NOT EXISTS messages (channel text, run int, sort tinyint, stretch bigint, week int, \
     message_offset bigint, at bigint, user_id text, name text, role text, client_id text, text text, badge text, \
     language text, reply_offset bigint, reply_user text, event text, \
     PRIMARY KEY ((channel, run, sort, stretch, week), message_offset))",
    // Where a person has said, done or been named something.
    "CREATE TABLE IF NOT EXISTS traces (user_id text, channel text, run int, sort tinyint, week int, \
     PRIMARY KEY (user_id, channel, run, sort, week))",
    // Deletions that were recorded before what they delete. They come and go: an hour is enough to tell all replicas.
    "CREATE TABLE IF NOT EXISTS erasures (room text, message_offset bigint, sender text, at bigint, \
     PRIMARY KEY (room, message_offset, sender)) WITH gc_grace_seconds = 3600",
    // Rooms under legal hold, in one partition.
    "CREATE TABLE IF NOT EXISTS holds (part int, room text, since bigint, PRIMARY KEY (part, room))",
    // What one process does at a time.
    "CREATE TABLE IF NOT EXISTS leases (name text PRIMARY KEY, holder text)",
    // How often somebody was forgotten.
    "CREATE TABLE IF NOT EXISTS counters (name text PRIMARY KEY, count bigint)",
];

macro_rules! statements {
    ($($name:ident: $cql:expr,)+) => {
        /// Prepared.
        pub(super) struct Statements {
            $(pub(super) $name: PreparedStatement,)+
        }

        impl Statements {
            pub(super) async fn prepare(session: &Session) -> Result<Self, PrepareError> {
                Ok(Self { $($name: prepare(session, $cql).await?,)+ })
            }
        }
    };
}

async fn prepare(session: &Session, cql: &str) -> Result<PreparedStatement, PrepareError> {
    let mut statement = session.prepare(Statement::new(cql)).await?;
    // Each but the conditional ones leaves the same behind, however often it is done.
    statement.set_is_idempotent(!cql.contains(" IF "));
    statement.set_use_cached_result_metadata(true);
    Ok(statement)
}

statements! {
    runs: "SELECT run, epoch FROM runs WHERE channel = ? ORDER BY run DESC LIMIT ?",
    begin_run: "INSERT INTO runs (channel, run, epoch) VALUES (?, ?, ?) IF NOT EXISTS",
    heads: "SELECT run, head, at FROM heads WHERE channel = ? AND run >= ? AND run <= ?",
    // The highest is the latest.
    put_head: "INSERT INTO heads (channel, run, head, at) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
    put_bucket: "INSERT INTO buckets (channel, run, sort, stretch, week) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP 1",
    drop_bucket: "DELETE FROM buckets USING TIMESTAMP 3 \
        WHERE channel = ? AND run = ? AND sort = ? AND stretch = ? AND week = ?",
    buckets_up: "SELECT stretch, week FROM buckets WHERE channel = ? AND run = ? AND sort = ? \
        AND stretch >= ? AND stretch <= ? ORDER BY run, sort, stretch, week",
    buckets_down: "SELECT stretch, week FROM buckets WHERE channel = ? AND run = ? AND sort = ? \
        AND stretch >= ? AND stretch <= ? ORDER BY run DESC, sort DESC, stretch DESC, week DESC",
    buckets_of_channel: "SELECT run, sort, stretch, week FROM buckets WHERE channel = ?",
    channels: "SELECT DISTINCT channel FROM buckets",
    insert: "INSERT INTO messages (channel, run, sort, stretch, week, message_offset, at, user_id, name, role, \
        client_id, text, badge, language, reply_offset, reply_user, event) \
        VALUES (:channel, :run, :sort, :stretch, :week, :message_offset, :at, :user_id, :name, :role, \
        :client_id, :text, :badge, :language, :reply_offset, :reply_user, :event) USING TIMESTAMP 1",
    page_up: "SELECT message_offset, at, user_id, name, role, client_id, text, badge, language, reply_offset, \
        reply_user, event FROM messages WHERE channel = ? AND run = ? AND sort = ? AND stretch = ? AND week = ? \
        AND message_offset > ? AND message_offset <= ? ORDER BY message_offset LIMIT ?",
    page_down: "SELECT message_offset, at, user_id, name, role, client_id, text, badge, language, reply_offset, \
        reply_user, event FROM messages WHERE channel = ? AND run = ? AND sort = ? AND stretch = ? AND week = ? \
        AND message_offset > ? AND message_offset <= ? ORDER BY message_offset DESC LIMIT ?",
    // What one person has said: looked for by the nodes, in one partition.
    page_up_by: "SELECT message_offset, at, user_id, name, role, client_id, text, badge, language, reply_offset, \
        reply_user, event FROM messages WHERE channel = ? AND run = ? AND sort = ? AND stretch = ? AND week = ? \
        AND message_offset > ? AND message_offset <= ? AND user_id = ? ORDER BY message_offset LIMIT ? ALLOW FILTERING",
    page_down_by: "SELECT message_offset, at, user_id, name, role, client_id, text, badge, language, reply_offset, \
        reply_user, event FROM messages WHERE channel = ? AND run = ? AND sort = ? AND stretch = ? AND week = ? \
        AND message_offset > ? AND message_offset <= ? AND user_id = ? ORDER BY message_offset DESC LIMIT ? ALLOW FILTERING",
    outlines: "SELECT message_offset, at, user_id, reply_user FROM messages \
        WHERE channel = ? AND run = ? AND sort = ? AND stretch = ? AND week = ?",
    remove: "DELETE FROM messages USING TIMESTAMP 3 WHERE channel = ? AND run = ? AND sort = ? AND stretch = ? \
        AND week = ? AND message_offset = ?",
    remove_bucket: "DELETE FROM messages USING TIMESTAMP 3 WHERE channel = ? AND run = ? AND sort = ? AND stretch = ? \
        AND week = ?",
    lose_reply: "DELETE reply_offset, reply_user FROM messages USING TIMESTAMP 2 \
        WHERE channel = ? AND run = ? AND sort = ? AND stretch = ? AND week = ? AND message_offset = ?",
    make_nobodys: "UPDATE messages USING TIMESTAMP 2 SET user_id = ?, name = ?, badge = null, event = ? \
        WHERE channel = ? AND run = ? AND sort = ? AND stretch = ? AND week = ? AND message_offset = ?",
    put_trace: "INSERT INTO traces (user_id, channel, run, sort, week) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
    traces: "SELECT channel, run, sort, week FROM traces WHERE user_id = ?",
    traces_in: "SELECT week FROM traces WHERE user_id = ? AND channel = ? AND run = ? AND sort = ?",
    drop_trace: "DELETE FROM traces USING TIMESTAMP ? \
        WHERE user_id = ? AND channel = ? AND run = ? AND sort = ? AND week = ?",
    put_erasure: "INSERT INTO erasures (room, message_offset, sender, at) VALUES (?, ?, ?, ?)",
    erasures: "SELECT message_offset, sender, at FROM erasures WHERE room = ? LIMIT ?",
    drop_erasure: "DELETE FROM erasures WHERE room = ? AND message_offset = ? AND sender = ?",
    holds: "SELECT room, since FROM holds WHERE part = 0",
    is_held: "SELECT since FROM holds WHERE part = 0 AND room = ?",
    put_hold: "INSERT INTO holds (part, room, since) VALUES (0, ?, ?) IF NOT EXISTS",
    drop_hold: "DELETE FROM holds WHERE part = 0 AND room = ? IF EXISTS",
    take_lease: "INSERT INTO leases (name, holder) VALUES (?, ?) IF NOT EXISTS USING TTL ?",
    keep_lease: "UPDATE leases USING TTL ? SET holder = ? WHERE name = ? IF holder = ?",
    give_lease: "DELETE FROM leases WHERE name = ? IF holder = ?",
    lease: "SELECT holder FROM leases WHERE name = ?",
    count: "SELECT count FROM counters WHERE name = ?",
    begin_count: "INSERT INTO counters (name, count) VALUES (?, 2) IF NOT EXISTS",
    raise_count: "UPDATE counters SET count = ? WHERE name = ? IF count = ?",
}
