//! The one door to a log, whichever database it is in: what is the same for all of them, and who reads.

use std::{path::Path, sync::Arc, time::Instant};

use fanwave_wire::{Channel, Epoch, Offset, Publication, RoomId, UnixMillis, UserId};
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot};

use crate::{
    Appended, Cause, Forgotten, Kind, OpenError, Order, Page, PersonKeys, PostgresConfig,
    Retention, Standing, StoreError, Swept,
    damage::{Around, Row},
    forget::{Pass, Person, Place},
    keyring::Keyring,
    limits::{APPEND_MAX, SETTING_KEY_BYTES_MAX, SETTING_VALUE_BYTES_MAX, WRITE_QUEUE_MAX},
    meters::Meters,
    postgres,
    record::Record,
    sqlite,
    statements::Ask,
    writer::{Answer, Request, Transact, Writer},
};

/// An open message log. Clones are the same log.
///
/// Needs a tokio runtime. [`Store::close`] writes what waits and lets go of the database; a store that is only dropped
/// does so too, a little later.
#[derive(Debug, Clone)]
pub struct Store {
    readers: Readers,
    writer: mpsc::Sender<Request>,
    meters: Meters,
    keyring: Option<Keyring>,
}

/// The setting by which a log knows its keys.
const KEYS_SETTING: &str = "person_keys";

/// Who reads, beside the writer.
#[derive(Debug, Clone)]
enum Readers {
    Sqlite(sqlite::Readers),
    Postgres(postgres::Readers),
}

/// The right to record.
#[derive(Debug)]
pub(crate) enum Held {
    /// No other process can have it.
    Alone,
    /// A lock at the database server.
    Locked(postgres::Lock),
    /// One that ends by itself.
    #[cfg(feature = "cassandra")]
    Leased(crate::cassandra::Lease),
}

impl Held {
    pub(crate) async fn is_held(&mut self) -> bool {
        match self {
            Self::Alone => true,
            Self::Locked(lock) => lock.is_held().await,
            #[cfg(feature = "cassandra")]
            Self::Leased(lease) => lease.is_held().await,
        }
    }
}

