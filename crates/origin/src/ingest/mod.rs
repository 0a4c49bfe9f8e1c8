//! What all ways in have in common: who a publisher says it is, and whether it is let in.
//!
//! 1. A protocol's connection learns what its peer wants to publish and describes it as a [`Publisher`].
//! 2. [`admit`] finds the channel: by the stream key, or by asking the operator's own server ([`crate::authorise`]).
//! 3. The channel's claim is taken. Whoever is let in on somebody's word keeps that as [`Granted`].
//!
//! Nothing here reads a protocol or waits without an end.

mod admission;
mod denial;

use std::{fmt, net::SocketAddr, sync::Arc};

use fanwave_wire::UnixMillis;
use tokio::time::Instant;

pub(crate) use self::{
    admission::{Admission, Admitted},
    denial::Denial,
};
use crate::{
    authorise::{Granted, StreamKeys, Verdict},
    channel::{Channel, Claim, Encoder},
    config::Secret,
    limits::PUBLISHER_TEXT_BYTES_MAX,
    shared::Shared,
};

/// How a publisher comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// RTMP over TCP.
    Rtmp,
    /// RTMP over TLS.
    Rtmps,
    /// MPEG-TS over SRT.
    Srt,
    /// WebRTC, begun by WHIP.
    Whip,
}

impl Protocol {
    /// As it is written in logs and told to others.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rtmp => "rtmp",
            Self::Rtmps => "rtmps",
            Self::Srt => "srt",
            Self::Whip => "whip",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a peer says about itself when it asks to publish; each text has at most [`PUBLISHER_TEXT_BYTES_MAX`] bytes.
///
/// Whatever may hold a key is a [`Secret`].
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    /// How it came.
    pub(crate) protocol: Protocol,
    /// Number of its connection, new for each.
    pub(crate) connection: u64,
    /// From where.
    pub(crate) peer: SocketAddr,
    /// What it wants to publish.
    pub(crate) wish: Wish,
}

/// What a peer wants to publish, in its own words.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// The stream key or stream name, without what follows a question mark.
    pub(crate) name: Secret,
    /// What follows the question mark, as it came.
    pub(crate) arguments: Secret,
    /// The channel it names beside the key, if its protocol can.
    pub(crate) channel: Option<String>,
    /// RTMP's application, the folder of the stream.
    pub(crate) app: String,
    /// `live`, or what else RTMP's `publish` says.
    pub(crate) kind: String,
    /// The program's name: RTMP's `flashVer`.
    pub(crate) agent: String,
    /// The address it was given: RTMP's `tcUrl`.
    pub(crate) tc_url: Secret,
    /// RTMP's `swfUrl`.
    pub(crate) swf_url: Secret,
    /// RTMP's `pageUrl`.
    pub(crate) page_url: Secret,
}

impl Wish {
    /// A wish for this name, with what follows its question mark apart; nothing else is known.
    pub(crate) fn of(name: &str) -> Self {
        // Encoders append parameters of their own, such as a bandwidth test flag.
        let (name, arguments) = name.split_once('?').unwrap_or((name, ""));
        let none = || Secret::new("");
        Self {
            name: Secret::new(shortened(name)),
            arguments: Secret::new(shortened(arguments)),
            channel: None,
            app: String::new(),
            kind: String::new(),
            agent: String::new(),
            tc_url: none(),
            swf_url: none(),
            page_url: none(),
        }
    }
}

/// A stranger's text, as much of it as is kept.
pub(crate) fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(PUBLISHER_TEXT_BYTES_MAX))
        .unwrap_or_default()
}

/// A publisher that is let in.
#[derive(Debug)]
pub(crate) struct LetIn {
    /// Its place.
    pub(crate) claim: Claim,
    /// On whose word, where somebody was asked.
    pub(crate) granted: Option<Granted>,
}

impl LetIn {
    /// The place is not taken after all.
    pub(crate) async fn give_back(self) {
        drop(self.claim);
        if let Some(granted) = self.granted {
            granted.finish().await;
        }
    }
}

/// Lets a publisher in, or says why not. Ends by the deadline.
///
/// With nobody to ask, the stream key decides. With an authoriser, a known key decides alone where the operator leaves
/// it that, and for everything else the authoriser does: what cannot be asked in time is not let in.
pub(crate) async fn admit(
    shared: &Arc<Shared>,
    publisher: Publisher,
    deadline: Instant,
) -> Result<LetIn, Denial> {
    let known = known(shared, &publisher.wish);
    let Some(authoriser) = &shared.authoriser else {
        return claim(shared, &known.ok_or(Denial::UnknownKey)?, &publisher).map(|claim| LetIn {
            claim,
            granted: None,
        });
    };
    if authoriser.stream_keys() == StreamKeys::Known
        && let Some(channel) = &known
    {
        return claim(shared, channel, &publisher).map(|claim| LetIn {
            claim,
            granted: None,
        });
    }
    let asked = authoriser.ask_to_publish(&publisher, deadline).await;
    let verdict = asked.map_err(|why| why.told())?;
    let meant = match verdict {
        Verdict::Refused { reason } => return Err(Denial::Refused { reason }),
        Verdict::Allowed { channel } => channel,
    };
    // From here on whoever allowed it is told when it is over, also when nothing comes of it.
    let granted = Granted::new(Arc::clone(authoriser), publisher, shared.clock);
    let channel = match meant {
        Some(id) => shared.channel(&id).cloned(),
        None => known.or_else(|| named(shared, granted.publisher())),
    };
    let claimed = channel
        .ok_or(Denial::UnknownChannel)
        .and_then(|channel| claim(shared, &channel, granted.publisher()));
    match claimed {
        Ok(claim) => Ok(LetIn {
            claim,
            granted: Some(granted),
        }),
        Err(denial) => {
            granted.finish().await;
            Err(denial)
        }
    }
}

fn claim(shared: &Shared, channel: &Arc<Channel>, publisher: &Publisher) -> Result<Claim, Denial> {
    let claim = channel.claim().map_err(|_| Denial::Busy)?;
    claim.introduce(Encoder {
        address: publisher.peer.ip().to_canonical(),
        protocol: publisher.protocol.name(),
        since: UnixMillis(shared.clock.wall().0),
    });
    Ok(claim)
}

/// The channel whose key was sent; none, if another channel was named beside it.
fn known(shared: &Shared, wish: &Wish) -> Option<Arc<Channel>> {
    let channel = shared.channel_of_key(&wish.name)?;
    let agrees = |id: &String| channel.id().as_str() == id;
    wish.channel.as_ref().is_none_or(agrees).then_some(channel)
}

/// The channel that is named outright, which proves nothing by itself.
fn named(shared: &Shared, publisher: &Publisher) -> Option<Arc<Channel>> {
    let wish = &publisher.wish;
    let id = wish.channel.as_deref().unwrap_or(wish.name.expose());
    shared.channel(id).cloned()
}

/// Returns the reason once the authoriser takes back its word; never where nobody was asked.
pub(crate) async fn revoked(granted: Option<&Granted>) -> String {
    match granted {
        Some(granted) => granted.revoked().await,
        None => std::future::pending().await,
    }
}
