//! The statements that every database understands. Both know `$1`, and what is built here has the placeholders of its own.

use fanwave_wire::{Channel, Epoch, Event, Publication, UserId};
use sqlx::{Database, Encode, QueryBuilder, Type};

use crate::{
    Kind, Order, Page,
    record::Record,
    rows::{COLUMNS, signed},
};

/// Where a channel stands.
pub(crate) const STANDING: &str = "SELECT epoch, head FROM channels WHERE name = $1";

/// Up to which offset the texts of a channel may be gone.
pub(crate) const FLOOR: &str = "SELECT floor FROM channels WHERE name = $1";

/// Puts a room under legal hold.
pub(crate) const HOLD: &str =
    "INSERT INTO holds (room, since) VALUES ($1, $2) ON CONFLICT (room) DO NOTHING";

/// Ends that.
pub(crate) const RELEASE: &str = "DELETE FROM holds WHERE room = $1";

/// All rooms under legal hold.
pub(crate) const HOLDS: &str = "SELECT room, since FROM holds ORDER BY room";

/// The value of a setting.
pub(crate) const SETTING: &str = "SELECT value FROM settings WHERE key = $1";

/// Sets a setting.
pub(crate) const PUT_SETTING: &str = "INSERT INTO settings (key, value) VALUES ($1, $2) \
     ON CONFLICT (key) DO UPDATE SET value = excluded.value";

/// The runs of a channel: its name, and between which names those of older runs are; the newest first.
pub(crate) const RUNS: &str = "SELECT epoch, head FROM channels WHERE name = $1 OR (name > $2 AND name < $3) \
     ORDER BY id DESC LIMIT $4";

/// What is to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) channel: &'a Channel,
    /// Which run of it; the newest, if that is not said.
    pub(crate) epoch: Option<&'a Epoch>,
    pub(crate) page: Page,
    /// Only what one person has said, who has these names in the log.
    pub(crate) by: Option<&'a [UserId]>,
}

/// A page of a channel, or of what one person has said there, without what is deleted.
///
/// The channel is named by a scalar, not joined: PostgreSQL then reads in the order of the key, and stops at the limit.
pub(crate) fn page<DB: Database>(
    Ask {
        channel,
        epoch,
        page,
        by,
    }: Ask<'_>,
) -> QueryBuilder<DB>
where
    for<'q> String: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(
        " FROM messages m WHERE m.deleted = 0 AND m.channel_id = (SELECT id FROM channels WHERE name = ",
    );
    query.push_bind(channel.to_string());
    if let Some(epoch) = epoch {
        // The newest has the channel's own name.
        query
            .push(" AND epoch = ")
            .push_bind(epoch.0.to_string())
            .push(" UNION ALL SELECT id FROM channels WHERE name = ")
            .push_bind(Record::older(channel, epoch));
    }
    query.push(")");
    if page.kind == Kind::Events {
        query.push(" AND m.event IS NOT NULL");
    }
    if let Some(names) = by {
        query.push(" AND m.user_id IN (");
        let mut listed = query.separated(", ");
        for name in names {
            listed.push_bind(name.0.to_string());
        }
        query.push(")");
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
    query
}

/// An event as it happened, and as it is written, where people are called something else there.
pub(crate) fn events<'p>(
    publication: &'p Publication,
    written: &'p Publication,
) -> impl Iterator<Item = &'p Event> {
    let event = publication.draft.body.as_event();
    let other = written.draft.body.as_event();
    event
        .into_iter()
        .chain(other.filter(|other| Some(*other) != event))
}

/// What an event in this channel takes from another, in the same transaction: from the moment it is acknowledged nobody
/// reads the text again. `None` for what takes nothing.
pub(crate) fn erasure<DB: Database>(channel: &str, event: &Event) -> Option<QueryBuilder<DB>>
where
    for<'q> String: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    let room = channel.strip_prefix("room:")?;
    let mut update = QueryBuilder::new(
        "UPDATE messages SET text = '', event = NULL, reply_offset = NULL, reply_user = NULL, deleted = 1 \
         WHERE channel_id = (SELECT id FROM channels WHERE name = ",
    );
    update.push_bind(format!("chat:{room}"));
    match event {
        Event::Deleted { offset } => {
            update
                .push(") AND message_offset = ")
                .push_bind(signed(offset.0));
        }
        Event::Cleared { user, through } => {
            update
                .push(") AND user_id = ")
                .push_bind(user.0.to_string());
            update
                .push(" AND message_offset <= ")
                .push_bind(signed(through.0));
        }
        _ => return None,
    }
    Some(update)
}
