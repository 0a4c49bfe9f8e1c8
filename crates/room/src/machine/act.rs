//! Somebody does something that is kept as an event: whether they may, and what the event is.

use std::sync::Arc;

use fanwave_wire::{
    Action, Body, ClientMessageId, Draft, Event, Lane, Offset, Sender, UnixMillis, UserId,
};

use super::{
    Act, Publish, Room, Ticket,
    say::{event_draft, stored},
};
use crate::{
    admit::{self, Pass},
    limits::GIFT_RETRY,
    moderation::{Policy, Refusal, Verdict, Writer, is_exempt},
};

impl Room {
    pub(super) fn handle_act(&mut self, now: UnixMillis, ticket: Ticket, act: Act) {
        self.ranks.learn(&act.sender);
        if let Action::Report { offset, reason } = act.action {
            return self.handle_report(now, ticket, act.sender, (offset, reason));
        }
        let judged = self.judge_act(now, act);
        self.answer(ticket, judged);
    }

    fn judge_act(&mut self, now: UnixMillis, act: Act) -> Result<Publish, Refusal> {
        let Act {
            sender,
            follows_since,
            id,
            action,
        } = act;
        self.policy.judge_presence(now, &sender.user, sender.role)?;
        if !matches!(action, Action::Gift { .. }) && !sender.role.may_moderate() {
            return Err(Refusal::NotAllowed);
        }
        let (id, event) = match action {
            Action::Gift {
                id: own,
                gift,
                count,
                text,
            } => {
                let text = self.judge_gift(now, &sender, follows_since, text)?;
                (own.unwrap_or(id), Event::Gift { gift, count, text })
            }
            Action::DismissReports { offset } => {
                let dismissed = self.judge_dismissal(offset)?;
                return Ok(stored(Lane::Staff, event_draft(id, sender, dismissed)));
            }
            Action::Review { held, approve } => return self.review(id, sender, held, approve),
            Action::Words { language, words } => {
                let words = Event::Words { language, words };
                return Ok(stored(Lane::Staff, event_draft(id, sender, words)));
            }
            Action::Pin {
                id: own,
                text,
                offset,
            } => {
                let pin = own.unwrap_or(id);
                let text = visible(&text)?;
                (pin.clone(), Event::Pinned { pin, text, offset })
            }
            Action::OpenPoll {
                id: own,
                question,
                choices,
                seconds,
            } => {
                let poll = own.unwrap_or(id);
                let question = visible(&question)?;
                let choices = choices
                    .iter()
                    .map(|choice| visible(choice))
                    .collect::<Result<_, _>>()?;
                let until = seconds.map(|seconds| after(now, seconds));
                (
                    poll.clone(),
                    Event::PollOpened {
                        poll,
                        question,
                        choices,
                        until,
                    },
                )
            }
            other => (id, self.judge_moderation(now, &sender, other)?),
        };
        Ok(stored(Lane::Room, event_draft(id, sender, event)))
    }

    /// Acts upon messages, people and the room itself; the sender is a moderator.
    fn judge_moderation(
        &self,
        now: UnixMillis,
        sender: &Sender,
        action: Action,
    ) -> Result<Event, Refusal> {
        match action {
            Action::Delete { offset } => {
                self.judge_upon_message(sender, offset)?;
                Ok(Event::Deleted { offset })
            }
            Action::Clear { user } => {
                self.judge_upon_user(sender, &user)?;
                let through = self.chat_head;
                Ok(Event::Cleared { user, through })
            }
            Action::Mute { user, seconds } => {
                self.judge_upon_user(sender, &user)?;
                let until = seconds.map(|seconds| after(now, seconds));
                Ok(Event::Muted { user, until })
            }
            Action::Ban { user, seconds } => {
                self.judge_upon_user(sender, &user)?;
                let until = seconds.map(|seconds| after(now, seconds));
                Ok(Event::Banned { user, until })
            }
            Action::Pardon { user } => {
                self.policy.judge_pardon(now, sender.role, &user)?;
                Ok(Event::Pardoned { user })
            }
            Action::Mode(mode) => Ok(Event::Mode(mode)),
            Action::Unpin { pin } if self.policy.has_pin(&pin) => Ok(Event::Unpinned { pin }),
            Action::ClosePoll { poll } => self.close_poll(poll),
            Action::Unpin { .. }
            | Action::Gift { .. }
            | Action::Report { .. }
            | Action::DismissReports { .. }
            | Action::Review { .. }
            | Action::Words { .. }
            | Action::Pin { .. }
            | Action::OpenPoll { .. } => Err(Refusal::NotFound),
        }
    }

