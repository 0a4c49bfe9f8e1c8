//! Who a connection is, as its token says, in few bytes: there are as many of these as there are fans.

use std::sync::Arc;

use fanwave_wire::{Role, Sender, UnixMillis, UserId, limits::NAME_CHARS_MAX, token::Claims};
use smol_str::{SmolStr, format_smolstr};

/// An identity: 56 bytes and a share of the user's id, as long as the name and the badge have 23 bytes.
#[derive(Debug)]
pub(crate) struct Identity {
    user: UserId,
    /// The name, and behind it the badge if there is one.
    words: SmolStr,
    pub(crate) expires_at: UnixMillis,
    /// In seconds since 1970; 0 for who does not follow. Good until 2106.
    follows_since: u32,
    name_bytes: u16,
    has_badge: bool,
    role: Role,
}

// A name is at most this long (see `Claims::new`), and so its length fits.
const _: () = assert!(NAME_CHARS_MAX * 4 <= u16::MAX as usize);

impl Identity {
    /// Who a token says it is.
    pub(crate) fn new(claims: &Claims) -> Self {
        let sender = claims.sender();
        let badge = sender.badge.as_deref();
        Self {
            user: sender.user.clone(),
            words: format_smolstr!("{}{}", sender.name, badge.unwrap_or_default()),
            expires_at: claims.expires_at(),
            follows_since: claims.follows_since().map_or(0, seconds),
            name_bytes: u16::try_from(sender.name.len()).unwrap_or(u16::MAX),
            has_badge: badge.is_some(),
            role: sender.role,
        }
    }

    /// Whose account it is.
    pub(crate) fn user(&self) -> &UserId {
        &self.user
    }

    /// What they may do.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// Since when they have followed the artist, if they do.
    pub(crate) fn follows_since(&self) -> Option<UnixMillis> {
        let seconds = u64::from(self.follows_since);
        (seconds > 0).then_some(UnixMillis(seconds * 1000))
    }

    /// The sender of what this connection says; made anew, because few fans say anything.
    pub(crate) fn sender(&self) -> Sender {
        let at = usize::from(self.name_bytes);
        let (name, badge) = self.words.split_at_checked(at).unwrap_or((&self.words, ""));
        Sender {
            badge: self.has_badge.then(|| Arc::from(badge)),
            ..Sender::new(self.user.clone(), name, self.role)
        }
    }
}

/// Whole seconds, at least one: 0 stands for nobody's following.
fn seconds(time: UnixMillis) -> u32 {
    u32::try_from(time.0 / 1000).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_comes_back_as_it_was() {
        for badge in [None, Some("Verified ✓")] {
            for name in ["n", "달빛 팬"] {
                let sender = Sender {
                    badge: badge.map(Arc::from),
                    ..Sender::new(UserId("u".into()), name, Role::Moderator)
                };
                let claims = Claims::new(sender.clone(), UnixMillis(0), UnixMillis(7_000)).unwrap();
                let identity = Identity::new(&claims);
                assert_eq!(identity.follows_since(), None);
                let follower = claims.following_since(UnixMillis(5_000));
                let since = Identity::new(&follower).follows_since();
                assert_eq!(since, Some(UnixMillis(5_000)));
                assert_eq!(identity.sender(), sender);
                assert_eq!(identity.user(), &sender.user);
            }
        }
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<Identity>() <= 56, "{}", size_of::<Identity>());
    }
}
