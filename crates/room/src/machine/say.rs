//! Somebody says something: the gate, the policy, the words, and then the engine.

use fanwave_wire::{
    Body, ClientMessageId, Draft, Event, HoldReason, Lane, Sender, Text, UnixMillis,
};

use super::{Answer, Publish, Room, Say, Ticket};
use crate::{
    admit::{Attempt, Gate, Verdict as Admission},
    language,
    limits::HOLD_RETRY,
    moderation::{Refusal, Verdict, Writer, is_exempt},
};

impl Room {
    pub(super) fn handle_say(&mut self, now: UnixMillis, ticket: Ticket, say: Say) {
        self.ranks.learn(&say.sender);
        let judged = self.judge_say(now, say);
        self.answer(ticket, judged);
    }

    /// What a text becomes. A refusal costs the fan nothing: only what goes on to the engine spends from the allowance.
    fn judge_say(&mut self, now: UnixMillis, say: Say) -> Result<Publish, Refusal> {
        let Say {
            lane,
            sender,
            follows_since,
            id,
            text,
            reply_to,
            unpaced,
            held,
        } = say;
        let writer = Writer {
            user: &sender.user,
            role: sender.role,
            follows_since,
        };
        self.policy.judge_writer(now, writer)?;
        let slow = self.policy.slow();
        let mut pace = self
            .senders
            .pace(now, &self.settings.rules, slow, &sender.user)?;
        if !is_exempt(sender.role) {
            pace.judge_slow(now, slow)?;
        }
        let attempt = Attempt {
            lane,
            role: sender.role,
            text: &text,
        };
        let mut rested = Gate::new();
        let gate = if unpaced { &mut rested } else { &mut pace.gate };
        let text = match gate.admit(now, &self.settings.rules, attempt) {
            Admission::Admit { text } => text,
            refused => return Err(refusal_of(&refused)),
        };
        let text = Text {
            language: language::detect(&text),
            text,
            reply_to,
        };
        let words = self.words();
        let publish = match self.policy.judge_text(sender.role, &text.text, &words) {
            Verdict::Welcome if held && !is_exempt(sender.role) => {
                self.hold(id, sender, text, HoldReason::Room)?
            }
            Verdict::Welcome => {
                let body = Body::Text(text);
                stored(lane, Draft { id, sender, body })
            }
            Verdict::Hold(reason) => self.hold(id, sender, text, reason)?,
            Verdict::Refuse(refusal) => return Err(refusal),
        };
        pace.said(now);
        self.senders.remember(&publish.draft.sender.user, pace);
        Ok(publish)
    }

    /// Puts a message before the moderators, under its author's name and id: however often it is sent, it waits once.
    fn hold(
        &self,
        id: ClientMessageId,
        sender: Sender,
        text: Text,
        reason: HoldReason,
    ) -> Result<Publish, Refusal> {
        if !self.policy.has_room_to_hold() {
            return Err(Refusal::Busy {
                retry_after: HOLD_RETRY,
            });
        }
        let held = Event::Held {
            sender: sender.clone(),
            id: id.clone(),
            text,
            reason,
        };
        Ok(Publish {
            answer: Answer::Waits,
            ..stored(Lane::Staff, event_draft(id, sender, held))
        })
    }
}

/// Something whose answer is its place.
pub(super) fn stored(lane: Lane, draft: Draft) -> Publish {
    Publish {
        ticket: None,
        lane,
        draft,
        then: None,
        answer: Answer::Stored,
    }
}

/// An event as a draft.
pub(super) fn event_draft(id: ClientMessageId, sender: Sender, event: Event) -> Draft {
    Draft {
        id,
        sender,
        body: Body::Event(Box::new(event)),
    }
}

/// What a fan is told whom the gate does not let in.
fn refusal_of(verdict: &Admission) -> Refusal {
    match *verdict {
        Admission::TooLong { chars, chars_max } => Refusal::TooLong { chars, chars_max },
        Admission::TooFast { retry_after } => Refusal::TooFast { retry_after },
        Admission::Empty => Refusal::Empty,
        Admission::NotAllowed | Admission::Admit { .. } => Refusal::NotAllowed,
    }
}
