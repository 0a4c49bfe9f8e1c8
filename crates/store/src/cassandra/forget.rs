//! Forgets a person, wherever their traces lead.
//!
//! 1. That somebody is forgotten is counted: whoever records from then on writes traces anew.
//! 2. In every room that is not under legal hold: pins of what they have said go, and in all partitions with a trace of theirs
//!    answers lose whom they answer, what names them goes, what they have said goes, and what they have done is somebody's.
//! 3. The traces go last: wherever this is cut off, asking again does the rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fanwave_wire::{Channel, Event, Lane, Offset, Publication, UserId};

use super::{
    Archive,
    erase::Outline,
    fault::odd,
    place::{Bucket, Row, Sort},
    traces::Trace,
};
use crate::{
    Forgotten, Kind, Order, Page, StoreError,
    forget::{NO_NAME, Person, unsaid},
    limits::EVENTS_READ_MAX,
    rows::signed,
};

/// The counter of those who were forgotten.
const FORGOTTEN: &str = "forgotten";

impl Archive {
    /// How often somebody was forgotten, and one more.
    pub(super) async fn forgotten(&self) -> Result<i64, StoreError> {
        let counts: Vec<(i64,)> = self.ask_all(&self.0.statements.count, (FORGOTTEN,)).await?;
        Ok(counts.first().map_or(1, |(count,)| *count))
    }

    async fn count_forgotten(&self) -> Result<i64, StoreError> {
        let statements = &self.0.statements;
        loop {
            let count = self.forgotten().await?;
            let next = (count + 1, FORGOTTEN, count);
            let counted = if count == 1 {
                self.act_if(&statements.begin_count, (FORGOTTEN,)).await?
            } else {
                self.act_if(&statements.raise_count, next).await?
            };
            if counted {
                return Ok(count);
            }
        }
    }

    pub(crate) async fn forget(&self, user: UserId) -> Result<Forgotten, StoreError> {
        let key = match &self.0.keyring {
            Some(keyring) => keyring.key_of(&user).await?,
            None => None,
        };
        let mut forgotten = self.forget_named(user).await?;
        let (Some(keyring), Some(key)) = (&self.0.keyring, key) else {
            return Ok(forgotten);
        };
        let sealed = self.forget_named(key.pseudonym.clone()).await?;
        forgotten.messages += sealed.messages;
        forgotten.held += sealed.held;
        if sealed.held == 0 {
            keyring.destroy(&key).await?;
            // What was being recorded while the key was still there.
            let late = self.forget_named(key.pseudonym.clone()).await?;
            forgotten.messages += late.messages;
        }
        Ok(forgotten)
    }

    /// Forgets whoever has this name in the archive.
    async fn forget_named(&self, user: UserId) -> Result<Forgotten, StoreError> {
        let person = Person::new(user)?;
        let count = self.count_forgotten().await?;
        let values = (&*person.user.0,);
        let traces: Vec<(String, i32, i8, i32)> =
            self.all_pages(&self.0.statements.traces, values).await?;
        let mut rooms: BTreeMap<String, Vec<Trace>> = BTreeMap::new();
        for (channel, run, sort, week) in traces {
            let sort = Sort::from_column(sort).ok_or_else(|| odd("a sort is unknown"))?;
            let room = channel
                .split_once(':')
                .map_or("", |(_, room)| room)
                .to_owned();
            rooms.entry(room).or_default().push(Trace {
                user: person.user.clone(),
                row: Row { channel, run, sort },
                week,
            });
        }
        let mut forgotten = Forgotten::default();
        for (room, traces) in rooms {
            let lease = self.room_lease(&room).await?.ok_or(StoreError::Busy)?;
            let done = self.forget_in(&person, &room, &traces, count).await;
            lease.give_back().await;
            let done = done?;
            forgotten.messages += done.messages;
            forgotten.held += done.held;
        }
        Ok(forgotten)
    }

    async fn forget_in(
        &self,
        person: &Person,
        room: &str,
        traces: &[Trace],
        count: i64,
    ) -> Result<Forgotten, StoreError> {
        let mut forgotten = Forgotten::default();
        if self.is_under_hold(room).await? {
            let runs: BTreeSet<_> = traces
                .iter()
                .map(|trace| (&trace.row.channel, trace.row.run))
                .collect();
            forgotten.held = runs.len() as u64;
            return Ok(forgotten);
        }
        forgotten.messages += self.unpin(person, room, traces).await?;
        for trace in traces {
            for bucket in self.buckets_of(&trace.row, trace.week).await? {
                forgotten.messages += match trace.row.sort {
                    Sort::Texts => self.forget_texts(person, &trace.row, bucket).await?,
                    Sort::Events => self.forget_events(person, &trace.row, bucket).await?,
                };
            }
        }
        for trace in traces {
            self.drop_trace(trace, count).await?;
        }
        Ok(forgotten)
    }

