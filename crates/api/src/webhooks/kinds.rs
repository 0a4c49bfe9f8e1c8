//! The kinds of events that a webhook can be told of.

use serde::{Deserialize, Serialize};
use utoipa::{PartialSchema, ToSchema, openapi};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A kind of event: docs/webhooks.md says what each means.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum EventKind {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl EventKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As it is told.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

kinds! {
    /// There is something to play.
    ShowLive = "show.live",
    /// There is nothing to play any more.
    ShowEnded = "show.ended",
    /// An encoder was let in.
    PublishStarted = "publish.started",
    /// An encoder is gone.
    PublishStopped = "publish.stopped",
    /// Another encoder is shown.
    PublishTakeover = "publish.takeover",
    /// Nobody publishes, and the show waits.
    EncoderLost = "encoder.lost",
    /// It goes on.
    EncoderBack = "encoder.back",
    /// The encoder sends less than time passes.
    EncoderStarving = "encoder.starving",
    /// It has caught up.
    EncoderRecovered = "encoder.recovered",
    /// Its timestamps leapt.
    EncoderTimestampJump = "encoder.timestamp_jump",
    /// Many pictures were missing.
    EncoderPicturesDropped = "encoder.pictures_dropped",
    /// What makes a lower quality failed.
    RungFailed = "rung.failed",
    /// It is made again.
    RungBack = "rung.back",
    /// A recording is over and whole.
    RecordingReady = "recording.ready",
    /// A show was announced.
    ShowScheduled = "show.scheduled",
    /// What was announced of a show is another now, or what was done with it was taken back.
    ShowChanged = "show.changed",
    /// The staff has started a show.
    ShowStarted = "show.started",
    /// The staff has stopped it.
    ShowStopped = "show.stopped",
    /// It does not take place.
    ShowCancelled = "show.cancelled",
    /// A message waits for a moderator.
    MessageHeld = "message.held",
    /// A moderator has decided about it.
    MessageReviewed = "message.reviewed",
    /// A message was taken away.
    MessageDeleted = "message.deleted",
    /// All that somebody has said was taken away.
    MessagesCleared = "messages.cleared",
    /// Somebody was banned.
    MemberBanned = "member.banned",
    /// Somebody was muted.
    MemberMuted = "member.muted",
    /// A ban or a mute was lifted.
    MemberPardoned = "member.pardoned",
}

// Names that a macro writes are not seen by another one.
impl PartialSchema for EventKind {
    fn schema() -> openapi::RefOr<openapi::Schema> {
        openapi::ObjectBuilder::new()
            .schema_type(openapi::schema::Type::String)
            .enum_values(Some(Self::ALL.iter().map(|kind| kind.name())))
            .description(Some(
                "A kind of event: docs/webhooks.md says what each means.",
            ))
            .into()
    }
}

impl ToSchema for EventKind {
    fn name() -> std::borrow::Cow<'static, str> {
        "WebhookEventKind".into()
    }
}

/// What a test delivery is.
pub const PING: &str = "ping";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_as_it_is_written() {
        for kind in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
