//! Writes down what is followed on a bus: runs of offsets as others have given them, each message once.
//!
//! 1. A channel's run is found by its epoch, or begins: the newest is called by the channel's name, and older ones by the
//!    name, `#` and their epoch, which is no name of a channel.
//! 2. What is at or before the head of the run is passed over: it is there, or it has gone. A broker that has lost the end
//!    of its log goes on in a new epoch with what it still has: such messages move to the new run, and stay one each.
//! 3. What a moderator has deleted is not written. A deletion and what it deletes come on two channels in no order: a
//!    deletion that comes first is remembered until the chat has passed it.
//!
//! A database on a server does it for a whole group at once, and a file one record after the other; what is rare they have
//! in common, by [`recording!`].

use std::{hash::Hasher, sync::Arc};

use fanwave_wire::{Channel, Epoch, Event, Lane, Publication, UnixMillis};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::{Cause, StoreError, rows::signed};

/// Clocks of servers differ by less: a deletion reaches nothing that was said later than this after it, milliseconds. A
/// run that began meanwhile gives the same offset to another message.
const CLOCKS_DIFFER_MAX: i64 = 60_000;

/// What is written down of a channel at once.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) channel: Channel,
    pub(crate) epoch: Epoch,
    /// In the order of their offsets.
    pub(crate) publications: Vec<Arc<Publication>>,
}

impl Record {
    /// What an older run of a channel is called.
    pub(crate) fn older(channel: &Channel, epoch: &Epoch) -> String {
        format!("{channel}#{}", epoch.0)
    }

    /// The names between which those of a channel's older runs are.
    pub(crate) fn older_range(channel: &Channel) -> (String, String) {
        (format!("{channel}#"), format!("{channel}$"))
    }
}

/// The channel that a row is a run of. `None` for a name that a newer release has given.
pub(crate) fn channel_of(name: &str) -> Option<Channel> {
    name.split('#').next()?.parse().ok()
}

/// Where a run stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) id: i64,
    pub(crate) head: i64,
    /// Whether no other has begun since.
    pub(crate) is_newest: bool,
}

/// A deletion that was written down before what it deletes.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) message_offset: i64,
    pub(crate) sender: String,
    pub(crate) at: i64,
}

impl Pending {
    /// What an event that was taken at a time deletes from the chat of its room, if it does.
    pub(crate) fn of(event: &Event, at: UnixMillis) -> Result<Option<Self>, StoreError> {
        let (offset, sender) = match event {
            Event::Deleted { offset } => (offset, String::new()),
            Event::Cleared { user, through } => {
                let mut salt = [0; 8];
                getrandom::fill(&mut salt)
                    .map_err(|error| StoreError::Refused(Cause::new(error)))?;
                (through, sign(u64::from_be_bytes(salt), &user.0))
            }
            _ => return Ok(None),
        };
        Ok(Some(Self {
            message_offset: signed(offset.0),
            sender,
            at: signed(at.0),
        }))
    }

    /// Whether it deletes this message of the chat.
    pub(crate) fn deletes(&self, publication: &Publication) -> bool {
        let offset = signed(publication.offset.0);
        if signed(publication.at.0) > self.reach() {
            return false;
        }
        if self.sender.is_empty() {
            return offset == self.message_offset;
        }
        let salt = self
            .sender
            .get(..16)
            .and_then(|salt| u64::from_str_radix(salt, 16).ok());
        let user = &publication.draft.sender.user.0;
        offset <= self.message_offset && salt.is_some_and(|salt| sign(salt, user) == self.sender)
    }

    /// What was said later is another message.
    pub(crate) fn reach(&self) -> i64 {
        self.at.saturating_add(CLOCKS_DIFFER_MAX)
    }
}

/// A number by which a user is known again, with what it was made of beside them; nobody reads the user out of it.
fn sign(salt: u64, user: &str) -> String {
    let mut hasher = SipHasher13::new_with_keys(salt, salt);
    hasher.write(user.as_bytes());
    format!("{salt:016x}{:032x}", hasher.finish128().as_u128())
}

/// Whether a channel's events may delete something from another.
pub(crate) fn may_delete(channel: &Channel) -> bool {
    channel.lane == Lane::Room
}

