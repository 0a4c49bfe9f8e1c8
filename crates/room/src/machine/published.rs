//! The engine has delivered something: the rules learn from it, and the fans are shown it.

use std::sync::Arc;

use fanwave_wire::{Event, Lane, Notice, Publication, UnixMillis};

use super::{Output, Reach, Room};
use crate::{governor, limits::DOOMED_MAX, moderation::Effect, recent::deletes};

impl Room {
    pub(super) fn handle_published(
        &mut self,
        now: UnixMillis,
        lane: Lane,
        publication: Arc<Publication>,
    ) {
        match lane {
            Lane::Chat => self.take_chat(now, publication),
            Lane::Room | Lane::Staff => {
                let effect = self.fold(lane, &publication);
                self.outputs.push_back(Output::Show {
                    lane,
                    publication: Arc::clone(&publication),
                    to: Reach::Everyone,
                });
                self.carry_out(effect, &publication);
            }
            Lane::Vote => {}
        }
    }

    /// What a publication changes in the rules: the same whether it has just come, or is replayed.
    pub(super) fn fold(&mut self, lane: Lane, publication: &Arc<Publication>) -> Effect {
        if lane != Lane::Vote {
            self.ranks.learn(&publication.draft.sender);
        }
        let effect = self.policy.fold(lane, publication);
        if effect == Effect::Words {
            self.words_are_stale = true;
        }
        effect
    }

    /// A message of the chat lane goes through the governor, unless its deletion has come before it: lanes are ordered
    /// each by itself.
    fn take_chat(&mut self, now: UnixMillis, publication: Arc<Publication>) {
        self.chat_head = self.chat_head.max(publication.offset);
        self.ranks.learn_message(&publication);
        if self.doomed.iter().any(|event| deletes(event, &publication)) {
            return;
        }
        self.governor.handle(now, publication);
        self.drain_governor();
    }

    fn carry_out(&mut self, effect: Effect, publication: &Publication) {
        match effect {
            Effect::None | Effect::Words => {}
            Effect::Eject { user, below } => self.outputs.push_back(Output::Eject { user, below }),
            Effect::Erase => {
                if let Some(event) = publication.draft.body.as_event() {
                    self.erase(event);
                }
            }
        }
    }

    /// What is deleted leaves the governor, the shell's windows, and the future.
    fn erase(&mut self, event: &Event) {
        self.governor.erase(event);
        let ends = match event {
            Event::Deleted { offset } => *offset,
            Event::Cleared { through, .. } => *through,
            _ => return,
        };
        if ends > self.chat_head {
            if self.doomed.len() == DOOMED_MAX {
                self.doomed.pop_front();
            }
            self.doomed.push_back(event.clone());
        }
        self.outputs.push_back(Output::Erase(event.clone()));
    }

    pub(super) fn drain_governor(&mut self) {
        while let Some(output) = self.governor.poll_output() {
            self.outputs.push_back(match output {
                governor::Output::Show { publication, to } => Output::Show {
                    lane: Lane::Chat,
                    publication,
                    to,
                },
                governor::Output::More { language, count } => {
                    Output::Notice(Notice::More { language, count })
                }
            });
        }
    }
}