    async fn buckets_of(&self, row: &Row, week: i32) -> Result<Vec<Bucket>, StoreError> {
        let mut buckets = self.buckets_up(row, (Offset(0), Offset(u64::MAX))).await?;
        buckets.retain(|bucket| bucket.week == week);
        Ok(buckets)
    }

    async fn forget_texts(
        &self,
        person: &Person,
        row: &Row,
        bucket: Bucket,
    ) -> Result<u64, StoreError> {
        let (mut said, mut answers) = (Vec::new(), Vec::new());
        self.outlines(
            row,
            bucket,
            |Outline {
                 offset,
                 user,
                 reply_user,
                 ..
             }| {
                if *user == *person.user.0 {
                    said.push(offset);
                } else if reply_user.is_some_and(|user| *user == *person.user.0) {
                    answers.push(offset);
                }
            },
        )
        .await?;
        self.remove(row, bucket, &said).await?;
        let Row { channel, run, sort } = row;
        let Bucket { stretch, week } = bucket;
        for offset in &answers {
            let values = (channel, run, sort.column(), stretch, week, offset);
            self.act(&self.0.statements.lose_reply, values).await?;
        }
        Ok((said.len() + answers.len()) as u64)
    }

    async fn forget_events(
        &self,
        person: &Person,
        row: &Row,
        bucket: Bucket,
    ) -> Result<u64, StoreError> {
        let mut changed = 0;
        for publication in self.all_in(row, bucket).await? {
            let Some(event) = publication.draft.body.as_event() else {
                continue;
            };
            let offset = signed(publication.offset.0);
            if person.is_in(event) {
                self.remove(row, bucket, &[offset]).await?;
            } else if publication.draft.sender.user == person.user {
                self.make_nobodys(person, row, bucket, &publication).await?;
            } else {
                continue;
            }
            changed += 1;
        }
        Ok(changed)
    }

    async fn make_nobodys(
        &self,
        person: &Person,
        row: &Row,
        bucket: Bucket,
        publication: &Publication,
    ) -> Result<(), StoreError> {
        let event = publication.draft.body.as_event().cloned().map(unsaid);
        let event = event.map(|event| serde_json::json!(event).to_string());
        let Row { channel, run, sort } = row;
        let Bucket { stretch, week } = bucket;
        let offset = signed(publication.offset.0);
        let values = (
            &person.stand_in,
            NO_NAME,
            event,
            channel,
            run,
            sort.column(),
            stretch,
            week,
            offset,
        );
        self.act(&self.0.statements.make_nobodys, values).await
    }

    /// Removes the pins of what a person has said in a room.
    async fn unpin(
        &self,
        person: &Person,
        room: &str,
        traces: &[Trace],
    ) -> Result<u64, StoreError> {
        let chat = format!("chat:{room}");
        let mut said = BTreeSet::new();
        for trace in traces.iter().filter(|trace| trace.row.channel == chat) {
            for bucket in self.buckets_of(&trace.row, trace.week).await? {
                self.outlines(&trace.row, bucket, |Outline { offset, user, .. }| {
                    if *user == *person.user.0 {
                        said.insert(offset);
                    }
                })
                .await?;
            }
        }
        let Ok(room) = room.parse() else {
            return Ok(0);
        };
        let lane = Channel {
            lane: Lane::Room,
            room,
        };
        let mut removed = 0;
        for (run, _) in self.run_list(&lane).await? {
            let row = Row::new(&lane, run, Sort::Events);
            for bucket in self.buckets_up(&row, (Offset(0), Offset(u64::MAX))).await? {
                for publication in self.all_in(&row, bucket).await? {
                    let Some(Event::Pinned {
                        offset: Some(of), ..
                    }) = publication.draft.body.as_event()
                    else {
                        continue;
                    };
                    if said.contains(&signed(of.0)) {
                        self.remove(&row, bucket, &[signed(publication.offset.0)])
                            .await?;
                        removed += 1;
                    }
                }
            }
        }
        Ok(removed)
    }

    /// All messages of a partition of events. It has as many as a stretch has offsets, at most.
    async fn all_in(&self, row: &Row, bucket: Bucket) -> Result<Vec<Arc<Publication>>, StoreError> {
        let mut all = Vec::new();
        let mut page = Page {
            after: Offset(0),
            through: Offset(u64::MAX),
            limit: EVENTS_READ_MAX,
            order: Order::OldestFirst,
            kind: Kind::Events,
        };
        loop {
            let read = self.read_partition(row, page, bucket).await?;
            let is_last = read.len() < page.limit;
            if let Some(last) = read.last() {
                page.after = last.offset;
            }
            all.extend(read);
            if is_last {
                return Ok(all);
            }
        }
    }

    pub(super) async fn drop_trace(&self, trace: &Trace, count: i64) -> Result<(), StoreError> {
        let Trace { user, row, week } = trace;
        let values = (
            count,
            &*user.0,
            &row.channel,
            row.run,
            row.sort.column(),
            week,
        );
        self.act(&self.0.statements.drop_trace, values).await
    }
}
