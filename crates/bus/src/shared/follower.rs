//! What one node knows of one channel: everything in order, without a hole, or that it has to begin anew.
//!
//! A follower is told what is appended, by the broker and by its own node, late, twice or not at all. It takes in what is
//! next, keeps what is ahead, and asks for what is missing: one read, however many have noticed. After an interruption
//! it reads the whole window and compares: what is gone from the log was deleted, and what is another message under an
//! offset that was seen, or a head that has gone back, means that the broker has lost something. Then a new epoch is
//! begun, so that nobody takes one message for the other.
//!
//! Where more is missing than a window holds, it is not read back: whoever follows the channel is told to begin anew
//! ([`Output::Restarted`]), and fans learn that they are not recovered.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use fanwave_room::recent::{Recent, Recovery, Stretch, deletes};
use fanwave_store::{Kind, Order, Page, Standing};
use fanwave_wire::{
    Epoch, Event, Offset, Publication, UnixMillis, envelope::Batch, limits::RECENT_MAX,
};

use super::{
    broker::{BrokerError, Extract},
    later,
};
use crate::limits::{
    AHEAD_MAX, EARLY_BATCHES_MAX, ERASURES_MAX, GAP_OVERLAP, RETRY_READ_AFTER,
    RETRY_READ_DOUBLINGS_MAX,
};

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Read this, and answer with [`Follower::handle_read`].
    Read(Page),
    /// Begin a new epoch in place of this one, and answer with [`Follower::handle_renewed`].
    Renew(Epoch),
    /// The channel can be used.
    Opened,
    /// The channel cannot be opened now; this follower is of no more use.
    Failed(BrokerError),
    /// The next publication.
    Deliver(Arc<Publication>),
    /// What was delivered is no more the beginning of what will be.
    Restarted,
}

/// One channel on one node.
#[derive(Debug)]
pub(super) struct Follower {
    /// The newest publications, once the channel is open.
    recent: Option<Recent>,
    /// Heard before the channel was open; at most [`EARLY_BATCHES_MAX`].
    early: Vec<Batch>,
    /// Heard before what comes before it; at most [`AHEAD_MAX`].
    ahead: BTreeMap<Offset, Arc<Publication>>,
    /// Deletions of what is not here yet, or may come back by a read that is out; at most [`ERASURES_MAX`].
    erasures: Vec<Event>,
    asked: Asked,
    /// A window that begins behind what was seen, until that is proven to be there.
    unproven: Option<(Offset, Extract)>,
    /// When to read the window again.
    due: Option<UnixMillis>,
    /// The log contradicts what was seen: a new epoch is needed.
    doubt: Doubt,
    failures: u32,
    /// How long this channel waits after an interruption, so that not all read at once.
    spread_ms: u64,
    outputs: VecDeque<Output>,
}

/// What the broker has been asked; one thing at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// For the newest, when so much had been heard.
    Window(Offset),
    /// For what is missing, up to here.
    Gap(Offset),
    /// Whether the log still has what was seen, where its window begins behind that.
    Proof,
    Renewal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    None,
    /// What the log has is not what was seen.
    Contradicted,
    /// A new epoch has begun, of which nothing is known yet.
    Renewed,
}

impl Follower {
    /// A channel that is about to be opened: the first output asks for its window.
    pub(super) fn open(spread_ms: u64) -> Self {
        let mut follower = Self {
            recent: None,
            early: Vec::new(),
            ahead: BTreeMap::new(),
            erasures: Vec::new(),
            asked: Asked::Nothing,
            unproven: None,
            due: None,
            doubt: Doubt::None,
            failures: 0,
            spread_ms,
            outputs: VecDeque::new(),
        };
        follower.ask_for_window();
        follower
    }

    /// The newest publications, once the channel is open.
    pub(super) fn recent(&self) -> Option<&Recent> {
        self.recent.as_ref()
    }

    /// Where the channel stands, when it can be written.
    pub(super) fn standing(&self) -> Option<Standing> {
        let recent = self.recent.as_ref()?;
        // What is appended while the epoch is in doubt would be of the one that ends.
        (self.doubt == Doubt::None).then(|| Standing {
            epoch: recent.epoch().clone(),
            head: recent.head(),
        })
    }

