//! Where a log is written down that lives elsewhere: servers that share their rooms have it in a broker, which forgets.
//!
//! # Contract
//!
//! * [`Archive::record`] answers once the messages survive what a commit of the database survives. Each is there once by
//!   channel, epoch and offset, whoever records, however often, from however many processes: what is at or before the
//!   head of its run is passed over.
//! * Offsets have holes: a broker's log has unused offsets, and what a moderator has deleted is not written.
//! * An epoch that the archive does not have begins another run of offsets of the channel; older runs stay readable. A
//!   message that a broker still has in a new epoch is there once, in the new one.
//! * A [`Deleted`](fanwave_wire::Event::Deleted) or [`Cleared`](fanwave_wire::Event::Cleared) in `room:X` takes what it
//!   names from `chat:X` for good, whichever of the two is recorded first.
//! * Retention, legal holds and forgetting are those of [`Store`].
//!
//! The recorder in `bus` writes it, moderators read it. Every method is what an adapter has to do; what all adapters share
//! (time windows, searches, exports) is made of [`Archive::runs`] and [`Archive::read`].

use std::sync::Arc;

use fanwave_wire::{Channel, Epoch, Offset, Publication, RoomId, UnixMillis, UserId};

#[cfg(feature = "cassandra")]
use crate::{CassandraConfig, OpenError, PersonKeys, PostgresConfig, cassandra, keyring::Keyring};
use crate::{
    Forgotten, Format, Kind, Order, Page, Retention, Search, Standing, Store, StoreError, Swept,
    export::Exported,
    limits::READ_MAX,
    search::{Found, Progress},
    store::Held,
};

/// Servers give times, and their clocks differ by less, milliseconds: so far may messages of one run be out of order.
const DISORDER_MAX: u64 = 5_000;

/// An open archive. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Archive(Adapter);

/// Which database.
#[derive(Debug, Clone)]
enum Adapter {
    /// The tables of a [`Store`], in a file or in PostgreSQL.
    Log(Store),
    /// A keyspace of Cassandra.
    #[cfg(feature = "cassandra")]
    Cassandra(cassandra::Archive),
}

/// A place in an archived channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// In which run.
    pub epoch: Epoch,
    /// At which offset of it.
    pub offset: Offset,
}

/// Messages of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The run of offsets.
    pub epoch: Epoch,
    /// In the order asked for.
    pub publications: Vec<Arc<Publication>>,
}

/// What was found, all of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// Newest first; deleted messages are not among them. There may be none, and yet be more to look through.
    pub found: Stretch,
    /// Before which place to go on; `None` when there is no more.
    pub next: Option<Position>,
}

/// A piece of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Whole lines.
    pub bytes: Vec<u8>,
    /// Behind which place the next piece begins; `None` after the last.
    pub next: Option<Position>,
}

/// The right to record, of one process at a time. Its end, or that of the process, gives it back.
#[derive(Debug)]
pub struct Lease(Held);

impl Lease {
    /// Whether it is still held, as far as one question to the database can tell.
    pub async fn is_held(&mut self) -> bool {
        self.0.is_held().await
    }
}

impl From<Store> for Archive {
    /// The same tables: a store is its own archive.
    fn from(store: Store) -> Self {
        Self(Adapter::Log(store))
    }
}

impl Archive {
    /// Opens an archive in a keyspace of Apache Cassandra or `ScyllaDB`, and makes its tables where there are none.
    ///
    /// Any number of processes may have it open.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; every one names the keyspace and says what to do.
    #[cfg(feature = "cassandra")]
    pub async fn connect(config: &CassandraConfig) -> Result<Self, OpenError> {
        let archive = cassandra::Archive::open(config, None).await?;
        Ok(Self(Adapter::Cassandra(archive)))
    }

