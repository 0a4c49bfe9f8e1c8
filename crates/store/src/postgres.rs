//! The PostgreSQL adapter: a log that many processes may have open, on a server of its own.
//!
//! One task owns the only connection that writes ([`transact`]); a pool of a few reads. Every wait has an end on both
//! sides: the server gives up a statement or a lock ([`options`](config)), and this side gives up a server that does not
//! answer.
//!
//! # Several processes
//!
//! An append locks the row of its channel before it looks at anything, and holds it until the commit. Under that lock it
//! reads the head, and looks for the client ids that it is to write: nothing can come in between. So no offset is ever given
//! twice, and none is left out, however many processes write; the one that did not know of another's messages is told
//! that the channel has moved on.
//!
//! # Partitions
//!
//! Messages are partitioned by when they may go (`kept_until`), not by when they came: rooms are kept for different times,
//! and events for ever, and a partition is dropped as a whole. PostgreSQL demands that every key of a partitioned table
//! has the column it is partitioned by, so its key (channel, offset, `kept_until`) holds within one partition only. What
//! the contract wants is kept by the lock on the channel instead: offsets are counted up from the head in its row, which
//! goes with no partition, and a client id is looked for in all partitions under the lock, which an index makes quick. It
//! is no key of any kind: what is recorded of a broker has copies that the broker has let pass.
//!
//! # Replicas
//!
//! Copies of the database may read what people ask of the log ([`replicas`]).

mod config;
mod fault;
mod forget;
mod open;
mod partitions;
mod record;
mod replicas;
mod retention;
mod transact;

use std::sync::Arc;

use fanwave_wire::{Channel, Offset, UnixMillis};
use prometheus_client::registry::Registry;
use sqlx::{
    Connection, FromRow, PgConnection, PgPool, Postgres, Row as _, pool::PoolConnection,
    postgres::PgRow,
};
use tokio::time::{error::Elapsed, timeout};

pub use self::config::{Encryption, PostgresConfig};
use self::fault::NoAnswer;
pub(crate) use self::fault::fault;
pub(crate) use self::open::{has_table, open, prepare};
use self::replicas::Replicas;
use crate::{
    Cause, Retention, Standing, StoreError, Swept,
    damage::{Damaged, Row},
    limits::{ANSWER_WAIT_MAX, RUNS_READ_MAX},
    record::Record,
    rows::{MessageRow, StandingRow},
    statements::{self, Ask, FLOOR, HOLDS, RUNS, SETTING, STANDING},
};

/// The connections that read.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    pool: PgPool,
    /// Of the database itself, if it has any.
    replicas: Option<Replicas>,
}

impl Readers {
    /// Of one server, which is no other's copy as far as this value knows.
    fn alone(pool: PgPool) -> Self {
        let replicas = None;
        Self { pool, replicas }
    }

    /// The runs of a channel as people ask for them: of a replica, too.
    pub(crate) async fn runs_of_any(&self, channel: &Channel) -> Result<Vec<Standing>, StoreError> {
        match &self.replicas {
            Some(replicas) => {
                let ask = |readers: Self| async move { readers.runs(channel).await };
                replicas.read(self, ask, |_| true).await
            }
            None => self.runs(channel).await,
        }
    }

    /// A page as people ask for it: of a replica, too.
    pub(crate) async fn read_of_any(&self, ask: Ask<'_>) -> Result<Vec<Row>, StoreError> {
        match &self.replicas {
            Some(replicas) => {
                let ask = |readers: Self| async move { readers.read(ask).await };
                // What a copy's disk has changed may be well where it comes from.
                let is_whole =
                    |rows: &Vec<Row>| !rows.iter().any(|row| matches!(row, Row::Damaged(_)));
                replicas.read(self, ask, is_whole).await
            }
            None => self.read(ask).await,
        }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        if let Some(replicas) = &self.replicas {
            replicas.register(registry);
        }
    }

    /// The one value that a question about the server itself has.
    async fn scalar<T>(&self, question: &'static str) -> Result<T, StoreError>
    where
        T: for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres> + Send + Unpin,
    {
        let mut connection = self.connection().await?;
        let value = within(sqlx::query_scalar(question).fetch_one(&mut *connection)).await;
        finish(connection, value)
    }

    pub(crate) async fn standing(&self, channel: &Channel) -> Result<Option<Standing>, StoreError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query_as(STANDING).bind(channel.to_string());
        let row = within(query.fetch_optional(&mut *connection)).await;
        let row: Option<StandingRow> = finish(connection, row)?;
        row.map(StandingRow::standing).transpose().map_err(fault)
    }

