//! Forgets a person: what they have said, and who they were.
//!
//! 1. In all channels, what mentions them goes: answers lose whom they answer; mutes and bans of theirs, what was held of
//!    them for review, and pins of what they said are removed.
//! 2. In all channels, what they have said is removed. What they have done and others count on (a vote, a gift, an act of
//!    moderation) stays, by somebody who is nobody.
//!
//! In this order, because a pin is known by whose message it shows. Rooms under legal hold are left as they are, and
//! counted. No offset is given again. Each database does it in steps of its own kind, by [`forgetting!`].

use fanwave_wire::{Event, UserId};

use crate::{Cause, StoreError};

/// Where a step begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) pass: Pass,
    /// Behind this channel.
    pub(crate) after: i64,
}

/// What a step looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// What others have said and done.
    Mentions,
    /// What the person has.
    Own,
}

/// What a step has done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// Where the next begins; `None` after the last.
    pub(crate) next: Option<Place>,
    pub(crate) forgotten: Forgotten,
    /// Whether something of the person is in what was left as it is.
    pub(crate) stays: bool,
}

/// What was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Messages that are gone, or have become nobody's.
    pub messages: u64,
    /// Channels that were left as they are, because their room is under legal hold.
    pub held: u64,
}

/// Who is forgotten, and who stands in their place.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) user: UserId,
    /// New every time, so that nobody can work it out, and two who voted in one poll stay two.
    pub(crate) stand_in: String,
    /// An event that may mention them, as LIKE understands it, with `!` before what is meant as it is.
    pub(crate) mention: String,
}

/// What those are called who are nobody.
pub(crate) const NO_NAME: &str = "—";

impl Person {
    pub(crate) fn new(user: UserId) -> Result<Self, StoreError> {
        let mut bits = [0; 8];
        getrandom::fill(&mut bits).map_err(|error| StoreError::Refused(Cause::new(error)))?;
        let json =
            serde_json::to_string(&user).map_err(|error| StoreError::Refused(Cause::new(error)))?;
        let mut mention = String::from("%");
        for letter in json.chars() {
            if matches!(letter, '%' | '_' | '!') {
                mention.push('!');
            }
            mention.push(letter);
        }
        mention.push('%');
        Ok(Self {
            user,
            stand_in: format!("erased-{:016x}", u64::from_be_bytes(bits)),
            mention,
        })
    }

    /// Whether an event is about them.
    pub(crate) fn is_in(&self, event: &Event) -> bool {
        match event {
            Event::Muted { user, .. }
            | Event::Banned { user, .. }
            | Event::Pardoned { user }
            | Event::Cleared { user, .. } => *user == self.user,
            Event::Held { sender, .. } => sender.user == self.user,
            _ => false,
        }
    }
}

/// What stays of an event that a person was behind: nothing that they said.
pub(crate) fn unsaid(event: Event) -> Event {
    match event {
        Event::Gift { gift, count, .. } => Event::Gift {
            gift,
            count,
            text: None,
        },
        event => event,
    }
}

