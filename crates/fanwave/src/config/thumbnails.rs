//! `[thumbnails]`: small pictures of shows for whoever seeks in them.

use fanwave_origin::{
    ThumbnailsConfig,
    limits::{
        THUMBNAIL_INTERVAL_MAX, THUMBNAIL_INTERVAL_MIN, THUMBNAIL_LINES_MAX, THUMBNAIL_LINES_MIN,
    },
};

use super::{check::Check, recording::chosen, schema, settings::KeyPath};

pub(super) fn plan(
    check: &mut Check<'_>,
    thumbnails: &schema::Thumbnails,
    channels: &[schema::Channel],
) -> ThumbnailsConfig {
    let key = |name| KeyPath::of("thumbnails", name);
    let range = THUMBNAIL_INTERVAL_MIN..=THUMBNAIL_INTERVAL_MAX;
    let lines = u64::from(THUMBNAIL_LINES_MIN)..=u64::from(THUMBNAIL_LINES_MAX);
    let planned = ThumbnailsConfig {
        channels: chosen(check, key("channels"), &thumbnails.channels, channels),
        interval: check.duration(key("interval"), &thumbnails.interval, range),
        lines: check.number(key("lines"), thumbnails.lines, lines),
    };
    if !planned.lines.is_multiple_of(2) {
        check.refuse(key("lines"), "must be an even number");
    }
    planned
}
