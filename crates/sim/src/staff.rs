//! The artist and the moderators: they speak, ask, delete, clear, ban and review.

use fanwave_room::machine::{Act, Input, Say};
use fanwave_wire::{Action, ClientMessageId, Lane, Language, Mode, Offset, Role, Sender, UserId};

use crate::{
    engine::LANES,
    fan::FanId,
    world::{Happens, World},
};

/// The poll that everybody is asked.
pub(crate) const POLL: &str = "p";

/// How often the staff act, milliseconds.
const STEP_MILLIS: u64 = 100;

/// Of the newest so many messages one is deleted: some while they still wait to be shown.
const DELETED_FROM: u64 = 100;

impl World {
    pub(crate) fn staff(&mut self) {
        if !self.is_busy() {
            return;
        }
        let step = self.elapsed() / STEP_MILLIS;
        self.agenda.after(STEP_MILLIS, Happens::Staff);
        self.follow_the_script(step);
        if self.dice.per_mille(300) {
            self.announce();
        }
        if self.dice.per_mille(100) {
            self.delete_one();
        }
        if self.dice.per_mille(30) {
            self.clear_one();
        }
        if self.dice.per_mille(10) {
            self.ban_one();
        }
        if let Some(held) = self.to_review.pop() {
            let approve = self.dice.per_mille(500);
            self.act(Role::Moderator, Action::Review { held, approve });
        }
    }

    /// What happens once in every show.
    fn follow_the_script(&mut self, step: u64) {
        let steps = self.plan.seconds * 1_000 / STEP_MILLIS;
        if step == 1 {
            let words = vec!["rude".into()];
            let language = Language::English;
            self.act(Role::Staff, Action::Words { language, words });
        }
        if step == steps / 5 {
            let seconds = u32::try_from((self.plan.seconds * 2 / 5).max(1)).ok();
            let open = Action::OpenPoll {
                id: Some(ClientMessageId(POLL.into())),
                question: "Which song is next?".into(),
                choices: vec!["the old one".into(), "the new one".into()],
                seconds,
            };
            self.act(Role::Artist, open);
        }
        if step == steps / 2 {
            let pin = Action::Pin {
                id: None,
                text: "Be kind".into(),
                offset: None,
            };
            self.act(Role::Artist, pin);
            let mode = Mode {
                slow_seconds: 1,
                ..Mode::default()
            };
            self.act(Role::Moderator, Action::Mode(mode));
        }
    }

    fn announce(&mut self) {
        self.sent += 1;
        let say = Box::new(Say {
            lane: Lane::Room,
            sender: member_of_staff(Role::Artist),
            follows_since: None,
            id: ClientMessageId(format!("r{}", self.sent).into()),
            text: "thank you all".into(),
            reply_to: None,
            unpaced: false,
            held: false,
        });
        let ticket = self.ticket();
        self.drive(0, Input::Say { ticket, say });
    }

    fn delete_one(&mut self) {
        let head = self.engine.log(Lane::Chat).len() as u64;
        let back = self.dice.below(DELETED_FROM);
        let offset = Offset(head.saturating_sub(back));
        if offset > Offset(0) {
            self.act(Role::Moderator, Action::Delete { offset });
        }
    }

    fn clear_one(&mut self) {
        let newest = self.dice.pick(self.engine.log(Lane::Chat));
        if let Some(user) = newest.map(|publication| publication.draft.sender.user.clone()) {
            self.act(Role::Moderator, Action::Clear { user });
        }
    }

    fn ban_one(&mut self) {
        let fan = u32::try_from(self.dice.below(u64::from(self.plan.fans))).unwrap_or(0);
        let user = FanId(fan).user();
        let seconds = None;
        self.act(Role::Moderator, Action::Ban { user, seconds });
    }

    fn act(&mut self, role: Role, action: Action) {
        self.sent += 1;
        let act = Box::new(Act {
            sender: member_of_staff(role),
            follows_since: None,
            id: ClientMessageId(format!("a{}", self.sent).into()),
            action,
        });
        let ticket = self.ticket();
        self.drive(0, Input::Act { ticket, act });
    }

    /// How many publications each lane has.
    pub(crate) fn stored(&self) -> [u64; LANES.len()] {
        LANES.map(|lane| self.engine.log(lane).len() as u64)
    }
}

fn member_of_staff(role: Role) -> Sender {
    Sender::new(UserId(role.name().into()), role.name(), role)
}
