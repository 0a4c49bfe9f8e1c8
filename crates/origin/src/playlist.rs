//! A playlist as it goes out: rendered once, compressed once, shared by everybody who asks for that version.

use std::{
    io::Write,
    sync::{Arc, OnceLock},
};

use axum::http::HeaderMap;
use bytes::Bytes;
use fanwave_live::{
    Snapshot,
    render::{self, Form, Multivariant},
};
use flate2::{Compression, write::GzEncoder};

/// One version of one playlist. Whoever asks first does the work; the others take the same bytes.
#[derive(Debug)]
pub(crate) struct Playlist {
    source: Source,
    text: OnceLock<Bytes>,
    gzip: OnceLock<Bytes>,
    /// What is said with it: plain or held, and each packed or not.
    heads: [OnceLock<HeaderMap>; 4],
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
            heads: Default::default(),
        }
    }

    /// Whether it is of this version of its stream.
    pub(crate) fn is_version(&self, version: u64) -> bool {
        matches!(&self.source, Source::Media(snapshot, _) if snapshot.version == version)
    }

    /// The whole answer, with a head that is made once for all who ask in the same way.
    pub(crate) fn prepared(
        &self,
        gzip: bool,
        held: bool,
        head: impl FnOnce() -> HeaderMap,
    ) -> (HeaderMap, Bytes) {
        let [plain, packed, held_plain, held_packed] = &self.heads;
        let (place, bytes) = match (held, gzip) {
            (false, false) => (plain, self.text()),
            (false, true) => (packed, self.gzip()),
            (true, false) => (held_plain, self.text()),
            (true, true) => (held_packed, self.gzip()),
        };
        (place.get_or_init(head).clone(), bytes)
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
        let compress = || {
            let text = self.text();
            let mut encoder =
                GzEncoder::new(Vec::with_capacity(text.len() / 4), Compression::default());
            // Writing to memory does not fail.
            encoder
                .write_all(&text)
                .and_then(|()| encoder.finish())
                .unwrap_or_default()
                .into()
        };
        self.gzip.get_or_init(compress).clone()
    }
}
