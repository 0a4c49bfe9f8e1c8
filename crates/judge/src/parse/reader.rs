//! Reads the lines of a media playlist.

use super::{
    Line, Said,
    attributes::{Attributes, Definition, Type, integer, seconds},
    date,
    media::{Hint, Media, Part, Range, Report, Segment},
};
use crate::{finding::Fault, rules::Rule};

const YES: Type = Type::OneOf(&["YES"]);
const YES_OR_NO: Type = Type::OneOf(&["YES", "NO"]);

const PART_INF: &[Definition] = &[("PART-TARGET", Type::Decimal, true)];
const SERVER_CONTROL: &[Definition] = &[
    ("CAN-SKIP-UNTIL", Type::Decimal, false),
    ("CAN-SKIP-DATERANGES", YES_OR_NO, false),
    ("HOLD-BACK", Type::Decimal, false),
    ("PART-HOLD-BACK", Type::Decimal, false),
    ("CAN-BLOCK-RELOAD", YES_OR_NO, false),
];
const MAP: &[Definition] = &[
    ("URI", Type::Quoted, true),
    ("BYTERANGE", Type::Quoted, false),
];
const KEY: &[Definition] = &[
    (
        "METHOD",
        Type::OneOf(&[
            "NONE",
            "AES-128",
            "SAMPLE-AES",
            "SAMPLE-AES-CTR",
            "AES-256-GCM",
        ]),
        true,
    ),
    ("URI", Type::Quoted, false),
    ("KEYFORMAT", Type::Quoted, false),
    ("KEYFORMATVERSIONS", Type::Quoted, false),
];
const PART: &[Definition] = &[
    ("URI", Type::Quoted, true),
    ("DURATION", Type::Decimal, true),
    ("INDEPENDENT", YES_OR_NO, false),
    ("BYTERANGE", Type::Quoted, false),
    ("GAP", YES_OR_NO, false),
];
const SKIP: &[Definition] = &[
    ("SKIPPED-SEGMENTS", Type::Integer, true),
    ("RECENTLY-REMOVED-DATERANGES", Type::MaybeEmpty, false),
];
const HINT: &[Definition] = &[
    ("TYPE", Type::OneOf(&["PART", "MAP"]), true),
    ("URI", Type::Quoted, true),
    ("BYTERANGE-START", Type::Integer, false),
    ("BYTERANGE-LENGTH", Type::Integer, false),
];
const REPORT: &[Definition] = &[
    ("URI", Type::Quoted, false),
    ("LAST-MSN", Type::Integer, false),
    ("LAST-PART", Type::Integer, false),
];
const DATE_RANGE: &[Definition] = &[
    ("ID", Type::Quoted, true),
    ("CLASS", Type::Quoted, false),
    ("START-DATE", Type::Quoted, false),
    ("END-DATE", Type::Quoted, false),
    ("DURATION", Type::Decimal, false),
    ("PLANNED-DURATION", Type::Decimal, false),
    ("END-ON-NEXT", YES, false),
];
const START: &[Definition] = &[
    ("TIME-OFFSET", Type::Signed, true),
    ("PRECISE", YES_OR_NO, false),
];

/// Numbers end here, so that none is given twice in a playlist that begins with the highest.
const SEQUENCE_MAX: u64 = u64::MAX / 2;

/// Reads the lines of a media playlist.
pub(super) fn read(lines: &[Line<'_>], faults: &mut Vec<Fault>) -> Media {
    let mut reader = Reader {
        media: Media::default(),
        next: Segment::default(),
        has_extinf: false,
        discontinuity: 0,
        faults,
    };
    reader.media.needs_version = (1, "nothing");
    for line in lines {
        match line.said {
            Said::Uri(uri) => reader.uri(line.number, uri),
            Said::Tag(tag, value) => {
                if !reader.of_playlist(tag.name, value, line.number) {
                    reader.of_segment(tag.name, value, line.number);
                }
            }
        }
    }
    reader.end()
}

struct Reader<'a> {
    media: Media,
    /// The segment whose URI has not come yet.
    next: Segment,
    has_extinf: bool,
    /// EXT-X-DISCONTINUITY so far.
    discontinuity: u64,
    faults: &'a mut Vec<Fault>,
}

