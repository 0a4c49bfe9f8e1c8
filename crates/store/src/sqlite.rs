//! The `SQLite` adapter: one file, nothing to install.
//!
//! One task owns the only connection that writes ([`writer`]); a few connections read beside it, which the write-ahead
//! log allows. A commit is a flush of the disk (`synchronous=FULL`), so what is acknowledged survives a loss of power;
//! what waits for the disk meanwhile goes into the next transaction together.

mod fault;
mod open;
mod rows;
#[cfg(test)]
mod tests;
mod writer;

use std::{path::Path, sync::Arc};

use fanwave_wire::{Channel, Epoch, Offset, Publication};
use sqlx::{QueryBuilder, Row, SqlitePool};
use tokio::sync::{mpsc, oneshot};

use self::{
    fault::fault,
    rows::{COLUMNS, publication, signed, unsigned},
    writer::{Answer, Request, Writer},
};
use crate::{
    Appended, Cause, Kind, OpenError, Order, Page, Standing, StoreError,
    limits::{APPEND_MAX, SETTING_KEY_BYTES_MAX, SETTING_VALUE_BYTES_MAX, WRITE_QUEUE_MAX},
};

/// An open message log. Clones are the same log.
///
/// Needs a tokio runtime. [`Store::close`] writes what waits and lets go of the file; a store that is only dropped does
/// so too, a little later.
#[derive(Debug, Clone)]
pub struct Store {
    readers: SqlitePool,
    writer: mpsc::Sender<Request>,
}

