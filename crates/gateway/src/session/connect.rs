//! `connect` and `refresh`: who the client is, as its token says.

use fanwave_wire::{
    Channel, UnixMillis,
    protocol::{
        ConnectRequest, ConnectResult, DisconnectCode, ErrorCode, RefreshResult, Response,
        SubscribeResult, TokenText,
    },
    token::{Claims, TokenError},
};

use super::client_id;
use crate::reactor::{Reactor, identity::Identity};

/// The version that clients are told.
const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Reactor {
    /// The first command of a connection.
    pub(super) fn handle_connect(&mut self, index: usize, id: u32, request: &ConnectRequest) {
        if self.config.consults().connect {
            return self.ask_for_welcome(index, id, request);
        }
        let Some(claims) = self.verify(index, id, &request.token) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        connection.identity = Some(Identity::new(&claims));
        let channels = self.server_side(claims.channels(), claims.sender().role);
        self.connect_to(index, id, (channels, &request.subs), Vec::new());
    }

    /// Tells a client that it is connected, and what it follows by that.
    pub(super) fn reply_connect(
        &mut self,
        index: usize,
        id: u32,
        subs: &[(Channel, SubscribeResult<'_>)],
    ) {
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        let client = client_id(self.node, connection.generation);
        let (session, node) = self.emulated.names(&connection.stream);
        let ttl = connection
            .identity
            .as_ref()
            .map(|identity| seconds_until(identity.expires_at, self.clock.unix));
        let result = ConnectResult {
            client: &client,
            version: VERSION,
            ttl_seconds: ttl,
            ping_seconds: u32::try_from(self.config.ping_interval.as_secs().max(1))
                .unwrap_or(u32::MAX),
            pong: true,
            subs,
            session: &session,
            node: &node,
        };
        self.replies.reply(id, Response::Connect(result));
    }

    /// A new token for a connection that stays; it must be of the same user.
    pub(super) fn handle_refresh(&mut self, index: usize, id: u32, token: &TokenText) {
        if self.config.consults().connect {
            return self.ask_to_stay(index, id, token);
        }
        if let Some(claims) = self.verify(index, id, token) {
            self.stay(index, id, &claims);
        }
    }

    /// Somebody who is connected is who these say from now on.
    pub(super) fn stay(&mut self, index: usize, id: u32, claims: &Claims) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let client = client_id(self.node, connection.generation);
        let Some(identity) = &mut connection.identity else {
            return;
        };
        if *identity.user() != claims.sender().user {
            // Rooms count the user who subscribed: somebody else needs a connection of their own.
            self.disconnect(index, DisconnectCode::InvalidToken);
            return;
        }
        *identity = Identity::new(claims);
        let ttl = seconds_until(identity.expires_at, self.clock.unix);
        let result = RefreshResult {
            client: &client,
            version: VERSION,
            ttl_seconds: Some(ttl),
        };
        self.replies.reply(id, Response::Refresh(result));
    }

    /// Whether it was made before its user was sent away to get another.
    pub(super) fn is_revoked(&self, claims: &Claims) -> bool {
        let user = &claims.sender().user;
        self.revoked
            .refuses(user, claims.issued_at(), self.clock.unix)
    }

    /// What a token says, if it is good; otherwise the refusal has been written or the connection ended.
    pub(super) fn verify(&mut self, index: usize, id: u32, token: &TokenText) -> Option<Claims> {
        if token.is_empty() {
            self.replies.refuse(id, ErrorCode::Unauthorized);
            return None;
        }
        match self.keys.verify_connect(token.expose(), self.clock.unix) {
            Ok(claims) if !self.is_revoked(&claims) => Some(claims),
            Ok(_) | Err(TokenError::Expired) => {
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
            Err(error) => {
                tracing::debug!(%error, "a token was refused");
                self.disconnect(index, DisconnectCode::InvalidToken);
                None
            }
        }
    }
}

/// At least one: a client takes 0 for "does not expire".
pub(super) fn seconds_until(expires_at: UnixMillis, now: UnixMillis) -> u32 {
    u32::try_from(expires_at.0.saturating_sub(now.0) / 1000)
        .unwrap_or(u32::MAX)
        .max(1)
}
