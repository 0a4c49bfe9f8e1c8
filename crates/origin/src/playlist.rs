//! A playlist as it goes out: rendered once, compressed once, shared by everybody who asks for that version.

use std::{
    cell::RefCell,
    sync::{Arc, OnceLock},
};

use axum::http::HeaderMap;
use bytes::Bytes;
use fanwave_live::{
    Snapshot,
    render::{self, Form, Multivariant},
};
use flate2::{Compress, Compression, FlushCompress, Status};

use crate::http::Prepared;

/// The largest window of deflate, bits (RFC 1951, section 2).
const WINDOW_BITS: u8 = 15;

thread_local! {
    /// 380 KB, for all playlists that are compressed on this thread, one after the other. One of its own for each would be more
    /// than the playlist; and the allocator of many systems (glibc before 2.38) does not find the place again that an aligned
    /// block of that size leaves, so that each of them would stay for ever.
    static PACKER: RefCell<Compress> =
        RefCell::new(Compress::new_gzip(Compression::default(), WINDOW_BITS));
}

/// One version of one playlist. Whoever asks first does the work; the others take the same bytes.
#[derive(Debug)]
pub(crate) struct Playlist {
    source: Source,
    text: OnceLock<Bytes>,
    gzip: OnceLock<Bytes>,
    /// The answers that have it: plain or held, and each packed or not.
    answers: [OnceLock<Arc<Prepared>>; 4],
}

#[derive(Debug)]
enum Source {
    Media(Arc<Snapshot>, Form),
    Multivariant(Multivariant),
    Text(Bytes),
}

impl Playlist {
    pub(crate) fn media(snapshot: Arc<Snapshot>, form: Form) -> Self {
        Self::new(Source::Media(snapshot, form))
    }

    pub(crate) fn multivariant(playlist: Multivariant) -> Self {
        Self::new(Source::Multivariant(playlist))
    }

    /// One that is text already.
    pub(crate) fn text_of(text: String) -> Self {
        Self::new(Source::Text(text.into()))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            text: OnceLock::new(),
            gzip: OnceLock::new(),
            answers: Default::default(),
        }
    }

    /// Whether it is of this version of its stream.
    pub(crate) fn is_version(&self, version: u64) -> bool {
        matches!(&self.source, Source::Media(snapshot, _) if snapshot.version == version)
    }

    /// The whole answer, which is made once for all who ask in the same way.
    pub(crate) fn prepared(
        &self,
        gzip: bool,
        held: bool,
        headers: impl FnOnce() -> HeaderMap,
    ) -> Arc<Prepared> {
        let [plain, packed, held_plain, held_packed] = &self.answers;
        let place = match (held, gzip) {
            (false, false) => plain,
            (false, true) => packed,
            (true, false) => held_plain,
            (true, true) => held_packed,
        };
        let make = || {
            let body = if gzip { self.gzip() } else { self.text() };
            Arc::new(Prepared::new(headers(), body))
        };
        Arc::clone(place.get_or_init(make))
    }

    pub(crate) fn text(&self) -> Bytes {
        let render = || match &self.source {
            Source::Media(snapshot, form) => render::media_playlist(snapshot, *form).into(),
            Source::Multivariant(playlist) => render::multivariant_playlist(playlist).into(),
            Source::Text(text) => text.clone(),
        };
        self.text.get_or_init(render).clone()
    }

    pub(crate) fn gzip(&self) -> Bytes {
        let compress = || PACKER.with_borrow_mut(|packer| pack(packer, &self.text()));
        self.gzip.get_or_init(compress).clone()
    }
}

/// A text in gzip's form (RFC 1952); the same text always becomes the same bytes.
fn pack(packer: &mut Compress, text: &[u8]) -> Bytes {
    packer.reset();
    let mut packed = Vec::with_capacity(text.len() / 4);
    loop {
        // It grows as vectors do, and the next call goes on where this one had to stop.
        packed.reserve(text.len() / 4 + 64);
        let taken = usize::try_from(packer.total_in()).unwrap_or(usize::MAX);
        let left = text.get(taken..).unwrap_or_default();
        match packer.compress_vec(left, &mut packed, FlushCompress::Finish) {
            Ok(Status::Ok | Status::BufError) => {}
            // Compressing in memory does not fail.
            Ok(Status::StreamEnd) | Err(_) => return packed.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn one_compressor_packs_any_texts_one_after_the_other(
            texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..2_000), 1..8),
            times in 1_usize..40,
        ) {
            let mut packer = Compress::new_gzip(Compression::default(), WINDOW_BITS);
            for text in texts {
                let text = text.repeat(times);
                let packed = pack(&mut packer, &text);
                let mut unpacked = Vec::new();
                GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
                prop_assert!(unpacked == text);
                let mut other = Compress::new_gzip(Compression::default(), WINDOW_BITS);
                prop_assert!(pack(&mut other, &text) == packed);
            }
        }
    }
}
