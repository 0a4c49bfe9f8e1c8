//! What the API asks of the gateway's rooms, and the keys that back ends show.

use std::{path::Path, sync::Arc};

use fanwave_api::{ApiKeys, Dismissal, Followers, RoomError, Rooms, Taken, keys::KeyFileError};
use fanwave_bus::{Ack, BoxFuture, EngineError};
use fanwave_gateway::{Gateway, Outcome, Return};
use fanwave_room::{
    machine::{Act, Say, Standing},
    moderation::Policy,
    presence::Page,
};
use fanwave_wire::{Channel, Offset, RoomId, UserId};
use thiserror::Error;

use crate::secret::{self, SecretError};

/// Why the file of API keys cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeysError {
    /// It cannot be read.
    #[error(transparent)]
    Read(SecretError),
    /// A line of it is wrong.
    #[error("{}: {error}", path.display())]
    Line {
        /// Which file.
        path: std::path::PathBuf,
        /// Which line, and why.
        error: KeyFileError,
    },
}

/// Reads the keys, if there is a file.
pub(super) fn keys(path: Option<&Path>) -> Result<ApiKeys, KeysError> {
    let Some(path) = path else {
        return Ok(ApiKeys::default());
    };
    let text = secret::read_several(path).map_err(KeysError::Read)?;
    ApiKeys::parse(&text).map_err(|error| KeysError::Line {
        path: path.to_owned(),
        error,
    })
}

/// Answers [`Rooms`] from the gateway.
pub(super) struct GatewayRooms(pub(super) Arc<Gateway>);

impl Rooms for GatewayRooms {
    fn say<'a>(&'a self, room: &'a RoomId, say: Say) -> BoxFuture<'a, Result<Taken, RoomError>> {
        Box::pin(async move { taken(self.0.say(room, say).await) })
    }

    fn act<'a>(&'a self, room: &'a RoomId, act: Act) -> BoxFuture<'a, Result<Taken, RoomError>> {
        Box::pin(async move { taken(self.0.act(room, act).await) })
    }

    fn rules<'a>(
        &'a self,
        room: &'a RoomId,
    ) -> BoxFuture<'a, Result<(Policy, Standing), EngineError>> {
        Box::pin(self.0.rules(room))
    }

    fn catch_up<'a>(
        &'a self,
        channel: &'a Channel,
        offset: Offset,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(self.0.catch_up(channel, offset))
    }

    fn dismiss(&self, dismissal: Dismissal) -> BoxFuture<'_, Result<Ack, EngineError>> {
        let Dismissal {
            id,
            by,
            user,
            comes_back,
            revokes,
        } = dismissal;
        let back = match (comes_back, revokes) {
            (false, _) => Return::Unwanted,
            (true, None) => Return::Welcome,
            (true, Some(wait)) => Return::Anew(wait),
        };
        Box::pin(self.0.dismiss(id, by, (user, back)))
    }

    fn followers(&self, channel: &Channel) -> Followers {
        let followers = self.0.followers(channel);
        Followers {
            here: followers.here,
            everywhere: followers.everywhere,
        }
    }

    fn followers_page(&self, channel: &Channel, after: Option<&UserId>, limit: usize) -> Page {
        self.0.followers_page(channel, after, limit)
    }
}

fn taken(outcome: Outcome) -> Result<Taken, RoomError> {
    match outcome {
        Outcome::Stored { id, ack } => Ok(Taken::Stored { id, ack }),
        Outcome::Done => Ok(Taken::Waits),
        Outcome::Refused(refusal) => Err(RoomError::Refused(refusal)),
        // What back ends say is not asked about.
        Outcome::Declined(_) => Err(RoomError::Failed(EngineError::Busy)),
        Outcome::Failed(error) => Err(RoomError::Failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use fanwave_api::keys::Scope;

    use super::*;
    use crate::secret::SECRETS_BYTES_MAX;

    #[test]
    fn keys_are_read_from_a_file_that_others_cannot_read() {
        assert!(keys(None).unwrap().find("canary-key-0123456789").is_none());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let write = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            keys(Some(&path))
        };
        let line = "shop publish canary-key-0123456789\n";
        let read = write(line, 0o600).unwrap();
        let key = read.find("canary-key-0123456789").unwrap();
        assert!(key.allows(Scope::Publish));
        let open = write(line, 0o640).unwrap_err().to_string();
        assert!(open.contains("chmod 600"), "{open}");
        let wrong = write("shop sing canary-key-0123456789\n", 0o600);
        let wrong = wrong.unwrap_err().to_string();
        assert!(wrong.contains("keys: line 1 needs scopes"), "{wrong}");
        assert!(!wrong.contains("canary"), "{wrong}");
        let large = "#".repeat(usize::try_from(SECRETS_BYTES_MAX).unwrap() + 1);
        assert!(matches!(
            write(&large, 0o600),
            Err(KeysError::Read(SecretError::Io { .. }))
        ));
    }
}
