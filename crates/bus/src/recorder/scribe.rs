//! The machine that writes down one channel: what to read next from the engine, and what to hand to the archive.
//!
//! One input, then [`Scribe::poll_output`] until it is empty; [`Scribe::poll_timeout`] says when to bring [`Input::Tick`].
//! One thing is asked at a time. It keeps one page of messages at most, while the archive has it; what was delivered
//! meanwhile is a number, and is read when its turn comes: from the engine's window, or from the broker's log.

use std::{collections::VecDeque, sync::Arc};

use fanwave_store::Standing;
use fanwave_wire::{Epoch, Offset, Publication, UnixMillis, limits::HISTORY_PAGE_MAX};

use crate::{
    History,
    limits::{RECORD_GATHER, RECORD_RETRY_AFTER, RECORD_RETRY_DOUBLINGS_MAX},
};

/// What happens.
#[derive(Debug)]
pub(super) enum Input {
    /// How far the archive is.
    Reached(Result<Option<Standing>, Failed>),
    /// Where the channel stands from which on it is delivered.
    Subscribed(Result<Standing, Failed>),
    /// Something was delivered.
    Delivered(Heard),
    /// The channel begins anew.
    Restarted,
    /// The page that was asked for.
    Read(Result<History, Failed>),
    /// The oldest message that the broker has.
    Oldest(Result<Option<Offset>, Failed>),
    /// What became of what was handed over.
    Recorded(Result<(), Unrecorded>),
    /// Nothing but time has passed.
    Tick,
}

/// It was not done; asking again later may work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failed;

/// Why something was not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unrecorded {
    /// The archive cannot be reached, or written; asking again later may work.
    Failed,
    /// It refuses something of what is in it.
    Refused,
}

/// The newest message that was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) offset: Offset,
    /// When the room took it.
    pub(super) at: UnixMillis,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Ask how far the archive is.
    Ask,
    /// Have the channel delivered.
    Subscribe,
    /// Read so many messages behind this offset.
    Read(Offset, usize),
    /// Read the oldest message that there is.
    FindOldest,
    /// Record these.
    Record(Epoch, Vec<Arc<Publication>>),
    /// The broker has let go of these offsets before they were recorded; some of them may have been unused.
    Lost(Offset, Offset),
    /// The archive does not take the message at this offset; it is passed over.
    Unwritable(Offset),
}

/// What the machine waits for.
#[derive(Debug)]
enum State {
    /// Until then; then it goes on with this.
    Resting(UnixMillis, Step),
    Asked,
    /// Messages to be there, or enough of them.
    Following,
    /// To know whether the broker has let go of what is missing before this page.
    Looking(Found),
    /// The archive: what it has, what comes behind it, and where the page ends.
    Recording(
        Vec<Arc<Publication>>,
        VecDeque<Vec<Arc<Publication>>>,
        Offset,
    ),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Reached,
    Subscribed,
    Read,
}

/// A page, and the offset up to which it has all that there is.
#[derive(Debug)]
struct Found {
    publications: Vec<Arc<Publication>>,
    end: Offset,
}

/// One channel that is written down.
#[derive(Debug)]
pub(super) struct Scribe {
    state: State,
    /// How far the archive is in what it knows of the channel.
    archived: Option<Standing>,
    /// The run that is written down.
    epoch: Option<Epoch>,
    /// All up to here is recorded, or is not there.
    position: Offset,
    /// What is missing up to here is not missed: it was recorded in the run before, or was there before anything was recorded.
    known: Option<Offset>,
    /// Newest offset that is known to be there.
    head: Offset,
    /// The same, of what was delivered since the page was asked for.
    heard: Offset,
    /// How many messages were asked for.
    asked: usize,
    /// When what is there is read, though it is no full page.
    due: UnixMillis,
    /// When the oldest message that is not recorded was taken, about.
    behind_since: Option<UnixMillis>,
    failures: u32,
    /// The channel begins anew as soon as what was asked is answered.
    begins_anew: bool,
    outputs: VecDeque<Output>,
}

impl Scribe {
    /// A channel that is about to be written down: the first output asks how far it is.
    pub(super) fn open() -> Self {
        let mut scribe = Self {
            state: State::Following,
            archived: None,
            epoch: None,
            position: Offset(0),
            known: None,
            head: Offset(0),
            heard: Offset(0),
            asked: 0,
            due: UnixMillis(0),
            behind_since: None,
            failures: 0,
            begins_anew: false,
            outputs: VecDeque::new(),
        };
        scribe.begin();
        scribe
    }

    /// Messages that are known to be there and are not recorded; some of them may be unused offsets.
    pub(super) fn behind(&self) -> u64 {
        self.head.0.saturating_sub(self.position.0)
    }

