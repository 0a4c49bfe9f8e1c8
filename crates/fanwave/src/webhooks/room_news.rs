//! What happens in a room, in the form in which webhooks are told (`docs/webhooks.md`).

use fanwave_api::webhooks::kinds::EventKind;
use fanwave_wire::{Channel, Epoch, Event, HoldReason, Publication, Sender};
use serde_json::{Value, json};

/// Something that webhooks are told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    /// Names it for good.
    pub(super) id: String,
    /// What kind of thing it is.
    pub(super) kind: String,
    /// When it happened, milliseconds since 1970-01-01 UTC.
    pub(super) at: i64,
    /// Where.
    pub(super) channel: Option<String>,
    /// Whom it is about, if it is about somebody.
    pub(super) about: Option<String>,
    /// What is sent.
    pub(super) body: String,
}

/// What webhooks are told of an entry of a room's log; of most of them nothing.
pub(super) fn piece(channel: &Channel, epoch: &Epoch, entry: &Publication) -> Option<Piece> {
    let event = entry.draft.body.as_event()?;
    let (kind, about, data) = told(event, entry)?;
    let Channel { lane, room } = channel;
    let id = format!("{room}.{}.{}.{}", lane.prefix(), entry.offset.0, epoch.0);
    let body = json!({
        "id": id, "type": kind.name(), "at": entry.at.0, "channel": room.as_str(), "data": data,
    });
    Some(Piece {
        id,
        kind: kind.name().to_owned(),
        at: i64::try_from(entry.at.0).unwrap_or(i64::MAX),
        channel: Some(room.as_str().to_owned()),
        about,
        body: body.to_string(),
    })
}

fn told(event: &Event, entry: &Publication) -> Option<(EventKind, Option<String>, Value)> {
    let by = person(&entry.draft.sender);
    let of = |user: &fanwave_wire::UserId| Some(user.0.to_string());
    Some(match event {
        Event::Held {
            sender,
            id,
            text,
            reason,
        } => {
            let reason = match reason {
                HoldReason::Room => "room",
                HoldReason::Word => "word",
            };
            let data = json!({
                "held": entry.offset.0, "message": id.0, "text": text.text, "user": person(sender), "reason": reason,
            });
            (EventKind::MessageHeld, of(&sender.user), data)
        }
        Event::Reviewed { held, approved } => {
            let data = json!({ "held": held.0, "approved": approved, "by": by });
            (EventKind::MessageReviewed, None, data)
        }
        Event::Deleted { offset } => {
            let data = json!({ "offset": offset.0, "by": by });
            (EventKind::MessageDeleted, None, data)
        }
        Event::Cleared { user, through } => {
            let data = json!({ "user": user.0, "through": through.0, "by": by });
            (EventKind::MessagesCleared, of(user), data)
        }
        Event::Banned { user, until } => {
            let data = json!({ "user": user.0, "until": until.map(|until| until.0), "by": by });
            (EventKind::MemberBanned, of(user), data)
        }
        Event::Muted { user, until } => {
            let data = json!({ "user": user.0, "until": until.map(|until| until.0), "by": by });
            (EventKind::MemberMuted, of(user), data)
        }
        Event::Pardoned { user } => {
            let data = json!({ "user": user.0, "by": by });
            (EventKind::MemberPardoned, of(user), data)
        }
        Event::Mode(_)
        | Event::Pinned { .. }
        | Event::Unpinned { .. }
        | Event::Gift { .. }
        | Event::PollOpened { .. }
        | Event::PollClosed { .. }
        | Event::Voted { .. }
        | Event::Reported { .. }
        | Event::ReportsDismissed { .. }
        | Event::Words { .. } => return None,
    })
}

fn person(sender: &Sender) -> Value {
    json!({ "id": sender.user.0, "name": sender.name, "role": sender.role.name() })
}

#[cfg(test)]
mod tests {
    use fanwave_wire::{Body, ClientMessageId, Draft, Offset, Role, Text, UnixMillis, UserId};

    use super::*;

    fn entry(event: Event) -> Publication {
        let crew = Sender::new(UserId("crew".into()), "Kim", Role::Moderator);
        Publication {
            offset: Offset(17),
            at: UnixMillis(1_795_000_000_123),
            draft: Draft {
                id: ClientMessageId("act-1".into()),
                sender: crew,
                body: Body::Event(Box::new(event)),
            },
        }
    }

    #[test]
    fn what_happens_in_a_room_is_told_by_its_place_in_the_log() {
        let channel: Channel = "room:demo".parse().unwrap();
        let banned = entry(Event::Banned {
            user: UserId("u-7".into()),
            until: None,
        });
        let told = piece(&channel, &Epoch("6f3a".into()), &banned).unwrap();
        assert_eq!(
            (&*told.id, &*told.kind, told.about.as_deref()),
            ("demo.room.17.6f3a", "member.banned", Some("u-7"))
        );
        let body: Value = serde_json::from_str(&told.body).unwrap();
        assert_eq!(
            body,
            json!({
                "id": "demo.room.17.6f3a", "type": "member.banned", "at": 1_795_000_000_123_u64, "channel": "demo",
                "data": { "user": "u-7", "until": null, "by": { "id": "crew", "name": "Kim", "role": "moderator" } },
            })
        );
        let staff: Channel = "staff:demo".parse().unwrap();
        let held = entry(Event::Held {
            sender: Sender::new(UserId("u-8".into()), "Mina", Role::Fan),
            id: ClientMessageId("m-1".into()),
            text: Text::plain("hm"),
            reason: HoldReason::Word,
        });
        let told = piece(&staff, &Epoch("6f3a".into()), &held).unwrap();
        let body: Value = serde_json::from_str(&told.body).unwrap();
        assert_eq!(
            body["data"],
            json!({
                "held": 17, "message": "m-1", "text": "hm", "reason": "word",
                "user": { "id": "u-8", "name": "Mina", "role": "fan" },
            })
        );
        let pin = Event::Unpinned {
            pin: ClientMessageId("p".into()),
        };
        assert_eq!(piece(&channel, &Epoch("e".into()), &entry(pin)), None);
    }
}