    /// Whether what is here is being compared with the log, which will not take long: what is newer waits for it.
    pub(super) fn is_comparing(&self) -> bool {
        self.recent.is_some() && self.failures == 0 && self.compares()
    }

    /// Somebody waits for what is newer: there is no time to let others go first.
    pub(super) fn handle_hurry(&mut self) {
        if self.failures == 0 && self.due.is_some() {
            self.due = Some(UnixMillis(0));
        }
    }

    /// Whether the broker owes no answer.
    pub(super) fn is_idle(&self) -> bool {
        self.asked == Asked::Nothing
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Option<UnixMillis> {
        self.due.filter(|_| self.is_idle())
    }

    /// Something was appended.
    pub(super) fn handle_heard(&mut self, batch: Batch) {
        let Some(recent) = &self.recent else {
            if self.early.len() < EARLY_BATCHES_MAX {
                self.early.push(batch);
            } else {
                self.due = Some(UnixMillis(0));
            }
            return;
        };
        if batch.epoch != *recent.epoch() {
            // Either it has begun since, or this is an echo of the one that ended: the log knows.
            self.read_window_soon();
            return;
        }
        if batch
            .publications
            .iter()
            .any(|heard| contradicts(recent, heard))
        {
            self.doubt = Doubt::Contradicted;
            self.settle();
            return;
        }
        for publication in batch.publications {
            if publication.offset == self.head().next() && !self.compares() {
                self.take_in(publication);
            } else if publication.offset > self.head() {
                if self.ahead.len() < AHEAD_MAX {
                    self.ahead.insert(publication.offset, publication);
                } else {
                    self.due = Some(UnixMillis(0));
                }
            }
        }
        self.settle();
    }

    /// The broker has answered a read.
    ///
    /// # Panics
    ///
    /// When none was asked for.
    pub(super) fn handle_read(&mut self, now: UnixMillis, answer: Result<Extract, BrokerError>) {
        let asked = std::mem::replace(&mut self.asked, Asked::Nothing);
        assert!(
            matches!(asked, Asked::Window(_) | Asked::Gap(_) | Asked::Proof),
            "a read is answered once"
        );
        match (asked, answer) {
            (Asked::Window(head), Ok(extract)) => self.take_window(head, extract),
            (Asked::Gap(through), Ok(extract)) => self.take_gap(through, extract),
            (Asked::Proof, Ok(extract)) => self.take_proof(&extract),
            (_, Err(error)) if self.recent.is_none() => {
                self.outputs.push_back(Output::Failed(error));
                return;
            }
            (_, Err(_)) => return self.retry_later(now),
            (_, Ok(_)) => {}
        }
        self.failures = 0;
        let head = self.head();
        self.erasures.retain(|event| reaches_beyond(event, head));
        self.settle();
    }

    /// The broker has begun a new epoch, or not.
    ///
    /// # Panics
    ///
    /// When that was not asked for.
    pub(super) fn handle_renewed(&mut self, now: UnixMillis, answer: &Result<(), BrokerError>) {
        assert_eq!(self.asked, Asked::Renewal, "a renewal is answered once");
        self.asked = Asked::Nothing;
        match answer {
            Ok(()) => {
                self.doubt = Doubt::Renewed;
                self.ask_for_window();
            }
            Err(_) => self.retry_later(now),
        }
    }

    /// Something may not have been heard.
    pub(super) fn handle_resumed(&mut self, now: UnixMillis) {
        if self.asked == Asked::Nothing {
            self.due = Some(UnixMillis(now.0.saturating_add(self.spread_ms)));
        } else {
            // The answer that is under way may be from before.
            self.due = Some(UnixMillis(0));
        }
    }

    /// The log has less than this node has seen.
    pub(super) fn handle_lost(&mut self) {
        self.doubt = Doubt::Contradicted;
        self.settle();
    }

    /// Something of this channel was deleted by an event of another.
    pub(super) fn handle_erase(&mut self, event: &Event) {
        if let Some(recent) = &mut self.recent {
            recent.erase(event);
        }
        if self.asked != Asked::Nothing || reaches_beyond(event, self.head()) {
            if self.erasures.len() == ERASURES_MAX {
                // What cannot be remembered is found out by comparing with the log.
                self.erasures.remove(0);
                self.due = Some(UnixMillis(0));
            }
            self.erasures.push(event.clone());
        }
    }

    /// Time has passed.
    pub(super) fn handle_tick(&mut self, now: UnixMillis) {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.due = None;
            match self.doubt {
                Doubt::None | Doubt::Renewed => self.ask_for_window(),
                Doubt::Contradicted => self.settle(),
            }
        }
    }