    /// Whether it keeps a page.
    pub(super) fn keeps_page(&self) -> bool {
        matches!(self.state, State::Looking(_) | State::Recording(..))
    }

    /// Since when there are any.
    pub(super) fn behind_since(&self) -> Option<UnixMillis> {
        self.behind_since.filter(|_| self.behind() > 0)
    }

    /// Takes one input; drain [`Scribe::poll_output`] afterwards.
    pub(super) fn handle(&mut self, now: UnixMillis, input: Input) {
        match input {
            Input::Delivered(heard) => return self.take_delivered(now, heard),
            Input::Restarted => return self.take_restarted(),
            Input::Tick => return self.take_tick(now),
            _ => {}
        }
        if std::mem::take(&mut self.begins_anew) {
            return self.begin();
        }
        match input {
            Input::Reached(Ok(standing)) => {
                self.archived = standing;
                self.ask(Step::Subscribed);
            }
            Input::Subscribed(Ok(standing)) => self.take_standing(now, standing),
            Input::Read(Ok(history)) => self.take_page(now, history),
            Input::Oldest(Ok(oldest)) => self.take_oldest(now, oldest),
            Input::Recorded(Ok(())) => self.take_recorded(now),
            Input::Recorded(Err(Unrecorded::Refused)) => self.take_refused(now),
            // Whether it is there all the same, the archive knows.
            Input::Reached(Err(Failed)) | Input::Recorded(Err(Unrecorded::Failed)) => {
                self.rest(now, Step::Reached);
            }
            Input::Subscribed(Err(Failed)) => self.rest(now, Step::Subscribed),
            Input::Read(Err(Failed)) | Input::Oldest(Err(Failed)) => self.rest(now, Step::Read),
            Input::Delivered(_) | Input::Restarted | Input::Tick => {}
        }
    }

    /// What is to be done next, in order.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When something happens by itself.
    pub(super) fn poll_timeout(&self) -> Option<UnixMillis> {
        match self.state {
            State::Resting(until, _) => Some(until),
            State::Following => (self.behind() > 0).then_some(self.due),
            _ => None,
        }
    }

    fn begin(&mut self) {
        (self.epoch, self.position, self.head) = (None, Offset(0), Offset(0));
        self.ask(Step::Reached);
    }

    fn ask(&mut self, step: Step) {
        self.outputs.push_back(match step {
            Step::Reached => Output::Ask,
            Step::Subscribed => Output::Subscribe,
            Step::Read => {
                self.asked = usize::try_from(self.behind()).unwrap_or(usize::MAX);
                self.asked = self.asked.clamp(1, HISTORY_PAGE_MAX);
                Output::Read(self.position, self.asked)
            }
        });
        self.state = State::Asked;
    }

    fn rest(&mut self, now: UnixMillis, step: Step) {
        let doublings = self.failures.min(RECORD_RETRY_DOUBLINGS_MAX);
        self.failures = self.failures.saturating_add(1);
        let wait = millis(RECORD_RETRY_AFTER) << doublings;
        // What was read is let go of: it is read again.
        self.state = State::Resting(UnixMillis(now.0.saturating_add(wait)), step);
    }

    fn take_delivered(&mut self, now: UnixMillis, heard: Heard) {
        self.heard = self.heard.max(heard.offset);
        if heard.offset <= self.head {
            return;
        }
        if self.behind() == 0 {
            self.behind_since = Some(heard.at);
            self.due = later(now);
        }
        self.head = heard.offset;
        self.advance(now);
    }

    fn take_restarted(&mut self) {
        match self.state {
            State::Following => self.begin(),
            State::Resting(until, _) => {
                (self.epoch, self.position, self.head) = (None, Offset(0), Offset(0));
                self.state = State::Resting(until, Step::Reached);
            }
            // Its answer is of what was before.
            _ => self.begins_anew = true,
        }
    }

    fn take_tick(&mut self, now: UnixMillis) {
        match self.state {
            State::Resting(until, Step::Read) if until <= now => {
                self.state = State::Following;
                self.due = now;
            }
            State::Resting(until, step) if until <= now => self.ask(step),
            _ => {}
        }
        self.advance(now);
    }

    fn take_standing(&mut self, now: UnixMillis, standing: Standing) {
        let again = self.epoch.as_ref() == Some(&standing.epoch);
        self.known = self.known.filter(|_| again);
        self.known = self
            .known
            .max(self.archived.as_ref().map(|archived| archived.head));
        let same = self
            .archived
            .as_ref()
            .filter(|archived| archived.epoch == standing.epoch);
        let was = Some(self.position).filter(|_| again);
        let archived = same.map(|archived| archived.head);
        self.position = archived.max(was).unwrap_or_default();
        self.epoch = Some(standing.epoch);
        self.head = self.head.max(standing.head).max(self.position);
        (self.state, self.due) = (State::Following, now);
        self.behind_since = Some(now);
        self.advance(now);
    }

