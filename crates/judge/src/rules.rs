//! The rules, each with its name, its source and what to do when it is broken.
//!
//! Names (`BR-02`) are a promise: reports and scripts refer to them. A name is never given to another rule, and a rule
//! that is dropped takes its name with it. The number is that of the checklist in `docs/judge.md`; the source is a
//! section of draft-pantos-hls-rfc8216bis-22, or a number of Apple's HLS authoring specification.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is broken.
    Note,
    /// A SHOULD is broken, or a recommendation.
    Warning,
    /// A MUST is broken: of the draft, or of the authoring rules.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// What there is to know about a rule.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Its name, for ever.
    pub id: &'static str,
    /// Its number in the checklist.
    pub number: u8,
    /// How bad it is when it is broken.
    pub severity: Severity,
    /// Where it is written.
    pub source: &'static str,
    /// What it asks for, in one line.
    pub title: &'static str,
    /// What to do when it is broken.
    pub advice: &'static str,
}

macro_rules! rules {
    ($($name:ident $id:literal $number:literal $severity:ident $source:literal $title:literal $advice:literal)*) => {
        /// Every rule of the judge.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $(#[doc = concat!("`", $id, "`: ", $title, ".")] $name,)*
        }

        impl Rule {
            /// All of them, in the order in which they are listed.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What there is to know about it.
            #[must_use]
            pub const fn facts(self) -> Facts {
                match self {
                    $(Self::$name => Facts {
                        id: $id,
                        number: $number,
                        severity: Severity::$severity,
                        source: $source,
                        title: $title,
                        advice: $advice,
                    },)*
                }
            }
        }
    };
}