/// The functions of one kind of connection: the statements are the same, and the types of the driver are not.
macro_rules! forgetting {
    ($connection:ty) => {
        /// Does a step, in the transaction that the connection has open.
        pub(super) async fn step(
            connection: &mut $connection,
            person: &$crate::forget::Person,
            place: $crate::forget::Place,
        ) -> Result<$crate::forget::Step, sqlx::Error> {
            use $crate::forget::{Forgotten, Pass, Place, Step};
            use $crate::limits::{SWEEP_CHANNELS_MAX, SWEEP_MESSAGES_MAX};

            let channels: Vec<(i64, String)> =
                sqlx::query_as("SELECT id, name FROM channels WHERE id > $1 ORDER BY id LIMIT $2")
                    .bind(place.after)
                    .bind(SWEEP_CHANNELS_MAX)
                    .fetch_all(&mut *connection)
                    .await?;
            let mut forgotten = Forgotten::default();
            let mut stays = false;
            for (id, name) in &channels {
                let channel = $crate::record::channel_of(name);
                let room = channel.as_ref().map_or("", |channel| channel.room.as_str());
                let held: bool =
                    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM holds WHERE room = $1)")
                        .bind(room)
                        .fetch_one(&mut *connection)
                        .await?;
                if held {
                    // Once, and not in each pass.
                    if place.pass == Pass::Own {
                        forgotten.held += 1;
                        stays = stays || is_there(connection, person, *id).await?;
                    }
                    continue;
                }
                forgotten.messages += match place.pass {
                    Pass::Mentions => mentions(connection, person, *id, room).await?,
                    Pass::Own => own(connection, person, *id).await?,
                };
                if forgotten.messages >= SWEEP_MESSAGES_MAX.unsigned_abs() {
                    let next = Some(Place {
                        after: *id,
                        ..place
                    });
                    return Ok(Step { next, forgotten, stays });
                }
            }
            let is_page_full =
                i64::try_from(channels.len()).is_ok_and(|count| count == SWEEP_CHANNELS_MAX);
            let next = match (channels.last(), place.pass) {
                (Some((after, _)), pass) if is_page_full => Some(Place {
                    pass,
                    after: *after,
                }),
                (_, Pass::Mentions) => Some(Place {
                    pass: Pass::Own,
                    after: 0,
                }),
                (_, Pass::Own) => None,
            };
            Ok(Step { next, forgotten, stays })
        }

        /// Whether a channel has something of a person.
        async fn is_there(
            connection: &mut $connection,
            person: &$crate::forget::Person,
            channel_id: i64,
        ) -> Result<bool, sqlx::Error> {
            sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM messages WHERE channel_id = $1 AND user_id = $2) \
                 OR EXISTS (SELECT 1 FROM messages WHERE channel_id = $1 AND reply_user = $2) \
                 OR EXISTS (SELECT 1 FROM messages WHERE channel_id = $1 AND event IS NOT NULL \
                 AND event LIKE $3 ESCAPE '!')",
            )
            .bind(channel_id)
            .bind(&*person.user.0)
            .bind(&person.mention)
            .fetch_one(connection)
            .await
        }

        /// Removes what mentions a person.
        async fn mentions(
            connection: &mut $connection,
            person: &$crate::forget::Person,
            channel_id: i64,
            room: &str,
        ) -> Result<u64, sqlx::Error> {
            let answers = sqlx::query(
                "UPDATE messages SET reply_offset = NULL, reply_user = NULL WHERE channel_id = $1 AND reply_user = $2",
            )
            .bind(channel_id)
            .bind(&*person.user.0)
            .execute(&mut *connection)
            .await?;
            let mut removed = 0;
            let mut after = 0;
            loop {
                let events: Vec<(i64, String)> = sqlx::query_as(
                    "SELECT message_offset, event FROM messages \
                     WHERE channel_id = $1 AND event IS NOT NULL AND message_offset > $2 \
                     AND (event LIKE $3 ESCAPE '!' OR event LIKE '{\"type\":\"pinned\"%') \
                     ORDER BY message_offset LIMIT $4",
                )
                .bind(channel_id)
                .bind(after)
                .bind(&person.mention)
                .bind($crate::limits::SWEEP_MESSAGES_MAX)
                .fetch_all(&mut *connection)
                .await?;
                let Some((last, _)) = events.last() else {
                    return Ok(answers.rows_affected() + removed);
                };
                after = *last;
                for (offset, json) in &events {
                    let Ok(event) = serde_json::from_str::<fanwave_wire::Event>(json) else {
                        continue;
                    };
                    let goes = match &event {
                        fanwave_wire::Event::Pinned {
                            offset: Some(of), ..
                        } => said(connection, person, room, of.0).await?,
                        event => person.is_in(event),
                    };
                    if goes {
                        sqlx::query(
                            "DELETE FROM messages WHERE channel_id = $1 AND message_offset = $2",
                        )
                        .bind(channel_id)
                        .bind(offset)
                        .execute(&mut *connection)
                        .await?;
                        removed += 1;
                    }
                }
            }
        }

        /// Whether a person has said a message of a room's chat.
        async fn said(
            connection: &mut $connection,
            person: &$crate::forget::Person,
            room: &str,
            offset: u64,
        ) -> Result<bool, sqlx::Error> {
            sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM messages WHERE channel_id IN \
                 (SELECT id FROM channels WHERE name = $1 OR (name > $1 || '#' AND name < $1 || '$')) \
                 AND message_offset = $2 AND user_id = $3)",
            )
            .bind(format!("chat:{room}"))
            .bind($crate::rows::signed(offset))
            .bind(&*person.user.0)
            .fetch_one(connection)
            .await
        }

        /// Removes what a person has said, and makes nobody's what they have done.
        async fn own(
            connection: &mut $connection,
            person: &$crate::forget::Person,
            channel_id: i64,
        ) -> Result<u64, sqlx::Error> {
            let texts = sqlx::query(
                "DELETE FROM messages WHERE channel_id = $1 AND user_id = $2 AND event IS NULL",
            )
            .bind(channel_id)
            .bind(&*person.user.0)
            .execute(&mut *connection)
            .await?;
            let mut changed = texts.rows_affected();
            let events: Vec<(i64, String)> = sqlx::query_as(
                // What they say meanwhile is no event.
                "SELECT message_offset, event FROM messages \
                 WHERE channel_id = $1 AND user_id = $2 AND event IS NOT NULL",
            )
            .bind(channel_id)
            .bind(&*person.user.0)
            .fetch_all(&mut *connection)
            .await?;
            for (offset, json) in events {
                let kept = serde_json::from_str(&json)
                    .map(|event| serde_json::json!($crate::forget::unsaid(event)).to_string())
                    // Of a newer release: it stays as it is.
                    .unwrap_or(json);
                sqlx::query(
                    "UPDATE messages SET user_id = $3, name = $4, badge = NULL, event = $5 \
                     WHERE channel_id = $1 AND message_offset = $2",
                )
                .bind(channel_id)
                .bind(offset)
                .bind(&person.stand_in)
                .bind($crate::forget::NO_NAME)
                .bind(kept)
                .execute(&mut *connection)
                .await?;
                changed += 1;
            }
            Ok(changed)
        }
    };
}
pub(crate) use forgetting;
