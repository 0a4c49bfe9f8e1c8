//! The claims as a token has them, in both directions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Claims, ClaimsError, SubscribeClaims, TokenError};
use crate::{Channel, Role, Sender, UnixMillis, UserId, limits::TOKEN_CHANNELS_MAX};

/// What is read. Times are in seconds.
#[derive(Deserialize)]
pub(super) struct Payload {
    sub: UserId,
    #[serde(default)]
    name: Option<Arc<str>>,
    #[serde(default)]
    role: Role,
    #[serde(default)]
    badge: Option<Arc<str>>,
    #[serde(default)]
    follows_since: Option<u64>,
    #[serde(default)]
    channels: Vec<String>,
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    iat: u64,
    #[serde(default)]
    exp: Option<u64>,
    #[serde(default)]
    nbf: Option<u64>,
    #[serde(default)]
    aud: Option<Audience>,
    #[serde(default)]
    iss: Option<String>,
}

/// "In the special case when the JWT has one audience, the 'aud' value MAY be a single case-sensitive string" (RFC
/// 7519, section 4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Whether a token must say what its reader is asked to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It must.
    Required,
    /// It need not, but may not say something else.
    Optional,
}

impl Payload {
    /// Checks the times.
    pub(super) fn check_times(&self, now: UnixMillis) -> Result<(), TokenError> {
        let now = now.0 / 1000;
        // "the current date/time MUST be before the expiration date/time" (RFC 7519, section 4.1.4).
        if self.exp.is_some_and(|exp| now >= exp) {
            return Err(TokenError::Expired);
        }
        // "the current date/time MUST be after or equal to the not-before date/time" (section 4.1.5).
        if self.nbf.is_some_and(|nbf| now < nbf) {
            return Err(TokenError::NotYetValid);
        }
        Ok(())
    }

    /// Checks for whom it is.
    pub(super) fn check_audience(
        &self,
        wanted: &str,
        presence: Presence,
    ) -> Result<(), TokenError> {
        let named = match &self.aud {
            Some(Audience::One(audience)) => audience == wanted,
            Some(Audience::Many(audiences)) => audiences.iter().any(|audience| audience == wanted),
            None => presence == Presence::Optional,
        };
        if named {
            Ok(())
        } else {
            Err(TokenError::Audience)
        }
    }

    /// Checks by whom it is.
    pub(super) fn check_issuer(&self, wanted: &str, presence: Presence) -> Result<(), TokenError> {
        let named = match &self.iss {
            Some(issuer) => issuer == wanted,
            None => presence == Presence::Optional,
        };
        if named {
            Ok(())
        } else {
            Err(TokenError::Issuer)
        }
    }

    /// The claims of a connection. A token for a channel is none, whatever else it says.
    pub(super) fn into_claims(self) -> Result<Claims, TokenError> {
        let (Some(name), Some(exp), None) = (self.name, self.exp, self.channel) else {
            return Err(TokenError::Malformed);
        };
        let sender = Sender {
            user: self.sub,
            name,
            role: self.role,
            badge: self.badge,
        };
        let mut claims = Claims::new(sender, millis(self.iat), millis(exp))?;
        claims.follows_since = self.follows_since.map(millis);
        Ok(claims.subscribed_to(parse_channels(&self.channels)?)?)
    }

    /// The claims of a subscription.
    pub(super) fn into_subscribe_claims(self) -> Result<SubscribeClaims, TokenError> {
        let channel = self.channel.ok_or(TokenError::Malformed)?;
        super::check_user_id(&self.sub.0)?;
        Ok(SubscribeClaims {
            user: self.sub,
            channel: channel.parse().map_err(|_| ClaimsError::Channels)?,
            expires_at: self.exp.map(millis),
        })
    }
}

fn parse_channels(names: &[String]) -> Result<Vec<Channel>, ClaimsError> {
    if names.len() > TOKEN_CHANNELS_MAX {
        return Err(ClaimsError::Channels);
    }
    let channels = names.iter().map(|name| name.parse());
    channels
        .collect::<Result<_, _>>()
        .map_err(|_| ClaimsError::Channels)
}

fn millis(seconds: u64) -> UnixMillis {
    UnixMillis(seconds.saturating_mul(1000))
}

/// What is signed. Times are in seconds.
#[derive(Serialize)]
pub(super) struct Signed<'a> {
    sub: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    badge: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    follows_since: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    channels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
}

/// The claims of a connection.
pub(super) fn of_claims(claims: &Claims) -> Signed<'_> {
    let sender = &claims.sender;
    Signed {
        sub: &sender.user,
        name: Some(&sender.name),
        role: Some(sender.role),
        badge: sender.badge.as_deref(),
        follows_since: claims.follows_since.map(|since| since.0 / 1000),
        channels: claims.channels.iter().map(ToString::to_string).collect(),
        channel: None,
        iat: Some(claims.issued_at.0 / 1000),
        exp: Some(claims.expires_at.0 / 1000),
    }
}

/// The claims of a subscription.
pub(super) fn of_subscription(claims: &SubscribeClaims) -> Signed<'_> {
    Signed {
        sub: &claims.user,
        name: None,
        role: None,
        badge: None,
        follows_since: None,
        channels: Vec::new(),
        channel: Some(claims.channel.to_string()),
        iat: None,
        exp: claims.expires_at.map(|time| time.0 / 1000),
    }
}
