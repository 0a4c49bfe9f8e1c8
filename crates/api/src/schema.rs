//! What the crate `wire` puts on the wire, described: it is pure, and does not know that there are descriptions.
//!
//! Nothing is ever made of these types. A test compares each with what the real one is written as.

#![cfg_attr(
    not(test),
    expect(dead_code, reason = "their descriptions are all that is used of them")
)]

use serde::Serialize;
use utoipa::ToSchema;

/// What a sender may do, from the least to the most.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Fan,
    Member,
    Moderator,
    Artist,
    Staff,
}

/// The message that another one answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReplyTo {
    /// Its offset in the same lane.
    offset: u64,
    /// Who has sent it.
    user: String,
}

/// Who has done or said something.
#[derive(Serialize, ToSchema)]
pub(crate) struct Person {
    /// Their id.
    user: String,
    /// What they were called.
    name: String,
    role: Role,
    /// What is shown beside the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    badge: Option<String>,
}

/// What a room asks of writers. Moderators, artists and staff are exempt.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch")]
pub(crate) struct Settings {
    /// Seconds a fan waits between two messages; 0 is off.
    slow_seconds: u32,
    /// Only members write.
    members_only: bool,
    /// Only fans who have followed for so many minutes write.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32)]
    followers_minutes: Option<u32>,
    /// Only emoji are written.
    emoji_only: bool,
    /// Every message waits for review.
    hold: bool,
    /// One switch for a raid.
    shield: bool,
}

