//! How much of a busy chat is shown: as much as can be read, a fair sample of it, and an honest count of the rest.
//!
//! A [`Governor`] paces the chat lane of one room on one node, each language by itself. Time is cut into ticks by
//! [`Publication::at`], so that all nodes cut alike.
//!
//! * In a *calm* tick, one after a tick that did not exceed its budget, a message leaves at once: as long as the budget
//!   lasts, at most one per sender, and nothing waits before it. What does not leave at once is decided at the tick's end.
//! * In a *busy* tick everything is decided at its end, by lot (`sample`), with max-min fairness among senders: a
//!   sender's second message has a chance only where every sender's first is shown.
//! * Holders of a badge, moderators, artists and staff always pass and cost no budget. What is sampled away still
//!   reaches its sender and whom it answers ([`Reach::Only`]), and is counted in [`Output::More`].
//! * What a lane shows keeps the order of the offsets, and nothing is shown twice.
//!
//! **What is the same on every node.** The tick of a publication is the newest tick among it and all that came before
//! it, and a node gets the publications of a lane in the order of their offsets: so ticks, calmness, what leaves at once
//! and the sample are functions of the log. Within a busy tick not even the order matters, only the set. Two nodes can
//! differ in a tick that one of them has not seen whole, because it opened the room in the middle (or in the tick before,
//! from which it would know whether this one is calm), or because a publication came so late that the node had given up
//! waiting for it: a node waits [`LATE_MAX`] longer than the tick, unless a message of a later tick comes first. A message
//! that comes too late for its tick counts in the tick that is open then, with that tick's budget.
//!
//! Text that waits may be deleted meanwhile: [`Governor::erase`]. The governor never reads a text, and knows neither
//! connections nor who follows which language.

mod pace;
mod sample;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use fanwave_wire::{Event, Language, Offset, Publication, RoomId, UnixMillis, UserId};

use self::{
    pace::Pace,
    sample::{Draw, Key},
};
use crate::{
    limits::{
        GOVERNED_WAITING_MAX, LATE_MAX, SHOW_TICK_DEFAULT, SHOWN_PER_SECOND_DEFAULT,
        SHOWN_PER_TICK_MAX,
    },
    recent,
};

/// How fast a room may be to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Messages of one language shown per second, default 10; 0 sets no limit. At most
    /// [`SHOWN_PER_TICK_MAX`] a tick.
    pub shown_per_second: u32,
    /// How long the messages of a busy room are gathered, default 500 ms. Kept between
    /// [`SHOW_TICK_MIN`](crate::limits::SHOW_TICK_MIN) and [`SHOW_TICK_MAX`](crate::limits::SHOW_TICK_MAX), and made so long that one message a tick may be shown.
    pub tick: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            shown_per_second: SHOWN_PER_SECOND_DEFAULT,
            tick: SHOW_TICK_DEFAULT,
        }
    }
}

/// Who is to be shown a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// All who follow its language.
    Everyone,
    /// It was sampled away: only its sender, and whoever it answers.
    Only([Option<UserId>; 2]),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Show a message.
    Show {
        /// Which.
        publication: Arc<Publication>,
        /// To whom.
        to: Reach,
    },
    /// Tell the readers of a language how many messages of a tick were not shown.
    More {
        /// Which language.
        language: Language,
        /// How many; never 0.
        count: u64,
    },
}

/// Paces the chat lane of one room; see the module.
///
/// Whoever owns it calls [`handle`](Self::handle), [`handle_timeout`](Self::handle_timeout) or [`erase`](Self::erase),
/// then [`poll_output`](Self::poll_output) until it is empty, then [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct Governor {
    pace: Pace,
    key: Key,
    /// The newest tick; it is open, and nothing of an earlier one waits.
    tick: u64,
    /// By [`Language::index`].
    lanes: [LanguageLane; Language::ALL.len()],
    /// When the open tick is over, by our clock; set by its first message.
    due: Option<UnixMillis>,
    outputs: VecDeque<Output>,
}