impl Store {
    /// Opens the log at `path`, creates it where there is none, and brings its schema up to date.
    ///
    /// Keeps other processes out by a lock on a file beside it, `path` with `.lock` after it.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; every one names the file and says what to do.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let opened = open::open(path).await?;
        let (sender, requests) = mpsc::channel(WRITE_QUEUE_MAX);
        let writer = Writer::new(opened.options, opened.connection, opened.lock, requests);
        tokio::spawn(writer.run());
        Ok(Self {
            readers: opened.readers,
            writer: sender,
        })
    }

    /// Where a channel stands. A channel that is not known yet begins here, with an epoch of its own.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] and the like only where the channel is new.
    pub async fn standing(&self, channel: &Channel) -> Result<Standing, StoreError> {
        let name = channel.to_string();
        let row = sqlx::query("SELECT epoch, head FROM channels WHERE name = ?")
            .bind(&name)
            .fetch_optional(&self.readers)
            .await
            .map_err(fault)?;
        let Some(row) = row else {
            let epoch = new_epoch()?;
            return self
                .ask(|answer| Request::Begin {
                    channel: name,
                    epoch,
                    answer,
                })
                .await;
        };
        let epoch: String = row.try_get(0).map_err(fault)?;
        let head = unsigned(&row, 1).map_err(fault)?;
        Ok(Standing {
            epoch: Epoch(epoch.into()),
            head: Offset(head),
        })
    }

    /// Writes consecutive messages behind the newest of a channel: all of them or none, durable when it answers.
    ///
    /// # Errors
    ///
    /// [`StoreError::Moved`] when the first is not the next of the channel, or the channel has never been asked for its
    /// [`Store::standing`]; [`StoreError::TooLarge`] beyond [`APPEND_MAX`]; the others as the disk has it. None of the
    /// messages is written then.
    ///
    /// # Panics
    ///
    /// When the messages are not consecutive.
    pub async fn append(
        &self,
        channel: &Channel,
        publications: Vec<Arc<Publication>>,
    ) -> Result<Appended, StoreError> {
        let consecutive = publications.is_sorted_by(|one, next| one.offset.next() == next.offset);
        assert!(consecutive, "an append is a run of offsets without a hole");
        if publications.is_empty() {
            return Ok(Appended::Stored);
        }
        within(publications.len(), APPEND_MAX)?;
        let channel = channel.to_string();
        self.ask(|answer| Request::Append {
            channel,
            publications,
            answer,
        })
        .await
    }

    /// Reads a page of a channel, in the order asked for; deleted messages are not on it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when something on the page cannot be read, [`StoreError::Busy`] when no reader came free.
    pub async fn read(
        &self,
        channel: &Channel,
        page: Page,
    ) -> Result<Vec<Arc<Publication>>, StoreError> {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(COLUMNS).push(
            " FROM messages m JOIN channels c ON c.id = m.channel_id \
             WHERE m.deleted = 0 AND c.name = ",
        );
        query.push_bind(channel.to_string());
        if page.kind == Kind::Events {
            query.push(" AND m.event IS NOT NULL");
        }
        query
            .push(" AND m.message_offset > ")
            .push_bind(signed(page.after.0));
        query
            .push(" AND m.message_offset <= ")
            .push_bind(signed(page.through.0));
        query.push(match page.order {
            Order::OldestFirst => " ORDER BY m.message_offset ASC LIMIT ",
            Order::NewestFirst => " ORDER BY m.message_offset DESC LIMIT ",
        });
        query.push_bind(signed(page.limit.min(page.kind.read_max()) as u64));
        let rows = query
            .build()
            .fetch_all(&self.readers)
            .await
            .map_err(fault)?;
        rows.iter()
            .map(|row| publication(row).map(Arc::new).map_err(fault))
            .collect()
    }

    /// The newest `count` messages of a channel, oldest first.
    ///
    /// # Errors
    ///
    /// As [`Store::read`].
    pub async fn tail(
        &self,
        channel: &Channel,
        count: usize,
    ) -> Result<Vec<Arc<Publication>>, StoreError> {
        let everything = (Offset(0), Offset(u64::MAX));
        let page = Page {
            after: everything.0,
            through: everything.1,
            limit: count,
            order: Order::NewestFirst,
            kind: Kind::Everything,
        };
        let mut newest = self.read(channel, page).await?;
        newest.reverse();
        Ok(newest)
    }

    /// The value of a setting, if it was ever put.
    ///
    /// # Errors
    ///
    /// As [`Store::read`].
    pub async fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        sqlx::query_scalar("SELECT value FROM settings WHERE key = ?")
            .bind(key)
            .fetch_optional(&self.readers)
            .await
            .map_err(fault)
    }

    /// Sets a setting durably, in place of the value it has.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`] beyond [`SETTING_KEY_BYTES_MAX`] and [`SETTING_VALUE_BYTES_MAX`]; the others as the disk
    /// has it.
    pub async fn put_setting(&self, key: &str, value: Vec<u8>) -> Result<(), StoreError> {
        within(key.len(), SETTING_KEY_BYTES_MAX)?;
        within(value.len(), SETTING_VALUE_BYTES_MAX)?;
        let key = key.to_owned();
        self.ask(|answer| Request::Put { key, value, answer }).await
    }

    /// Keeps the file within `bytes`, beside a few megabytes of write-ahead log; `None` leaves it the whole disk.
    ///
    /// Beyond it writes answer [`StoreError::Full`]. A file that is larger already stays as it is. Holds until the store
    /// is closed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] or [`StoreError::Closed`].
    pub async fn set_quota(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        self.ask(|answer| Request::Quota { bytes, answer }).await
    }

    /// Writes what waits, moves the write-ahead log into the file, and lets go of it. Later calls find it closed.
    pub async fn close(&self) {
        // The writer's connection is closed last: it is the one that may tidy up.
        self.readers.close().await;
        let (answer, answered) = oneshot::channel();
        if self.writer.send(Request::Close { answer }).await.is_ok() {
            // An error means that the writer has gone already, which is what was asked for.
            drop(answered.await);
        }
    }

    async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.writer
            .try_send(request(Answer::new(answer)))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
            })?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }
}

fn within(size: usize, size_max: usize) -> Result<(), StoreError> {
    if size > size_max {
        Err(StoreError::TooLarge { size, size_max })
    } else {
        Ok(())
    }
}

/// Sixteen hexadecimal digits: two runs of offsets are never taken for one.
fn new_epoch() -> Result<String, StoreError> {
    let mut bits = [0; 8];
    getrandom::fill(&mut bits).map_err(|error| StoreError::Refused(Cause::new(error)))?;
    Ok(format!("{:016x}", u64::from_be_bytes(bits)))
}