impl Reader<'_> {
    fn fault(&mut self, rule: Rule, seen: String, expected: &str, line: usize) {
        self.faults.push(Fault::new(rule, seen, expected).at(line));
    }

    fn number(&mut self, name: &str, value: &str, line: usize) -> Option<u64> {
        let number = integer(value);
        if number.is_none() {
            self.fault(
                Rule::Syntax,
                format!("#EXT{name}:{value}"),
                "a decimal-integer",
                line,
            );
        }
        number
    }

    fn needs(&mut self, version: u64, why: &'static str) {
        if version > self.media.needs_version.0 {
            self.media.needs_version = (version, why);
        }
    }

    fn attributes(
        &mut self,
        tag: &'static str,
        line: usize,
        value: &str,
        of: &[Definition],
    ) -> Attributes {
        let attributes = Attributes::parse((tag, line), value, of, self.faults);
        if attributes.has_prefix("REQ-") {
            self.needs(12, "an attribute whose name begins with REQ-");
        }
        attributes
    }

    /// Tags of the whole playlist. Whether it was one.
    fn of_playlist(&mut self, name: &'static str, value: &str, line: usize) -> bool {
        match name {
            "M3U" | "-X-INDEPENDENT-SEGMENTS" => {}
            "-X-VERSION" => {
                let version = self.number(name, value, line);
                self.media.version = self
                    .media
                    .version
                    .or(version.map(|version| (version, line)));
            }
            "-X-TARGETDURATION" => {
                let target = self.number(name, value, line);
                self.media.target = self.media.target.or(target.map(|target| (target, line)));
            }
            "-X-MEDIA-SEQUENCE" => {
                self.late("EXT-X-MEDIA-SEQUENCE", line);
                self.media.sequence = self.number(name, value, line).unwrap_or_default();
            }
            "-X-DISCONTINUITY-SEQUENCE" => {
                self.late("EXT-X-DISCONTINUITY-SEQUENCE", line);
                self.media.discontinuity_sequence = self.number(name, value, line);
            }
            "-X-ENDLIST" => self.media.is_ended = true,
            "-X-I-FRAMES-ONLY" => {
                self.media.is_i_frames_only = true;
                self.needs(4, "EXT-X-I-FRAMES-ONLY");
            }
            "-X-PLAYLIST-TYPE" => {
                if !matches!(value, "EVENT" | "VOD") {
                    self.fault(
                        Rule::Syntax,
                        format!("#EXT{name}:{value}"),
                        "EVENT or VOD",
                        line,
                    );
                }
                self.media.playlist_type = Some((value.to_owned(), line));
            }
            "-X-PART-INF" => {
                let list = self.attributes("EXT-X-PART-INF", line, value, PART_INF);
                let target = list.seconds("PART-TARGET");
                self.media.part_target = target.map(|target| (target, line));
            }
            "-X-SERVER-CONTROL" => {
                let list = self.attributes("EXT-X-SERVER-CONTROL", line, value, SERVER_CONTROL);
                self.media.control = Some(list);
            }
            "-X-START" => {
                let list = self.attributes("EXT-X-START", line, value, START);
                let offset = list.raw("TIME-OFFSET").unwrap_or_default().to_owned();
                self.media.start = Some((offset, line));
            }
            "-X-DEFINE" => {
                let list = self.attributes("EXT-X-DEFINE", line, value, &[]);
                self.needs(8, "EXT-X-DEFINE");
                if list.raw("QUERYPARAM").is_some() {
                    self.needs(11, "EXT-X-DEFINE with QUERYPARAM");
                }
            }
            _ => return self.of_metadata(name, value, line),
        }
        true
    }

    fn of_metadata(&mut self, name: &'static str, value: &str, line: usize) -> bool {
        match name {
            "-X-SKIP" => {
                let list = self.attributes("EXT-X-SKIP", line, value, SKIP);
                let skipped = list.integer("SKIPPED-SEGMENTS").unwrap_or_default();
                self.media.skip = Some((skipped, line));
                let removed = list.raw("RECENTLY-REMOVED-DATERANGES");
                self.media.removed_date_ranges = removed.map(str::to_owned);
                self.needs(9, "EXT-X-SKIP");
            }
            "-X-PRELOAD-HINT" => {
                let list = self.attributes("EXT-X-PRELOAD-HINT", line, value, HINT);
                let word = |name| list.raw(name).unwrap_or_default().to_owned();
                self.media.hints.push(Hint {
                    line,
                    kind: word("TYPE"),
                    uri: word("URI"),
                    start: list.integer("BYTERANGE-START"),
                    length: list.integer("BYTERANGE-LENGTH"),
                });
            }
            "-X-RENDITION-REPORT" => {
                let list = self.attributes("EXT-X-RENDITION-REPORT", line, value, REPORT);
                self.media.reports.push(Report {
                    line,
                    uri: list.raw("URI").map(str::to_owned),
                    msn: list.integer("LAST-MSN"),
                    part: list.integer("LAST-PART"),
                });
            }
            "-X-DATERANGE" => {
                let list = self.attributes("EXT-X-DATERANGE", line, value, DATE_RANGE);
                self.media.date_ranges.push(list);
            }
            _ => return false,
        }
        true
    }

    /// Takes note of a sequence tag behind the first segment or its tags.
    fn late(&mut self, name: &'static str, line: usize) {
        let has_begun = !self.media.segments.is_empty()
            || !self.next.parts.is_empty()
            || self.media.skip.is_some()
            || self.discontinuity > 0;
        if has_begun {
            self.media.late_sequences.push((name, line));
        }
    }

    /// Takes note of a tag of the segment that comes after the segment's first part.
    fn after_parts(&mut self, name: &'static str, line: usize) {
        if !self.next.parts.is_empty() {
            self.next.late.push((name, line));
        }
    }

    fn of_segment(&mut self, name: &'static str, value: &str, line: usize) {
        if self.next.line == 0 {
            self.next.line = line;
        }
        match name {
            "INF" => self.extinf(value, line),
            "-X-BYTERANGE" => {
                self.needs(4, "EXT-X-BYTERANGE");
                self.next.range = self.range(value, line);
            }
            "-X-DISCONTINUITY" => {
                self.after_parts("EXT-X-DISCONTINUITY", line);
                self.discontinuity += 1;
                self.next.discontinuities += 1;
            }
            "-X-KEY" => {
                self.after_parts("EXT-X-KEY", line);
                let list = self.attributes("EXT-X-KEY", line, value, KEY);
                if list.raw("IV").is_some() {
                    self.needs(2, "the IV of EXT-X-KEY");
                }
                if list.raw("KEYFORMAT").is_some() || list.raw("METHOD") == Some("SAMPLE-AES") {
                    self.needs(5, "KEYFORMAT or SAMPLE-AES of EXT-X-KEY");
                }
                let is_none = list.raw("METHOD") == Some("NONE");
                self.next.key = (!is_none).then(|| list.sorted());
            }
            "-X-MAP" => {
                self.after_parts("EXT-X-MAP", line);
                let list = self.attributes("EXT-X-MAP", line, value, MAP);
                self.needs(6, "EXT-X-MAP");
                let range = list
                    .raw("BYTERANGE")
                    .and_then(|range| self.range(range, line));
                self.next.map = list.raw("URI").map(|uri| (uri.to_owned(), range));
            }
            "-X-PROGRAM-DATE-TIME" => {
                self.after_parts("EXT-X-PROGRAM-DATE-TIME", line);
                self.next.date = date::parse(value);
                if self.next.date.is_none() {
                    let seen = format!("EXT-X-PROGRAM-DATE-TIME:{value}");
                    self.fault(Rule::Syntax, seen, "YYYY-MM-DDThh:mm:ss.SSSZ", line);
                }
            }
            "-X-GAP" => self.next.is_gap = true,
            "-X-BITRATE" => drop(self.number(name, value, line)),
            "-X-PART" => self.part(value, line),
            _ => {}
        }
    }

    fn extinf(&mut self, value: &str, line: usize) {
        let Some((duration, _)) = value.split_once(',') else {
            self.fault(
                Rule::Syntax,
                format!("#EXTINF:{value}"),
                "a comma behind the duration",
                line,
            );
            self.has_extinf = true;
            self.next.duration = seconds(value).unwrap_or_default();
            return;
        };
        self.has_extinf = true;
        self.next.is_whole = integer(duration).is_some();
        match seconds(duration) {
            Some(duration) => self.next.duration = duration,
            None => self.fault(
                Rule::Syntax,
                format!("#EXTINF:{value}"),
                "a duration in seconds",
                line,
            ),
        }
        if !self.next.is_whole {
            self.needs(3, "EXTINF with a fraction");
        }
    }

    fn range(&mut self, text: &str, line: usize) -> Option<Range> {
        let (length, offset) = match text.split_once('@') {
            Some((length, offset)) => (integer(length), Some(integer(offset))),
            None => (integer(text), None),
        };
        match (length, offset) {
            (Some(length), None) => Some((length, None)),
            (Some(length), Some(Some(offset))) => Some((length, Some(offset))),
            _ => {
                self.fault(
                    Rule::Attribute,
                    format!("the byte range `{text}`"),
                    "<n>[@<o>]",
                    line,
                );
                None
            }
        }
    }

    fn part(&mut self, value: &str, line: usize) {
        let list = self.attributes("EXT-X-PART", line, value, PART);
        let uri = list.raw("URI").unwrap_or_default().to_owned();
        let range = list
            .raw("BYTERANGE")
            .and_then(|range| self.range(range, line));
        // An offset that is not said follows from the part before.
        let range = range.map(|(length, offset)| {
            let before = self.next.parts.last().filter(|part| part.uri == uri);
            let follows = before
                .and_then(|part| part.range)
                .and_then(|(length, offset)| offset.and_then(|offset| offset.checked_add(length)));
            (length, offset.or(follows).or(Some(0)))
        });
        self.next.parts.push(Part {
            line,
            uri,
            duration: list.seconds("DURATION").unwrap_or_default(),
            is_independent: list.is_yes("INDEPENDENT"),
            is_gap: list.is_yes("GAP"),
            range,
        });
    }

    fn uri(&mut self, line: usize, uri: &str) {
        if !self.has_extinf {
            self.fault(
                Rule::Syntax,
                format!("the URI `{uri}` without EXTINF"),
                "EXTINF before each URI",
                line,
            );
        }
        self.has_extinf = false;
        let mut segment = std::mem::take(&mut self.next);
        // What applies until it is said otherwise.
        self.next.map.clone_from(&segment.map);
        self.next.key.clone_from(&segment.key);
        segment.line = line;
        segment.uri = Some(uri.to_owned());
        segment.discontinuity = self.discontinuity;
        self.media.segments.push(segment);
    }

    /// Gives every segment its numbers: the tags that say where they begin may stand behind them.
    fn end(mut self) -> Media {
        if self.has_extinf {
            let line = self.next.line;
            self.fault(
                Rule::Syntax,
                "EXTINF without a URI".to_owned(),
                "a URI behind it",
                line,
            );
        }
        self.next.discontinuity = self.discontinuity;
        self.media.open = self.next;
        let skipped = self.media.skip.map_or(0, |(skipped, _)| skipped);
        let first = self
            .media
            .sequence
            .saturating_add(skipped)
            .min(SEQUENCE_MAX);
        let discontinuity = self.media.discontinuity_sequence.unwrap_or_default();
        let all = self.media.segments.iter_mut().chain([&mut self.media.open]);
        for (segment, index) in all.zip(0u64..) {
            segment.msn = first.saturating_add(index);
            segment.discontinuity = segment.discontinuity.saturating_add(discontinuity);
        }
        self.media
    }
}
