//! One channel: where it stands, what it knows again, and where in Kafka its messages are.

use std::{
    collections::{BTreeMap, VecDeque},
    hash::Hasher,
    sync::Arc,
};

use fanwave_room::{limits::DUPLICATE_WINDOW, sequence::Repeat};
use fanwave_store::{Kind as Wanted, Order, Standing};
use fanwave_wire::{
    Body, Draft, Epoch, Lane as Kind, Offset, Publication, UnixMillis, envelope::Record,
};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::erased::Erased;
use crate::{
    limits::{KAFKA_CHAT_PLACES_MAX, KAFKA_CHAT_SPANS_MAX, KAFKA_PLACES_MAX, KAFKA_SPANS_MAX},
    shared::Placed,
};

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) kind: Kind,
    pub(super) standing: Standing,
    pub(super) erased: Erased,
    /// The newest time of a record.
    pub(super) newest: UnixMillis,
    /// Who has said what, by a digest of both, and where it is.
    pub(super) places: BTreeMap<u128, Placed>,
    /// The digests in the order of the log, oldest first.
    pub(super) order: VecDeque<u128>,
    /// What is in Kafka, oldest first.
    pub(super) spans: VecDeque<Span>,
}

/// An entry that has added to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kafka) struct Span {
    /// Its place in Kafka.
    pub(in crate::kafka) at: i64,
    /// The offset of the first message it has added.
    pub(in crate::kafka) first: Offset,
    /// Which of its records it has added.
    pub(in crate::kafka) taken: Taken,
    /// Whether an event is among them.
    pub(in crate::kafka) events: bool,
}

/// Which records of an entry were new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kafka) enum Taken {
    /// All of so many, as nearly always.
    All(u16),
    /// These.
    Some(Box<[u16]>),
}

/// A part of a stretch that is read at once.
#[derive(Debug, Clone, Copy)]
pub(in crate::kafka) struct Block {
    /// Only what is behind this offset.
    pub(in crate::kafka) after: Offset,
    /// Only what is up to this offset.
    pub(in crate::kafka) through: Offset,
    /// From which end to begin.
    pub(in crate::kafka) order: Order,
    /// Which kind of message.
    pub(in crate::kafka) kind: Wanted,
    /// Enough spans for so many messages.
    pub(in crate::kafka) messages: u64,
}

impl Lane {
    pub(super) fn new(kind: Kind, epoch: Epoch) -> Self {
        Self {
            kind,
            standing: Standing {
                epoch,
                head: Offset(0),
            },
            erased: Erased::default(),
            newest: UnixMillis(0),
            places: BTreeMap::new(),
            order: VecDeque::new(),
            spans: VecDeque::new(),
        }
    }

    /// Gives each record its place; answers with the new ones, too. `None`: there is no room for more.
    pub(super) fn append(
        &mut self,
        at: i64,
        records: &[Record],
    ) -> Option<(Vec<Placed>, Vec<Arc<Publication>>)> {
        if self.kind != Kind::Chat && self.spans.len() >= KAFKA_SPANS_MAX {
            return None;
        }
        self.forget_old(records);
        let first = self.standing.head.next();
        let (mut placed, mut news, mut taken) = (Vec::new(), Vec::new(), Vec::new());
        for (index, record) in (0_u16..).zip(records) {
            let key = digest(&record.draft);
            if let Some(known) = self.places.get(&key) {
                placed.push(Placed {
                    repeat: Repeat::Again,
                    ..*known
                });
                continue;
            }
            let place = self.place(key, record);
            placed.push(place);
            taken.push(index);
            news.push(Arc::new(record.clone().at_offset(place.offset)));
        }
        if let Some(taken) = Taken::of(taken, records.len()) {
            let is_event = |news: &Arc<Publication>| matches!(news.draft.body, Body::Event(_));
            self.spans.push_back(Span {
                at,
                first,
                taken,
                events: news.iter().any(is_event),
            });
        }
        self.shorten();
        Some((placed, news))
    }