/// What is rare, for one kind of connection and database: the statements are the same, and the types of the driver are not.
macro_rules! recording {
    ($connection:ty, $database:ty) => {
        /// Finds the run of a record, or begins it.
        async fn find_run(
            connection: &mut $connection,
            record: &$crate::record::Record,
        ) -> Result<$crate::record::Run, sqlx::Error> {
            use $crate::record::{Record, Run};

            const BY_NAME: &str = "SELECT id, head, epoch FROM channels WHERE name = $1";

            let (name, epoch) = (record.channel.to_string(), &*record.epoch.0);
            let newest: Option<(i64, i64, String)> = sqlx::query_as(BY_NAME)
                .bind(&name)
                .fetch_optional(&mut *connection)
                .await?;
            if let Some((id, head, of)) = &newest
                && of == epoch
            {
                let (id, head, is_newest) = (*id, *head, true);
                return Ok(Run { id, head, is_newest });
            }
            if let Some((newest, _, of)) = newest {
                let older: Option<(i64, i64, String)> = sqlx::query_as(BY_NAME)
                    .bind(Record::older(&record.channel, &record.epoch))
                    .fetch_optional(&mut *connection)
                    .await?;
                if let Some((id, head, _)) = older {
                    let is_newest = false;
                    return Ok(Run { id, head, is_newest });
                }
                sqlx::query("UPDATE channels SET name = $2 WHERE id = $1")
                    .bind(newest)
                    .bind(Record::older(
                        &record.channel,
                        &fanwave_wire::Epoch(of.into()),
                    ))
                    .execute(&mut *connection)
                    .await?;
            }
            let id: i64 =
                sqlx::query_scalar("INSERT INTO channels (name, epoch) VALUES ($1, $2) RETURNING id")
                    .bind(&name)
                    .bind(epoch)
                    .fetch_one(connection)
                    .await?;
            let (head, is_newest) = (0, true);
            Ok(Run { id, head, is_newest })
        }

        /// Moves a message to its new run if the run before has it; whether it is not to be written.
        async fn carry(
            connection: &mut $connection,
            (older, head, newest_at): (i64, i64, i64),
            to: i64,
            publication: &fanwave_wire::Publication,
        ) -> Result<bool, sqlx::Error> {
            use $crate::rows::signed;

            let (offset, at) = (signed(publication.offset.0), signed(publication.at.0));
            if offset > head {
                return Ok(false);
            }
            let there: Option<(i64, String)> = sqlx::query_as(
                "SELECT at, client_id FROM messages WHERE channel_id = $1 AND message_offset = $2",
            )
            .bind(older)
            .bind(offset)
            .fetch_optional(&mut *connection)
            .await?;
            let Some((said_at, client_id)) = there else {
                // It was said while that run went on, which has it no more: it was deleted, forgotten, or let go of.
                return Ok(at <= newest_at);
            };
            if said_at != at || *client_id != *publication.draft.id.0 {
                return Ok(false);
            }
            sqlx::query("UPDATE messages SET channel_id = $1 WHERE channel_id = $2 AND message_offset = $3")
                .bind(to)
                .bind(older)
                .bind(offset)
                .execute(connection)
                .await?;
            Ok(true)
        }

        /// Deletes from the chat what an event says, or has it deleted when it comes. Where people are called something else
        /// in the log, `written` is the event as that has it.
        async fn erase(
            connection: &mut $connection,
            record: &$crate::record::Record,
            publication: &fanwave_wire::Publication,
            written: &fanwave_wire::Publication,
        ) -> Result<(), sqlx::Error> {
            let Some(event) = publication.draft.body.as_event() else {
                return Ok(());
            };
            let pending = $crate::record::Pending::of(event, publication.at)
                .map_err(|error| sqlx::Error::Encode(error.into()))?;
            let Some(pending) = pending else {
                return Ok(());
            };
            let channel = record.channel.to_string();
            for event in $crate::statements::events(publication, written) {
                if let Some(mut update) =
                    $crate::statements::erasure::<$database>(&channel, event)
                {
                    update.push(" AND at <= ").push_bind(pending.reach());
                    update.build().execute(&mut *connection).await?;
                }
            }
            let room = record.channel.room.as_str();
            let head: Option<i64> = sqlx::query_scalar("SELECT head FROM channels WHERE name = $1")
                .bind(format!("chat:{room}"))
                .fetch_optional(&mut *connection)
                .await?;
            if pending.message_offset > head.unwrap_or_default() {
                sqlx::query(
                    "INSERT INTO erasures (room, message_offset, sender, at) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (room, message_offset, sender) DO NOTHING",
                )
                .bind(room)
                .bind(pending.message_offset)
                .bind(pending.sender)
                .bind(pending.at)
                .execute(connection)
                .await?;
            }
            Ok(())
        }
    };
}
pub(crate) use recording;
