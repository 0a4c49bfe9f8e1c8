//! One publisher's WebRTC without its socket and without time of its own: ICE, DTLS, SRTP and RTP.
//!
//! It is a library's machine; nothing outside this module knows which. It faces the internet, but only after its publisher has
//! been let in, and takes datagrams only of who has proven to know the session's ICE credentials.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Instant, UNIX_EPOCH},
};

use bytes::Bytes;
use fanwave_media::{TrackKind, rtp::Report};
use str0m::{
    Candidate, Event, IceConnectionState, IceCreds, Input, Output as LibraryOutput, Rtc, RtcConfig,
    RtcError,
    change::SdpOffer,
    config::{CryptoProvider, DtlsCert},
    format::Codec,
    ice::StunMessage,
    media::{KeyframeRequestKind, MediaData, MediaKind, MediaTime, Mid},
    net::{Protocol, Receive},
};
use thiserror::Error;

use crate::limits::{WHIP_REORDERED_PACKETS_MAX, WHIP_REORDERED_SOUNDS_MAX};

/// H.264 as it is offered: profile and packetization mode, at level 5.2, which is no limit. A publisher's own numbers of
/// payloads go before these.
const H264: [(u8, u8, bool, u32); 8] = [
    (127, 121, true, 0x42_0034),
    (125, 107, false, 0x42_0034),
    (108, 109, true, 0x42_e034),
    (124, 120, false, 0x42_e034),
    (123, 119, true, 0x4d_0034),
    (35, 36, false, 0x4d_0034),
    (114, 115, true, 0x64_0034),
    (112, 113, true, 0x64_0c34),
];

/// What all sessions of a port stand on.
#[derive(Clone)]
pub(super) struct Ground {
    config: RtcConfig,
    /// Where publishers send to.
    addresses: Vec<SocketAddr>,
}

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// Why a session cannot be begun.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum BeginError {
    /// The offer is none, or cannot be answered.
    #[error("the offer cannot be answered: {0}")]
    Offer(String),
    /// The answer takes less than was offered.
    #[error("none of the offer's H.264 profiles, or not its Opus, can be taken")]
    Codecs,
}

/// A session's ICE credentials on our side, new for each.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    /// Tells the session's first datagrams from those of others.
    pub(super) ufrag: String,
    /// Proves that they are its publisher's.
    pub(super) password: String,
}

impl Credentials {
    /// `None` without randomness.
    pub(super) fn random() -> Option<Self> {
        let mut bytes = [0; 24];
        getrandom::fill(&mut bytes).ok()?;
        let (ufrag, password) = bytes.split_first_chunk::<8>()?;
        let password = password.first_chunk::<16>()?;
        Some(Self {
            ufrag: format!("{:016x}", u64::from_be_bytes(*ufrag)),
            password: format!("{:032x}", u128::from_be_bytes(*password)),
        })
    }
}

/// What a session does.
#[derive(Debug)]
pub(super) enum Output {
    /// Nothing until then, or until a datagram comes.
    Wait(Instant),
    /// Send this.
    Send { to: SocketAddr, datagram: Vec<u8> },
    /// A picture or a packet of sound came.
    Frame(Frame),
    /// A sender report came.
    Report(TrackKind, Report),
    /// The publisher has hung up, or is not heard of.
    Gone,
}

/// One frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: TrackKind,
    pub(super) rtp: u32,
    pub(super) data: Bytes,
    pub(super) is_keyframe: bool,
    /// Whether nothing is missing between it and the one before it.
    pub(super) follows: bool,
}

/// One publisher.
#[derive(Debug)]
pub(super) struct Peer {
    /// Large, and moved about with its session.
    rtc: Box<Rtc>,
    video: Option<Mid>,
    /// Where its datagrams are said to arrive; the socket does not tell under which of its addresses.
    addresses: Vec<SocketAddr>,
}

impl Ground {
    /// Sessions whose publishers reach the port of `bound` under these addresses. `None` without randomness.
    pub(super) fn new(addresses: &[IpAddr], bound: SocketAddr) -> Option<Self> {
        let provider: Arc<CryptoProvider> = Arc::new(str0m::crypto::from_feature_flags());
        // One certificate for all sessions: a publisher knows its session by the answer, which comes over HTTP.
        let certificate: DtlsCert = provider.dtls_provider.generate_certificate()?;
        let mut config = RtcConfig::new()
            .set_crypto_provider(provider)
            .set_dtls_cert(certificate)
            .set_ice_lite(true)
            .clear_codecs()
            .enable_opus(true, false)
            .set_reordering_size_audio(WHIP_REORDERED_SOUNDS_MAX)
            .set_reordering_size_video(WHIP_REORDERED_PACKETS_MAX);
        for (payload, again, mode, profile) in H264 {
            let codecs = config.codec_config();
            codecs.add_h264(payload.into(), Some(again.into()), mode, profile);
        }
        let port = bound.port();
        let addresses = addresses.iter().map(|ip| SocketAddr::new(*ip, port));
        Some(Self {
            config,
            addresses: addresses.collect(),
        })
    }

