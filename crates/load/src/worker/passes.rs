//! Who is who: the token of each connection.

use std::fmt;

use fanwave_wire::{
    Role, Sender, UnixMillis, UserId,
    token::{Claims, TokenKey},
};

use crate::{
    clock,
    order::{Credentials, Order},
};

/// How much longer than the run a signed token is valid.
const SPARE_SECONDS: u64 = 3_600;

/// Makes or deals out tokens. Its `Debug` shows none.
pub(super) enum Passes {
    Given {
        fans: Vec<String>,
        staff: Option<String>,
    },
    Signed {
        key: Box<TokenKey>,
        run: u32,
        life_ms: u64,
    },
}

impl Passes {
    /// From what the coordinator was given; the reason in words when the secret cannot be one.
    pub(super) fn new(credentials: &Credentials, order: &Order) -> Result<Self, String> {
        match credentials {
            Credentials::Tokens { fans, staff } => Ok(Self::Given {
                fans: fans.clone(),
                staff: staff.clone(),
            }),
            Credentials::Secret(secret) => {
                let key = TokenKey::new(secret.as_bytes()).map_err(|error| error.to_string())?;
                let life = order.ramp().as_secs() + order.duration.as_secs() + SPARE_SECONDS;
                Ok(Self::Signed {
                    key: Box::new(key),
                    run: order.run,
                    life_ms: life * 1_000,
                })
            }
        }
    }

    /// The token of a fan, counted over all workers.
    pub(super) fn fan(&self, fan: u32) -> String {
        match self {
            Self::Given { fans, .. } => {
                let index = usize::try_from(fan).unwrap_or(0) % fans.len().max(1);
                fans.get(index).cloned().unwrap_or_default()
            }
            Self::Signed { .. } => self.sign("fan", fan, Role::Fan),
        }
    }

    /// The token of a feed's sender; empty when there is none, and the server will say so.
    pub(super) fn sender(&self, feed: u32) -> String {
        match self {
            Self::Given { staff, .. } => staff.clone().unwrap_or_default(),
            Self::Signed { .. } => self.sign("sender", feed, Role::Staff),
        }
    }

    fn sign(&self, kind: &str, index: u32, role: Role) -> String {
        let Self::Signed { key, run, life_ms } = self else {
            return String::new();
        };
        let now = UnixMillis(clock::now_ns() / 1_000_000);
        let user = UserId(format!("load-{run:08x}-{kind}-{index}").into());
        let sender = Sender::new(user, format!("Load {kind} {index}"), role);
        let claims = Claims::new(sender, now, UnixMillis(now.0 + life_ms));
        claims.map_or_else(|_| String::new(), |claims| key.issue(&claims))
    }
}

impl fmt::Debug for Passes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passes(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::tests::small;

    #[test]
    fn every_fan_is_somebody_else_and_a_sender_is_staff() {
        let secret = "0123456789abcdef0123456789abcdef";
        let passes = Passes::new(&Credentials::Secret(secret.into()), &small()).unwrap();
        let key = TokenKey::new(secret.as_bytes()).unwrap();
        let now = UnixMillis(clock::now_ns() / 1_000_000);
        let who = |token: &str| key.verify(token, now).unwrap().into_sender();
        let (first, second) = (who(&passes.fan(0)), who(&passes.fan(1)));
        assert_ne!(first.user, second.user);
        assert_eq!(first.role, Role::Fan);
        assert_eq!(who(&passes.sender(0)).role, Role::Staff);
        assert_eq!(format!("{passes:?}"), "Passes(..)");
    }

    #[test]
    fn given_tokens_are_dealt_out_in_turn() {
        let fans = vec!["a".to_owned(), "b".to_owned()];
        let passes = Passes::new(&Credentials::Tokens { fans, staff: None }, &small()).unwrap();
        assert_eq!(
            (passes.fan(0), passes.fan(1), passes.fan(2)),
            ("a".into(), "b".into(), "a".into())
        );
        assert_eq!(passes.sender(0), "");
        let short = Passes::new(&Credentials::Secret("short".into()), &small()).unwrap_err();
        assert!(short.contains("at least 32 bytes"), "{short}");
    }
}