/// What one language has said in the open tick.
#[derive(Debug, Default)]
struct LanguageLane {
    /// Whether the tick before exceeded its budget.
    busy: bool,
    /// Messages that cost budget, shown or not.
    offered: u64,
    /// Messages that were sampled away already.
    away: u64,
    /// The lowest offset: it makes a sender's lot one that nobody knows before the tick has begun.
    first: Option<Offset>,
    /// Senders of what has left at once at the expense of the budget.
    at_once: Vec<UserId>,
    /// What is decided when the tick is closed, at most [`GOVERNED_WAITING_MAX`].
    waiting: Vec<Arc<Publication>>,
}

impl Governor {
    /// Paces the chat of `room`, which has said nothing yet.
    #[must_use]
    pub fn new(room: &RoomId, settings: Settings) -> Self {
        Self {
            pace: Pace::new(settings),
            key: Key::of_room(room),
            tick: 0,
            lanes: Default::default(),
            due: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes a publication of the chat lane that has become durable.
    pub fn handle(&mut self, now: UnixMillis, publication: Arc<Publication>) {
        let Pace::Limited { tick_millis, .. } = self.pace else {
            self.outputs.push_back(shown(publication));
            return;
        };
        let tick = publication.at.0 / tick_millis;
        if tick > self.tick {
            self.close(tick);
        } else if tick < self.tick && self.due.is_some_and(|due| due <= now) {
            // The clock that stamps messages has been set back: until it has caught up, ours cuts the ticks.
            self.close(self.tick.saturating_add(1));
        }
        // That clock may differ from ours, so that only spans are compared.
        let end = self.tick.saturating_add(1).saturating_mul(tick_millis);
        let rest = end.saturating_sub(publication.at.0).min(tick_millis);
        let due = later(now, Duration::from_millis(rest) + LATE_MAX);
        self.due.get_or_insert(due);
        self.offer(publication);
    }

    /// Closes the open tick, if it is time.
    pub fn handle_timeout(&mut self, now: UnixMillis) {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.close(self.tick.saturating_add(1));
        }
    }

    /// Lets go of what waits and is deleted by an event of the lossless lane; it is neither shown nor counted.
    pub fn erase(&mut self, event: &Event) {
        for lane in &mut self.lanes {
            lane.waiting
                .retain(|publication| !recent::deletes(event, publication));
        }
    }

    /// The next thing to be done, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest; `None` while nothing waits.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        let is_waiting = |lane: &LanguageLane| !lane.waiting.is_empty() || lane.away > 0;
        self.due.filter(|_| self.lanes.iter().any(is_waiting))
    }

    /// The lowest offset of all that waits: nothing before it will be let go any more.
    #[must_use]
    pub fn oldest_waiting(&self) -> Option<Offset> {
        let waiting = self.lanes.iter().flat_map(|lane| lane.waiting.first());
        waiting.map(|publication| publication.offset).min()
    }

    /// Shows a message at once, or lets it wait for the end of the open tick.
    fn offer(&mut self, publication: Arc<Publication>) {
        let budget = self.pace.budget(self.tick);
        let draw = Draw {
            key: self.key,
            tick: self.tick,
        };
        let lane = &mut self.lanes[language_of(&publication).index()];
        let first = lane.first.unwrap_or(publication.offset);
        lane.first = Some(first.min(publication.offset));
        if lane.admits_at_once(&publication, budget) {
            self.outputs.push_back(shown(publication));
            return;
        }
        lane.waiting.push(publication);
        if lane.waiting.len() > GOVERNED_WAITING_MAX {
            lane.thin_out(draw, budget, &mut self.outputs);
        }
    }

    /// Decides what waits, and opens tick `next`.
    fn close(&mut self, next: u64) {
        let budget = self.pace.budget(self.tick);
        let draw = Draw {
            key: self.key,
            tick: self.tick,
        };
        for (lane, language) in self.lanes.iter_mut().zip(Language::ALL) {
            lane.decide(draw, budget, &mut self.outputs);
            if lane.away > 0 {
                self.outputs.push_back(Output::More {
                    language,
                    count: lane.away,
                });
            }
            lane.busy = lane.offered > budget as u64 && next == self.tick.saturating_add(1);
            lane.offered = 0;
            lane.away = 0;
            lane.first = None;
            lane.at_once.clear();
        }
        self.tick = next;
        self.due = None;
    }
}

