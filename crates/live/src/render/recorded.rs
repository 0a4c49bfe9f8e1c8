//! The media playlist of what was recorded: all segments of a show, or of a stretch of it, from files that stay.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use super::Seconds;
use crate::{
    config::RenditionName,
    position::{InitId, MediaSeq},
    render::{init_uri, segment_uri},
    time::WallTime,
};

/// One rendition of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The rendition's name.
    pub rendition: RenditionName,
    /// Where the stream's files are, relative to the playlist, with a slash at its end.
    pub folder: String,
    /// EXT-X-TARGETDURATION, whole seconds.
    pub target_duration: Duration,
    /// Its segments, oldest first. What lacks between two of them is listed as gap.
    pub segments: Vec<RecordedSegment>,
    /// What happened, each with its time and attributes of EXT-X-DATERANGE.
    pub happenings: Vec<(WallTime, String)>,
    /// Whether nothing will be added.
    pub ended: bool,
    /// Where to begin, from the beginning of the first segment: EXT-X-START.
    pub start: Duration,
}

/// A whole segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedSegment {
    /// Its number.
    pub msn: MediaSeq,
    /// Whether it has no media.
    pub gap: bool,
    /// Discontinuities of the rendition before it, since the stream began.
    pub discontinuities: u64,
    /// Its init section.
    pub init: InitId,
    /// EXT-X-PROGRAM-DATE-TIME.
    pub starts_at: WallTime,
    /// EXTINF.
    pub duration: Duration,
}

impl RecordedSegment {
    fn end(&self) -> WallTime {
        self.starts_at.after(self.duration)
    }
}

/// The text of the media playlist of a recording.
///
/// It is complete (EXT-X-PLAYLIST-TYPE:VOD) once it has ended, and grows (EVENT, section 4.4.3.5) until then, when
/// EXT-X-START has players begin at its beginning all the same.
#[must_use]
pub fn recorded_playlist(recorded: &Recorded) -> String {
    const BYTES_OF_HEADER: usize = 512;
    const BYTES_PER_SEGMENT: usize = 160;
    let mut text =
        String::with_capacity(BYTES_OF_HEADER + recorded.segments.len() * BYTES_PER_SEGMENT);
    write(&mut text, recorded).expect("writing to a String cannot fail");
    text
}

fn write(text: &mut String, recorded: &Recorded) -> fmt::Result {
    let first = recorded.segments.first();
    writeln!(text, "#EXTM3U")?;
    // EXT-X-MAP needs 6 (section 8).
    writeln!(text, "#EXT-X-VERSION:6")?;
    writeln!(text, "#EXT-X-INDEPENDENT-SEGMENTS")?;
    let target = recorded.target_duration.as_secs();
    writeln!(text, "#EXT-X-TARGETDURATION:{target}")?;
    let kind = if recorded.ended { "VOD" } else { "EVENT" };
    writeln!(text, "#EXT-X-PLAYLIST-TYPE:{kind}")?;
    let sequence = first.map_or(MediaSeq(0), |first| first.msn);
    writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{sequence}")?;
    let discontinuities = first.map_or(0, |first| first.discontinuities);
    writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuities}")?;
    if !recorded.ended || !recorded.start.is_zero() {
        let start = Seconds(recorded.start);
        writeln!(text, "#EXT-X-START:TIME-OFFSET={start},PRECISE=YES")?;
    }
    let mut happenings = Happenings::new(recorded);
    let mut before: Option<&RecordedSegment> = None;
    for segment in &recorded.segments {
        if let Some(before) = before {
            missing(text, recorded, before, segment)?;
        }
        happenings.write_until(text, segment.end())?;
        tags(text, recorded, before, segment)?;
        before = Some(segment);
    }
    happenings.write_until(text, WallTime(u64::MAX))?;
    if recorded.ended {
        writeln!(text, "#EXT-X-ENDLIST")?;
    }
    Ok(())
}

