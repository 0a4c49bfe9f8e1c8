//! How urgent an answer is, for whoever schedules it: our own HTTP/2, or a CDN or a proxy that speaks HTTP/2 or HTTP/3 to players.
//!
//! Playlists go first, since nothing else can be asked for without them; then sound, which never waits for pictures; of
//! the pictures, what takes less bandwidth goes before what takes more: no high bitrate is above a low one (RFC 9218,
//! section 4.1; draft-pantos-hls-rfc8216bis, appendix B.1).

use axum::http::{HeaderName, HeaderValue};

/// The field that says it.
pub(super) const NAME: HeaderName = HeaderName::from_static("priority");

/// Of playlists.
pub(super) const PLAYLIST: HeaderValue = HeaderValue::from_static("u=1");

/// Of sound.
pub(super) const SOUND: HeaderValue = HeaderValue::from_static("u=2");

/// Of pictures, the most urgent first; whatever takes more bandwidth than these is like the last.
const PICTURES: [HeaderValue; 4] = [
    HeaderValue::from_static("u=3"),
    HeaderValue::from_static("u=4"),
    HeaderValue::from_static("u=5"),
    HeaderValue::from_static("u=6"),
];

/// Of what nobody waits for to go on watching.
pub(super) const LAST: HeaderValue = HeaderValue::from_static("u=6");

/// Of the pictures of a rendition, by how many renditions of its stream, sound among them, take less bandwidth.
pub(super) fn of_pictures(rank: usize) -> HeaderValue {
    let [.., last] = &PICTURES;
    PICTURES.get(rank.saturating_sub(1)).unwrap_or(last).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_bitrate_is_never_more_urgent_and_a_playlist_always_is() {
        let urgencies: Vec<_> = (0..10).map(of_pictures).collect();
        assert_eq!(urgencies[0], "u=3");
        assert_eq!(urgencies[9], "u=6");
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        assert!(
            urgencies
                .windows(2)
                .all(|pair| text(&pair[0]) <= text(&pair[1]))
        );
        assert!(text(&PLAYLIST) < text(&SOUND));
        assert!(text(&SOUND) < text(&urgencies[0]));
    }
}
