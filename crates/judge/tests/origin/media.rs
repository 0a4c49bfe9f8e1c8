//! Tiny fragmented MP4: the boxes are right, the samples are nothing.

use super::{
    Origin, PARTS,
    defect::Defect,
    playlist::{DISCONTINUITIES, Rendition},
};

fn boxed(name: &[u8; 4], body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let size = u32::try_from(body.len() + 8).unwrap();
    [&size.to_be_bytes()[..], name, &body].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Ticks a second, and samples of a part.
const fn clock(rendition: Rendition) -> (u32, u32) {
    match rendition {
        Rendition::Video => (90_000, 2),
        Rendition::Audio => (48_000, 10),
    }
}

pub(crate) fn init(origin: &Origin, rendition: Rendition) -> Vec<u8> {
    let (timescale, _) = clock(rendition);
    let trak = |id: u32, handler: &[u8; 4]| {
        let tkhd = boxed(b"tkhd", &[&words(&[0, 0, 0, id, 0, 0])]);
        let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, timescale, 0, 0])]);
        let hdlr = boxed(
            b"hdlr",
            &[&words(&[0, 0]), handler, &words(&[0, 0, 0]), &[0]],
        );
        boxed(b"trak", &[&tkhd, &boxed(b"mdia", &[&mdhd, &hdlr])])
    };
    let trex = |id: u32| boxed(b"trex", &[&words(&[0, id, 1, 0, 0, 0])]);
    let handler = match rendition {
        Rendition::Video => b"vide",
        Rendition::Audio => b"soun",
    };
    let mut traks = trak(1, handler);
    if origin.has(Defect::Muxed) && rendition == Rendition::Video {
        traks.extend(trak(2, b"soun"));
    }
    if origin.has(Defect::InitUnsound) {
        traks.clear();
    }
    let mvex = boxed(b"mvex", &[&trex(1), &trex(2)]);
    let ftyp = boxed(b"ftyp", &[b"iso6", &words(&[0]), b"cmfc"]);
    [ftyp, boxed(b"moov", &[&traks, &mvex])].concat()
}

/// One part; of a whole segment all of them, one after the other.
pub(crate) fn part(
    origin: &Origin,
    rendition: Rendition,
    msn: u64,
    part: u64,
    in_segment: bool,
) -> Vec<u8> {
    let (timescale, mut samples) = clock(rendition);
    let is_video = rendition == Rendition::Video;
    let mut duration = timescale / 5 / samples;
    if origin.has(Defect::SegmentDiffers) && in_segment {
        samples *= 2;
        duration /= 2;
    }
    // A discontinuity begins a new timeline.
    let jumps = DISCONTINUITIES.iter().filter(|at| **at <= msn).count() as u64;
    let parts = msn * origin.parts_per_segment() + part;
    let mut begin = (parts + jumps * 5_000) * u64::from(timescale / 5);
    if origin.has(Defect::TimesDiffer) && !is_video {
        begin += u64::from(timescale);
    }
    if origin.has(Defect::TimeBroken) && part == 3 && !in_segment {
        begin += u64::from(timescale / 20);
    }
    const SYNC: u32 = 0x0200_0000;
    const OTHER: u32 = 0x0101_0000;
    let flags = |sample: u32| {
        let dependent_start = origin.has(Defect::SegmentDependent) && part == 0;
        match (is_video, part, sample) {
            (false, ..) => SYNC,
            (true, 0, 1) if dependent_start => SYNC,
            (true, 0, 0) if !dependent_start => SYNC,
            (true, 3, 0) if origin.has(Defect::IndependentUnmarked) => SYNC,
            _ => OTHER,
        }
    };
    let size = if is_video { 2_000 } else { 400 } / samples;
    let mut trun = words(&[0x0000_0701, samples, 0]);
    for sample in 0..samples {
        trun.extend(words(&[duration, size, flags(sample)]));
    }
    let tfhd = boxed(b"tfhd", &[&words(&[0x0002_0000, 1])]);
    let tfdt = boxed(b"tfdt", &[&words(&[0x0100_0000]), &begin.to_be_bytes()]);
    let traf = boxed(b"traf", &[&tfhd, &tfdt, &boxed(b"trun", &[&trun])]);
    let moof = boxed(b"moof", &[&boxed(b"mfhd", &[&words(&[0, 1])]), &traf]);
    let mut mdat = boxed(b"mdat", &[&vec![b'm'; (samples * size) as usize]]);
    if origin.has(Defect::PartUnsound) && !in_segment {
        mdat.truncate(mdat.len() - 1);
    }
    [moof, mdat].concat()
}

pub(crate) fn segment(origin: &Origin, rendition: Rendition, msn: u64) -> Vec<u8> {
    let parts = 0..origin.parts_per_segment();
    parts
        .flat_map(|index| part(origin, rendition, msn, index, true))
        .collect()
}

/// Parts of a segment where nothing is said about it.
pub(crate) const USUAL: u64 = PARTS;
