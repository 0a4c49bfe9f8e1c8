//! Subscribe tokens: the permission of one user for one channel, where the operator asks for them.
//!
//! A subscription lasts as long as its token: the client is told how long that is, and brings a new one before
//! (`sub_refresh`). One that was not refreshed ends with 2501 when its connection is pinged next after the grace that
//! connections have too, and client libraries subscribe again with a new token. What the connection's own token names
//! ([`server_side`](super::server_side)) needs no other.

use std::time::Duration;

use fanwave_wire::{
    Channel, UnixMillis,
    protocol::{ErrorCode, Push, Response, SubRefreshRequest, TokenText, UnsubscribeCode},
    token::TokenError,
};

use super::connect::seconds_until;
use crate::{
    config::SubscribeTokens,
    reactor::{Reactor, key::ChannelKey},
};

/// Somebody may follow a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    /// As long as they are connected.
    Lasting,
    /// Until then.
    Until(UnixMillis),
}

impl Permission {
    /// As a client is told.
    pub(super) fn ttl_seconds(self, now: UnixMillis) -> Option<u32> {
        match self {
            Self::Lasting => None,
            Self::Until(expires_at) => Some(seconds_until(expires_at, now)),
        }
    }
}

impl Reactor {
    /// What a subscribe token permits; `None`: not this, and the refusal has been written.
    pub(super) fn permit(
        &mut self,
        index: usize,
        id: u32,
        (channel, token): (&Channel, &TokenText),
    ) -> Option<Permission> {
        if self.config.subscribe_tokens == SubscribeTokens::Off {
            return Some(Permission::Lasting);
        }
        let identity = self.connections.get(index)?.identity.as_ref()?;
        let verified = self.keys.verify_subscribe(token.expose(), self.clock.unix);
        match verified {
            Ok(claims) if claims.user == *identity.user() && claims.channel == *channel => {
                let lasting = Permission::Lasting;
                Some(claims.expires_at.map_or(lasting, Permission::Until))
            }
            Err(TokenError::Expired) => {
                // The client gets a new one and comes again.
                self.replies.refuse(id, ErrorCode::TokenExpired);
                None
            }
            Err(TokenError::UnknownKey) => {
                // Its issuer may have a new key: by the time the client comes again, we have it too.
                let message = "the key of the token is not known yet";
                self.replies
                    .refuse_because(id, ErrorCode::Internal, message);
                None
            }
            Ok(_) | Err(_) => {
                self.replies.refuse(id, ErrorCode::PermissionDenied);
                None
            }
        }
    }

    /// A new token for a subscription.
    pub(super) fn handle_sub_refresh(
        &mut self,
        index: usize,
        id: u32,
        request: &SubRefreshRequest,
    ) {
        let Some(channel) = self.parse_channel(id, &request.channel) else {
            return;
        };
        if self.config.subscribe_tokens == SubscribeTokens::Off {
            return self.replies.refuse(id, ErrorCode::NotAvailable);
        }
        let key = self.rooms_by_channel.get(&channel).copied();
        let Some(key) = key.filter(|key| self.subscription_of(index, *key).is_some()) else {
            return self.replies.refuse(id, ErrorCode::PermissionDenied);
        };
        let Some(permission) = self.permit(index, id, (&channel, &request.token)) else {
            return;
        };
        self.note_permission(index, key, permission);
        let ttl_seconds = permission.ttl_seconds(self.clock.unix);
        self.replies.reply(id, Response::SubRefresh { ttl_seconds });
    }

    /// Notes how long a subscription may last.
    pub(super) fn note_permission(
        &mut self,
        index: usize,
        key: ChannelKey,
        permission: Permission,
    ) {
        match permission {
            Permission::Lasting => self.expiring.remove(&(index, key)),
            Permission::Until(expires_at) => self.expiring.insert((index, key), expires_at),
        };
    }

    /// Ends those subscriptions of a connection whose permission has run out.
    pub(crate) fn end_expired_subscriptions(&mut self, index: usize) {
        if self.expiring.is_empty() {
            return;
        }
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        let now = self.clock.unix;
        let is_over = |expires_at: &UnixMillis| {
            now > *expires_at
                && Duration::from_millis(now.0 - expires_at.0) >= self.config.expired_grace
        };
        let feeds = connection.subscriptions.iter();
        let channels = feeds.filter_map(|subscription| {
            let feed = self.feeds.get(subscription.feed.index())?;
            Some(feed.channel)
        });
        let over: Vec<ChannelKey> = channels
            .filter(|key| self.expiring.get(&(index, *key)).is_some_and(is_over))
            .collect();
        for key in over {
            let channel = self.rooms.get(key.index()).map(|room| room.channel.clone());
            self.unsubscribe(index, key);
            if let Some(channel) = &channel {
                self.replies.push(Push::Unsubscribe {
                    channel,
                    code: UnsubscribeCode::Expired,
                });
            }
        }
    }
}