    /// The same, sealed with keys of people, which are in PostgreSQL: in `fanwave_keys`, if the schema given is `fanwave`.
    ///
    /// # Errors
    ///
    /// As [`Archive::connect`], and [`OpenError::Keys`].
    ///
    /// # Panics
    ///
    /// The schema of the keys has no name that [`PostgresConfig::is_schema`] takes.
    #[cfg(feature = "cassandra")]
    pub async fn connect_with(
        config: &CassandraConfig,
        keys: &PostgresConfig,
    ) -> Result<Self, OpenError> {
        let keyring = Keyring::of(keys, PersonKeys::On).await?;
        let archive = cassandra::Archive::open(config, keyring).await?;
        Ok(Self(Adapter::Cassandra(archive)))
    }

    /// Asks for the right to record; `None` while another process has it.
    ///
    /// It spares work, and nothing depends on it: what two processes record is there once.
    ///
    /// # Errors
    ///
    /// As the database has it.
    pub async fn lease(&self) -> Result<Option<Lease>, StoreError> {
        match &self.0 {
            Adapter::Log(store) => Ok(store.lease().await?.map(Lease)),
            #[cfg(feature = "cassandra")]
            Adapter::Cassandra(archive) => Ok(archive
                .lease()
                .await?
                .map(|lease| Lease(Held::Leased(lease)))),
        }
    }

    /// The newest epoch of a channel, and the offset up to which it is recorded; `None` before the first record.
    ///
    /// # Errors
    ///
    /// As the database has it.
    pub async fn reached(&self, channel: &Channel) -> Result<Option<Standing>, StoreError> {
        match &self.0 {
            Adapter::Log(store) => store.known_standing(channel).await,
            #[cfg(feature = "cassandra")]
            Adapter::Cassandra(archive) => archive.reached(channel).await,
        }
    }

    /// The runs of a channel, oldest first; the newest [`RUNS_READ_MAX`](crate::limits::RUNS_READ_MAX) of them.
    ///
    /// # Errors
    ///
    /// As the database has it.
    pub async fn runs(&self, channel: &Channel) -> Result<Vec<Standing>, StoreError> {
        match &self.0 {
            Adapter::Log(store) => store.runs(channel).await,
            #[cfg(feature = "cassandra")]
            Adapter::Cassandra(archive) => archive.runs(channel).await,
        }
    }

    /// Writes down messages of a channel, in the order of their offsets; durable when it answers.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`] beyond [`APPEND_MAX`](crate::limits::APPEND_MAX); otherwise as the database has it. After
    /// any error it can be asked again.
    ///
    /// # Panics
    ///
    /// When the offsets do not ascend.
    pub async fn record(
        &self,
        channel: &Channel,
        epoch: &Epoch,
        publications: Vec<Arc<Publication>>,
    ) -> Result<(), StoreError> {
        let ascending = publications.is_sorted_by(|one, next| one.offset < next.offset);
        assert!(ascending, "what is recorded is in the order of its offsets");
        match &self.0 {
            Adapter::Log(store) => store.record(channel, epoch, publications).await,
            #[cfg(feature = "cassandra")]
            Adapter::Cassandra(archive) => archive.record(channel, epoch, publications).await,
        }
    }

    /// Reads a page of a run, or of the newest; deleted messages are not on it.
    ///
    /// # Errors
    ///
    /// As [`Store::read`].
    pub async fn read(
        &self,
        channel: &Channel,
        epoch: Option<&Epoch>,
        page: Page,
    ) -> Result<Vec<Arc<Publication>>, StoreError> {
        self.read_by(channel, epoch, page, None).await
    }

    /// The same, of what one person has said.
    async fn read_by(
        &self,
        channel: &Channel,
        epoch: Option<&Epoch>,
        page: Page,
        by: Option<&UserId>,
    ) -> Result<Vec<Arc<Publication>>, StoreError> {
        match &self.0 {
            Adapter::Log(store) => store.read_run(channel, epoch, page, by).await,
            #[cfg(feature = "cassandra")]
            Adapter::Cassandra(archive) => archive.read_run(channel, epoch, page, by).await,
        }
    }

