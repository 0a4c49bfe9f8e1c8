//! Deletes from a room's chat what its moderators have deleted, whichever is recorded first.
//!
//! Whoever records a deletion first leaves a note of it, unless the chat is recorded beyond it, and then removes what is
//! there. Whoever records messages writes them first, and then looks for notes. So one of the two sees the other.

use std::sync::Arc;

use fanwave_wire::{Channel, Event, Lane, Offset, Publication, UserId};

use super::{
    Archive,
    place::{Bucket, Row, Sort},
};
use crate::{
    StoreError,
    limits::{CASSANDRA_BATCH_MAX, ERASURES_READ_MAX},
    record::Pending,
    rows::signed,
    statements::events,
};

impl Archive {
    /// Removes what an event deletes from the chat of its room, if it does, or has it removed when it comes. Where people are
    /// called something else in the archive, `written` is the event as that has it.
    pub(super) async fn erase(
        &self,
        channel: &Channel,
        publication: &Publication,
        written: &Publication,
    ) -> Result<(), StoreError> {
        let Some(event) = publication.draft.body.as_event() else {
            return Ok(());
        };
        let Some(pending) = Pending::of(event, publication.at)? else {
            return Ok(());
        };
        let chat = Channel {
            lane: Lane::Chat,
            room: channel.room.clone(),
        };
        let runs = self.run_list(&chat).await?;
        let newest = runs.first().map(|(run, _)| *run);
        let head = match newest {
            Some(run) => self.heads(&chat, run).await?.0.offset,
            None => Offset(0),
        };
        if pending.message_offset > signed(head.0) {
            let Pending {
                message_offset,
                sender,
                at,
            } = &pending;
            let values = (chat.room.as_str(), message_offset, sender, at);
            self.act(&self.0.statements.put_erasure, values).await?;
        }
        // It may have begun meanwhile.
        let Some((run, _)) = self.run_list(&chat).await?.into_iter().next() else {
            return Ok(());
        };
        let row = Row::new(&chat, run, Sort::Texts);
        match event {
            Event::Cleared { through, .. } => {
                for event in events(publication, written) {
                    if let Event::Cleared { user, .. } = event {
                        self.clear(&row, user, *through, pending.reach()).await?;
                    }
                }
                Ok(())
            }
            Event::Deleted { offset } => {
                for (bucket, there) in self.text_at(&row, *offset).await? {
                    if pending.deletes(&there) {
                        self.remove(&row, bucket, &[signed(offset.0)]).await?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Removes all that somebody has said up to an offset, and not after a time.
    async fn clear(
        &self,
        row: &Row,
        user: &UserId,
        through: Offset,
        until: i64,
    ) -> Result<(), StoreError> {
        let weeks = self.weeks_of(user, &row.channel, row.run, row.sort).await?;
        for bucket in self.buckets_up(row, (Offset(0), through)).await? {
            if !weeks.contains(&bucket.week) {
                continue;
            }
            let mut theirs = Vec::new();
            self.outlines(row, bucket, |outline| {
                let Outline {
                    offset,
                    at,
                    user: of,
                    ..
                } = outline;
                if *of == *user.0 && offset <= signed(through.0) && at <= until {
                    theirs.push(offset);
                }
            })
            .await?;
            self.remove(row, bucket, &theirs).await?;
        }
        Ok(())
    }

    /// What is to be removed from a channel when it comes: from a room's chat, and from nothing else.
    pub(super) async fn notes(&self, chat: &Channel) -> Result<Vec<Pending>, StoreError> {
        if chat.lane != Lane::Chat {
            return Ok(Vec::new());
        }
        let limit = i32::try_from(ERASURES_READ_MAX).unwrap_or(i32::MAX);
        let notes: Vec<(i64, String, i64)> = self
            .ask_all(&self.0.statements.erasures, (chat.room.as_str(), limit))
            .await?;
        let notes = notes
            .into_iter()
            .map(|(message_offset, sender, at)| Pending {
                message_offset,
                sender,
                at,
            });
        Ok(notes.collect())
    }

    /// Removes those of these messages, which were just written, that were deleted before. Answers the notes that are done
    /// with once the head has moved to an offset.
    pub(super) async fn erased(
        &self,
        channel: &Channel,
        run: i32,
        written: &[(Arc<Publication>, Arc<Publication>)],
        head: Offset,
    ) -> Result<Vec<Pending>, StoreError> {
        let mut notes = self.notes(channel).await?;
        if notes.is_empty() {
            return Ok(notes);
        }
        for (publication, _) in written {
            if notes.iter().any(|note| note.deletes(publication)) {
                let row = Row::new(channel, run, Sort::of(publication));
                let bucket = Bucket::of(publication);
                self.remove(&row, bucket, &[signed(publication.offset.0)])
                    .await?;
            }
        }
        notes.retain(|note| note.message_offset <= signed(head.0));
        Ok(notes)
    }

    /// Lets go of notes, when the run is the newest.
    pub(super) async fn forget_erasures(
        &self,
        channel: &Channel,
        run: i32,
        notes: Vec<Pending>,
    ) -> Result<(), StoreError> {
        if notes.is_empty()
            || self
                .run_list(channel)
                .await?
                .first()
                .is_none_or(|(of, _)| *of != run)
        {
            return Ok(());
        }
        for Pending {
            message_offset,
            sender,
            ..
        } in notes
        {
            let values = (channel.room.as_str(), message_offset, sender);
            self.act(&self.0.statements.drop_erasure, values).await?;
        }
        Ok(())
    }

    /// Removes messages of a partition for good.
    pub(super) async fn remove(
        &self,
        row: &Row,
        bucket: Bucket,
        offsets: &[i64],
    ) -> Result<(), StoreError> {
        let Row { channel, run, sort } = row;
        let Bucket { stretch, week } = bucket;
        for offsets in offsets.chunks(CASSANDRA_BATCH_MAX) {
            let rows: Vec<_> = offsets
                .iter()
                .map(|offset| (channel, run, sort.column(), stretch, week, offset))
                .collect();
            self.act_on_partition(&self.0.statements.remove, &rows)
                .await?;
        }
        Ok(())
    }

    /// Looks at all messages of a partition, but not at what they say.
    pub(super) async fn outlines(
        &self,
        row: &Row,
        bucket: Bucket,
        mut look: impl FnMut(Outline),
    ) -> Result<(), StoreError> {
        let Row { channel, run, sort } = row;
        let values = (channel, run, sort.column(), bucket.stretch, bucket.week);
        let mut pages = self.pages(&self.0.statements.outlines, values);
        while let Some(page) = pages.next().await? {
            for (offset, at, user, reply_user) in page {
                let (at, user): (Option<i64>, Option<String>) = (at, user);
                look(Outline {
                    offset,
                    at: at.unwrap_or_default(),
                    user: user.unwrap_or_default(),
                    reply_user,
                });
            }
        }
        Ok(())
    }
}

/// A message without what it says.
#[derive(Debug)]
pub(super) struct Outline {
    pub(super) offset: i64,
    pub(super) at: i64,
    pub(super) user: String,
    pub(super) reply_user: Option<String>,
}
