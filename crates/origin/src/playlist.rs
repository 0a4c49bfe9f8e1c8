//! A playlist as it goes out: rendered once, compressed once, shared by everybody who asks for that version.

use std::{
    io::Write,
    sync::{Arc, OnceLock},
};

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
}

#[derive(Debug)]
enum Source {
    Media(Arc<Snapshot>, Form),
    Multivariant(Multivariant),
}

impl Playlist {
    pub(crate) fn media(snapshot: Arc<Snapshot>, form: Form) -> Self {
        Self::new(Source::Media(snapshot, form))
    }

    pub(crate) fn multivariant(playlist: Multivariant) -> Self {
        Self::new(Source::Multivariant(playlist))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            text: OnceLock::new(),
            gzip: OnceLock::new(),
        }
    }

    /// Whether it is of this version of its stream.
    pub(crate) fn is_version(&self, version: u64) -> bool {
        matches!(&self.source, Source::Media(snapshot, _) if snapshot.version == version)
    }

    pub(crate) fn text(&self) -> Bytes {
        let render = || match &self.source {
            Source::Media(snapshot, form) => render::media_playlist(snapshot, *form).into(),
            Source::Multivariant(playlist) => render::multivariant_playlist(playlist).into(),
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
