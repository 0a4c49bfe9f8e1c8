//! Who a connection is, as its token says, in few bytes: there are as many of these as there are fans.

use std::sync::Arc;

use fanwave_wire::{Role, Sender, UnixMillis, UserId};

/// An identity: 48 bytes, the text of the name and the badge, and a share of the user's id.
#[derive(Debug)]
pub(crate) struct Identity {
    user: UserId,
    /// The name, and behind it the badge if there is one.
    words: Box<str>,
    pub(crate) expires_at: UnixMillis,
    name_bytes: u32,
    has_badge: bool,
    role: Role,
}

impl Identity {
    /// Somebody until some time.
    pub(crate) fn new(sender: &Sender, expires_at: UnixMillis) -> Self {
        let badge = sender.badge.as_deref();
        Self {
            user: sender.user.clone(),
            words: [&*sender.name, badge.unwrap_or_default()].concat().into(),
            expires_at,
            name_bytes: u32::try_from(sender.name.len()).unwrap_or(u32::MAX),
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

    /// The sender of what this connection says; made anew, because few fans say anything.
    pub(crate) fn sender(&self) -> Sender {
        let at = usize::try_from(self.name_bytes).unwrap_or(usize::MAX);
        let (name, badge) = self.words.split_at_checked(at).unwrap_or((&self.words, ""));
        Sender {
            badge: self.has_badge.then(|| Arc::from(badge)),
            ..Sender::new(self.user.clone(), name, self.role)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_comes_back_as_it_was() {
        for badge in [None, Some(""), Some("Verified ✓")] {
            for name in ["", "달빛 팬"] {
                let sender = Sender {
                    badge: badge.map(Arc::from),
                    ..Sender::new(UserId("u".into()), name, Role::Moderator)
                };
                let identity = Identity::new(&sender, UnixMillis(7));
                assert_eq!(identity.sender(), sender);
                assert_eq!(identity.user(), &sender.user);
            }
        }
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<Identity>() <= 48, "{}", size_of::<Identity>());
    }
}
