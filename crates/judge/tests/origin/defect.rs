//! What can be wrong with the origin: one defect for each rule, and those that are known of servers in the world.

use fanwave_judge::Rule;

macro_rules! defects {
    ($($name:ident => [$($rule:ident),*] may [$($may:ident),*];)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Defect { $($name,)* }

        impl Defect {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// The rules that have to be found broken.
            pub(crate) const fn breaks(self) -> &'static [Rule] {
                match self { $(Self::$name => &[$(Rule::$rule),*],)* }
            }

            /// Rules that the defect breaks as well, sometimes, because of what it is.
            pub(crate) const fn may_break(self) -> &'static [Rule] {
                match self { $(Self::$name => &[$(Rule::$may),*],)* }
            }
        }
    };
}

defects! {
    // Clean servers: of two renditions over HTTP/2, and with date ranges that can be skipped.
    None => [] may [];
    Ranges => [] may [];
    Ended => [] may [];
    Interrupted => [] may [];
    // One media playlist.
    Syntax => [Syntax] may [];
    Attribute => [Attribute] may [];
    Duplicate => [Duplicate] may [];
    MixedTags => [MixedTags] may [];
    TargetDurationMissing => [TargetDurationMissing] may [];
    SegmentTooLong => [SegmentTooLong] may [];
    PartInfMissing => [PartInfMissing] may [];
    PartTooLong => [PartTooLong] may [];
    PartTooShort => [PartTooShort] may [];
    PartHoldBackTooShort => [PartHoldBackTooShort] may [];
    PartHoldBackShort => [PartHoldBackShort] may [];
    HoldBackShort => [HoldBackShort] may [];
    SkipUntilShort => [SkipUntilShort] may [NoDelta];
    // A tag that comes after the parts is missing until it comes.
    LateTag => [LateTag] may [SegmentChanged, DateAfterDiscontinuity];
    // What is marked nowhere is unmarked where it should be.
    NoIndependentPart => [NoIndependentPart, IndependentUnmarked] may [];
    OldParts => [OldParts] may [];
    SequenceLate => [SequenceLate] may [];
    // Without the number, the numbers change when a discontinuity is removed.
    DiscontinuitySequenceMissing => [DiscontinuitySequenceMissing, DiscontinuityWrong] may [DiscontinuitiesDiffer];
    DateMissing => [DateMissing] may [];
    DateAfterDiscontinuity => [DateAfterDiscontinuity] may [];
    // Dates that jump are another mapping, for a moment, than that of the rendition beside it.
    DatesOverlap => [DatesOverlap] may [TimesDiffer];
    DatesJump => [DatesJump] may [TimesDiffer];
    VersionLow => [VersionLow] may [];
    VersionHigh => [VersionHigh] may [];
    HintAfterEnd => [HintAfterEnd] may [];
    HintMissing => [HintMissing] may [];
    HintRepeated => [HintRepeated] may [];
    // Without EXT-X-MAP, nothing needs so high a version.
    MapMissing => [MapMissing, VersionHigh] may [];
    DateRange => [DateRange] may [];
    // Where EXTINF is not what its parts are, it is not what its media is.
    PartsDiffer => [PartsDiffer, DurationWrong] may [];
    UnknownTag => [UnknownTag] may [];
    LastMinuteStart => [LastMinuteStart] may [];
    // One playlist over time. What changes is, for a moment, another in the rendition beside it.
    TargetDurationChanged => [TargetDurationChanged] may [TargetDurationDiffers];
    PartTargetChanged => [PartTargetChanged] may [ControlDiffers];
    // Whoever numbers anew answers requests for the old numbers wrongly.
    SequenceWrong => [SequenceWrong] may [PartEarly, MsnEarly, PastEndPart, ReportUntrue, PartLate, HintBroken, WentBack, PartChanged, SegmentChanged, DiscontinuityWrong, PartsRemovedEarly, TimeBroken];
    DiscontinuityWrong => [DiscontinuityWrong] may [DiscontinuitiesDiffer];
    SegmentChanged => [SegmentChanged] may [];
    // A mark that comes later is wrong from then on.
    PartChanged => [PartChanged] may [IndependentWrong];
    // An older version lacks what was asked for, and what was hinted at.
    WentBack => [WentBack, PartEarly] may [MsnEarly, PastEndPart, ReportUntrue, DeltaWrong, PartLate];
    PartsRemovedEarly => [PartsRemovedEarly] may [];
    PartLate => [PartLate] may [];
    SegmentLate => [SegmentLate, PartLate] may [];
    TypeOfLive => [TypeOfLive] may [];
    WindowShort => [WindowShort] may [];
    WindowNarrow => [WindowNarrow] may [];
    ChangedAfterEnd => [ChangedAfterEnd] may [HeldAfterEnd];
    HintBroken => [HintBroken] may [];
    // Renditions beside each other.
    TargetDurationDiffers => [TargetDurationDiffers] may [];
    ControlDiffers => [ControlDiffers] may [];
    ReportMissing => [ReportMissing] may [];
    ReportAttributes => [ReportAttributes] may [];
    ReportUntrue => [ReportUntrue] may [];
    OutOfSync => [OutOfSync] may [];
    // Timelines are told apart by these numbers.
    DiscontinuitiesDiffer => [DiscontinuitiesDiffer] may [TimesDiffer];
    TimesDiffer => [TimesDiffer] may [];
    // Blocking.
    NoBlocking => [NoBlocking] may [];
    GohlslibMsnAtPart0 => [MsnEarly] may [];
    OvenMsnNeverBlocks => [MsnEarly] may [];
    PartEarly => [PartEarly] may [PastEndPart];
    PastHeld => [PastHeld] may [];
    GohlslibPastEndWaits => [PastEndPart] may [];
    OvenFarFutureHeld => [FarFuture, HeldTooLong] may [];
    FarFuture => [FarFuture] may [];
    OvenPartAlone => [PartAlone] may [];
    NotANumber => [NotANumber] may [];
    GohlslibStaleMsn => [StaleMsn] may [];
    FarPart => [FarPart] may [];
    HeldAfterEnd => [HeldAfterEnd] may [];
    PlainHeld => [PlainHeld] may [];
    // Delta updates.
    NoDelta => [NoDelta] may [];
    DeltaWrong => [DeltaWrong] may [];
    SkippedTooMuch => [SkippedTooMuch] may [];
    NoDelta2 => [NoDelta2] may [];
    SkipUnasked => [SkipUnasked] may [];
    DeltaNotOffered => [DeltaNotOffered] may [];
    // Hints and media on request.
    HintRefused => [HintRefused] may [];
    HintTrickled => [HintTrickled] may [];
    // An empty answer is no media either.
    GohlslibEmptyUnknown => [UnhintedAnswered, MediaMissing] may [];
    PartGone => [PartGone] may [];
    MediaMissing => [MediaMissing] may [SegmentGone];
    SegmentGone => [SegmentGone] may [];
    RangeWrong => [RangeWrong] may [];
    // HTTP.
    PlaylistType => [PlaylistType] may [];
    MediaType => [MediaType] may [];
    NotCompressed => [NotCompressed] may [];
    Redirected => [Redirected] may [];
    Cookie => [Cookie] may [];
    CrossOrigin => [CrossOrigin] may [];
    GohlslibNoCache => [BlockingLifetime] may [];
    PlainLifetime => [PlainLifetime] may [];
    MediaLifetime => [MediaLifetime] may [];
    ErrorLifetime => [ErrorLifetime] may [];
    AgeWrong => [AgeWrong] may [];
    OldHttp => [OldHttp] may [];
    Failed => [Failed] may [];
    // A stream that goes without its end leaves everybody waiting.
    GohlslibCloseIs500 => [Failed] may [PartLate, SegmentLate, MediaMissing, PartGone, SegmentGone, HintRefused, UnhintedAnswered, StaleMsn];
    Unprotected => [Unprotected] may [];
    Priority => [Priority] may [];
    // The multivariant playlist.
    BandwidthMissing => [BandwidthMissing] may [];
    BandwidthExceeded => [BandwidthExceeded] may [];
    // A rendition that nothing leads to cannot be reported on.
    GroupMissing => [GroupMissing] may [ReportMissing];
    PlaylistMissing => [PlaylistMissing, ReportMissing] may [];
    // A relative report cannot lead to another host.
    ManyHosts => [ManyHosts, ReportMissing] may [];
    // Media.
    InitUnsound => [InitUnsound] may [];
    PartUnsound => [PartUnsound] may [];
    TimeBroken => [TimeBroken] may [];
    IndependentWrong => [IndependentWrong] may [];
    IndependentUnmarked => [IndependentUnmarked] may [];
    SegmentDependent => [SegmentDependent] may [];
    DurationWrong => [DurationWrong] may [];
    SegmentDiffers => [SegmentDiffers] may [];
    Muxed => [Muxed] may [];
}