fn tags(
    text: &mut String,
    recorded: &Recorded,
    before: Option<&RecordedSegment>,
    segment: &RecordedSegment,
) -> fmt::Result {
    let known = before.map_or(segment.discontinuities, |before| before.discontinuities);
    for _ in known..segment.discontinuities {
        writeln!(text, "#EXT-X-DISCONTINUITY")?;
    }
    let (rendition, folder) = (&recorded.rendition, &recorded.folder);
    if before.map(|before| before.init) != Some(segment.init) {
        let uri = init_uri(rendition, segment.init);
        writeln!(text, "#EXT-X-MAP:URI=\"{folder}{uri}\"")?;
    }
    entry(text, recorded, segment)
}

/// Most segments that can lack in one place: a day of them. Numbers that leap further are not followed.
const HOLE_MAX: u32 = 86_400;

/// What is known to have been and is not there: "adding one or more Media Segments to the Playlist whose Segment durations add
/// up to the duration of absent media" (section 6.2.1).
fn missing(
    text: &mut String,
    recorded: &Recorded,
    before: &RecordedSegment,
    next: &RecordedSegment,
) -> fmt::Result {
    let absent = next.msn.0.saturating_sub(before.msn.0).saturating_sub(1);
    let Some(absent) = u32::try_from(absent)
        .ok()
        .filter(|absent| (1..=HOLE_MAX).contains(absent))
    else {
        return Ok(());
    };
    let duration = next.starts_at.since(before.end()) / absent;
    let mut starts_at = before.end();
    for msn in before.msn.0 + 1..next.msn.0 {
        let segment = RecordedSegment {
            msn: MediaSeq(msn),
            gap: true,
            starts_at,
            duration: duration.min(recorded.target_duration),
            ..*before
        };
        entry(text, recorded, &segment)?;
        starts_at = starts_at.after(duration);
    }
    Ok(())
}

fn entry(text: &mut String, recorded: &Recorded, segment: &RecordedSegment) -> fmt::Result {
    writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", segment.starts_at)?;
    if segment.gap {
        writeln!(text, "#EXT-X-GAP")?;
    }
    writeln!(text, "#EXTINF:{},", Seconds(segment.duration))?;
    let uri = segment_uri(&recorded.rendition, segment.msn);
    writeln!(text, "{}{uri}", recorded.folder)
}

/// What happened, and is still to be written.
struct Happenings<'a> {
    left: std::iter::Peekable<std::vec::IntoIter<&'a (WallTime, String)>>,
}

impl<'a> Happenings<'a> {
    fn new(recorded: &'a Recorded) -> Self {
        let mut left: Vec<_> = recorded.happenings.iter().collect();
        left.sort_by_key(|(at, _)| *at);
        Self {
            left: left.into_iter().peekable(),
        }
    }