    /// What was said from one time on and before another, oldest first, over all runs: at most `limit` of it, and never
    /// more than [`READ_MAX`]. A page that has less reaches the end.
    ///
    /// # Errors
    ///
    /// As [`Store::read`].
    pub async fn between(
        &self,
        channel: &Channel,
        (from, until): (UnixMillis, UnixMillis),
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<Stretch>, StoreError> {
        let mut wanted = limit.min(READ_MAX);
        let mut stretches = Vec::new();
        for (run, at) in self.from(channel, after).await? {
            let mut at = match at {
                Some(at) => at,
                None => self.seek(channel, &run, from).await?,
            };
            let mut publications = Vec::new();
            while wanted > 0 {
                let page = self
                    .read(channel, Some(&run.epoch), forward(at, READ_MAX))
                    .await?;
                let is_last = page.len() < READ_MAX
                    || page
                        .iter()
                        .any(|one| one.at.0 >= until.0.saturating_add(DISORDER_MAX));
                at = page.last().map_or(at, |last| last.offset);
                let inside = page
                    .into_iter()
                    .filter(|one| (from..until).contains(&one.at));
                let before = publications.len();
                publications.extend(inside.take(wanted));
                wanted -= publications.len() - before;
                if is_last {
                    break;
                }
            }
            if !publications.is_empty() {
                let epoch = run.epoch;
                stretches.push(Stretch {
                    epoch,
                    publications,
                });
            }
        }
        Ok(stretches)
    }

    /// Looks for messages of a channel, newest first: at [`SEARCH_SCANNED_MAX`](crate::limits::SEARCH_SCANNED_MAX) of one run
    /// for one answer, which says where to go on.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`] where it has too many or too long words; otherwise as [`Store::read`].
    pub async fn search(
        &self,
        channel: &Channel,
        search: &Search,
        before: Option<&Position>,
    ) -> Result<Sought, StoreError> {
        let mut runs = self.runs(channel).await?;
        if let Some(before) = before {
            let known = runs.iter().position(|run| run.epoch == before.epoch);
            runs.truncate(known.map_or(0, |known| known + 1));
        }
        let Some(run) = runs.pop() else {
            let (epoch, publications) = (Epoch("".into()), Vec::new());
            let found = Stretch {
                epoch,
                publications,
            };
            return Ok(Sought { found, next: None });
        };
        let mut progress = Progress::new(search, before.map(|before| before.offset))?;
        let Found { publications, next } = loop {
            let page = progress.page();
            let by = search.by.as_ref();
            let page = self.read_by(channel, Some(&run.epoch), page, by).await?;
            if let Some(found) = progress.take(&page) {
                break found;
            }
        };
        let here = next.map(|offset| Position {
            epoch: run.epoch.clone(),
            offset,
        });
        let older = || {
            runs.pop().map(|older| Position {
                epoch: older.epoch,
                offset: Offset(u64::MAX),
            })
        };
        let epoch = run.epoch.clone();
        Ok(Sought {
            found: Stretch {
                epoch,
                publications,
            },
            next: here.or_else(older),
        })
    }

    /// Reads a piece of a file with all that a channel holds behind a place, oldest first. What is deleted is not in it.
    ///
    /// # Errors
    ///
    /// As [`Store::read`].
    pub async fn export(
        &self,
        channel: &Channel,
        format: Format,
        after: Option<&Position>,
    ) -> Result<Piece, StoreError> {
        let mut runs = self.from(channel, after).await?.into_iter();
        let Some((run, at)) = runs.next() else {
            let bytes = Vec::new();
            return Ok(Piece { bytes, next: None });
        };
        let at = at.unwrap_or_default();
        let page = self
            .read(channel, Some(&run.epoch), forward(at, READ_MAX))
            .await?;
        let Exported { bytes, next } = format.piece(&run.epoch, &page);
        let here = next.map(|offset| Position {
            epoch: run.epoch,
            offset,
        });
        let newer = || {
            runs.next().map(|(newer, _)| Position {
                epoch: newer.epoch,
                offset: Offset(0),
            })
        };
        Ok(Piece {
            bytes,
            next: here.or_else(newer),
        })
    }

    /// Lets go of texts that have not to be kept any more; see [`Store::sweep`].
    ///
    /// # Errors
    ///
    /// As [`Store::sweep`].
    pub async fn sweep(&self, retention: &Retention, now: UnixMillis) -> Result<Swept, StoreError> {
        match &self.0 {
            Adapter::Log(store) => store.sweep(retention, now).await,
            #[cfg(feature = "cassandra")]
            Adapter::Cassandra(archive) => archive.sweep(retention, now).await,
        }
    }

    /// Puts a room under legal hold; see [`Store::hold`].
    ///
    /// # Errors
    ///
    /// As [`Store::hold`].
    pub async fn hold(&self, room: RoomId, since: UnixMillis) -> Result<(), StoreError> {
        match &self.0 {
            Adapter::Log(store) => store.hold(room, since).await,
            #[cfg(feature = "cassandra")]
            Adapter::Cassandra(archive) => archive.hold(room, since).await,
        }
    }

    /// Ends a legal hold.
    ///
    /// # Errors
    ///
    /// As [`Store::hold`].
    pub async fn release(&self, room: RoomId) -> Result<(), StoreError> {
        match &self.0 {
            Adapter::Log(store) => store.release(room).await,
            #[cfg(feature = "cassandra")]
            Adapter::Cassandra(archive) => archive.release(room).await,
        }
    }

    /// The rooms under legal hold, and since when.
    ///
    /// # Errors
    ///
    /// As [`Store::holds`].
    pub async fn holds(&self) -> Result<Vec<(RoomId, UnixMillis)>, StoreError> {
        match &self.0 {
            Adapter::Log(store) => store.holds().await,
            #[cfg(feature = "cassandra")]
            Adapter::Cassandra(archive) => archive.holds().await,
        }
    }

    /// Forgets a person; see [`Store::forget`]. What is recorded of them later is there again.
    ///
    /// # Errors
    ///
    /// As [`Store::forget`].
    pub async fn forget(&self, user: UserId) -> Result<Forgotten, StoreError> {
        match &self.0 {
            Adapter::Log(store) => store.forget(user).await,
            #[cfg(feature = "cassandra")]
            Adapter::Cassandra(archive) => archive.forget(user).await,
        }
    }

    /// Writes what waits, and lets go of the database. Later calls find it closed.
    pub async fn close(&self) {
        match &self.0 {
            Adapter::Log(store) => store.close().await,
            #[cfg(feature = "cassandra")]
            Adapter::Cassandra(archive) => archive.close().await,
        }
    }

    /// The runs from a place on, oldest first, and behind which offset of the first to go on.
    async fn from(
        &self,
        channel: &Channel,
        after: Option<&Position>,
    ) -> Result<Vec<(Standing, Option<Offset>)>, StoreError> {
        let runs = self.runs(channel).await?.into_iter();
        let Some(after) = after else {
            return Ok(runs.map(|run| (run, None)).collect());
        };
        let rest = runs.skip_while(|run| run.epoch != after.epoch);
        let rest = rest.map(|run| {
            let at = (run.epoch == after.epoch).then_some(after.offset);
            (run, at)
        });
        Ok(rest.collect())
    }

    /// Behind which offset of a run what was said at a time or later begins: a search by halves, because times ascend
    /// with the offsets, but for a little disorder.
    async fn seek(
        &self,
        channel: &Channel,
        run: &Standing,
        time: UnixMillis,
    ) -> Result<Offset, StoreError> {
        let time = time.0.saturating_sub(DISORDER_MAX);
        let (mut low, mut high) = (1, run.head.0.saturating_add(1));
        while low < high {
            let middle = low + (high - low) / 2;
            let page = forward(Offset(middle - 1), 1);
            let page = self.read(channel, Some(&run.epoch), page).await?;
            match page.first() {
                Some(found) if found.at.0 < time => low = found.offset.0 + 1,
                _ => high = middle,
            }
        }
        Ok(Offset(low - 1))
    }
}

/// A page behind an offset.
fn forward(after: Offset, limit: usize) -> Page {
    Page {
        after,
        through: Offset(u64::MAX),
        limit,
        order: Order::OldestFirst,
        kind: Kind::Everything,
    }
}
