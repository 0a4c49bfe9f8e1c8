//! A media playlist as a reader who never saw our writer understands it.

use quick_m3u8::{
    HlsLine, Reader,
    config::ParsingOptions,
    tag::{KnownTag, hls::Tag},
};

#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Parsed {
    pub(super) version: u64,
    pub(super) target_duration: u64,
    pub(super) part_target: f64,
    pub(super) server_control: (f64, f64, bool),
    pub(super) media_sequence: u64,
    pub(super) discontinuity_sequence: u64,
    pub(super) segments: Vec<Segment>,
    /// Parts after the last whole segment, with the tags before them.
    pub(super) open: Segment,
    pub(super) hints: Vec<String>,
    pub(super) reports: Vec<(String, u64, u64)>,
    pub(super) ended: bool,
    /// Segments left out, and the date ranges that were removed.
    pub(super) skipped: Option<(u64, Option<String>)>,
    /// Ids of the date ranges, in the order of their lines.
    pub(super) ranges: Vec<String>,
}

#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Segment {
    pub(super) uri: String,
    pub(super) duration: f64,
    pub(super) gap: bool,
    pub(super) discontinuities: u64,
    pub(super) map: Option<String>,
    pub(super) date: Option<String>,
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) uri: String,
    pub(super) duration: f64,
    pub(super) independent: bool,
    pub(super) gap: bool,
}

impl Parsed {
    /// Reads a playlist; panics at anything that is not well-formed, known, and in its place.
    pub(super) fn read(text: &str) -> Self {
        let mut parsed = Self::default();
        let mut reader = Reader::from_str(text, ParsingOptions::default());
        let mut first = true;
        while let Some(line) = reader.read_line().expect("every line parses") {
            match line {
                HlsLine::KnownTag(KnownTag::Hls(tag)) => {
                    assert_eq!(
                        first,
                        matches!(tag, Tag::M3u(_)),
                        "EXTM3U is the first line, once"
                    );
                    parsed.tag(&tag);
                }
                HlsLine::Uri(uri) => {
                    parsed.open.uri = uri.into_owned();
                    parsed.segments.push(std::mem::take(&mut parsed.open));
                }
                other => panic!("an unexpected line: {other:?}"),
            }
            first = false;
        }
        parsed
    }

    fn tag(&mut self, tag: &Tag<'_>) {
        let before_media = self.segments.is_empty() && self.open == Segment::default();
        match tag {
            Tag::M3u(_) | Tag::IndependentSegments(_) => assert!(before_media),
            Tag::Version(tag) => self.version = tag.version(),
            Tag::Targetduration(tag) => self.target_duration = tag.target_duration(),
            Tag::PartInf(tag) => self.part_target = tag.part_target(),
            Tag::ServerControl(tag) => {
                let hold_backs = (tag.part_hold_back().unwrap(), tag.hold_back().unwrap());
                self.server_control = (hold_backs.0, hold_backs.1, tag.can_block_reload());
            }
            Tag::MediaSequence(tag) => {
                assert!(before_media);
                self.media_sequence = tag.media_sequence();
            }
            Tag::DiscontinuitySequence(tag) => {
                assert!(before_media);
                self.discontinuity_sequence = tag.discontinuity_sequence();
            }
            Tag::Inf(tag) => self.open.duration = tag.duration(),
            Tag::Discontinuity(_) | Tag::Map(_) | Tag::ProgramDateTime(_) => self.segment_tag(tag),
            Tag::Part(tag) => {
                assert!(
                    !self.ended && self.hints.is_empty(),
                    "parts come before the hint"
                );
                let (uri, duration) = (tag.uri().to_owned(), tag.duration());
                self.open.parts.push(Part {
                    uri,
                    duration,
                    independent: tag.independent(),
                    gap: tag.gap(),
                });
            }
            Tag::PreloadHint(tag) => self.hints.push(tag.uri().to_owned()),
            Tag::RenditionReport(tag) => {
                self.reports.push((
                    tag.uri().to_owned(),
                    tag.last_msn(),
                    tag.last_part().unwrap(),
                ));
            }
            Tag::Endlist(_) => self.ended = true,
            Tag::Gap(_) => self.open.gap = true,
            Tag::Skip(tag) => {
                assert!(before_media && self.skipped.is_none());
                let removed = tag.recently_removed_dateranges().map(str::to_owned);
                self.skipped = Some((tag.skipped_segments(), removed));
            }
            Tag::Daterange(tag) => self.ranges.push(tag.id().to_owned()),
            other => panic!("an unexpected tag: {other:?}"),
        }
    }

    fn segment_tag(&mut self, tag: &Tag<'_>) {
        assert!(
            self.open.parts.is_empty(),
            "a segment's tags precede its first part"
        );
        match tag {
            Tag::Discontinuity(_) => self.open.discontinuities += 1,
            Tag::Map(tag) => self.open.map = Some(tag.uri().to_owned()),
            Tag::ProgramDateTime(tag) => self.open.date = Some(tag.program_date_time().to_string()),
            other => panic!("not a segment's tag: {other:?}"),
        }
    }

    /// Whole segments and the growing one if it has parts, each with its media sequence and discontinuity
    /// sequence number.
    pub(super) fn numbered(&self) -> Vec<(u64, u64, &Segment)> {
        let open = Some(&self.open).filter(|open| !open.parts.is_empty());
        let mut discontinuity = self.discontinuity_sequence;
        let numbered = (self.media_sequence..).zip(self.segments.iter().chain(open));
        let number = |(msn, segment): (u64, _)| {
            let segment: &Segment = segment;
            discontinuity += segment.discontinuities;
            (msn, discontinuity, segment)
        };
        numbered.map(number).collect()
    }
}