    fn write_until(&mut self, text: &mut String, end: WallTime) -> fmt::Result {
        while let Some((_, attributes)) = self.left.next_if(|(at, _)| *at < end) {
            writeln!(text, "#EXT-X-DATERANGE:{attributes}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_m3u8::{HlsLine, Reader, config::ParsingOptions, tag::hls};

    use super::*;

    fn segment(msn: u64) -> RecordedSegment {
        RecordedSegment {
            msn: MediaSeq(msn),
            gap: false,
            discontinuities: 0,
            init: InitId(0),
            starts_at: WallTime(1_795_374_000_000 + msn * 2_000),
            duration: Duration::from_secs(2),
        }
    }

    fn recorded(segments: Vec<RecordedSegment>) -> Recorded {
        Recorded {
            rendition: "video".parse().unwrap(),
            folder: "../../live/demo/k3x9/".to_owned(),
            target_duration: Duration::from_secs(6),
            segments,
            happenings: Vec::new(),
            ended: true,
            start: Duration::ZERO,
        }
    }

    #[test]
    fn a_show_is_told_with_all_that_happened_to_it() {
        let gap = RecordedSegment {
            gap: true,
            ..segment(2)
        };
        let after = RecordedSegment {
            discontinuities: 1,
            init: InitId(1),
            ..segment(5)
        };
        let show = Recorded {
            happenings: vec![(WallTime(1_795_374_005_000), "ID=\"goal\"".to_owned())],
            ..recorded(vec![segment(1), gap, after])
        };
        let expected = "\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-TARGETDURATION:6
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-MAP:URI=\"../../live/demo/k3x9/video/init-0.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T19:00:02.000Z
#EXTINF:2.00000,
../../live/demo/k3x9/video/1.m4s
#EXT-X-DATERANGE:ID=\"goal\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T19:00:04.000Z
#EXT-X-GAP
#EXTINF:2.00000,
../../live/demo/k3x9/video/2.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T19:00:06.000Z
#EXT-X-GAP
#EXTINF:2.00000,
../../live/demo/k3x9/video/3.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T19:00:08.000Z
#EXT-X-GAP
#EXTINF:2.00000,
../../live/demo/k3x9/video/4.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI=\"../../live/demo/k3x9/video/init-1.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T19:00:10.000Z
#EXTINF:2.00000,
../../live/demo/k3x9/video/5.m4s
#EXT-X-ENDLIST
";
        assert_eq!(recorded_playlist(&show), expected);
    }

    #[test]
    fn what_grows_has_no_end_and_is_begun_at_its_beginning() {
        let growing = Recorded {
            ended: false,
            ..recorded(vec![segment(1)])
        };
        let text = recorded_playlist(&growing);
        assert!(text.contains("#EXT-X-PLAYLIST-TYPE:EVENT\n"), "{text}");
        assert!(text.contains("#EXT-X-START:TIME-OFFSET=0.00000,PRECISE=YES\n"));
        assert!(!text.contains("ENDLIST"));
        // A clip begins at a moment within its first segment.
        let clip = Recorded {
            start: Duration::from_millis(1_250),
            ..recorded(vec![segment(7), segment(8)])
        };
        let text = recorded_playlist(&clip);
        assert!(
            text.contains("#EXT-X-START:TIME-OFFSET=1.25000,PRECISE=YES\n"),
            "{text}"
        );
        assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:7\n"));
    }

    proptest! {
        #[test]
        fn segments_keep_their_numbers_through_any_hole(
            numbers in prop::collection::btree_set(1u64..200, 1..40),
            breaks in prop::collection::btree_set(1u64..200, 0..5),
        ) {
            let segments: Vec<_> = numbers
                .iter()
                .map(|msn| RecordedSegment {
                    discontinuities: breaks.range(..=msn).count() as u64,
                    ..segment(*msn)
                })
                .collect();
            let last = segments.last().unwrap().discontinuities;
            let text = recorded_playlist(&recorded(segments));
            let mut reader = Reader::from_str(&text, ParsingOptions::default());
            let (mut sequence, mut discontinuity, mut gap, mut listed) = (0, 0, false, Vec::new());
            while let Ok(Some(line)) = reader.read_line() {
                match line {
                    HlsLine::KnownTag(quick_m3u8::tag::KnownTag::Hls(tag)) => match tag {
                        hls::Tag::MediaSequence(tag) => sequence = tag.media_sequence(),
                        hls::Tag::DiscontinuitySequence(tag) => discontinuity = tag.discontinuity_sequence(),
                        hls::Tag::Discontinuity(_) => discontinuity += 1,
                        hls::Tag::Gap(_) => gap = true,
                        _ => {}
                    },
                    HlsLine::Uri(uri) => {
                        prop_assert!(uri.ends_with(&format!("/{sequence}.m4s")), "{uri}");
                        if !std::mem::take(&mut gap) {
                            listed.push(sequence);
                        }
                        sequence += 1;
                    }
                    _ => {}
                }
            }
            prop_assert_eq!(listed, numbers.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(discontinuity, last);
        }
    }
}
