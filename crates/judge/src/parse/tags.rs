//! The tags that the draft defines, and where each belongs.

/// Which kind of playlist a tag belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Either kind (4.4.1, 4.4.2).
    Either,
    /// A whole media playlist (4.4.3).
    Media,
    /// Media segments (4.4.4).
    Segment,
    /// Metadata of a media playlist (4.4.5).
    Metadata,
    /// A multivariant playlist (4.4.6).
    Multivariant,
}

/// One tag.
#[derive(Debug)]
pub(super) struct Tag {
    /// Behind `#EXT`.
    pub(super) name: &'static str,
    pub(super) class: Class,
    /// Whether it may be there once only.
    pub(super) is_once: bool,
    /// Whether something follows behind a colon.
    pub(super) has_value: bool,
}

const fn tag(name: &'static str, class: Class, is_once: bool, has_value: bool) -> Tag {
    Tag {
        name,
        class,
        is_once,
        has_value,
    }
}

const TAGS: &[Tag] = &[
    tag("M3U", Class::Either, true, false),
    tag("-X-VERSION", Class::Either, true, true),
    tag("-X-INDEPENDENT-SEGMENTS", Class::Either, true, false),
    tag("-X-START", Class::Either, true, true),
    tag("-X-DEFINE", Class::Either, false, true),
    tag("-X-TARGETDURATION", Class::Media, true, true),
    tag("-X-MEDIA-SEQUENCE", Class::Media, true, true),
    tag("-X-DISCONTINUITY-SEQUENCE", Class::Media, true, true),
    tag("-X-ENDLIST", Class::Media, true, false),
    tag("-X-PLAYLIST-TYPE", Class::Media, true, true),
    tag("-X-I-FRAMES-ONLY", Class::Media, true, false),
    tag("-X-PART-INF", Class::Media, true, true),
    tag("-X-SERVER-CONTROL", Class::Media, true, true),
    tag("INF", Class::Segment, false, true),
    tag("-X-BYTERANGE", Class::Segment, false, true),
    tag("-X-DISCONTINUITY", Class::Segment, false, false),
    tag("-X-KEY", Class::Segment, false, true),
    tag("-X-MAP", Class::Segment, false, true),
    tag("-X-PROGRAM-DATE-TIME", Class::Segment, false, true),
    tag("-X-GAP", Class::Segment, false, false),
    tag("-X-BITRATE", Class::Segment, false, true),
    tag("-X-PART", Class::Segment, false, true),
    tag("-X-DATERANGE", Class::Metadata, false, true),
    tag("-X-SKIP", Class::Metadata, true, true),
    tag("-X-PRELOAD-HINT", Class::Metadata, false, true),
    tag("-X-RENDITION-REPORT", Class::Metadata, false, true),
    tag("-X-MEDIA", Class::Multivariant, false, true),
    tag("-X-STREAM-INF", Class::Multivariant, false, true),
    tag("-X-I-FRAME-STREAM-INF", Class::Multivariant, false, true),
    tag("-X-SESSION-DATA", Class::Multivariant, false, true),
    tag("-X-SESSION-KEY", Class::Multivariant, false, true),
    tag("-X-CONTENT-STEERING", Class::Multivariant, true, true),
];

/// The tag of this name, without `#EXT`.
pub(super) fn find(name: &str) -> Option<&'static Tag> {
    TAGS.iter().find(|tag| tag.name == name)
}