impl Store {
    /// Opens the log in the file at `path`, creates it where there is none, and brings its schema up to date.
    ///
    /// Keeps other processes out by a lock on a file beside it, `path` with `.lock` after it.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; every one names the file and says what to do.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, PersonKeys::Off).await
    }

    /// The same, with keys of people in a file of their own: in `fanwave-keys.db`, if the log is in `fanwave.db`.
    ///
    /// # Errors
    ///
    /// As [`Store::open`]; and [`OpenError::OtherKeys`] when the log is sealed with other keys.
    pub async fn open_with(path: &Path, keys: PersonKeys) -> Result<Self, OpenError> {
        let (readers, database, keyring) = sqlite::open(path, keys).await?;
        let store = Self::start(Readers::Sqlite(readers), database, keyring);
        store.know_keys(keys, || path.display().to_string()).await
    }

    /// Opens the log in a database of PostgreSQL, and brings its schema up to date.
    ///
    /// Other processes may have the same log open: each append is judged under a lock on its channel.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; every one names the database and says what to do.
    pub async fn connect(config: &PostgresConfig) -> Result<Self, OpenError> {
        Self::connect_with(config, PersonKeys::Off).await
    }

    /// The same, with keys of people in a schema of their own: in `fanwave_keys`, if the log is in `fanwave`.
    ///
    /// # Errors
    ///
    /// As [`Store::connect`]; and [`OpenError::OtherKeys`] when the log is sealed with other keys.
    ///
    /// # Panics
    ///
    /// The schema of the keys has no name that [`PostgresConfig::is_schema`] takes.
    pub async fn connect_with(
        config: &PostgresConfig,
        keys: PersonKeys,
    ) -> Result<Self, OpenError> {
        let (readers, database, keyring) = postgres::open(config, keys).await?;
        let store = Self::start(Readers::Postgres(readers), database, keyring);
        store.know_keys(keys, || config.place()).await
    }

    /// A log that is sealed with other keys must not be sealed with these as well: whoever brings the log back from a backup,
    /// and not its keys, finds out before anybody writes.
    async fn know_keys(
        self,
        keys: PersonKeys,
        place: impl Fn() -> String,
    ) -> Result<Self, OpenError> {
        let unasked = |cause| OpenError::Unasked {
            place: place(),
            cause,
        };
        let known = self.setting(KEYS_SETTING).await.map_err(unasked)?;
        let Some(keyring) = &self.keyring else {
            if known.is_some() {
                tracing::warn!(
                    place = place(),
                    "some of the message log is sealed, and its keys are not there: it is left out"
                );
            }
            return Ok(self);
        };
        let id = keyring.id().await.map_err(unasked)?;
        match known {
            Some(known) if known != id.as_bytes() => {
                self.close().await;
                Err(OpenError::OtherKeys {
                    place: place(),
                    setting: KEYS_SETTING,
                })
            }
            None if keys == PersonKeys::On => {
                let put = self.put_setting(KEYS_SETTING, id.into_bytes());
                put.await.map_err(unasked)?;
                Ok(self)
            }
            _ => Ok(self),
        }
    }

    fn start(readers: Readers, database: impl Transact, keyring: Option<Keyring>) -> Self {
        let (writer, requests) = mpsc::channel(WRITE_QUEUE_MAX);
        let meters = Meters::default();
        tokio::spawn(Writer::new(database, requests, meters.clone()).run());
        Self {
            readers,
            writer,
            meters,
            keyring,
        }
    }

    /// Has what the writer does counted under `fanwave_log_`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("fanwave_log");
        self.meters.register(registry);
        if let Readers::Postgres(readers) = &self.readers {
            readers.register(registry);
        }
    }

    /// Whether the last write succeeded, as far as there was one, and none hangs: for 5 s and longer nobody knows whether
    /// the one that is under way will, as while a database is asked what became of a commit.
    #[must_use]
    pub fn is_well(&self) -> bool {
        !self.meters.fails(Instant::now())
    }

    /// Where a channel stands. A channel that is not known yet begins here, with an epoch of its own.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] and the like only where the channel is new.
    pub async fn standing(&self, channel: &Channel) -> Result<Standing, StoreError> {
        if let Some(standing) = self.known_standing(channel).await? {
            return Ok(standing);
        }
        let epoch = new_epoch()?;
        let channel = channel.to_string();
        self.ask(|answer| Request::Begin {
            channel,
            epoch,
            answer,
        })
        .await
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
            sealed: None,
            answer,
        })
        .await
    }

    /// Reads a page of a channel, in the order asked for; deleted messages are not on it, nor damaged ones, which are told
    /// and counted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when so much of it cannot be read that nothing comes of reading around that, [`StoreError::Busy`] when no reader came free.
    pub async fn read(
        &self,
        channel: &Channel,
        page: Page,
    ) -> Result<Vec<Arc<Publication>>, StoreError> {
        let ask = |page| async move {
            let ask = Ask {
                channel,
                epoch: None,
                page,
                by: None,
            };
            match &self.readers {
                Readers::Sqlite(readers) => readers.read(ask).await,
                Readers::Postgres(readers) => readers.read(ask).await,
            }
        };
        self.read_around(channel, page, ask).await
    }

    /// The same of one run of the channel, or of what one person has said, for people: of a replica, too.
    pub(crate) async fn read_run(
        &self,
        channel: &Channel,
        epoch: Option<&Epoch>,
        page: Page,
        by: Option<&UserId>,
    ) -> Result<Vec<Arc<Publication>>, StoreError> {
        let by = match by {
            Some(user) => Some(Keyring::names_of(self.keyring.as_ref(), user).await?),
            None => None,
        };
        let by = by.as_deref();
        let ask = |page| async move {
            let ask = Ask {
                channel,
                epoch,
                page,
                by,
            };
            match &self.readers {
                Readers::Sqlite(readers) => readers.read(ask).await,
                Readers::Postgres(readers) => readers.read_of_any(ask).await,
            }
        };
        self.read_around(channel, page, ask).await
    }

    async fn read_around<Asked>(
        &self,
        channel: &Channel,
        page: Page,
        ask: impl Fn(Page) -> Asked,
    ) -> Result<Vec<Arc<Publication>>, StoreError>
    where
        Asked: Future<Output = Result<Vec<Row>, StoreError>>,
    {
        let name = channel.to_string();
        let mut around = Around::new(page);
        while let Some(page) = around.next() {
            let rows = match ask(page).await {
                Ok(rows) => Ok(Keyring::open(self.keyring.as_ref(), &name, rows).await?),
                Err(error) => Err(error),
            };
            around.take(rows)?;
        }
        let (read, damaged) = around.finish();
        self.meters.finds.tell(channel, &damaged);
        Ok(read)
    }

    /// Where a channel stands, if it has begun.
    pub(crate) async fn known_standing(
        &self,
        channel: &Channel,
    ) -> Result<Option<Standing>, StoreError> {
        match &self.readers {
            Readers::Sqlite(readers) => readers.standing(channel).await,
            Readers::Postgres(readers) => readers.standing(channel).await,
        }
    }

    /// See [`Archive::runs`](crate::Archive::runs).
    pub(crate) async fn runs(&self, channel: &Channel) -> Result<Vec<Standing>, StoreError> {
        let mut runs = match &self.readers {
            Readers::Sqlite(readers) => readers.runs(channel).await?,
            Readers::Postgres(readers) => readers.runs_of_any(channel).await?,
        };
        runs.reverse();
        Ok(runs)
    }

    /// See [`Archive::record`](crate::Archive::record).
    pub(crate) async fn record(
        &self,
        channel: &Channel,
        epoch: &Epoch,
        publications: Vec<Arc<Publication>>,
    ) -> Result<(), StoreError> {
        within(publications.len(), APPEND_MAX)?;
        let record = Record {
            channel: channel.clone(),
            epoch: epoch.clone(),
            publications,
        };
        self.ask(|answer| Request::Record { record, answer }).await
    }

    /// See [`Archive::lease`](crate::Archive::lease).
    pub(crate) async fn lease(&self) -> Result<Option<Held>, StoreError> {
        match &self.readers {
            // Nobody else has the file open.
            Readers::Sqlite(_) => Ok(Some(Held::Alone)),
            Readers::Postgres(readers) => Ok(readers.lease().await?.map(Held::Locked)),
        }
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
        match &self.readers {
            Readers::Sqlite(readers) => readers.setting(key).await,
            Readers::Postgres(readers) => readers.setting(key).await,
        }
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

    /// Up to which offset, inclusive, the texts of a channel may have been let go of; 0 while none has.
    ///
    /// # Errors
    ///
    /// As [`Store::read`].
    pub async fn floor(&self, channel: &Channel) -> Result<Offset, StoreError> {
        match &self.readers {
            Readers::Sqlite(readers) => readers.floor(channel).await,
            Readers::Postgres(readers) => readers.floor(channel).await,
        }
    }

    /// Lets go of texts that have not to be kept any more. Others read and write meanwhile.
    ///
    /// In a file, each text goes once its time is over. In PostgreSQL it goes within a week after that, with all others of
    /// its week; where the time of a room has changed, what is over goes at once. Of several processes that sweep at
    /// once, one does it.
    ///
    /// # Errors
    ///
    /// As the database has it. What was removed until then stays removed, and the next sweep goes on.
    pub async fn sweep(&self, retention: &Retention, now: UnixMillis) -> Result<Swept, StoreError> {
        if let Readers::Postgres(readers) = &self.readers {
            return readers.sweep(retention, now).await;
        }
        let retention = Arc::new(retention.clone());
        let mut swept = Swept::default();
        let mut next = Some(0);
        while let Some(after) = next {
            let retention = Arc::clone(&retention);
            let step = self
                .ask(|answer| Request::Sweep {
                    after,
                    retention,
                    now,
                    answer,
                })
                .await?;
            swept.messages += step.messages;
            next = step.after;
        }
        Ok(swept)
    }

    /// Puts a room under legal hold: from the answer on nothing of it is let go of, whatever its retention says.
    ///
    /// # Errors
    ///
    /// As [`Store::put_setting`].
    pub async fn hold(&self, room: RoomId, since: UnixMillis) -> Result<(), StoreError> {
        let since = Some(since);
        self.ask(|answer| Request::Hold {
            room,
            since,
            answer,
        })
        .await
    }

    /// Ends a legal hold; the next sweep takes what is over.
    ///
    /// # Errors
    ///
    /// As [`Store::put_setting`].
    pub async fn release(&self, room: RoomId) -> Result<(), StoreError> {
        let since = None;
        self.ask(|answer| Request::Hold {
            room,
            since,
            answer,
        })
        .await
    }

    /// Forgets a person: removes what they have said and what mentions them, and makes nobody's what they have done.
    ///
    /// Servers have the newest messages of their rooms in memory: a moderator clears the person there first. A file has
    /// nothing of it then, not even where it is not read any more. In PostgreSQL no query finds it; when its server writes
    /// over the place is for its operator to say (`VACUUM FULL`).
    ///
    /// What is in backups is what it is, unless it was sealed: the person's key is destroyed, once no room under legal hold
    /// has anything of them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] while another process lets go of old messages; otherwise as [`Store::put_setting`]. What was
    /// forgotten until then stays forgotten; ask again for the rest.
    pub async fn forget(&self, user: UserId) -> Result<Forgotten, StoreError> {
        let key = match &self.keyring {
            Some(keyring) => keyring.key_of(&user).await?,
            None => None,
        };
        let (mut forgotten, _) = self.forget_named(user).await?;
        let (Some(keyring), Some(key)) = (&self.keyring, key) else {
            return Ok(forgotten);
        };
        let (sealed, stays) = self.forget_named(key.pseudonym.clone()).await?;
        forgotten.messages += sealed.messages;
        forgotten.held = forgotten.held.max(sealed.held);
        if !stays {
            keyring.destroy(&key).await?;
            // What was being written while the key was still there.
            let (late, _) = self.forget_named(key.pseudonym.clone()).await?;
            forgotten.messages += late.messages;
        }
        Ok(forgotten)
    }

    /// Forgets whoever has this name in the log; whether something of them stays in a room under legal hold.
    async fn forget_named(&self, user: UserId) -> Result<(Forgotten, bool), StoreError> {
        let person = Arc::new(Person::new(user)?);
        let mut forgotten = Forgotten::default();
        let mut stays = false;
        let mut next = Some(Place {
            pass: Pass::Mentions,
            after: 0,
        });
        while let Some(place) = next {
            let person = Arc::clone(&person);
            let step = self
                .ask(|answer| Request::Forget {
                    person,
                    place,
                    answer,
                })
                .await?;
            forgotten.messages += step.forgotten.messages;
            forgotten.held += step.forgotten.held;
            stays = stays || step.stays;
            next = step.next;
        }
        Ok((forgotten, stays))
    }

    /// The rooms under legal hold, and since when.
    ///
    /// # Errors
    ///
    /// As [`Store::read`].
    pub async fn holds(&self) -> Result<Vec<(RoomId, UnixMillis)>, StoreError> {
        let holds = match &self.readers {
            Readers::Sqlite(readers) => readers.holds().await?,
            Readers::Postgres(readers) => readers.holds().await?,
        };
        holds
            .into_iter()
            .map(|(room, since)| {
                let room = room
                    .parse()
                    .map_err(|error| StoreError::Damaged(Cause::new(error)))?;
                Ok((room, UnixMillis(since.unsigned_abs())))
            })
            .collect()
    }

    /// Keeps a log in a file within `bytes`, beside a few megabytes of write-ahead log; `None` leaves it the whole disk.
    ///
    /// Beyond it writes answer [`StoreError::Full`]. A file that is larger already stays as it is. Holds until the store
    /// is closed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] or [`StoreError::Closed`]; [`StoreError::Refused`] where the log is no file.
    pub async fn set_quota(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        self.ask(|answer| Request::Quota { bytes, answer }).await
    }

    /// Writes what waits, and lets go of the database; a file has all of its write-ahead log then. Later calls find it
    /// closed.
    pub async fn close(&self) {
        // The writer's connection is closed last: it is the one that may tidy up a file.
        match &self.readers {
            Readers::Sqlite(readers) => readers.close().await,
            Readers::Postgres(readers) => readers.close().await,
        }
        let (answer, answered) = oneshot::channel();
        if self.writer.send(Request::Close { answer }).await.is_ok() {
            // An error means that the writer has gone already, which is what was asked for.
            drop(answered.await);
        }
        if let Some(keyring) = &self.keyring {
            keyring.close().await;
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

pub(crate) fn within(size: usize, size_max: usize) -> Result<(), StoreError> {
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
