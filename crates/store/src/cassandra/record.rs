//! Writes messages down.
//!
//! 1. What is at or before the head of its run is passed over: it is there, or it has gone.
//! 2. What the run before has too moves to this one, as that has it: a broker that has lost the end of its log goes on in a
//!    new epoch with what it still has.
//! 3. The partitions and the people are named, then the messages are written, then the deletions are looked at, and the
//!    head moves last. Wherever this is cut off, doing it again does the rest.

use std::{collections::BTreeMap, sync::Arc};

use fanwave_wire::{Channel, Epoch, Lane, Offset, Publication};

use super::{
    Archive,
    place::{Bucket, Row, Sort},
    rows::Insert,
    runs::Head,
};
use crate::{
    Kind, Order, Page, StoreError,
    keyring::{Authors, Batch, Keyring, pinned_by},
    limits::{APPEND_MAX, CASSANDRA_BATCH_MAX, READ_MAX},
    record::may_delete,
    rows::signed,
    store::within,
};

/// What is to be done for a record.
#[derive(Debug, Default)]
struct Work {
    new: Vec<Arc<Publication>>,
    /// What moves here from the run before: as it was said, and as it is written there.
    carried: Vec<Message>,
}

/// A message as it was said, and as it is written.
type Message = (Arc<Publication>, Arc<Publication>);

impl Archive {
    pub(crate) async fn record(
        &self,
        channel: &Channel,
        epoch: &Epoch,
        mut publications: Vec<Arc<Publication>>,
    ) -> Result<(), StoreError> {
        within(publications.len(), APPEND_MAX)?;
        if publications.is_empty() {
            return Ok(());
        }
        let turn = self.0.records.acquire().await;
        let _turn = turn.map_err(|_| StoreError::Closed)?;
        let run = self.run(channel, epoch).await?;
        let ((head, before), notes, count) = tokio::try_join!(
            self.heads(channel, run),
            self.notes(channel),
            self.forgotten()
        )?;
        publications.retain(|publication| publication.offset > head.offset);
        let Some(last) = publications.last().map(Arc::clone) else {
            return Ok(());
        };
        let Work { mut new, carried } = self.work(channel, run, before, publications).await?;
        let is_kept = |said: &Arc<Publication>| !notes.iter().any(|note| note.deletes(said));
        new.retain(is_kept);
        let mut messages = self.seal(channel, new).await?;
        let kept = carried.iter().filter(|(said, _)| is_kept(said));
        messages.extend(kept.cloned());
        self.write(channel, run, count, &messages).await?;
        if may_delete(channel) {
            for (said, written) in &messages {
                self.erase(channel, said, written).await?;
            }
        }
        let passed = match channel.lane {
            // Somebody may have left one meanwhile.
            Lane::Chat => self.erased(channel, run, &messages, last.offset).await?,
            _ => Vec::new(),
        };
        self.leave(channel, run - 1, &carried).await?;
        let head = Head {
            offset: last.offset,
            at: last.at,
        };
        self.put_head(channel, run, head).await?;
        self.forget_erasures(channel, run, passed).await
    }

    /// As what messages are written that were not there before.
    async fn seal(
        &self,
        channel: &Channel,
        new: Vec<Arc<Publication>>,
    ) -> Result<Vec<Message>, StoreError> {
        let keyring = Keyring::sealing(self.0.keyring.as_ref()).filter(|_| !new.is_empty());
        let Some(keyring) = keyring else {
            return Ok(new
                .into_iter()
                .map(|said| (Arc::clone(&said), said))
                .collect());
        };
        let name = channel.to_string();
        let batch = Batch {
            channel: &name,
            publications: &new,
        };
        let authors = self.authors(channel, &batch).await?;
        let sealed = async {
            keyring.look().await?;
            keyring.seal(&[batch], &authors).await
        };
        let sealed = sealed.await.map_err(|error| keyring.fault(error))?;
        Ok(new
            .iter()
            .cloned()
            .zip(sealed.into_iter().flatten())
            .collect())
    }

