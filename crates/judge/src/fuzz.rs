//! Bodies of the fuzz targets: each takes any bytes and panics when a law is broken.
//!
//! They live here so that the targets are one line each, and so that a test runs them on every change.

use std::{sync::Arc, time::Duration};

use crate::{
    boxes,
    check::{delta, playlist, updates::Watch},
    limits::{FAULTS_PER_LOOK_MAX, PLAYLIST_LINES_MAX},
    parse::{Content, parse},
};

/// A playlist from a stranger is read the same way every time, and every checker has an opinion on it without falling over:
/// by itself, as a version before and after itself, and as its own delta.
pub fn fuzz_playlist(data: &[u8]) {
    let parsed = parse(data);
    assert_eq!(parsed, parse(data), "reading is a function of the bytes");
    assert!(
        parsed.faults.len() <= FAULTS_PER_LOOK_MAX,
        "faults are bounded"
    );
    let lines = String::from_utf8_lossy(data).lines().count();
    for fault in &parsed.faults {
        assert!(
            fault
                .line
                .is_none_or(|line| line >= 1 && line <= lines.clamp(1, PLAYLIST_LINES_MAX)),
            "faults are in lines that exist"
        );
    }
    let Content::Media(media) = parsed.content else {
        return;
    };
    drop(playlist::check(&media));
    drop(delta::check(delta::Skip::Yes, &media, &media));
    let media = Arc::new(*media);
    let mut watch = Watch::default();
    drop(watch.see(Duration::ZERO, Duration::ZERO, &media));
    let again = watch.see(Duration::from_millis(1), Duration::from_secs(3600), &media);
    assert!(again.new.is_empty(), "the same version brings nothing new");
    assert!(
        again.faults.is_empty(),
        "the same version changes nothing: {:?}",
        again.faults
    );
}

/// Media from a stranger is read without falling over, against an init section that is its first half.
pub fn fuzz_boxes(data: &[u8]) {
    let (first, second) = data.split_at(data.len() / 2);
    let init = boxes::init(first).unwrap_or_default();
    drop(boxes::media(second, &init));
    drop(boxes::media(data, &init));
}
