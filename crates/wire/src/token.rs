//! Tokens: who somebody is, signed by this installation or by a party that it trusts (JWT; RFC 7519).
//!
//! [`TokenKey`] is a secret of ours: it signs (HS256) and verifies. A [`KeyRing`] verifies with several of them and with
//! the public keys of others ([`Jwks`]). A key verifies one algorithm, its own, so that a token can never choose what its
//! signature means; one whose header names an algorithm that no key of ours has, `none` included, is refused before
//! anything else of it is looked at. Time is the caller's: `jsonwebtoken` is told not to look at its own clock. Neither
//! keys nor tokens appear in an error or in `Debug`.

use thiserror::Error;

use crate::{
    Channel, Sender, UnixMillis, UserId,
    limits::{
        BADGE_CHARS_MAX, NAME_CHARS_MAX, TOKEN_BYTES_MAX, TOKEN_CHANNELS_MAX, USER_ID_BYTES_MAX,
    },
};

mod identity;
mod jwks;
mod key;
mod payload;
mod ring;

pub use identity::{Identity, IdentityRules};
pub use jwks::{Jwks, JwksError};
pub use key::{KEY_BYTES_MIN, KeyTooShort, TokenKey};
pub use ring::{Algorithm, KeyRing, Rules, TooManyKeys};

/// Who somebody is and how long it is good for. The fields have been checked: see [`Claims::new`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    sender: Sender,
    issued_at: UnixMillis,
    expires_at: UnixMillis,
    follows_since: Option<UnixMillis>,
    channels: Vec<Channel>,
}

impl Claims {
    /// Claims about a user. Times are kept to the second, as tokens have them: what is less is dropped.
    ///
    /// # Errors
    ///
    /// The user's id, name or badge cannot be one.
    pub fn new(
        sender: Sender,
        issued_at: UnixMillis,
        expires_at: UnixMillis,
    ) -> Result<Self, ClaimsError> {
        check_user_id(&sender.user.0)?;
        check_name(&sender.name)?;
        if let Some(badge) = &sender.badge {
            check_badge(badge)?;
        }
        Ok(Self {
            sender,
            issued_at: whole_seconds(issued_at),
            expires_at: whole_seconds(expires_at),
            follows_since: None,
            channels: Vec::new(),
        })
    }

    /// Adds since when the user has followed the artist: rooms may ask for it.
    #[must_use]
    pub fn following_since(self, since: UnixMillis) -> Self {
        Self {
            follows_since: Some(whole_seconds(since)),
            ..self
        }
    }

    /// Adds channels that the server subscribes the user to at connect.
    ///
    /// # Errors
    ///
    /// There are more than [`TOKEN_CHANNELS_MAX`].
    pub fn subscribed_to(self, channels: Vec<Channel>) -> Result<Self, ClaimsError> {
        if channels.len() > TOKEN_CHANNELS_MAX {
            return Err(ClaimsError::Channels);
        }
        Ok(Self { channels, ..self })
    }

    /// Who it is.
    #[must_use]
    pub const fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Who it is.
    #[must_use]
    pub fn into_sender(self) -> Sender {
        self.sender
    }

    /// When the token was signed.
    #[must_use]
    pub const fn issued_at(&self) -> UnixMillis {
        self.issued_at
    }

    /// From when on the token is refused.
    #[must_use]
    pub const fn expires_at(&self) -> UnixMillis {
        self.expires_at
    }

    /// Since when the user has followed the artist, if they do.
    #[must_use]
    pub const fn follows_since(&self) -> Option<UnixMillis> {
        self.follows_since
    }

    /// What the server subscribes the user to at connect; at most [`TOKEN_CHANNELS_MAX`].
    #[must_use]
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }
}

/// The permission of one user for one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscribeClaims {
    /// Whose: the connection must be theirs.
    pub user: UserId,
    /// For which channel.
    pub channel: Channel,
    /// From when on it is refused; `None`: it lasts as long as the connection.
    pub expires_at: Option<UnixMillis>,
}

/// Claims that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// The user id is empty, too long, or has control characters.
    #[error("a user id has 1 to {USER_ID_BYTES_MAX} bytes and no control characters")]
    UserId,
    /// The name is blank, too long, or has control characters.
    #[error(
        "a name has 1 to {NAME_CHARS_MAX} characters, not all of them blank, and no control characters"
    )]
    Name,
    /// The badge is blank, too long, or has control characters.
    #[error(
        "a badge has 1 to {BADGE_CHARS_MAX} characters, not all of them blank, and no control characters"
    )]
    Badge,
    /// There are too many channels, or one of them names none.
    #[error("a token names at most {TOKEN_CHANNELS_MAX} channels")]
    Channels,
}

/// Why a token is refused. A client whose token expired gets a new one, and one whose key is not known yet may come
/// again; any other reason is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It has more bytes than a token may have; nothing of it was read.
    #[error("token has more than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// It is no JWT, lacks a claim, has one of the wrong type, or demands an extension.
    #[error("token is malformed")]
    Malformed,
    /// It is signed with an algorithm that is not taken, or with none.
    #[error("token is signed with an algorithm that is not taken")]
    Algorithm,
    /// It is signed with a public key that we do not have: of another party, or newer than our set of them.
    #[error("token is signed with a key that is not known")]
    UnknownKey,
    /// Its signature is not by this key.
    #[error("token has a wrong signature")]
    Signature,
    /// It was good until earlier.
    #[error("token has expired")]
    Expired,
    /// It is good from later on.
    #[error("token is not valid yet")]
    NotYetValid,
    /// It is meant for somebody else.
    #[error("token is for another audience")]
    Audience,
    /// It was issued by somebody else.
    #[error("token is by another issuer")]
    Issuer,
    /// It was made for another login than this one.
    #[error("token is for another login")]
    Nonce,
    /// It names somebody who cannot be.
    #[error("token has an illegal claim: {0}")]
    Claims(#[from] ClaimsError),
}

/// Checks a nickname, as whoever issues tokens must before.
///
/// # Errors
///
/// The name is blank, too long, or has control characters.
pub fn check_name(name: &str) -> Result<(), ClaimsError> {
    if is_shown(name, NAME_CHARS_MAX) {
        Ok(())
    } else {
        Err(ClaimsError::Name)
    }
}

fn check_badge(badge: &str) -> Result<(), ClaimsError> {
    if is_shown(badge, BADGE_CHARS_MAX) {
        Ok(())
    } else {
        Err(ClaimsError::Badge)
    }
}

/// Whether a text can stand beside a message.
fn is_shown(text: &str, chars_max: usize) -> bool {
    // Characters are counted only when there can be few enough of them.
    let short = text.len() <= chars_max * 4 && text.chars().count() <= chars_max;
    short && !text.trim().is_empty() && !text.contains(char::is_control)
}

fn check_user_id(id: &str) -> Result<(), ClaimsError> {
    let legal = (1..=USER_ID_BYTES_MAX).contains(&id.len()) && !id.contains(char::is_control);
    if legal {
        Ok(())
    } else {
        Err(ClaimsError::UserId)
    }
}

fn whole_seconds(time: UnixMillis) -> UnixMillis {
    UnixMillis(time.0 - time.0 % 1000)
}

#[cfg(test)]
mod tests;