    pub(crate) async fn runs(&self, channel: &Channel) -> Result<Vec<Standing>, StoreError> {
        let (from, until) = Record::older_range(channel);
        let mut connection = self.connection().await?;
        let query = sqlx::query_as(RUNS)
            .bind(channel.to_string())
            .bind(from)
            .bind(until)
            .bind(RUNS_READ_MAX);
        let rows = within(query.fetch_all(&mut *connection)).await;
        let rows: Vec<StandingRow> = finish(connection, rows)?;
        let runs = rows.into_iter().map(StandingRow::standing);
        runs.collect::<Result<_, _>>().map_err(fault)
    }

    /// Takes the lock of the one process that records, on a connection of its own; `None` while another has it.
    pub(crate) async fn lease(&self) -> Result<Option<Lock>, StoreError> {
        let mut connection = open::connect(&self.pool.connect_options()).await?;
        let query = sqlx::query_scalar(
            "SELECT pg_try_advisory_lock(hashtext('recorder of ' || current_schema()))",
        );
        let taken: bool = match within(query.fetch_one(&mut connection)).await {
            Ok(taken) => taken.map_err(fault)?,
            Err(_) => return Err(StoreError::Unreachable(Cause::new(NoAnswer))),
        };
        if taken {
            return Ok(Some(Lock(connection)));
        }
        drop(within(connection.close()).await);
        Ok(None)
    }

    pub(crate) async fn read(&self, ask: Ask<'_>) -> Result<Vec<Row>, StoreError> {
        let mut connection = self.connection().await?;
        let mut query = statements::page::<Postgres>(ask);
        let rows = within(query.build().fetch_all(&mut *connection)).await;
        let rows = finish(connection, rows)?;
        rows.iter()
            .map(read_row)
            .collect::<Result<_, _>>()
            .map_err(fault)
    }

    pub(crate) async fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query_scalar(SETTING).bind(key);
        let value = within(query.fetch_optional(&mut *connection)).await;
        finish(connection, value)
    }

    pub(crate) async fn floor(&self, channel: &Channel) -> Result<Offset, StoreError> {
        let mut connection = self.connection().await?;
        let query = sqlx::query_scalar(FLOOR).bind(channel.to_string());
        let floor = within(query.fetch_optional(&mut *connection)).await;
        let floor: Option<i64> = finish(connection, floor)?;
        Ok(Offset(floor.unwrap_or_default().unsigned_abs()))
    }

    pub(crate) async fn holds(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let mut connection = self.connection().await?;
        let holds = within(sqlx::query_as(HOLDS).fetch_all(&mut *connection)).await;
        finish(connection, holds)
    }

    pub(crate) async fn sweep(
        &self,
        retention: &Retention,
        now: UnixMillis,
    ) -> Result<Swept, StoreError> {
        retention::sweep(&self.pool.connect_options(), retention, now).await
    }

    pub(crate) async fn close(&self) {
        if let Some(replicas) = &self.replicas {
            replicas.close().await;
        }
        self.close_pool().await;
    }

    async fn close_pool(&self) {
        // A connection to a server that does not answer is not waited for.
        drop(within(self.pool.close()).await);
    }

    async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.pool.acquire().await.map_err(|error| match error {
            // Either all are busy, or the server lets none in.
            sqlx::Error::PoolTimedOut
                if self.pool.size() < self.pool.options().get_max_connections() =>
            {
                StoreError::Unreachable(Cause::new(NoAnswer))
            }
            error => fault(error),
        })
    }
}

/// A lock that ends with its connection.
#[derive(Debug)]
pub(crate) struct Lock(PgConnection);

impl Lock {
    pub(crate) async fn is_held(&mut self) -> bool {
        matches!(within(self.0.ping()).await, Ok(Ok(())))
    }
}

fn read_row(row: &PgRow) -> Result<Row, sqlx::Error> {
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

async fn within<F: Future>(work: F) -> Result<F::Output, Elapsed> {
    timeout(ANSWER_WAIT_MAX, work).await
}

/// Gives a connection back; one that waits for an answer no more is closed.
fn finish<T>(
    mut connection: PoolConnection<Postgres>,
    answer: Result<Result<T, sqlx::Error>, Elapsed>,
) -> Result<T, StoreError> {
    match answer {
        Ok(answer) => answer.map_err(fault),
        Err(_) => {
            connection.close_on_drop();
            Err(StoreError::Unreachable(Cause::new(NoAnswer)))
        }
    }
}