impl LanguageLane {
    /// Whether a message need not wait; if it costs budget, it is booked.
    fn admits_at_once(&mut self, publication: &Publication, budget: usize) -> bool {
        let is_exempt = is_exempt(publication);
        if !is_exempt {
            self.offered += 1;
        }
        if !self.waiting.is_empty() || is_exempt {
            return self.waiting.is_empty();
        }
        let sender = &publication.draft.sender.user;
        if self.busy || self.at_once.len() >= budget || self.at_once.contains(sender) {
            return false;
        }
        self.at_once.push(sender.clone());
        true
    }

    /// Draws the sample of all that waits, and lets everything go, in the order of the offsets.
    fn decide(&mut self, draw: Draw, budget: usize, outputs: &mut VecDeque<Output>) {
        if self.waiting.is_empty() {
            return;
        }
        let mut fates = self.fates(draw, budget);
        fates.sort_unstable_by_key(|(publication, _)| publication.offset);
        for (publication, fate) in fates {
            self.away += u64::from(fate == Fate::Away);
            outputs.push_back(fate.output(publication));
        }
    }

    /// Makes room where too many wait: keeps those that may still be drawn, and lets the others go, whose fate is known.
    ///
    /// Who does not win among some does not win among more, so that the sample stays what it would have been. Only the
    /// order suffers: what goes here goes before earlier ones that wait.
    fn thin_out(&mut self, draw: Draw, budget: usize, outputs: &mut VecDeque<Output>) {
        for (publication, fate) in self.fates(draw, budget) {
            if fate == Fate::Drawn {
                self.waiting.push(publication);
            } else {
                self.away += u64::from(fate == Fate::Away);
                outputs.push_back(fate.output(publication));
            }
        }
        assert!(
            self.waiting.len() <= SHOWN_PER_TICK_MAX,
            "no more are drawn than a tick may show"
        );
    }

    /// Takes all that waits, each with what would become of it if nothing more came.
    fn fates(&mut self, draw: Draw, budget: usize) -> Vec<(Arc<Publication>, Fate)> {
        let (exempt, drawable): (Vec<_>, Vec<_>) = self
            .waiting
            .drain(..)
            .partition(|publication| is_exempt(publication));
        let seats = budget - self.at_once.len();
        let salt = self.first.unwrap_or_default();
        let drawn = draw.winners(&drawable, &self.at_once, salt, seats);
        let exempt = exempt
            .into_iter()
            .map(|publication| (publication, Fate::Exempt));
        let drawable = drawable.into_iter().zip(drawn);
        exempt.chain(drawable).collect()
    }
}

/// What becomes of a message that had to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is shown without having been drawn.
    Exempt,
    /// It is of the sample.
    Drawn,
    /// It is sampled away.
    Away,
}

impl Fate {
    fn output(self, publication: Arc<Publication>) -> Output {
        match self {
            Self::Exempt | Self::Drawn => shown(publication),
            Self::Away => away(publication),
        }
    }
}

/// In which language lane a publication is; what says nothing has no language.
pub(crate) fn language_of(publication: &Publication) -> Language {
    publication
        .draft
        .body
        .as_text()
        .map_or(Language::Unknown, |text| text.language)
}

/// Whether a message is always shown, at no one's expense.
fn is_exempt(publication: &Publication) -> bool {
    let sender = &publication.draft.sender;
    sender.badge.is_some()
        || sender.role.may_moderate()
        || publication.draft.body.as_event().is_some()
}

/// The time `span` after `now`.
fn later(now: UnixMillis, span: Duration) -> UnixMillis {
    let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    UnixMillis(now.0.saturating_add(span))
}

fn shown(publication: Arc<Publication>) -> Output {
    Output::Show {
        publication,
        to: Reach::Everyone,
    }
}

/// A message that was sampled away, for those who are shown it all the same.
fn away(publication: Arc<Publication>) -> Output {
    let sender = publication.draft.sender.user.clone();
    let answered = publication
        .draft
        .body
        .as_text()
        .and_then(|text| text.reply_to.as_ref())
        .map(|reply_to| reply_to.user.clone())
        .filter(|user| *user != sender);
    Output::Show {
        publication,
        to: Reach::Only([Some(sender), answered]),
    }
}

#[cfg(test)]
mod tests;
