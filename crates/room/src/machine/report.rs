//! A fan tells the moderators of a message, and a moderator leaves it.
//!
//! A report stands in the moderators' lane under the fan's name, and is called as its message is: so the log takes one of
//! each fan and message, whichever node it comes from. It costs the fan as much as a message does; of all fans together a
//! room takes no more than moderators can look at.

use fanwave_wire::{ClientMessageId, Event, Lane, Offset, ReportReason, Sender, UnixMillis};

use super::{
    Answer, Output, Publish, Room, Ticket,
    say::{event_draft, stored},
};
use crate::{
    admit::Pass,
    limits::{REPORT_RETRY, REPORTS_OF_MESSAGE_MAX},
    moderation::{Refusal, Reported},
};

impl Room {
    pub(super) fn handle_report(
        &mut self,
        now: UnixMillis,
        ticket: Ticket,
        sender: Sender,
        (message, reason): (Offset, ReportReason),
    ) {
        match self.judge_report(now, &sender, message) {
            Ok(Heard::Anew) => {
                let id = ClientMessageId(format!("report:{}", message.0).into());
                let offset = message;
                let reported = event_draft(id, sender, Event::Reported { offset, reason });
                let publish = Publish {
                    answer: Answer::Waits,
                    ..stored(Lane::Staff, reported)
                };
                self.answer(ticket, Ok(publish));
            }
            Ok(Heard::OftenEnough) => self.outputs.push_back(Output::Done { ticket }),
            Err(refusal) => self.answer(ticket, Err(refusal)),
        }
    }

    fn judge_report(
        &mut self,
        now: UnixMillis,
        sender: &Sender,
        message: Offset,
    ) -> Result<Heard, Refusal> {
        self.policy.judge_presence(now, &sender.user, sender.role)?;
        if message == Offset(0) || message > self.chat_head {
            return Err(Refusal::NotFound);
        }
        let is_heard = match self.policy.reported(message) {
            Reported::Open(count) => count >= REPORTS_OF_MESSAGE_MAX,
            Reported::Dismissed => true,
        };
        if is_heard {
            return Ok(Heard::OftenEnough);
        }
        let slow = self.policy.slow();
        let rules = &self.settings.rules;
        let mut pace = self.senders.pace(now, rules, slow, &sender.user)?;
        if let Pass::Wait(retry_after) = pace.gate.pass(now, rules) {
            return Err(Refusal::TooFast { retry_after });
        }
        if self.reports.pass(now, &self.report_rules) != Pass::Taken {
            return Err(Refusal::Busy {
                retry_after: REPORT_RETRY,
            });
        }
        self.senders.remember(&sender.user, pace);
        Ok(Heard::Anew)
    }

    /// What was reported, and not looked at, can be left.
    pub(super) fn judge_dismissal(&self, message: Offset) -> Result<Event, Refusal> {
        match self.policy.reported(message) {
            Reported::Open(1..) => Ok(Event::ReportsDismissed { offset: message }),
            Reported::Open(0) | Reported::Dismissed => Err(Refusal::NotFound),
        }
    }
}

/// What becomes of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// It is kept.
    Anew,
    /// The moderators know of the message, or have looked at it: the fan is thanked all the same.
    OftenEnough,
}
