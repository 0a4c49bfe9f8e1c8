//! Between our types and the columns of a row of messages.

use std::sync::Arc;

use fanwave_wire::Publication;
use scylla::{DeserializeRow, SerializeRow, value::MaybeUnset};

use super::{
    fault::{odd, unreadable},
    place::{Bucket, Row},
};
use crate::{
    Cause, StoreError,
    rows::{MessageRow, Written, signed},
};

/// A message as it is written. What it does not have is left out: a null would be a tombstone.
#[derive(Debug, SerializeRow)]
pub(super) struct Insert<'m> {
    channel: &'m str,
    run: i32,
    sort: i8,
    stretch: i64,
    week: i32,
    message_offset: i64,
    at: i64,
    user_id: &'m str,
    name: &'m str,
    role: &'static str,
    client_id: &'m str,
    text: &'m str,
    badge: MaybeUnset<&'m str>,
    language: MaybeUnset<&'static str>,
    reply_offset: MaybeUnset<i64>,
    reply_user: MaybeUnset<&'m str>,
    event: MaybeUnset<String>,
}

impl<'m> Insert<'m> {
    pub(super) fn new(
        row: &'m Row,
        bucket: Bucket,
        publication: &'m Publication,
    ) -> Result<Self, StoreError> {
        let written =
            Written::new(publication).map_err(|error| StoreError::Refused(Cause::new(error)))?;
        let sender = &publication.draft.sender;
        Ok(Self {
            channel: &row.channel,
            run: row.run,
            sort: row.sort.column(),
            stretch: bucket.stretch,
            week: bucket.week,
            message_offset: signed(publication.offset.0),
            at: signed(publication.at.0),
            user_id: &sender.user.0,
            name: &sender.name,
            role: sender.role.name(),
            client_id: &publication.draft.id.0,
            text: written.text,
            badge: MaybeUnset::from_option(sender.badge.as_deref()),
            language: MaybeUnset::from_option(written.language),
            reply_offset: MaybeUnset::from_option(written.reply_offset),
            reply_user: MaybeUnset::from_option(written.reply_user),
            event: MaybeUnset::from_option(written.event),
        })
    }
}

/// A message as it is read.
#[derive(Debug, DeserializeRow)]
pub(super) struct Found<'r> {
    message_offset: i64,
    at: Option<i64>,
    user_id: Option<&'r str>,
    name: Option<&'r str>,
    role: Option<&'r str>,
    client_id: Option<&'r str>,
    text: Option<&'r str>,
    badge: Option<&'r str>,
    language: Option<&'r str>,
    reply_offset: Option<i64>,
    reply_user: Option<&'r str>,
    event: Option<&'r str>,
}

impl Found<'_> {
    pub(super) fn publication(self) -> Result<Arc<Publication>, StoreError> {
        let row = self.row().ok_or_else(|| odd("a message lacks a column"))?;
        let publication = row.publication().map_err(unreadable)?;
        Ok(Arc::new(publication))
    }

    fn row(&self) -> Option<MessageRow<'_>> {
        Some(MessageRow {
            message_offset: self.message_offset,
            at: self.at?,
            user_id: self.user_id?,
            name: self.name?,
            role: self.role?,
            client_id: self.client_id?,
            text: self.text?,
            badge: self.badge,
            language: self.language,
            reply_offset: self.reply_offset,
            reply_user: self.reply_user,
            event: self.event,
            // Its files have checksums of their own.
            checksum: None,
        })
    }
}