    fn judge_upon_user(&self, sender: &Sender, user: &UserId) -> Result<(), Refusal> {
        Policy::judge_moderator(sender.role, self.ranks.of_user(user))
    }

    /// Moderators delete what stands below them, and what they said themselves.
    fn judge_upon_message(&self, sender: &Sender, offset: Offset) -> Result<(), Refusal> {
        if offset == Offset(0) || offset > self.chat_head {
            return Err(Refusal::NotFound);
        }
        match self.ranks.author(offset) {
            Some((author, _)) if *author == sender.user => Ok(()),
            author => Policy::judge_moderator(
                sender.role,
                author.map(|(_, role)| role).unwrap_or_default(),
            ),
        }
    }

    fn close_poll(&self, poll: ClientMessageId) -> Result<Event, Refusal> {
        let counts = self.polls.counts(&poll).ok_or(Refusal::NotFound)?.to_vec();
        Ok(Event::PollClosed { poll, counts })
    }

    /// Lets a held message in under its author's own name and id, or turns it away. The message goes first: should the
    /// log fail between the two, it is still waiting, and approving it again changes nothing.
    fn review(
        &self,
        id: ClientMessageId,
        sender: Sender,
        held: Offset,
        approved: bool,
    ) -> Result<Publish, Refusal> {
        let waiting = self.policy.held(held).ok_or(Refusal::NotFound)?;
        let reviewed = event_draft(id, sender, Event::Reviewed { held, approved });
        if !approved {
            return Ok(stored(Lane::Staff, reviewed));
        }
        let draft = Draft {
            id: waiting.id.clone(),
            sender: waiting.sender.clone(),
            body: Body::Text(waiting.text.clone()),
        };
        Ok(Publish {
            then: Some((Lane::Staff, reviewed)),
            ..stored(Lane::Chat, draft)
        })
    }

    /// Gifts stand in the lossless lane, so that they are paced: each fan's as a message, and the room's in all.
    fn judge_gift(
        &mut self,
        now: UnixMillis,
        sender: &Sender,
        follows_since: Option<UnixMillis>,
        text: Option<Arc<str>>,
    ) -> Result<Option<Arc<str>>, Refusal> {
        if sender.role < self.settings.gifts_from {
            return Err(Refusal::NotAllowed);
        }
        let writer = Writer {
            user: &sender.user,
            role: sender.role,
            follows_since,
        };
        self.policy.judge_writer(now, writer)?;
        let text = text.map(|text| visible(&text)).transpose()?;
        if let Some(text) = &text {
            let words = self.words();
            match self.policy.judge_text(sender.role, text, &words) {
                Verdict::Welcome => {}
                // Nothing in the lossless lane can wait for review.
                Verdict::Hold(_) => return Err(Refusal::Word),
                Verdict::Refuse(refusal) => return Err(refusal),
            }
        }
        let slow = self.policy.slow();
        let mut pace = self
            .senders
            .pace(now, &self.settings.rules, slow, &sender.user)?;
        if let Pass::Wait(retry_after) = pace.gate.pass(now, &self.settings.rules) {
            return Err(Refusal::TooFast { retry_after });
        }
        if !is_exempt(sender.role) && self.gifts.pass(now, &self.gift_rules) != Pass::Taken {
            return Err(Refusal::Busy {
                retry_after: GIFT_RETRY,
            });
        }
        self.senders.remember(&sender.user, pace);
        Ok(text)
    }
}

/// One line of text, if there is anything to see in it.
fn visible(text: &str) -> Result<Arc<str>, Refusal> {
    let text = admit::normalise(text);
    if admit::is_blank(&text) {
        Err(Refusal::Empty)
    } else {
        Ok(text.into())
    }
}

fn after(now: UnixMillis, seconds: u32) -> UnixMillis {
    UnixMillis(now.0.saturating_add(u64::from(seconds) * 1_000))
}
