//! What is true after the entries of a partition: a pure function of them, the same on every server.
//!
//! An append is written without asking what others write meanwhile: its records get their places when it is read, by the
//! one rule that all servers apply. So nobody writes twice for losing a race, and no two servers can give two places
//! to one message. What a copy is, what is deleted and which epoch it is, are decided here and nowhere else.
//!
//! Nothing here looks at a clock: how old a copy is, is counted by the times that stand in the records.

mod erased;
mod lane;
mod written;

use std::{collections::BTreeMap, hash::Hasher};

use fanwave_store::Standing;
use fanwave_wire::{Channel, Epoch, Lane as Kind, Publication, envelope::Batch};
use siphasher::sip128::{Hasher128, SipHasher13};

use self::lane::Lane;
pub(super) use self::lane::{Block, Span};
use super::entry::{Body, Entry};
use crate::shared::{Appended, BrokerError};

/// What is true.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Fold {
    /// How often the log has lost its end.
    losses: u64,
    lanes: BTreeMap<Channel, Lane>,
}

/// What an entry has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// An append has been judged.
    Appended(Appended),
    /// A lane that keeps everything holds as much as it can.
    Full,
    /// It has done what it was to do, unless another had done so before it.
    Done,
}

impl Outcome {
    /// What it is to whoever has appended.
    pub(super) fn appended(self) -> Result<Appended, BrokerError> {
        match self {
            Self::Appended(appended) => Ok(appended),
            Self::Full => Err(BrokerError::unavailable(
                "the lane has as many entries as a server can keep in mind",
            )),
            // Only who appends asks.
            Self::Done => Err(BrokerError::unavailable("the log has another entry")),
        }
    }
}

impl Fold {
    /// Takes in the next entry, which is there in Kafka. The batch is what it has added.
    pub(super) fn apply(&mut self, at: i64, entry: &Entry) -> (Outcome, Option<Batch>) {
        match &entry.body {
            Body::Append {
                channel,
                known,
                records,
            } => {
                let lane = self.lane(channel, entry.mark);
                if lane.standing.epoch == known.epoch && lane.standing.head < known.head {
                    return (Outcome::Appended(Appended::Lost), None);
                }
                let Some((placed, news)) = lane.append(at, records) else {
                    return (Outcome::Full, None);
                };
                let epoch = lane.standing.epoch.clone();
                let batch = Batch {
                    channel: channel.clone(),
                    epoch: epoch.clone(),
                    publications: news,
                };
                if channel.lane == Kind::Room {
                    self.erase(&batch);
                }
                let stored = Appended::Stored { epoch, placed };
                let heard = (!batch.publications.is_empty()).then_some(batch);
                (Outcome::Appended(stored), heard)
            }
            Body::Begin { channel } => {
                self.lane(channel, entry.mark);
                (Outcome::Done, None)
            }
            Body::Renew { channel, lost } => {
                if let Some(lane) = self.lanes.get_mut(channel)
                    && lane.standing.epoch == *lost
                {
                    lane.standing.epoch = epoch_of(entry.mark, channel);
                }
                (Outcome::Done, None)
            }
            Body::Loss { losses } => {
                if *losses == self.losses {
                    self.losses += 1;
                    for (channel, lane) in &mut self.lanes {
                        lane.standing.epoch = epoch_of(entry.mark, channel);
                    }
                }
                (Outcome::Done, None)
            }
        }
    }

    /// How often the log has lost its end.
    pub(super) fn losses(&self) -> u64 {
        self.losses
    }

    /// Where a channel stands, if it has begun.
    pub(super) fn standing(&self, channel: &Channel) -> Option<&Standing> {
        self.lanes.get(channel).map(|lane| &lane.standing)
    }

    /// The epochs of all channels.
    pub(super) fn epochs(&self) -> BTreeMap<Channel, Epoch> {
        let lanes = self.lanes.iter();
        lanes
            .map(|(channel, lane)| (channel.clone(), lane.standing.epoch.clone()))
            .collect()
    }

    /// Where the publications of a stretch are.
    pub(super) fn spans(&self, channel: &Channel, block: Block) -> Vec<Span> {
        let lane = self.lanes.get(channel);
        lane.map(|lane| lane.spans(block)).unwrap_or_default()
    }

    /// Whether a publication has been deleted.
    pub(super) fn is_erased(&self, channel: &Channel, publication: &Publication) -> bool {
        let lane = self.lanes.get(channel);
        lane.is_some_and(|lane| lane.erased.covers(publication))
    }

    fn lane(&mut self, channel: &Channel, mark: u128) -> &mut Lane {
        self.lanes.entry(channel.clone()).or_insert_with(|| {
            let epoch = epoch_of(mark, channel);
            Lane::new(channel.lane, epoch)
        })
    }

    /// Takes from the room's chat lane what the events of a batch delete: never what is said there later.
    fn erase(&mut self, batch: &Batch) {
        let chat = Channel {
            lane: Kind::Chat,
            room: batch.channel.room.clone(),
        };
        let Some(lane) = self.lanes.get_mut(&chat) else {
            return;
        };
        for publication in &batch.publications {
            if let fanwave_wire::Body::Event(event) = &publication.draft.body {
                lane.erased.add(event, lane.standing.head);
            }
        }
    }
}

/// The name of a run of offsets that begins with an entry: another one for every channel.
fn epoch_of(mark: u128, channel: &Channel) -> Epoch {
    // These keys are part of the log's form: with others, servers would give one run two names.
    let mut hasher = SipHasher13::new_with_keys(0x4661_6e77_6176_6521, 0x6570_6f63_6873_2121);
    hasher.write(&mark.to_be_bytes());
    hasher.write(channel.to_string().as_bytes());
    Epoch(format!("{:032x}", hasher.finish128().as_u128()).into())
}

#[cfg(test)]
mod tests;