/// Something that happened in a room; `type` says what.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum RoomEvent {
    /// A message of the chat lane is gone.
    Deleted { offset: u64 },
    /// All that a user has said in the chat lane up to an offset is gone.
    Cleared { user: String, through: u64 },
    /// A user may not write, until a time in milliseconds since 1970 or for ever.
    Muted {
        user: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = u64)]
        until: Option<u64>,
    },
    /// A user may not be here, until a time in milliseconds since 1970 or for ever.
    Banned {
        user: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = u64)]
        until: Option<u64>,
    },
    /// A mute or a ban is over.
    Pardoned { user: String },
    /// What the room asks of writers from now on.
    Mode {
        slow_seconds: u32,
        members_only: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = u32)]
        followers_minutes: Option<u32>,
        emoji_only: bool,
        hold: bool,
        shield: bool,
    },
    /// A message, or a notice, is held up for everybody.
    Pinned {
        pin: String,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = u64)]
        offset: Option<u64>,
    },
    /// A pin is taken down.
    Unpinned { pin: String },
    /// A fan has given something.
    Gift {
        gift: String,
        count: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = String)]
        text: Option<String>,
    },
    /// A poll is open.
    PollOpened {
        poll: String,
        question: String,
        choices: Vec<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = u64)]
        until: Option<u64>,
    },
    /// A poll is closed, with the votes of each choice.
    PollClosed { poll: String, counts: Vec<u64> },
    /// A held message has been let in or turned away; in the moderators' own lane.
    Reviewed { held: u64, approved: bool },
    /// What was reported about a message of the chat lane is done with; in the moderators' own lane.
    ReportsDismissed { offset: u64 },
    /// What may not be said in one language, from now on; in the moderators' own lane.
    Words {
        language: String,
        words: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use fanwave_wire::{
        ClientMessageId, Event, HoldReason, Language, Mode as WireMode, Offset,
        ReplyTo as WireReplyTo, ReportReason, Role as WireRole, Sender, Text, UnixMillis, UserId,
    };
    use serde_json::to_value;

    use super::*;

    /// The description of an event of the lanes that this API reads; `None` for those of the other lanes.
    #[expect(clippy::too_many_lines, reason = "a list of all there are")]
    fn described(event: &Event) -> Option<RoomEvent> {
        let text = |text: &dyn ToString| text.to_string();
        let user = |user: &UserId| user.0.to_string();
        let id = |id: &ClientMessageId| id.0.to_string();
        Some(match event {
            Event::Deleted { offset } => RoomEvent::Deleted { offset: offset.0 },
            Event::Cleared {
                user: whose,
                through,
            } => RoomEvent::Cleared {
                user: user(whose),
                through: through.0,
            },
            Event::Muted { user: who, until } => RoomEvent::Muted {
                user: user(who),
                until: until.map(|until| until.0),
            },
            Event::Banned { user: who, until } => RoomEvent::Banned {
                user: user(who),
                until: until.map(|until| until.0),
            },
            Event::Pardoned { user: who } => RoomEvent::Pardoned { user: user(who) },
            Event::Mode(mode) => RoomEvent::Mode {
                slow_seconds: mode.slow_seconds,
                members_only: mode.members_only,
                followers_minutes: mode.followers_minutes,
                emoji_only: mode.emoji_only,
                hold: mode.hold,
                shield: mode.shield,
            },
            Event::Pinned {
                pin,
                text: words,
                offset,
            } => RoomEvent::Pinned {
                pin: id(pin),
                text: text(words),
                offset: offset.map(|offset| offset.0),
            },
            Event::Unpinned { pin } => RoomEvent::Unpinned { pin: id(pin) },
            Event::Gift {
                gift,
                count,
                text: words,
            } => RoomEvent::Gift {
                gift: text(gift),
                count: *count,
                text: words.as_ref().map(|words| text(words)),
            },
            Event::PollOpened {
                poll,
                question,
                choices,
                until,
            } => RoomEvent::PollOpened {
                poll: id(poll),
                question: text(question),
                choices: choices.iter().map(|choice| text(choice)).collect(),
                until: until.map(|until| until.0),
            },
            Event::PollClosed { poll, counts } => RoomEvent::PollClosed {
                poll: id(poll),
                counts: counts.clone(),
            },
            Event::Reviewed { held, approved } => RoomEvent::Reviewed {
                held: held.0,
                approved: *approved,
            },
            Event::ReportsDismissed { offset } => RoomEvent::ReportsDismissed { offset: offset.0 },
            Event::Words { language, words } => RoomEvent::Words {
                language: to_value(language).unwrap().as_str().unwrap().to_owned(),
                words: words.iter().map(|word| text(word)).collect(),
            },
            Event::Voted { .. } | Event::Held { .. } | Event::Reported { .. } => return None,
        })
    }

    #[expect(clippy::too_many_lines, reason = "a list of all there are")]
    fn events() -> Vec<Event> {
        let user = || UserId("g-1".into());
        let id = || ClientMessageId("p-1".into());
        let sender = Sender::new(user(), "Mina", WireRole::Fan);
        let (offset, until) = (Offset(7), Some(UnixMillis(8)));
        let mode = WireMode {
            slow_seconds: 5,
            followers_minutes: Some(10),
            ..WireMode::default()
        };
        let pinned = |offset| Event::Pinned {
            pin: id(),
            text: "notice".into(),
            offset,
        };
        let gift = |text| Event::Gift {
            gift: "rose".into(),
            count: 3,
            text,
        };
        let opened = |until| Event::PollOpened {
            poll: id(),
            question: "which?".into(),
            choices: vec!["a".into(), "b".into()],
            until,
        };
        vec![
            Event::Deleted { offset },
            Event::Cleared {
                user: user(),
                through: offset,
            },
            Event::Muted {
                user: user(),
                until,
            },
            Event::Muted {
                user: user(),
                until: None,
            },
            Event::Banned {
                user: user(),
                until,
            },
            Event::Banned {
                user: user(),
                until: None,
            },
            Event::Pardoned { user: user() },
            Event::Mode(mode),
            Event::Mode(WireMode::default()),
            pinned(None),
            pinned(Some(offset)),
            Event::Unpinned { pin: id() },
            gift(None),
            gift(Some("hi".into())),
            opened(None),
            opened(until),
            Event::PollClosed {
                poll: id(),
                counts: vec![1, 2],
            },
            Event::Voted { choice: 1 },
            Event::Held {
                sender,
                id: id(),
                text: Text::plain("x"),
                reason: HoldReason::Room,
            },
            Event::Reviewed {
                held: offset,
                approved: true,
            },
            Event::Reported {
                offset,
                reason: ReportReason::Spam,
            },
            Event::ReportsDismissed { offset },
            Event::Words {
                language: Language::Korean,
                words: Vec::new(),
            },
        ]
    }

    #[test]
    fn what_is_described_is_what_is_written() {
        let mut compared = 0;
        for event in events() {
            let Some(described) = described(&event) else {
                continue;
            };
            assert_eq!(to_value(&event).unwrap(), to_value(&described).unwrap());
            compared += 1;
        }
        assert_eq!(compared, 20);
        let answered = WireReplyTo {
            offset: Offset(7),
            user: UserId("g-1".into()),
        };
        let described = ReplyTo {
            offset: 7,
            user: "g-1".to_owned(),
        };
        assert_eq!(to_value(answered).unwrap(), to_value(described).unwrap());
        for (role, described) in [
            (WireRole::Fan, Role::Fan),
            (WireRole::Member, Role::Member),
            (WireRole::Moderator, Role::Moderator),
            (WireRole::Artist, Role::Artist),
            (WireRole::Staff, Role::Staff),
        ] {
            assert_eq!(to_value(role).unwrap(), to_value(described).unwrap());
        }
    }

    #[test]
    fn people_and_settings_are_described_as_they_are_written() {
        let sender = Sender {
            badge: Some("VIP".into()),
            ..Sender::new(UserId("g-1".into()), "Mina", WireRole::Fan)
        };
        let person = Person {
            user: "g-1".to_owned(),
            name: "Mina".to_owned(),
            role: Role::Fan,
            badge: Some("VIP".to_owned()),
        };
        assert_eq!(to_value(sender).unwrap(), to_value(person).unwrap());
        for followers_minutes in [None, Some(10)] {
            let mode = WireMode {
                followers_minutes,
                ..WireMode::default()
            };
            let settings = Settings {
                slow_seconds: 0,
                members_only: false,
                followers_minutes,
                emoji_only: false,
                hold: false,
                shield: false,
            };
            assert_eq!(to_value(mode).unwrap(), to_value(settings).unwrap());
        }
    }
}