    /// Where the messages of a part of a stretch are, in the order asked for.
    pub(super) fn spans(&self, block: Block) -> Vec<Span> {
        let from = self
            .spans
            .partition_point(|span| span.last() <= block.after);
        let to = self
            .spans
            .partition_point(|span| span.first <= block.through);
        let spans = self.spans.range(from..to.max(from));
        let wanted = spans.filter(|span| block.kind == Wanted::Everything || span.events);
        let mut messages = 0;
        // What stands at the edge of the stretch is in it with a part only.
        let enough = move |span: &&Span| {
            let more = messages < block.messages;
            let of_stretch = span.last().min(block.through).0
                - span.first.0.max(block.after.0.saturating_add(1));
            messages += of_stretch + 1;
            more
        };
        match block.order {
            Order::OldestFirst => wanted.take_while(enough).cloned().collect(),
            Order::NewestFirst => wanted.rev().take_while(enough).cloned().collect(),
        }
    }

    fn place(&mut self, key: u128, record: &Record) -> Placed {
        let offset = self.standing.head.next();
        self.standing.head = offset;
        let placed = Placed {
            offset,
            at: record.at,
            repeat: Repeat::First,
        };
        self.places.insert(key, placed);
        self.order.push_back(key);
        placed
    }

    /// Lets go of what is too old to have a copy among these records, or too much.
    fn forget_old(&mut self, records: &[Record]) {
        let times = records.iter().map(|record| record.at);
        self.newest = times.chain([self.newest]).max().unwrap_or(self.newest);
        let (places_max, window_ms) = match self.kind {
            Kind::Chat => (KAFKA_CHAT_PLACES_MAX, DUPLICATE_WINDOW.as_millis()),
            Kind::Room | Kind::Staff | Kind::Vote => (KAFKA_PLACES_MAX, u128::MAX),
        };
        while let Some(oldest) = self.order.front()
            && let Some(placed) = self.places.get(oldest)
            && (self.order.len() > places_max
                || u128::from(self.newest.0.saturating_sub(placed.at.0)) > window_ms)
        {
            self.places.remove(oldest);
            self.order.pop_front();
        }
    }

    /// A chat lane begins where a server can still find its messages.
    fn shorten(&mut self) {
        if self.kind == Kind::Chat && self.spans.len() > KAFKA_CHAT_SPANS_MAX {
            self.spans.pop_front();
            if let Some(oldest) = self.spans.front() {
                self.erased.forget_before(oldest.first);
            }
        }
    }
}

impl Span {
    /// The offset of the last message it has added.
    pub(in crate::kafka) fn last(&self) -> Offset {
        let count = match &self.taken {
            Taken::All(count) => u64::from(*count),
            Taken::Some(taken) => taken.len() as u64,
        };
        Offset(self.first.0 + count - 1)
    }

    /// The messages that the entry's records have become.
    pub(in crate::kafka) fn publications(&self, records: Vec<Record>) -> Vec<Arc<Publication>> {
        let first = self.first.0;
        let numbered = (first..).map(Offset);
        let publication = |(record, offset): (Record, Offset)| Arc::new(record.at_offset(offset));
        match &self.taken {
            Taken::All(_) => records.into_iter().zip(numbered).map(publication).collect(),
            Taken::Some(taken) => {
                let taken = taken
                    .iter()
                    .map(|index| records[usize::from(*index)].clone());
                taken.zip(numbered).map(publication).collect()
            }
        }
    }

    /// How many records its entry has at least.
    pub(in crate::kafka) fn needs(&self) -> usize {
        match &self.taken {
            Taken::All(count) => usize::from(*count),
            Taken::Some(taken) => taken.last().map_or(0, |last| usize::from(*last) + 1),
        }
    }
}

impl Taken {
    fn of(taken: Vec<u16>, records: usize) -> Option<Self> {
        let count = u16::try_from(taken.len()).ok()?;
        match taken.len() {
            0 => None,
            all if all == records => Some(Self::All(count)),
            _ => Some(Self::Some(taken.into())),
        }
    }
}

/// What a copy has in common with its first. Whoever could make another message look like a copy would have to know
/// its client message id before it was sent, and would still have to try more than can be tried.
fn digest(draft: &Draft) -> u128 {
    // These keys are part of the log's form: with others, servers would not agree on what a copy is.
    let mut hasher = SipHasher13::new_with_keys(0x4661_6e77_6176_6521, 0x636f_7069_6573_2121);
    hasher.write(draft.sender.user.0.as_bytes());
    hasher.write(&[0]);
    hasher.write(draft.id.0.as_bytes());
    hasher.finish128().as_u128()
}