    fn head(&self) -> Offset {
        self.recent.as_ref().map_or(Offset(0), Recent::head)
    }

    /// The newest offset that is known to have been given, whether it can be taken in yet or not.
    fn newest_heard(&self) -> Offset {
        let ahead = self.ahead.last_key_value().map(|(offset, _)| *offset);
        ahead.unwrap_or_default().max(self.head())
    }

    /// Whether the window is to be compared with the log before anything is added to it.
    fn compares(&self) -> bool {
        self.due.is_some() || matches!(self.asked, Asked::Window(_) | Asked::Proof)
    }

    fn read_window_soon(&mut self) {
        if self.asked == Asked::Nothing && self.failures == 0 {
            self.ask_for_window();
        } else if self.due.is_none() {
            self.due = Some(UnixMillis(0));
        }
    }

    fn ask_for_window(&mut self) {
        self.due = None;
        self.asked = Asked::Window(self.newest_heard());
        self.outputs.push_back(Output::Read(Page {
            after: Offset(0),
            through: Offset(u64::MAX),
            limit: RECENT_MAX,
            order: Order::NewestFirst,
            kind: Kind::Everything,
        }));
    }

    fn retry_later(&mut self, now: UnixMillis) {
        let wait = RETRY_READ_AFTER * (1 << self.failures.min(RETRY_READ_DOUBLINGS_MAX));
        self.failures += 1;
        self.due = Some(UnixMillis(
            later(now, wait).0.saturating_add(self.spread_ms),
        ));
    }

    /// Takes in what is next by now, and asks for what is still missing.
    fn settle(&mut self) {
        while let Some((&offset, _)) = self.ahead.first_key_value()
            && offset <= self.head().next()
            && !self.compares()
        {
            if let Some((_, publication)) = self.ahead.pop_first()
                && offset > self.head()
            {
                self.take_in(publication);
            }
        }
        let Some(recent) = self.recent.as_ref().filter(|_| self.is_idle()) else {
            return;
        };
        if self.doubt == Doubt::Contradicted {
            if self.failures == 0 || self.due.is_none() {
                self.asked = Asked::Renewal;
                let lost = recent.epoch().clone();
                self.outputs.push_back(Output::Renew(lost));
            }
            return;
        }
        let next = self
            .ahead
            .first_key_value()
            .filter(|_| self.doubt == Doubt::None);
        let Some((&next, _)) = next else { return };
        if next <= recent.head().next() {
            return; // It only waits for the window to be compared.
        }
        // Some of what was seen is read again: a log that has lost its end has something else there.
        let after = Offset(recent.head().0.saturating_sub(GAP_OVERLAP));
        let through = Offset(next.0 - 1);
        if through.0 - after.0 > RECENT_MAX as u64 {
            self.read_window_soon();
        } else if self.due.is_none() {
            self.asked = Asked::Gap(through);
            self.outputs.push_back(Output::Read(Page {
                after,
                through,
                limit: RECENT_MAX,
                order: Order::OldestFirst,
                kind: Kind::Everything,
            }));
        }
    }

    fn take_gap(&mut self, through: Offset, extract: Extract) {
        let Some(recent) = &self.recent else { return };
        if extract.standing.epoch != *recent.epoch() {
            return self.read_window_soon();
        }
        let mut read = extract.publications.iter();
        if extract.standing.head < through
            || read.any(|publication| contradicts(recent, publication))
        {
            self.doubt = Doubt::Contradicted;
            return;
        }
        for publication in extract.publications {
            if publication.offset > self.head() {
                self.take_in(publication);
            }
        }
        // What the page does not have is deleted.
        self.pass(through);
    }

