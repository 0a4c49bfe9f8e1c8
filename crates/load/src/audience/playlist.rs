//! What viewers share of a playlist: everybody who asks for the same part reads the same end of it, once.

use std::{collections::BTreeMap, io::Read, sync::Arc, time::Duration};

use flate2::read::GzDecoder;

use crate::{
    clock::nanos,
    limits::PLAYLIST_BYTES_MAX,
    worker::playlist::{self, Tail},
};

/// Playlists kept, in all renditions together: half a minute of parts, 300 bytes each.
const KEPT_MAX: usize = 1_024;

/// A blocking reload: which rendition, and the segment and part that were asked for; none for a plain request.
pub(super) type Wish = (usize, Option<(u64, u64)>);

/// What was read of playlists already.
#[derive(Debug, Default)]
pub(super) struct Library {
    read: BTreeMap<Wish, Arc<Tail>>,
    part_target_ns: u64,
}

impl Library {
    /// The end of the playlist that answers a wish, if somebody has read it.
    pub(super) fn find(&self, wish: Wish) -> Option<Arc<Tail>> {
        self.read.get(&wish).map(Arc::clone)
    }

    /// The longest part that the show has; a second before a playlist was read.
    pub(super) fn part_target_ns(&self) -> u64 {
        if self.part_target_ns == 0 {
            1_000_000_000
        } else {
            self.part_target_ns
        }
    }

    /// Reads it; none if it is no playlist. A plain request is answered otherwise each time, and read each time.
    pub(super) fn read(&mut self, wish: Wish, path: &str, body: &[u8]) -> Option<Arc<Tail>> {
        let text = unpacked(body)?;
        if !text.starts_with("#EXTM3U") {
            return None;
        }
        if let Some(target) = part_target(&text) {
            self.part_target_ns = nanos(target);
        }
        let tail = Arc::new(playlist::tail(path, &text, None));
        if wish.1.is_some() {
            self.read.insert(wish, Arc::clone(&tail));
            while self.read.len() > KEPT_MAX {
                self.read.pop_first();
            }
        }
        Some(tail)
    }
}

fn part_target(text: &str) -> Option<Duration> {
    let (_, rest) = text.split_once("#EXT-X-PART-INF:PART-TARGET=")?;
    let number = rest.split(['\n', '\r', ',']).next()?;
    Duration::try_from_secs_f64(number.parse().ok()?).ok()
}

/// A body as text, unpacked if it is packed.
pub(super) fn unpacked(body: &[u8]) -> Option<String> {
    let mut text = String::new();
    if body.starts_with(&[0x1f, 0x8b]) {
        let most = u64::try_from(PLAYLIST_BYTES_MAX).unwrap_or(u64::MAX);
        GzDecoder::new(body)
            .take(most)
            .read_to_string(&mut text)
            .ok()?;
    } else {
        text.push_str(std::str::from_utf8(body).ok()?);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[test]
    fn a_wish_is_read_once_and_a_plain_request_every_time() {
        let mut library = Library::default();
        let text = "#EXTM3U\n#EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-PART:DURATION=1,URI=\"v/7.0.m4s\"\n";
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        for body in [text.as_bytes(), &packed] {
            let tail = library
                .read((0, Some((7, 0))), "/live/p/v.m3u8", body)
                .unwrap();
            assert_eq!(
                (tail.next, tail.new_parts.clone()),
                ((7, 1), vec!["/live/p/v/7.0.m4s".to_owned()])
            );
            assert_eq!(library.find((0, Some((7, 0)))), Some(tail));
            assert!(library.read((0, None), "/", body).is_some());
        }
        assert_eq!(library.find((0, None)), None);
        assert_eq!(library.part_target_ns(), 500_000_000);
        assert!(
            library
                .read((0, None), "/", b"there is no such file")
                .is_none()
        );
        assert!(library.read((0, None), "/", &packed[..20]).is_none());
    }
}
