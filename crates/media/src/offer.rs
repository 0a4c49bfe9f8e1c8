//! An SDP offer (RFC 8866) as far as it has to be known before it is answered: what will be sent, and whether that can be taken.
//!
//! What is refused here is refused in words that a person at the encoder understands.
//!
//! The protocol's machine reads the offer again and in full; this comes first, so that whoever sends what cannot be taken
//! costs nobody their place.

use thiserror::Error;

use crate::{
    limits::{OFFER_BYTES_MAX, OFFER_LINES_MAX},
    rtp::Offered,
};

/// What an offer is refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OfferError {
    /// It is no SDP.
    #[error("the body is no SDP offer")]
    NoSdp,
    /// It is longer than any real one.
    #[error("the offer has more than {OFFER_LINES_MAX} lines or {OFFER_BYTES_MAX} bytes")]
    TooLong,
    /// It offers nothing.
    #[error("the offer has neither video nor audio")]
    NoMedia,
    /// It offers two tracks of a kind.
    #[error("the offer has two of video or two of audio: send one of each")]
    Several,
    /// It offers what is neither.
    #[error("the offer has something else than video and audio, such as a data channel")]
    OtherMedia,
    /// It only wants to receive.
    #[error("the offer does not send: its direction has to be sendonly or sendrecv")]
    NotSending,
    /// Its pictures are of other codecs.
    #[error("the offer has video without H.264")]
    NoH264,
    /// Its sound is of other codecs.
    #[error("the offer has audio without Opus")]
    NoOpus,
    /// Nobody could come by it.
    #[error("the offer has no ICE credentials")]
    NoIce,
}

/// What an offer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What will be sent.
    pub offered: Offered,
    /// The publisher's ICE user fragment.
    pub ufrag: String,
}

/// One `m=` line and what is under it.
#[derive(Debug)]
struct Section {
    is_video: bool,
    sends: bool,
    has_codec: bool,
}

impl Offer {
    /// Reads an offer.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub fn parse(text: &str) -> Result<Self, OfferError> {
        if text.len() > OFFER_BYTES_MAX || text.lines().count() > OFFER_LINES_MAX {
            return Err(OfferError::TooLong);
        }
        let mut lines = text.lines().map(str::trim_end);
        if lines.next() != Some("v=0") {
            return Err(OfferError::NoSdp);
        }
        let mut sections = Vec::<Section>::new();
        // What is said for the whole session is so for each section that does not say otherwise.
        let mut session_sends = true;
        let mut ufrag = None;
        for line in lines {
            if let Some(media) = line.strip_prefix("m=") {
                sections.push(Section {
                    is_video: is_video(media)?,
                    sends: session_sends,
                    has_codec: false,
                });
            } else if let Some(fragment) = line.strip_prefix("a=ice-ufrag:") {
                ufrag.get_or_insert(fragment);
            } else if let Some(sends) = direction(line) {
                let place = sections.last_mut().map(|section| &mut section.sends);
                *place.unwrap_or(&mut session_sends) = sends;
            } else if let Some(section) = sections.last_mut() {
                section.has_codec |= is_codec(line, section.is_video);
            }
        }
        let offered = offered(&sections)?;
        let ufrag = ufrag.filter(|text| is_ufrag(text));
        Ok(Self {
            offered,
            ufrag: ufrag.ok_or(OfferError::NoIce)?.to_owned(),
        })
    }
}

fn offered(sections: &[Section]) -> Result<Offered, OfferError> {
    let count = |video| sections.iter().filter(|s| s.is_video == video).count();
    let (video, audio) = (count(true), count(false));
    if video > 1 || audio > 1 {
        return Err(OfferError::Several);
    }
    if video + audio == 0 {
        return Err(OfferError::NoMedia);
    }
    for section in sections {
        if !section.sends {
            return Err(OfferError::NotSending);
        }
        if !section.has_codec {
            return Err(if section.is_video {
                OfferError::NoH264
            } else {
                OfferError::NoOpus
            });
        }
    }
    Ok(Offered {
        video: video == 1,
        audio: audio == 1,
    })
}