    /// Reads what is there, if it is a full page or has waited long enough.
    fn advance(&mut self, now: UnixMillis) {
        let is_full = self.behind() >= HISTORY_PAGE_MAX as u64;
        if matches!(self.state, State::Following)
            && self.behind() > 0
            && (is_full || self.due <= now)
        {
            self.heard = Offset(0);
            self.ask(Step::Read);
        }
    }

    fn take_page(&mut self, now: UnixMillis, history: History) {
        if self.epoch.as_ref() != Some(&history.epoch) {
            // The subscription is told so in its turn; until then both are asked now and then.
            self.rest(now, Step::Reached);
            return;
        }
        let is_last = history.publications.len() < self.asked;
        let mut publications = history.publications;
        publications.retain(|publication| publication.offset > self.position);
        let newest = publications.last().map(|last| last.offset);
        let end = match newest {
            Some(newest) if !is_last => newest,
            newest => newest.unwrap_or_default().max(history.head),
        };
        if is_last {
            // What was taken for newer is of another run, or is not there any more.
            self.head = history.head.max(self.heard);
        }
        let end = end.max(self.position);
        let first = publications
            .first()
            .map_or(end.next(), |first| first.offset);
        let found = Found { publications, end };
        let known = *self.known.get_or_insert(Offset(first.0 - 1));
        if first > self.position.max(known).next() {
            self.outputs.push_back(Output::FindOldest);
            self.state = State::Looking(found);
        } else {
            self.record(now, found);
        }
    }

    fn take_oldest(&mut self, now: UnixMillis, oldest: Option<Offset>) {
        let following = State::Following;
        let State::Looking(found) = std::mem::replace(&mut self.state, following) else {
            return;
        };
        let first = found.publications.first();
        let first = first.map_or(found.end.next(), |first| first.offset);
        // What is missing behind the oldest message was never there, or was deleted.
        let gap_end = oldest.map_or(first, |oldest| oldest.min(first));
        let from = self.position.max(self.known.unwrap_or_default()).next();
        if from < gap_end {
            self.outputs
                .push_back(Output::Lost(from, Offset(gap_end.0 - 1)));
        }
        self.record(now, found);
    }

    fn record(&mut self, now: UnixMillis, found: Found) {
        let Found { publications, end } = found;
        let next = VecDeque::from([publications]);
        self.record_next(now, next, end);
    }

    fn record_next(
        &mut self,
        now: UnixMillis,
        mut next: VecDeque<Vec<Arc<Publication>>>,
        end: Offset,
    ) {
        while let Some(batch) = next.pop_front() {
            if let Some(epoch) = self.epoch.clone().filter(|_| !batch.is_empty()) {
                self.outputs.push_back(Output::Record(epoch, batch.clone()));
                self.state = State::Recording(batch, next, end);
                return;
            }
        }
        self.move_to(end);
        self.failures = 0;
        (self.state, self.due) = (State::Following, later(now));
        self.advance(now);
    }

    fn take_recorded(&mut self, now: UnixMillis) {
        let following = State::Following;
        if let State::Recording(batch, next, end) = std::mem::replace(&mut self.state, following) {
            if let Some(last) = batch.last() {
                self.move_to(last.offset);
                self.behind_since = Some(last.at);
            }
            self.record_next(now, next, end);
        }
    }

    /// What is refused is in one of them: each half alone, down to the one.
    fn take_refused(&mut self, now: UnixMillis) {
        let following = State::Following;
        let recording = std::mem::replace(&mut self.state, following);
        let State::Recording(mut batch, mut next, end) = recording else {
            return;
        };
        if let [only] = batch.as_slice() {
            self.outputs.push_back(Output::Unwritable(only.offset));
            // What was before it is recorded: should what comes next fail, this one is not told again.
            self.move_to(only.offset);
        } else {
            let second = batch.split_off(batch.len() / 2);
            next.push_front(second);
            next.push_front(batch);
        }
        self.record_next(now, next, end);
    }

    fn move_to(&mut self, position: Offset) {
        self.position = self.position.max(position);
        self.head = self.head.max(self.position);
        if let Some(known) = &mut self.known {
            *known = (*known).max(self.position);
        }
    }
}

/// Until then messages gather.
fn later(now: UnixMillis) -> UnixMillis {
    UnixMillis(now.0.saturating_add(millis(RECORD_GATHER)))
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