rules! {
    // One media playlist.
    Syntax "PL-01" 6 Error "4.1, 4.2" "a playlist is UTF-8 text that begins with #EXTM3U and consists of well-formed lines" "write the line as section 4 of the draft says; clients refuse the whole playlist"
    Attribute "PL-02" 6 Error "4.2, 4.4" "attributes are there where required, once, and of their type" "write the attribute in the type that its definition names, quoted or not"
    Duplicate "PL-03" 6 Error "4.4.1.2, 4.4.2, 4.4.3, 4.4.5" "a tag that may appear once appears once" "write the tag once; players refuse the playlist"
    MixedTags "PL-04" 6 Error "4.1, 4.4.3, 4.4.6" "a playlist has tags of media or of variants, never both" "move the tag to the other kind of playlist"
    TargetDurationMissing "PL-05" 1 Error "4.4.3.1" "EXT-X-TARGETDURATION is there, and at least 1" "write the target duration in whole seconds"
    SegmentTooLong "PL-06" 1 Error "4.4.3.1, 6.2.1, Apple 7.7" "no segment, rounded to whole seconds, is longer than the target duration" "cut segments at the target duration even without a key frame, or announce a longer one from the start"
    PartInfMissing "PL-07" 2 Error "4.4.3.7" "EXT-X-PART-INF is there where parts are" "write EXT-X-PART-INF with the part target"
    PartTooLong "PL-08" 2 Error "4.4.4.9" "no part is longer than the part target" "cut parts earlier, or announce a longer part target from the start; AVPlayer refuses the stream"
    PartTooShort "PL-09" 2 Error "4.4.4.9" "a part is at least 85 % of the part target, unless it is independent, the last of its segment, a gap or before one" "cut parts later: choose a part target that is a multiple of the frame duration"
    PartHoldBackTooShort "PL-10" 3 Error "4.4.3.8" "PART-HOLD-BACK is there where parts are, and at least twice the part target" "announce PART-HOLD-BACK of three part targets"
    PartHoldBackShort "PL-11" 3 Error "4.4.3.8 (SHOULD), Apple 14.3 (MUST)" "PART-HOLD-BACK is at least three part targets" "announce PART-HOLD-BACK of three part targets"
    HoldBackShort "PL-12" 3 Error "4.4.3.8" "HOLD-BACK is at least three target durations" "announce HOLD-BACK of three target durations, or leave it out"
    SkipUntilShort "PL-13" 3 Error "4.4.3.8" "CAN-SKIP-UNTIL is at least six target durations, and there where CAN-SKIP-DATERANGES is" "announce a skip boundary of six target durations"
    LateTag "PL-14" 4 Error "4.4.4.9" "discontinuity, key, map and date of a segment stand before its first part" "write the segment's tags before its parts"
    NoIndependentPart "PL-15" 4 Warning "4.4.4.9, B.1" "of the parts of a segment at least one is marked INDEPENDENT=YES" "mark every part that contains an independent frame, and begin segments with one"
    OldParts "PL-16" 5 Warning "6.2.2" "parts further than three target durations from the end are not listed any more" "remove EXT-X-PART tags three target durations from the end, and keep the parts downloadable"
    SequenceLate "PL-17" 6 Error "4.4.3.2, 4.4.3.3" "EXT-X-MEDIA-SEQUENCE and EXT-X-DISCONTINUITY-SEQUENCE stand before the first segment" "write both in the head of the playlist"
    DiscontinuitySequenceMissing "PL-18" 6 Error "6.2.2, Apple 8.17" "a live playlist with discontinuities has EXT-X-DISCONTINUITY-SEQUENCE" "write the tag always, also when it is 0"
    DateMissing "PL-19" 7 Error "B.1, Apple 8.4" "a live media playlist has EXT-X-PROGRAM-DATE-TIME" "give every segment, or at least the first, its date"
    DateAfterDiscontinuity "PL-20" 7 Warning "6.2.1" "a segment after a discontinuity has its own date" "write EXT-X-PROGRAM-DATE-TIME with every EXT-X-DISCONTINUITY"
    DatesOverlap "PL-21" 7 Error "6.2.1" "dates of segments do not overlap by a second or more" "let the date of a segment follow from the end of the one before"
    DatesJump "PL-22" 7 Warning "6.2.1, 6.2.4" "without a discontinuity, the date of a segment follows from the durations before it" "derive dates from media time, or signal the jump by EXT-X-DISCONTINUITY or EXT-X-GAP"
    VersionLow "PL-23" 10 Error "8" "EXT-X-VERSION is as high as the tags need" "raise EXT-X-VERSION: 6 for EXT-X-MAP, 9 for EXT-X-SKIP"
    VersionHigh "PL-24" 10 Warning "6.2.1, 8" "EXT-X-VERSION is no higher than the tags need" "lower EXT-X-VERSION: low-latency tags need none but EXT-X-SKIP"
    HintAfterEnd "PL-25" 9 Error "4.4.5.3" "an ended playlist has no EXT-X-PRELOAD-HINT" "remove the hint in the version that adds EXT-X-ENDLIST"
    HintMissing "PL-26" 14 Error "B.1" "a live playlist with parts hints at the next part" "hint at the next part in every version until the end"
    HintRepeated "PL-27" 14 Warning "6.2.6" "there is one hint of each type at most" "hint at the very next part only"
    MapMissing "PL-28" 19 Error "3.1.2, 4.4.4.5" "fragmented MP4 has EXT-X-MAP" "write EXT-X-MAP before the first segment that is fragmented MP4"
    DateRange "PL-29" 7 Error "4.4.5.1" "a date range has its id and start, and a playlist with one has dates" "write START-DATE in the first tag of each id, and EXT-X-PROGRAM-DATE-TIME"
    PartsDiffer "PL-30" 4 Error "3.2" "the parts of a segment last as long as the segment" "derive EXTINF from the parts"
    UnknownTag "PL-31" 10 Note "6.3.1" "tags are those of version 13 of the protocol" "if the tag is no extension of yours, look for a misspelling"
    LastMinuteStart "PL-32" 9 Warning "4.4.2.2" "EXT-X-START of a live playlist is not within three target durations of its end" "leave EXT-X-START out, or let it point further back"

    // One playlist over time.
    TargetDurationChanged "UP-01" 1 Error "6.2.1" "the target duration never changes" "choose it once, when the stream starts"
    PartTargetChanged "UP-02" 2 Error "6.2.1" "part target and server control never change" "choose them once, when the stream starts; AVPlayer stops for good when they change"
    SequenceWrong "UP-03" 6 Error "6.2.2" "a segment keeps its media sequence number: the sequence grows by one for every segment removed" "count removed segments; never restart from 0 under the same URL"
    DiscontinuityWrong "UP-04" 6 Error "6.2.2" "a segment keeps its discontinuity sequence number" "raise EXT-X-DISCONTINUITY-SEQUENCE when an EXT-X-DISCONTINUITY is removed"
    SegmentChanged "UP-05" 8 Error "6.2.1" "a listed segment never changes" "render a segment once, and never again otherwise"
    PartChanged "UP-06" 8 Error "6.2.1" "a listed part never changes, and its segment consists of it" "render a part once, and never again otherwise"
    WentBack "UP-07" 8 Error "6.2.1" "no version is older than one that was seen" "make changes atomic, and serve all viewers from one state"
    PartsRemovedEarly "UP-08" 5 Warning "6.2.1, 6.2.2" "parts stay listed while they are at the live edge, for three target durations" "keep EXT-X-PART tags for three target durations"
    PartLate "UP-09" 8 Error "6.2.1" "a new part comes within one part target after the one before" "signal missing media by GAP=YES in time, and make parts in real time"
    SegmentLate "UP-10" 8 Error "6.2.1" "a new segment comes within 1.5 target durations after the one before" "signal missing media by EXT-X-GAP in time, or end the stream"
    TypeOfLive "UP-11" 9 Error "4.4.3.5, 6.2.2" "a playlist that removes segments has no EXT-X-PLAYLIST-TYPE" "leave EXT-X-PLAYLIST-TYPE out of a sliding window"
    WindowShort "UP-12" 5 Error "6.2.2" "segments are not removed while the playlist is shorter than three target durations" "keep more segments"
    WindowNarrow "UP-13" 5 Warning "Apple 8" "a playlist that removes segments keeps at least six" "keep six segments at least, better fifteen minutes"
    ChangedAfterEnd "UP-14" 9 Error "4.4.3.4" "an ended playlist does not grow, and stays ended" "end a stream once; start the next one under another URL"
    HintBroken "UP-15" 14 Warning "4.4.5.3" "a hinted part is the next one listed" "hint only at what will come; this happens again and again"

    // Renditions beside each other.
    TargetDurationDiffers "RD-01" 1 Error "6.2.4" "all renditions have the same target duration" "announce one target duration for all"
    ControlDiffers "RD-02" 1 Error "6.2.4" "all renditions have the same EXT-X-SERVER-CONTROL" "announce one set of attributes for all"
    ReportMissing "RD-03" 15 Error "B.1" "there is one rendition report for each other rendition, and none more" "report on every media playlist of the multivariant playlist, audio too"
    ReportAttributes "RD-04" 15 Error "4.4.5.4" "a rendition report has a relative URI, LAST-MSN and LAST-PART" "write the URI relative, and both positions"
    ReportUntrue "RD-05" 15 Error "4.4.5.4" "a rendition report says where the rendition is" "take reports from the state of the moment, when the playlist is rendered"
    OutOfSync "RD-06" 15 Error "B.1" "renditions are updated in sync, within one part target" "publish the parts of all renditions together"
    DiscontinuitiesDiffer "RD-07" 6 Error "6.2.4" "content has the same discontinuity sequence number in all renditions" "count discontinuities for the whole stream"
    TimesDiffer "RD-08" 7 Error "6.2.4" "content has the same timestamps in all renditions" "derive the timestamps of all renditions from one clock"

    // Blocking.
    NoBlocking "BR-01" 11 Warning "6.2.5.2, B.1" "a playlist with parts offers CAN-BLOCK-RELOAD=YES" "offer blocking reload: without it, players poll"
    MsnEarly "BR-02" 11 Error "6.2.5.2" "_HLS_msn alone waits for the whole segment" "do not answer before EXTINF of that segment is listed; its first part is not enough"
    PartEarly "BR-03" 11 Error "6.2.5.2" "_HLS_msn with _HLS_part waits for that part" "do not answer before the part is listed"
    PastHeld "BR-04" 11 Error "6.2.5.2" "a request for what is listed is answered at once" "compare with the newest position before waiting"
    PastEndPart "BR-05" 11 Error "6.2.5.2" "a part index past the end of its segment means part 0 of the next" "answer when the first part of the next segment is listed, no sooner and no later"
    FarFuture "BR-06" 12 Warning "6.2.5.2" "a segment more than two ahead is refused with 400 at once" "refuse what is too far ahead; clocks and caches go wrong"
    PartAlone "BR-07" 12 Error "6.2.5.2" "_HLS_part without _HLS_msn is refused with 400" "refuse it"
    NotANumber "BR-08" 12 Note "6.2.5.2" "a directive that is no number is refused" "refuse it with 400, so that broken players are noticed"
    StaleMsn "BR-09" 12 Error "6.2.5.2" "a request for a segment that is gone gets the whole playlist" "answer with the whole current playlist"
    HeldTooLong "BR-10" 12 Warning "6.2.5.2" "a request is not held for more than three target durations" "answer with 503 after three target durations"
    FarPart "BR-11" 12 Warning "6.2.5.2" "a part beyond the advance part limit is refused with 400 at once" "refuse parts more than 3, or 3 divided by the part target, ahead"
    HeldAfterEnd "BR-12" 9 Error "6.2.5.1, 6.2.5.2" "directives are ignored once the stream has ended" "answer with the ended playlist at once"
    PlainHeld "BR-13" 11 Error "6.2.5.2" "a request without directives is answered at once" "wait only where _HLS_msn asks for it"

    // Delta updates.
    NoDelta "DU-01" 13 Error "6.2.5.1" "_HLS_skip=YES gets a delta where CAN-SKIP-UNTIL is offered" "answer with EXT-X-SKIP, or offer nothing"
    DeltaWrong "DU-02" 13 Error "6.2.5.1, 4.4.5.2" "a delta has all that was not skipped, and counts what was" "render deltas from the same state as whole playlists"
    SkippedTooMuch "DU-03" 13 Error "6.2.5.1" "only segments further from the end than the skip boundary are skipped" "measure the boundary from the end of the last whole segment"
    NoDelta2 "DU-04" 13 Error "6.2.5.1, 4.4.5.2" "_HLS_skip=v2 gets a delta with RECENTLY-REMOVED-DATERANGES where CAN-SKIP-DATERANGES is offered" "list the removed date ranges, or an empty string"
    SkipUnasked "DU-05" 13 Error "6.2.5.1" "a delta is for those who ask, where it is offered" "ignore _HLS_skip without CAN-SKIP-UNTIL; never send EXT-X-SKIP unasked"
    DeltaNotOffered "DU-06" 13 Warning "Apple 14.4" "a window of more than two minutes offers deltas" "offer CAN-SKIP-UNTIL of six target durations"

    // Hints and media on request.
    HintRefused "PH-01" 14 Error "6.2.6" "a hinted part can be asked for before it is there" "hold the request until the part is made"
    HintTrickled "PH-02" 14 Error "6.2.6" "no byte of a part is sent before the whole part can be" "send a part when it is complete"
    UnhintedAnswered "PH-03" 14 Warning "6.2.6" "what is neither listed nor hinted is Not Found at once" "answer with 404"
    PartGone "PH-04" 5 Error "6.2.2" "a part stays downloadable for three target durations after it was removed" "keep parts for three target durations more"
    MediaMissing "PH-05" 8 Error "6.2.1" "what is listed can be downloaded" "list media when it is there, or mark it as a gap"
    SegmentGone "PH-06" 5 Error "6.2.2" "a segment stays downloadable after it was removed" "keep segments for the longest playlist and their duration after they appeared"
    RangeWrong "PH-07" 14 Error "B.1" "Range requests are answered truthfully, and always where byte ranges are listed" "answer with 206, Content-Range and these bytes, or with 200 and all"

    // HTTP.
    PlaylistType "HT-01" 19 Error "4" "playlists are application/vnd.apple.mpegurl" "set Content-Type"
    MediaType "HT-02" 19 Warning "Apple 1.20" "fragmented MP4 is video/mp4 or audio/mp4" "set Content-Type"
    NotCompressed "HT-03" 16 Error "6.2.1 (SHOULD), B.1, Apple 10.1 (MUST)" "playlists are sent with gzip to those who accept it" "compress each version once, and share it"
    Redirected "HT-04" 16 Error "Apple 8.18" "there are no redirects" "serve at the address that is named"
    Cookie "HT-05" 16 Warning "B.1" "answers set no cookie" "keep viewers apart by other means: caches do not share an answer with a cookie"
    CrossOrigin "HT-06" 17 Warning "player behaviour" "pages of other origins may read answers, and the header Age" "set Access-Control-Allow-Origin, and Access-Control-Expose-Headers: Age"
    BlockingLifetime "HT-07" 17 Warning "B.1" "a blocking playlist may be cached for six target durations" "set Cache-Control: max-age of six target durations"
    PlainLifetime "HT-08" 17 Warning "B.1" "a plain playlist may be cached for half a target duration" "set Cache-Control: max-age of half a target duration"
    MediaLifetime "HT-09" 17 Warning "B.1" "media may be cached for six target durations" "set Cache-Control: max-age of six target durations or more"
    ErrorLifetime "HT-10" 17 Warning "B.1" "an error is cached no longer than four target durations, of plain requests one" "set Cache-Control: no-store on errors that may be over a moment later"
    AgeWrong "HT-11" 17 Warning "C" "the header Age is a number of seconds, and no larger than the lifetime" "let caches write Age, once"
    OldHttp "HT-12" 16 Warning "B.1" "over TLS, HTTP/2 is spoken" "offer h2 by ALPN"
    Failed "HT-13" 16 Error "6.2.1" "requests are answered: no broken connection, no 5xx" "see the server's log"
    Unprotected "HT-14" 16 Note "B.1" "a public stream is served over TLS" "serve over https: browsers speak HTTP/2 only there, and AVPlayer asks for it"
    Priority "HT-15" 16 Warning "B.1" "a server that speaks of urgency gives playlists 1, and media 2 to 6" "set Priority: u=1 on playlists, u=2 to 6 on media"

    // Multivariant playlists.
    BandwidthMissing "MV-01" 19 Error "4.4.6.2, Apple 9" "a variant has BANDWIDTH, AVERAGE-BANDWIDTH and CODECS, with video also RESOLUTION and FRAME-RATE" "write the attribute: players choose by it"
    BandwidthExceeded "MV-02" 19 Error "Apple 9" "segments of a live stream need less than 125 % of BANDWIDTH" "announce the peak bit rate, or limit the encoder"
    GroupMissing "MV-03" 19 Error "4.4.6.1, 4.4.6.2" "renditions are whole, and a group that a variant names is there" "write EXT-X-MEDIA with TYPE, GROUP-ID and NAME for each group"
    PlaylistMissing "MV-04" 19 Error "4.4.6" "every playlist that is listed can be loaded" "list what is there only"
    ManyHosts "MV-05" 16 Warning "B.1" "one server offers the whole ladder" "use relative URIs"

    // Media.
    InitUnsound "MD-01" 19 Error "3.1.2" "an init section is ftyp and moov with a track" "see what the packager wrote"
    PartUnsound "MD-02" 19 Error "3.1.2" "media is whole moof and mdat boxes, of the track in the init section" "see what the packager wrote"
    TimeBroken "MD-03" 7 Error "4.4.4.3" "without a discontinuity, media continues at the time where the media before it ended" "keep one timeline, or signal EXT-X-DISCONTINUITY"
    IndependentWrong "MD-04" 4 Error "4.4.4.9" "a part marked INDEPENDENT=YES has an independent frame" "mark only parts with a key frame"
    IndependentUnmarked "MD-05" 4 Warning "4.4.4.9" "a part with an independent frame is marked INDEPENDENT=YES" "mark it, so that viewers can join there"
    SegmentDependent "MD-06" 4 Error "Apple 7.4" "a video segment begins with an independent frame" "cut segments at key frames"
    DurationWrong "MD-07" 1 Warning "4.4.4.1, 4.4.4.9" "durations are those of the media" "write durations from the samples, with five digits"
    SegmentDiffers "MD-08" 4 Error "3.2" "a segment has the samples of its parts" "make the segment of its parts"
    Muxed "MD-09" 19 Warning "Apple" "audio and video are apart" "offer audio as a rendition of its own"
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.facts().id)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.facts().id)
    }
}

/// There is no rule of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no rule `{name}`; `fanwave judge --rules` lists them")]
pub struct UnknownRule {
    name: String,
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        let same = |rule: &&Self| rule.facts().id.eq_ignore_ascii_case(text);
        let found = Self::ALL.iter().find(same).copied();
        found.ok_or_else(|| UnknownRule {
            name: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        let names: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.facts().id).collect();
        assert_eq!(names.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            assert_eq!(rule.facts().id.parse(), Ok(*rule));
            assert!((1..=19).contains(&rule.facts().number), "{rule}");
        }
        assert!("XX-01".parse::<Rule>().is_err());
    }
}