    fn take_window(&mut self, heard: Offset, mut extract: Extract) {
        extract.publications.reverse();
        self.doubt = Doubt::None;
        let floor = match extract.publications.first() {
            Some(oldest) if extract.publications.len() >= RECENT_MAX => Offset(oldest.offset.0 - 1),
            Some(_) | None => Offset(0),
        };
        let Some(recent) = &mut self.recent else {
            self.replace(floor, extract);
            self.outputs.push_back(Output::Opened);
            for batch in std::mem::take(&mut self.early) {
                self.handle_heard(batch);
            }
            return;
        };
        let Standing { epoch, head } = &extract.standing;
        if epoch != recent.epoch() {
            self.replace(floor, extract);
            self.outputs.push_back(Output::Restarted);
            return;
        }
        let mut read = extract.publications.iter();
        if *head < heard || read.any(|publication| contradicts(recent, publication)) {
            self.doubt = Doubt::Contradicted;
            return;
        }
        // A window that begins right behind what was seen has nothing to compare it by, either.
        if floor >= recent.head() && floor > Offset(0) {
            let through = recent.head();
            self.unproven = Some((floor, extract));
            self.asked = Asked::Proof;
            self.outputs.push_back(Output::Read(Page {
                after: Offset(through.0.saturating_sub(GAP_OVERLAP)),
                through,
                limit: RECENT_MAX,
                order: Order::OldestFirst,
                kind: Kind::Everything,
            }));
            return;
        }
        for gone in missing(recent, floor, &extract) {
            recent.erase(&Event::Deleted { offset: gone });
        }
        for publication in extract.publications {
            if publication.offset > self.head() {
                self.take_in(publication);
            }
        }
        self.pass(extract.standing.head);
    }

    fn take_proof(&mut self, seen: &Extract) {
        let (Some(recent), Some((floor, extract))) = (&self.recent, self.unproven.take()) else {
            return;
        };
        if seen.standing.epoch != *recent.epoch() {
            return self.read_window_soon();
        }
        let mut seen = seen.publications.iter();
        if seen.any(|publication| contradicts(recent, publication)) {
            self.doubt = Doubt::Contradicted;
        } else {
            self.replace(floor, extract);
            self.outputs.push_back(Output::Restarted);
        }
    }

    /// Begins anew with what was read.
    fn replace(&mut self, floor: Offset, extract: Extract) {
        let Standing { epoch, head } = extract.standing;
        let stretch = Stretch {
            floor,
            head,
            publications: extract.publications,
        };
        let mut recent = Recent::resume(epoch, stretch);
        for event in &self.erasures {
            recent.erase(event);
        }
        if self
            .recent
            .as_ref()
            .is_some_and(|before| before.epoch() != recent.epoch())
        {
            self.ahead.clear();
        }
        self.recent = Some(recent);
    }

    fn take_in(&mut self, publication: Arc<Publication>) {
        let Some(recent) = &mut self.recent else {
            return;
        };
        if self
            .erasures
            .iter()
            .any(|event| deletes(event, &publication))
        {
            // Whoever follows has been told of the deletion already, and nothing would take this away again.
            recent.pass(publication.offset);
            return;
        }
        recent.push(Arc::clone(&publication));
        self.outputs.push_back(Output::Deliver(publication));
    }

    fn pass(&mut self, head: Offset) {
        if let Some(recent) = &mut self.recent
            && head > recent.head()
        {
            recent.pass(head);
        }
    }
}

/// Whether the window has another message in the place of this one.
fn contradicts(recent: &Recent, publication: &Publication) -> bool {
    let Recovery::Recovered(mut from) =
        recent.after(Offset(publication.offset.0.saturating_sub(1)))
    else {
        return false;
    };
    from.next().is_some_and(|held| {
        let same = held.at == publication.at
            && held.draft.id == publication.draft.id
            && held.draft.sender.user == publication.draft.sender.user;
        held.offset == publication.offset && !same
    })
}

/// What the window has of a stretch that the log has no more.
fn missing(recent: &Recent, floor: Offset, extract: &Extract) -> Vec<Offset> {
    let mut read = extract.publications.iter().peekable();
    let held = recent.all().map(|publication| publication.offset);
    let compared = held.filter(|offset| *offset > floor && *offset <= extract.standing.head);
    let gone = compared.filter(|offset| {
        while read.next_if(|read| read.offset < *offset).is_some() {}
        read.peek().is_none_or(|read| read.offset != *offset)
    });
    gone.collect()
}

/// Whether a deletion concerns messages newer than this.
fn reaches_beyond(event: &Event, head: Offset) -> bool {
    match event {
        Event::Deleted { offset } => *offset > head,
        Event::Cleared { through, .. } => *through > head,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
