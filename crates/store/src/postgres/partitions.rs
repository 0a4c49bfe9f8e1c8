//! The partitions of the messages: one to a week of `kept_until`, called by the number of the week since 1970, and one for
//! what is kept for ever.
//!
//! A week, because every append looks for its client ids in all partitions: ninety days are fourteen of them. So texts are
//! kept for as long as they have to be, and go within a week after that.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, PgConnection};

use crate::limits::PARTITIONS_KNOWN_MAX;

/// `kept_until` of what is kept for ever.
pub(super) const FOR_EVER: i64 = i64::MAX;

const WEEK_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// The partitions that are known to be there.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeSet<i64>);

impl Known {
    /// Makes the partitions of these times that are not there, in the transaction that needs them.
    ///
    /// Attached and not created in their place: that keeps nobody from reading and writing the others.
    pub(super) async fn ensure(
        &mut self,
        connection: &mut PgConnection,
        times: impl IntoIterator<Item = i64>,
    ) -> Result<(), sqlx::Error> {
        let weeks: BTreeSet<i64> = times.into_iter().filter_map(week).collect();
        if self.0.len() > PARTITIONS_KNOWN_MAX {
            self.0.clear();
        }
        for week in weeks {
            if self.0.contains(&week) {
                continue;
            }
            if !is_there(connection, week).await? {
                // Of processes that need it at once one makes it.
                sqlx::query(
                    "SELECT pg_advisory_xact_lock(hashtext('partitions of ' || current_schema()))",
                )
                .execute(&mut *connection)
                .await?;
                if !is_there(connection, week).await? {
                    make(connection, week).await?;
                }
            }
            self.0.insert(week);
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// After a transaction that failed: what it made is not there.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

/// Which week a time is in; `None` for ever.
fn week(kept_until: i64) -> Option<i64> {
    (kept_until != FOR_EVER).then(|| kept_until.div_euclid(WEEK_MS))
}

async fn is_there(connection: &mut PgConnection, week: i64) -> Result<bool, sqlx::Error> {
    // Read as a table, and not through to_regclass: that may remember that there was none.
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_class WHERE relname = $1 AND relnamespace = current_schema()::regnamespace)",
    )
    .bind(name(week))
    .fetch_one(connection)
    .await
}

async fn make(connection: &mut PgConnection, week: i64) -> Result<(), sqlx::Error> {
    let name = name(week);
    let (from, to) = (week * WEEK_MS, (week + 1) * WEEK_MS);
    sqlx::raw_sql(AssertSqlSafe(format!(
        "CREATE TABLE {name} (LIKE messages INCLUDING ALL); \
         ALTER TABLE messages ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"
    )))
    .execute(connection)
    .await?;
    Ok(())
}

/// A name that needs no quotes: letters and the digits of a number that is not negative.
pub(super) fn name(week: i64) -> String {
    format!("messages_w{}", week.max(0))
}

/// The weeks whose partitions hold nothing that has to be kept any more, oldest first.
pub(super) async fn expired(
    connection: &mut PgConnection,
    now: i64,
) -> Result<Vec<i64>, sqlx::Error> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE i.inhparent = 'messages'::regclass",
    )
    .fetch_all(connection)
    .await?;
    let weeks = names
        .iter()
        .filter_map(|name| name.strip_prefix("messages_w")?.parse().ok());
    let mut expired: Vec<i64> = weeks
        .filter(|week: &i64| (week + 1).saturating_mul(WEEK_MS) <= now)
        .collect();
    expired.sort_unstable();
    Ok(expired)
}