    /// Who has said what these messages pin.
    async fn authors(&self, channel: &Channel, batch: &Batch<'_>) -> Result<Authors, StoreError> {
        let mut authors = Authors::new();
        for publication in batch.publications {
            let Some((name, offset)) = pinned_by(batch.channel, publication) else {
                continue;
            };
            let chat = Channel {
                lane: Lane::Chat,
                room: channel.room.clone(),
            };
            let Some((run, _)) = self.run_list(&chat).await?.into_iter().next() else {
                continue;
            };
            let row = Row::new(&chat, run, Sort::Texts);
            let said = self.text_at(&row, Offset(offset)).await?.into_iter().next();
            if let Some((_, said)) = said {
                authors.insert((name, offset), said.draft.sender.user.clone());
            }
        }
        Ok(authors)
    }

    /// What of these is written.
    async fn work(
        &self,
        channel: &Channel,
        run: i32,
        before: Option<Head>,
        publications: Vec<Arc<Publication>>,
    ) -> Result<Work, StoreError> {
        let mut work = Work::default();
        let head = before.unwrap_or_default();
        let there = match publications.first() {
            Some(first) if first.offset <= head.offset => {
                let last = publications.last().map_or(first.offset, |last| last.offset);
                let range = (first.offset, last.min(head.offset));
                self.read_range(channel, run - 1, range).await?
            }
            _ => BTreeMap::new(),
        };
        for publication in publications {
            let is_same = |there: &Arc<Publication>| {
                there.at == publication.at && there.draft.id == publication.draft.id
            };
            match there.get(&publication.offset) {
                Some(there) if is_same(there) => {
                    work.carried.push((publication, Arc::clone(there)));
                }
                // It was said while that run went on, which has it no more: it was deleted, forgotten, or let go of.
                None if publication.offset <= head.offset && publication.at <= head.at => {}
                _ => work.new.push(publication),
            }
        }
        Ok(work)
    }

    async fn read_range(
        &self,
        channel: &Channel,
        run: i32,
        (first, last): (Offset, Offset),
    ) -> Result<BTreeMap<Offset, Arc<Publication>>, StoreError> {
        let mut found = BTreeMap::new();
        let mut page = Page {
            after: Offset(first.0.saturating_sub(1)),
            through: last,
            limit: READ_MAX,
            order: Order::OldestFirst,
            kind: Kind::Everything,
        };
        loop {
            let read = self.read_numbered(channel, run, page, None).await?;
            let is_last = read.len() < READ_MAX;
            if let Some(last) = read.last() {
                page.after = last.offset;
            }
            found.extend(read.into_iter().map(|one| (one.offset, one)));
            if is_last {
                return Ok(found);
            }
        }
    }

    async fn write(
        &self,
        channel: &Channel,
        run: i32,
        count: i64,
        messages: &[Message],
    ) -> Result<(), StoreError> {
        let placed: Vec<(Row, Bucket, &Publication)> = messages
            .iter()
            .map(|(_, written)| {
                let row = Row::new(channel, run, Sort::of(written));
                (row, Bucket::of(written), &**written)
            })
            .collect();
        self.announce(count, &placed).await?;
        let mut partitions: BTreeMap<(&Row, Bucket), Vec<Insert<'_>>> = BTreeMap::new();
        for (row, bucket, publication) in &placed {
            let insert = Insert::new(row, *bucket, publication)?;
            partitions.entry((row, *bucket)).or_default().push(insert);
        }
        let statement = &self.0.statements.insert;
        let mut writes = Vec::new();
        for rows in partitions.values() {
            for rows in rows.chunks(CASSANDRA_BATCH_MAX) {
                writes.push(self.act_on_partition(statement, rows));
            }
        }
        self.all_of(writes).await
    }

    /// Removes from a run what another one has now.
    async fn leave(
        &self,
        channel: &Channel,
        run: i32,
        messages: &[Message],
    ) -> Result<(), StoreError> {
        for (publication, _) in messages {
            let row = Row::new(channel, run, Sort::of(publication));
            let bucket = Bucket::of(publication);
            self.remove(&row, bucket, &[signed(publication.offset.0)])
                .await?;
        }
        Ok(())
    }
}
