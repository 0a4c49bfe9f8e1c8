//! A user's sockets are closed on every server, whatever they follow.
//!
//! That has to arrive, so it is no hearsay: it is an event in the log that all servers share, in a lane of a room of its
//! own ([`SYSTEM_ROOM`]), which every server follows from its start. A server that could not reach the log does it when it
//! can again. The events are such that every release can read: a ban that is over when it begins sends the user away for
//! good, a pardon lets them come back by themselves, and a ban that is not over yet lets them come back with a token that
//! was made after it, until it is over (a release before this one sends them away for good).

use std::{
    sync::{
        LazyLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fanwave_bus::{Ack, EngineError, clock::now};
use fanwave_wire::{
    Body, Channel, ClientMessageId, Draft, Event, Lane, Publication, Sender, UnixMillis, UserId,
    limits::SYSTEM_ROOM, protocol::DisconnectCode,
};
use tokio::sync::Notify;

use crate::{
    desk::{Desk, in_time},
    inbox::Item,
    limits,
    reactor::revoked::Revocation,
};

/// Where it is said.
pub(crate) static CHANNEL: LazyLock<Channel> = LazyLock::new(|| Channel {
    lane: Lane::Room,
    room: SYSTEM_ROOM.parse().expect("it can be a room"),
});

/// Whether the dismissed come back by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// At once.
    Welcome,
    /// With a token that is made after this. Older ones are refused for so long, which has to be as long as they are good.
    Anew(Duration),
    /// Not before their user acts.
    Unwanted,
}

/// How far a server has heard of dismissals.
#[derive(Debug)]
pub(crate) struct Dismissals {
    /// When the newest was that is carried out, or the server started.
    newest: AtomicU64,
    /// The channel has to be followed anew, or the server stops.
    lost: Notify,
}

impl Dismissals {
    /// What was said before the start concerns nobody here.
    pub(crate) fn new(start: UnixMillis) -> Self {
        Self {
            newest: AtomicU64::new(start.0),
            lost: Notify::new(),
        }
    }

    /// Follow the channel anew, or see that the server stops.
    pub(crate) fn wake(&self) {
        self.lost.notify_one();
    }
}

/// Follows the channel until the desk is no more or stops. What was missed in between is carried out then.
pub(crate) async fn follow(desk: Weak<Desk>) {
    loop {
        let Some(desk) = desk.upgrade().filter(|desk| !desk.is_stopping()) else {
            return;
        };
        match in_time(desk.engine().subscribe(&CHANNEL)).await {
            Ok(snapshot) => {
                let since = desk.dismissals.newest.load(Ordering::Acquire);
                for publication in &snapshot.recent {
                    if publication.at.0 > since {
                        desk.dismiss(publication);
                    } else {
                        // Also for whoever was sent away before this server started.
                        desk.revoke(publication);
                    }
                }
                desk.dismissals.lost.notified().await;
            }
            Err(error) => {
                tracing::debug!(%error, "dismissals cannot be heard yet");
                let again = desk.dismissals.lost.notified();
                drop(tokio::time::timeout(limits::DISMISSALS_RETRY, again).await);
            }
        }
    }
}

impl Desk {
    /// Somebody is to be dismissed, here as everywhere.
    pub(crate) fn dismiss(&self, publication: &Publication) {
        // Before the connections are closed: whoever is quick has the old token still.
        let is_revoked = self.revoke(publication);
        let (user, code) = match publication.draft.body.as_event() {
            Some(Event::Banned { user, .. }) if is_revoked => {
                (user, DisconnectCode::ForceReconnect)
            }
            Some(Event::Banned { user, .. }) => (user, DisconnectCode::ForceNoReconnect),
            Some(Event::Pardoned { user }) => (user, DisconnectCode::ForceReconnect),
            // Another release says more than this one knows.
            _ => return,
        };
        self.tell_all(&Item::Dismiss(user.clone(), code));
        let newest = &self.dismissals.newest;
        newest.fetch_max(publication.at.0, Ordering::AcqRel);
    }

    /// Refuses what tokens the user has, if that is said, and not over yet.
    fn revoke(&self, publication: &Publication) -> bool {
        let Some(Event::Banned {
            user,
            until: Some(until),
        }) = publication.draft.body.as_event()
        else {
            return false;
        };
        let revocation = Revocation {
            made_by: publication.at,
            until: *until,
        };
        let is_revoked = revocation.until > publication.at;
        if is_revoked && revocation.until > now() {
            self.tell_all(&Item::Revoke(user.clone(), revocation));
        }
        is_revoked
    }

    /// Has every server close a user's connections.
    pub(crate) async fn dismiss_everywhere(
        &self,
        id: ClientMessageId,
        by: Sender,
        (user, back): (UserId, Return),
    ) -> Result<Ack, EngineError> {
        let event = match back {
            // Over whatever the time is, also by the clock of whoever gives it its own.
            Return::Unwanted => Event::Banned {
                user,
                until: Some(UnixMillis(0)),
            },
            Return::Anew(wait) => Event::Banned {
                user,
                until: Some(UnixMillis(
                    now()
                        .0
                        .saturating_add(wait.as_millis().try_into().unwrap_or(u64::MAX)),
                )),
            },
            Return::Welcome => Event::Pardoned { user },
        };
        let draft = Draft {
            id,
            sender: by,
            body: Body::Event(Box::new(event)),
        };
        in_time(self.engine().publish(&CHANNEL, draft)).await
    }
}