fn is_video(media: &str) -> Result<bool, OfferError> {
    match media.split(' ').next() {
        Some("video") => Ok(true),
        Some("audio") => Ok(false),
        _ => Err(OfferError::OtherMedia),
    }
}

/// Whether a line of direction says that the publisher sends.
fn direction(line: &str) -> Option<bool> {
    match line {
        "a=sendonly" | "a=sendrecv" => Some(true),
        "a=recvonly" | "a=inactive" => Some(false),
        _ => None,
    }
}

/// Whether a line is the codec that is taken: `a=rtpmap:96 H264/90000`, or `a=rtpmap:111 opus/48000/2`.
fn is_codec(line: &str, video: bool) -> bool {
    let codec = line
        .strip_prefix("a=rtpmap:")
        .and_then(|map| map.split_once(' '));
    let wanted = if video { "h264/90000" } else { "opus/48000/2" };
    codec.is_some_and(|(_, codec)| codec.eq_ignore_ascii_case(wanted))
}

/// RFC 8839 section 5.4: four to 256 characters of a small alphabet.
fn is_ufrag(text: &str) -> bool {
    let is_ice = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-');
    (4..=256).contains(&text.len()) && text.bytes().all(is_ice)
}

/// The ICE user fragment in a piece of SDP (RFC 8840 section 9), if it has one.
#[must_use]
pub fn fragment_ufrag(fragment: &str) -> Option<&str> {
    fragment
        .lines()
        .find_map(|line| line.trim_end().strip_prefix("a=ice-ufrag:"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz;
    use proptest::prelude::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\na=sendonly\r\n\
        a=rtpmap:111 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=ice-ufrag:EsAw\r\na=sendonly\r\na=rtpmap:96 VP8/90000\r\n\
        a=rtpmap:97 H264/90000\r\n";

    #[test]
    fn what_will_be_sent_is_read() {
        let offer = Offer::parse(OFFER).unwrap();
        let both = Offered {
            video: true,
            audio: true,
        };
        assert_eq!((offer.offered, offer.ufrag.as_str()), (both, "EsAw"));
        let alone = OFFER.split("m=video").next().unwrap();
        let offered = Offer::parse(&alone.replace("\r\n", "\n")).unwrap().offered;
        assert_eq!((offered.video, offered.audio), (false, true));
        assert_eq!(fragment_ufrag("a=ice-ufrag:abcd\r\n"), Some("abcd"));
        assert_eq!(fragment_ufrag("a=end-of-candidates"), None);
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        let session = OFFER.split("m=audio").next().unwrap();
        let cases = [
            (String::new(), OfferError::NoSdp),
            ("{\"sdp\":\"v=0\"}".into(), OfferError::NoSdp),
            (session.into(), OfferError::NoMedia),
            (OFFER.repeat(2), OfferError::Several),
            (
                format!("{OFFER}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"),
                OfferError::OtherMedia,
            ),
            (
                OFFER.replace("sendonly", "recvonly"),
                OfferError::NotSending,
            ),
            (
                OFFER
                    .replace("t=0 0", "a=inactive")
                    .replace("a=sendonly\r\n", ""),
                OfferError::NotSending,
            ),
            (OFFER.replace("H264", "H265"), OfferError::NoH264),
            (
                OFFER.replace("opus/48000/2", "opus/48000"),
                OfferError::NoOpus,
            ),
            (OFFER.replace("ice-ufrag", "ice-other"), OfferError::NoIce),
            (OFFER.replace("EsAw", "Es w"), OfferError::NoIce),
            (
                format!("v=0\r\n{}", "a=x\r\n".repeat(OFFER_LINES_MAX)),
                OfferError::TooLong,
            ),
            (
                format!("v=0\r\na={}", "x".repeat(OFFER_BYTES_MAX)),
                OfferError::TooLong,
            ),
        ];
        for (text, error) in cases {
            assert_eq!(Offer::parse(&text), Err(error), "{text:.40}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,200}", at in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>()) {
            fuzz::offer(text.as_bytes());
            let mut broken = OFFER.to_owned();
            let place = broken.floor_char_boundary(at.index(broken.len()));
            broken.insert_str(place, &text);
            broken.truncate(broken.floor_char_boundary(cut.index(broken.len())));
            fuzz::offer(broken.as_bytes());
        }
    }
}
