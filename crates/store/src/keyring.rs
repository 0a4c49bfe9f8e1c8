//! The keys of people, in a place of their own: a file beside the log's, or a schema beside the log's in PostgreSQL.
//!
//! # Who has a key, and for how long
//!
//! A key is made when something of a person is about to be written, and is on the disk before what is sealed with it. Whoever
//! comes first makes it: of several processes, the others find it. It ends when the person is forgotten.
//!
//! Keys are remembered, the last used. A key that was destroyed must not be used again, or what is sealed with it is lost:
//!
//! * In a file one process has all of it, and forgets what it remembers with the key. What its writer had in hand is removed by
//!   the second look that forgetting has at the log.
//! * In PostgreSQL a transaction of the log that seals something has a shared lock until it ends, and reads under it how many
//!   keys were destroyed. Whoever destroys one counts that alone. So a transaction knows of all that were destroyed before, and
//!   ends before the next is.
//! * An archive in Cassandra knows no lock: it asks before each record. What was being recorded just then is of somebody who is
//!   forgotten, and stays sealed.
//! * Whoever only reads asks every [`KEYS_TRUSTED_MAX`].

mod cache;
mod file;
mod server;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use fanwave_wire::{Event, Lane, Publication, UserId};

use self::{cache::Cache, file::File, server::Server};
use crate::{
    OpenError, PostgresConfig, StoreError,
    damage::{Damaged, Row},
    limits::{KEYS_TRUSTED_MAX, STATEMENT_BYTES_MAX},
    seal::{self, Key, Keys, all_people, is_pseudonym, pseudonyms},
};

/// Whether what people say is sealed with keys of theirs, which are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PersonKeys {
    /// It is written as it is. What was sealed before is read, where the keys are.
    #[default]
    Off,
    /// It is sealed.
    On,
}

/// The keys of people. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct Keyring(Arc<Inner>);

// It has names of people in it.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").finish_non_exhaustive()
    }
}

struct Inner {
    shelf: Shelf,
    cache: Mutex<Cache>,
    keys: PersonKeys,
}

enum Shelf {
    File(File),
    Server(Server),
}

/// By what keys are looked for.
#[derive(Debug, Clone, Copy)]
enum By {
    Person,
    Pseudonym,
}

/// Messages of one channel that are to be sealed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) channel: &'a str,
    pub(crate) publications: &'a [Arc<Publication>],
}

/// Who has said what is pinned, as the log has it: by the chat's name and the offset.
pub(crate) type Authors = BTreeMap<(String, u64), UserId>;

/// As often as somebody may be forgotten while their key is asked for.
const TRIES: usize = 3;

impl Keyring {
    /// The one of a log in a file. There may be none where nothing is to be sealed.
    pub(crate) async fn beside(log: &Path, keys: PersonKeys) -> Result<Option<Self>, OpenError> {
        let path = file::path_of(log);
        if keys == PersonKeys::Off && !path.exists() {
            return Ok(None);
        }
        let shelf = Shelf::File(File::open(&path).await?);
        Ok(Some(Self::new(shelf, keys)))
    }

    /// The one of a log in PostgreSQL, or beside it; the same.
    pub(crate) async fn of(
        config: &PostgresConfig,
        keys: PersonKeys,
    ) -> Result<Option<Self>, OpenError> {
        let must_be = keys == PersonKeys::On;
        let server = Server::open(config, must_be).await?;
        Ok(server.map(|server| Self::new(Shelf::Server(server), keys)))
    }

    fn new(shelf: Shelf, keys: PersonKeys) -> Self {
        Self(Arc::new(Inner {
            shelf,
            cache: Mutex::default(),
            keys,
        }))
    }

    /// This one, where what is written is sealed.
    pub(crate) fn sealing(keyring: Option<&Self>) -> Option<&Self> {
        keyring.filter(|keyring| keyring.0.keys == PersonKeys::On)
    }

    /// By which a log knows it again.
    pub(crate) async fn id(&self) -> Result<String, StoreError> {
        let id = match &self.0.shelf {
            Shelf::File(file) => file.id().await,
            Shelf::Server(server) => server.id().await,
        };
        id.map_err(|error| self.fault(error))
    }