    /// A session that takes this offer, and the answer to it.
    pub(super) fn answer(
        &self,
        offer: &str,
        credentials: &Credentials,
        now: Instant,
    ) -> Result<(Peer, String), BeginError> {
        let refused = |why: &dyn std::fmt::Display| BeginError::Offer(why.to_string());
        let offer = SdpOffer::from_sdp_string(offer).map_err(|e| refused(&e))?;
        let own = IceCreds {
            ufrag: credentials.ufrag.clone(),
            pass: credentials.password.clone(),
        };
        let mut rtc = self
            .config
            .clone()
            .set_local_ice_credentials(own)
            .build(now);
        for address in &self.addresses {
            let candidate = Candidate::host(*address, "udp").map_err(|e| refused(&e))?;
            rtc.add_local_candidate(candidate);
        }
        let answer = rtc.sdp_api().accept_offer(offer).map_err(|e| refused(&e))?;
        let answer = answer.to_sdp_string();
        // RFC 9725 section 4.4.3: an offer is taken whole or not at all.
        let is_refused = |line: &str| line.starts_with("m=") && line.split(' ').nth(1) == Some("0");
        if answer.lines().any(is_refused) || answer.lines().any(|line| line == "a=inactive") {
            return Err(BeginError::Codecs);
        }
        let peer = Peer {
            rtc: Box::new(rtc),
            video: None,
            addresses: self.addresses.clone(),
        };
        Ok((peer, answer))
    }
}

impl Peer {
    /// Takes a datagram that came for this session. `false` when it is not the publisher's.
    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<bool, RtcError> {
        let family = |to: &&SocketAddr| to.is_ipv4() == from.is_ipv4();
        let Some(to) = self.addresses.iter().find(family) else {
            return Ok(false);
        };
        let Ok(received) = Receive::new(Protocol::Udp, from, *to, datagram) else {
            return Ok(false);
        };
        let input = Input::Receive(now, received);
        if !self.rtc.accepts(&input) {
            return Ok(false);
        }
        self.rtc.handle_input(input).map(|()| true)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), RtcError> {
        self.rtc.handle_input(Input::Timeout(now))
    }

    /// The next thing to do, until it is to wait.
    pub(super) fn poll(&mut self) -> Result<Output, RtcError> {
        loop {
            if !self.rtc.is_alive() {
                return Ok(Output::Gone);
            }
            let event = match self.rtc.poll_output()? {
                LibraryOutput::Timeout(at) => return Ok(Output::Wait(at)),
                LibraryOutput::Transmit(send) => {
                    return Ok(Output::Send {
                        to: send.destination,
                        datagram: send.contents.to_vec(),
                    });
                }
                LibraryOutput::Event(event) => event,
            };
            match event {
                Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                    return Ok(Output::Gone);
                }
                Event::MediaAdded(media) if media.kind == MediaKind::Video => {
                    self.video = Some(media.mid);
                }
                Event::MediaData(data) => {
                    if let Some(frame) = frame(data) {
                        return Ok(Output::Frame(frame));
                    }
                }
                Event::SenderFeedback(feedback) => {
                    let kind = self.rtc.media(feedback.mid).map(|media| media.kind());
                    let since = feedback.sender_info.ntp_time.duration_since(UNIX_EPOCH);
                    if let (Some(kind), Ok(since)) = (kind, since) {
                        let report = Report {
                            rtp: timestamp(feedback.sender_info.rtp_time),
                            micros: i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
                        };
                        return Ok(Output::Report(track_kind(kind), report));
                    }
                }
                _ => {}
            }
        }
    }

    /// Asks for a keyframe, if there is something to ask for one.
    pub(super) fn ask_for_keyframe(&mut self) {
        let writer = self.video.and_then(|mid| self.rtc.writer(mid));
        // Before its first packet nobody can be asked; then a publisher begins with one.
        writer.map(|mut writer| writer.request_keyframe(None, KeyframeRequestKind::Pli).ok());
    }

    /// Hangs up; what is to be sent for that comes out by [`Self::poll`].
    pub(super) fn close(&mut self) {
        // Where it cannot be said, the publisher hears of us no more.
        self.rtc.close().ok();
    }
}

/// The user fragment that a first datagram asks for, which is ours of some session.
pub(super) fn ufrag_asked(datagram: &[u8]) -> Option<String> {
    let message = StunMessage::parse(datagram).ok()?;
    let (ours, _) = message.split_username()?;
    Some(ours.to_owned())
}

fn frame(data: MediaData) -> Option<Frame> {
    let kind = match data.params.spec().codec {
        Codec::H264 => TrackKind::Video,
        Codec::Opus => TrackKind::Audio,
        _ => return None,
    };
    Some(Frame {
        kind,
        rtp: timestamp(data.time),
        is_keyframe: data.is_keyframe(),
        follows: data.contiguous,
        data: Bytes::from_owner(data.data),
    })
}

fn track_kind(kind: MediaKind) -> TrackKind {
    match kind {
        MediaKind::Audio => TrackKind::Audio,
        MediaKind::Video => TrackKind::Video,
    }
}

/// The 32 bits that were on the wire.
fn timestamp(time: MediaTime) -> u32 {
    let [.., a, b, c, d] = time.numer().to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}
