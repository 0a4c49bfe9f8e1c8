//! The `SQLite` adapter: one file, nothing to install.
//!
//! One task owns the only connection that writes ([`transact`]); a few connections read beside it, which the write-ahead
//! log allows. A commit is a flush of the disk (`synchronous=FULL`), so what is acknowledged survives a loss of power;
//! what waits for the disk meanwhile goes into the next transaction together.

mod fault;
mod forget;
mod open;
mod record;
mod retention;
mod transact;

use std::sync::Arc;

use fanwave_wire::{Channel, Offset};
use sqlx::{FromRow, Row as _, Sqlite, SqlitePool, sqlite::SqliteRow};

pub(crate) use self::fault::fault;
pub(crate) use self::open::open;
use crate::{
    Cause, Standing, StoreError,
    damage::{Damaged, Row},
    limits::RUNS_READ_MAX,
    record::Record,
    rows::{MessageRow, StandingRow},
    statements::{self, Ask, FLOOR, HOLDS, RUNS, SETTING, STANDING},
};

/// The connections that read.
#[derive(Debug, Clone)]
pub(crate) struct Readers(SqlitePool);

impl Readers {
    pub(crate) async fn standing(&self, channel: &Channel) -> Result<Option<Standing>, StoreError> {
        let row: Option<StandingRow> = sqlx::query_as(STANDING)
            .bind(channel.to_string())
            .fetch_optional(&self.0)
            .await
            .map_err(fault)?;
        row.map(StandingRow::standing).transpose().map_err(fault)
    }

    pub(crate) async fn runs(&self, channel: &Channel) -> Result<Vec<Standing>, StoreError> {
        let (from, until) = Record::older_range(channel);
        let rows: Vec<StandingRow> = sqlx::query_as(RUNS)
            .bind(channel.to_string())
            .bind(from)
            .bind(until)
            .bind(RUNS_READ_MAX)
            .fetch_all(&self.0)
            .await
            .map_err(fault)?;
        let runs = rows.into_iter().map(StandingRow::standing);
        runs.collect::<Result<_, _>>().map_err(fault)
    }

    pub(crate) async fn read(&self, ask: Ask<'_>) -> Result<Vec<Row>, StoreError> {
        let mut query = statements::page::<Sqlite>(ask);
        let rows = query.build().fetch_all(&self.0).await.map_err(fault)?;
        rows.iter()
            .map(read_row)
            .collect::<Result<_, _>>()
            .map_err(fault)
    }

    pub(crate) async fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        sqlx::query_scalar(SETTING)
            .bind(key)
            .fetch_optional(&self.0)
            .await
            .map_err(fault)
    }

    pub(crate) async fn floor(&self, channel: &Channel) -> Result<Offset, StoreError> {
        let floor: Option<i64> = sqlx::query_scalar(FLOOR)
            .bind(channel.to_string())
            .fetch_optional(&self.0)
            .await
            .map_err(fault)?;
        Ok(Offset(floor.unwrap_or_default().unsigned_abs()))
    }

    pub(crate) async fn holds(&self) -> Result<Vec<(String, i64)>, StoreError> {
        sqlx::query_as(HOLDS)
            .fetch_all(&self.0)
            .await
            .map_err(fault)
    }

    pub(crate) async fn close(&self) {
        self.0.close().await;
    }
}

fn read_row(row: &SqliteRow) -> Result<Row, sqlx::Error> {
    let offset: i64 = row.try_get(0)?;
    let publication = MessageRow::from_row(row).and_then(|row| row.publication());
    Ok(match publication {
        Ok(publication) => Row::Read(Arc::new(publication)),
        Err(error) => Row::Damaged(Damaged {
            offset: Offset(offset.unsigned_abs()),
            cause: Cause::new(error),
        }),
    })
}