    pub(crate) async fn close(&self) {
        match &self.0.shelf {
            Shelf::File(file) => file.close().await,
            Shelf::Server(server) => server.close().await,
        }
    }

    /// What an error of it means to our callers.
    pub(crate) fn fault(&self, error: sqlx::Error) -> StoreError {
        match &self.0.shelf {
            Shelf::File(_) => crate::sqlite::fault(error),
            Shelf::Server(_) => crate::postgres::fault(error),
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.0.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a transaction of PostgreSQL in which no key ends; the last number that it answers is how many have.
    pub(crate) fn begin(&self) -> Option<&str> {
        match &self.0.shelf {
            Shelf::File(_) => None,
            Shelf::Server(server) => Some(server.begin()),
        }
    }

    /// So many keys were destroyed until now: what is remembered is forgotten, if that is news.
    pub(crate) fn confirm(&self, destroyed: i64) {
        self.cache().confirm(destroyed, Instant::now());
    }

    /// Looks for what others have destroyed.
    pub(crate) async fn look(&self) -> Result<(), sqlx::Error> {
        if let Shelf::Server(server) = &self.0.shelf {
            let destroyed = server.destroyed().await?;
            self.confirm(destroyed);
        }
        Ok(())
    }

    /// The same, if that is long ago.
    async fn look_now_and_then(&self) -> Result<(), sqlx::Error> {
        let looked = self.cache().looked();
        if looked.is_none_or(|looked| looked.elapsed() > KEYS_TRUSTED_MAX) {
            self.look().await?;
        }
        Ok(())
    }

    /// The keys of these people; whoever has none gets one.
    async fn of_people(&self, people: BTreeSet<UserId>) -> Result<Keys, sqlx::Error> {
        let mut keys = Keys::default();
        let mut missing = people;
        for _ in 0..TRIES {
            self.find(By::Person, &mut missing, &mut keys).await?;
            if missing.is_empty() {
                return Ok(keys);
            }
            let made = missing.iter().map(|person| Key::new(person.clone()));
            let made: Vec<Key> = made
                .collect::<Result<_, _>>()
                .map_err(|error| sqlx::Error::Encode(error.into()))?;
            // In the order of their people, so that no two processes wait for each other.
            match &self.0.shelf {
                Shelf::File(file) => file.add(&made).await?,
                Shelf::Server(server) => server.add(&made).await?,
            }
        }
        self.find(By::Person, &mut missing, &mut keys).await?;
        if missing.is_empty() {
            return Ok(keys);
        }
        Err(sqlx::Error::RowNotFound)
    }

    /// Adds those of these keys that there are, and leaves those that there are not.
    async fn find(
        &self,
        by: By,
        wanted: &mut BTreeSet<UserId>,
        keys: &mut Keys,
    ) -> Result<(), sqlx::Error> {
        let mut all: Vec<Arc<Key>> = Vec::new();
        let begun = {
            let mut cache = self.cache();
            wanted.retain(|one| match cache.get(by, one) {
                Some(key) => {
                    all.push(key);
                    false
                }
                None => true,
            });
            cache.begun()
        };
        let mut found: Vec<Arc<Key>> = Vec::new();
        for names in in_statements(wanted) {
            let rows = match &self.0.shelf {
                Shelf::File(file) => file.find(by, &names).await?,
                Shelf::Server(server) => server.find(by, &names).await?,
            };
            for (person, pseudonym, secret) in rows {
                let key = Key::kept(&person, &pseudonym, &secret);
                let key = key.ok_or(sqlx::Error::Decode(seal::SealError::Shape.into()))?;
                found.push(Arc::new(key));
            }
        }
        let mut cache = self.cache();
        for key in &found {
            wanted.remove(match by {
                By::Person => &key.person,
                By::Pseudonym => &key.pseudonym,
            });
            cache.put(begun, Arc::clone(key));
        }
        drop(cache);
        for key in all.into_iter().chain(found) {
            keys.add(key);
        }
        Ok(())
    }

    /// The key of a person, if they have one.
    pub(crate) async fn key_of(&self, person: &UserId) -> Result<Option<Arc<Key>>, StoreError> {
        let mut keys = Keys::default();
        let found = async {
            self.look_now_and_then().await?;
            let mut wanted = BTreeSet::from([person.clone()]);
            self.find(By::Person, &mut wanted, &mut keys).await
        };
        found.await.map_err(|error| self.fault(error))?;
        Ok(keys.of_person(person).map(Arc::clone))
    }

    /// What a person is called in a log: as they are, and by their pseudonym.
    pub(crate) async fn names_of(
        keyring: Option<&Self>,
        person: &UserId,
    ) -> Result<Vec<UserId>, StoreError> {
        let mut names = vec![person.clone()];
        if let Some(keyring) = keyring {
            let key = keyring.key_of(person).await?;
            names.extend(key.map(|key| key.pseudonym.clone()));
        }
        Ok(names)
    }

    /// Destroys a key, and who it was of.
    pub(crate) async fn destroy(&self, key: &Key) -> Result<(), StoreError> {
        let destroyed = match &self.0.shelf {
            Shelf::File(file) => file.destroy(&key.pseudonym).await,
            Shelf::Server(server) => server.destroy(&key.pseudonym).await,
        };
        // Whatever became of it.
        self.cache().clear();
        destroyed.map_err(|error| self.fault(error))
    }

    /// Seals messages, each batch for itself.
    pub(crate) async fn seal(
        &self,
        batches: &[Batch<'_>],
        authors: &Authors,
    ) -> Result<Vec<Vec<Arc<Publication>>>, sqlx::Error> {
        let messages = batches.iter().flat_map(|batch| batch.publications);
        let mut people: BTreeSet<UserId> = messages
            .flat_map(|publication| all_people(publication))
            .cloned()
            .collect();
        let (mut pinned, plain): (BTreeSet<UserId>, BTreeSet<UserId>) =
            authors.values().cloned().partition(is_pseudonym);
        people.extend(plain);
        let mut keys = self.of_people(people).await?;
        self.find(By::Pseudonym, &mut pinned, &mut keys).await?;
        let sealed = batches.iter().map(|batch| {
            let sealed = batch.publications.iter().map(|publication| {
                let author = pinned_by(batch.channel, publication).and_then(|of| authors.get(&of));
                let author = author.and_then(|author| {
                    let key = keys.of_pseudonym(author);
                    key.or_else(|| keys.of_person(author))
                });
                let sealed = seal::seal(
                    batch.channel,
                    publication,
                    &keys,
                    author.map(|author| &**author),
                );
                sealed
                    .map(Arc::new)
                    .map_err(|error| sqlx::Error::Encode(error.into()))
            });
            sealed.collect()
        });
        sealed.collect()
    }

    /// Opens the rows of a channel, with these keys or with none.
    pub(crate) async fn open(
        keyring: Option<&Self>,
        channel: &str,
        mut rows: Vec<Row>,
    ) -> Result<Vec<Row>, StoreError> {
        let read = rows.iter().filter_map(Row::publication);
        let mut wanted: BTreeSet<UserId> = read.flat_map(|read| pseudonyms(read)).collect();
        if wanted.is_empty() {
            return Ok(rows);
        }
        let mut keys = Keys::default();
        if let Some(keyring) = keyring {
            let found = async {
                keyring.look_now_and_then().await?;
                keyring.find(By::Pseudonym, &mut wanted, &mut keys).await
            };
            found.await.map_err(|error| keyring.fault(error))?;
        }
        for row in &mut rows {
            let Some(publication) = row.publication() else {
                continue;
            };
            if pseudonyms(publication).next().is_none() {
                continue;
            }
            let offset = publication.offset;
            *row = match seal::open(channel, publication, &keys) {
                Ok(Some(opened)) => Row::Read(Arc::new(opened)),
                Ok(None) => Row::Gone(offset),
                Err(error) => Row::Damaged(Damaged {
                    offset,
                    cause: crate::Cause::new(error),
                }),
            };
        }
        Ok(rows)
    }
}

/// Where what a message pins is, if it pins one: in which chat, and at which offset.
pub(crate) fn pinned_by(channel: &str, publication: &Publication) -> Option<(String, u64)> {
    let Some(Event::Pinned { offset, .. }) = publication.draft.body.as_event() else {
        return None;
    };
    let room = channel.split_once(':')?.1;
    Some((format!("{}:{room}", Lane::Chat.prefix()), (*offset)?.0))
}

/// Who says a message of these.
pub(crate) fn said_in(batches: &[Batch<'_>], channel: &str, offset: u64) -> Option<UserId> {
    let batches = batches.iter().filter(|batch| batch.channel == channel);
    let said = batches
        .flat_map(|batch| batch.publications)
        .find(|publication| publication.offset.0 == offset)?;
    Some(said.draft.sender.user.clone())
}

/// As many names at a time as a statement is for.
fn in_statements(names: &BTreeSet<UserId>) -> Vec<Vec<UserId>> {
    let mut statements = Vec::new();
    let (mut next, mut bytes) = (Vec::new(), 0);
    for name in names {
        // A name and its length; a key that is added has two names and 32 bytes.
        bytes += name.0.len() + 80;
        if bytes > STATEMENT_BYTES_MAX && !next.is_empty() {
            statements.push(std::mem::take(&mut next));
            bytes = name.0.len() + 80;
        }
        next.push(name.clone());
    }
    if !next.is_empty() {
        statements.push(next);
    }
    statements
}

/// The functions of one kind of connection: the statement is the same, and the types of the driver are not.
macro_rules! sealing {
    ($connection:ty) => {
        /// Seals messages that are about to be written; `None` where nothing is sealed.
        pub(super) async fn seal(
            connection: &mut $connection,
            keyring: Option<&$crate::keyring::Keyring>,
            batches: &[$crate::keyring::Batch<'_>],
        ) -> Result<Option<Vec<Vec<std::sync::Arc<fanwave_wire::Publication>>>>, sqlx::Error> {
            let Some(keyring) = $crate::keyring::Keyring::sealing(keyring) else {
                return Ok(None);
            };
            let authors = authors(connection, batches).await?;
            keyring.seal(batches, &authors).await.map(Some)
        }

        /// Seals the appends of a group.
        async fn seal_appends(
            connection: &mut $connection,
            keyring: Option<&$crate::keyring::Keyring>,
            group: &mut [$crate::writer::Request],
        ) -> Result<(), sqlx::Error> {
            use $crate::{keyring::Batch, writer::Request};

            let batches = group.iter().filter_map(|request| match request {
                Request::Append {
                    channel,
                    publications,
                    ..
                } => Some(Batch {
                    channel,
                    publications,
                }),
                _ => None,
            });
            let batches: Vec<Batch<'_>> = batches.collect();
            if batches.is_empty() {
                return Ok(());
            }
            let mut written = seal(connection, keyring, &batches)
                .await?
                .into_iter()
                .flatten();
            for request in group {
                if let Request::Append { sealed, .. } = request {
                    *sealed = written.next();
                }
            }
            Ok(())
        }

        /// Who has said what these messages pin.
        async fn authors(
            connection: &mut $connection,
            batches: &[$crate::keyring::Batch<'_>],
        ) -> Result<$crate::keyring::Authors, sqlx::Error> {
            use $crate::keyring::pinned_by;

            let mut authors = $crate::keyring::Authors::new();
            for batch in batches {
                for publication in batch.publications {
                    let Some((chat, offset)) = pinned_by(batch.channel, publication) else {
                        continue;
                    };
                    let author: Option<String> = sqlx::query_scalar(
                        "SELECT user_id FROM messages WHERE channel_id = (SELECT id FROM channels WHERE name = $1) \
                         AND message_offset = $2",
                    )
                    .bind(&chat)
                    .bind($crate::rows::signed(offset))
                    .fetch_optional(&mut *connection)
                    .await?;
                    let author = author.map(|author| fanwave_wire::UserId(author.into()));
                    let author = author.or_else(|| $crate::keyring::said_in(batches, &chat, offset));
                    if let Some(author) = author {
                        authors.insert((chat, offset), author);
                    }
                }
            }
            Ok(authors)
        }
    };
}
pub(crate) use sealing;
