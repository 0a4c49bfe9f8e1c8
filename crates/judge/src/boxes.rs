//! A light walk over fragmented MP4 (ISO/IEC 14496-12).
//!
//! Enough to see whether an init section and media are whole, which tracks they have, when samples are decoded, and
//! which can be decoded alone. Never panics; bounded in all it keeps.

use crate::limits::{BOXES_MAX, SAMPLES_MAX};

/// What a track carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `vide`.
    Video,
    /// `soun`.
    Audio,
    /// Anything else.
    Other,
}

/// A track of an init section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Track {
    /// Its number.
    pub id: u32,
    /// What it carries.
    pub kind: Kind,
    /// Ticks a second.
    pub timescale: u32,
    /// Duration of a sample where nothing else says one, ticks.
    default_duration: u32,
    /// Flags of a sample where nothing else says some.
    default_flags: u32,
}

/// What an init section says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Init {
    /// Its tracks.
    pub tracks: Vec<Track>,
}

/// The samples of one track in a piece of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The track's number.
    pub track: u32,
    /// Decode time of the first sample, ticks.
    pub begin: u64,
    /// Sum of the durations, ticks.
    pub duration: u64,
    /// How many.
    pub samples: u64,
    /// Whether the first can be decoded alone.
    pub begins_independent: bool,
    /// Whether any can be.
    pub has_independent: bool,
}

/// `sample_is_non_sync_sample`.
const NON_SYNC: u32 = 0x0001_0000;

type Found<'a> = ([u8; 4], &'a [u8]);

/// The boxes in `bytes`, one after the other.
fn boxes(bytes: &[u8]) -> Result<Vec<Found<'_>>, String> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let short = || format!("a box at byte {at} is cut off");
        let size = be32(rest, 0).ok_or_else(short)?;
        let name = *rest
            .get(4..8)
            .and_then(|name| name.first_chunk())
            .ok_or_else(short)?;
        let (head, size) = match size {
            0 => (8, rest.len()),
            1 => {
                let size = be64(rest, 8).ok_or_else(short)?;
                (16, usize::try_from(size).map_err(|_| short())?)
            }
            _ => (8, usize::try_from(size).map_err(|_| short())?),
        };
        let body = rest.get(head..size).ok_or_else(|| {
            let name = String::from_utf8_lossy(&name).into_owned();
            format!(
                "box `{name}` at byte {at} says {size} bytes, {} are left",
                rest.len()
            )
        })?;
        found.push((name, body));
        if found.len() > BOXES_MAX {
            return Err("too many boxes".to_owned());
        }
        rest = rest.get(size..).unwrap_or_default();
    }
    Ok(found)
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(*four.first_chunk()?))
}

fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_be_bytes(*eight.first_chunk()?))
}

fn child<'a>(parent: &'a [u8], name: &[u8; 4]) -> Result<Option<&'a [u8]>, String> {
    let found = boxes(parent)?.into_iter().find(|(other, _)| other == name);
    Ok(found.map(|(_, body)| body))
}

fn required<'a>(parent: &'a [u8], name: &[u8; 4]) -> Result<&'a [u8], String> {
    child(parent, name)?.ok_or_else(|| format!("no `{}`", String::from_utf8_lossy(name)))
}

/// Reads an init section.
///
/// # Errors
///
/// What is unsound, in words.
pub fn init(bytes: &[u8]) -> Result<Init, String> {
    let top = boxes(bytes)?;
    if top.first().is_none_or(|(name, _)| name != b"ftyp") {
        return Err("it does not begin with `ftyp`".to_owned());
    }
    if top
        .iter()
        .any(|(name, _)| name == b"moof" || name == b"mdat")
    {
        return Err("it holds media".to_owned());
    }
    let moov = top.iter().find(|(name, _)| name == b"moov");
    let (_, moov) = moov.ok_or("no `moov`")?;
    let mut tracks = Vec::new();
    for (name, body) in boxes(moov)? {
        if &name == b"trak" {
            tracks.push(track(body)?);
        }
    }
    if tracks.is_empty() {
        return Err("no track".to_owned());
    }
    let mvex = required(moov, b"mvex")?;
    for (name, body) in boxes(mvex)? {
        let (Some(id), true) = (be32(body, 4), &name == b"trex") else {
            continue;
        };
        if let Some(track) = tracks.iter_mut().find(|track| track.id == id) {
            track.default_duration = be32(body, 12).unwrap_or_default();
            track.default_flags = be32(body, 20).unwrap_or_default();
        }
    }
    Ok(Init { tracks })
}

fn track(trak: &[u8]) -> Result<Track, String> {
    let tkhd = required(trak, b"tkhd")?;
    let is_long = tkhd.first() == Some(&1);
    let id = be32(tkhd, if is_long { 20 } else { 12 }).ok_or("`tkhd` is cut off")?;
    let mdia = required(trak, b"mdia")?;
    let mdhd = required(mdia, b"mdhd")?;
    let is_long = mdhd.first() == Some(&1);
    let timescale = be32(mdhd, if is_long { 20 } else { 12 }).ok_or("`mdhd` is cut off")?;
    if timescale == 0 {
        return Err("the timescale is 0".to_owned());
    }
    let hdlr = required(mdia, b"hdlr")?;
    let kind = match hdlr.get(8..12) {
        Some(b"vide") => Kind::Video,
        Some(b"soun") => Kind::Audio,
        _ => Kind::Other,
    };
    Ok(Track {
        id,
        kind,
        timescale,
        default_duration: 0,
        default_flags: 0,
    })
}

/// Reads a part or a segment.
///
/// # Errors
///
/// What is unsound, in words.
pub fn media(bytes: &[u8], init: &Init) -> Result<Vec<Run>, String> {
    let mut runs: Vec<Run> = Vec::new();
    let mut waits_for_data = false;
    let mut samples_left = SAMPLES_MAX;
    for (name, body) in boxes(bytes)? {
        match &name {
            b"moof" => {
                if waits_for_data {
                    return Err("`moof` without `mdat`".to_owned());
                }
                waits_for_data = true;
                for (name, traf) in boxes(body)? {
                    if &name == b"traf" {
                        let run = fragment(traf, init, &mut samples_left)?;
                        match runs.iter_mut().find(|known| known.track == run.track) {
                            Some(known) => join(known, run)?,
                            None => runs.push(run),
                        }
                    }
                }
            }
            b"mdat" => {
                if !waits_for_data {
                    return Err("`mdat` without `moof`".to_owned());
                }
                waits_for_data = false;
            }
            b"moov" => return Err("`moov` in media".to_owned()),
            _ => {}
        }
    }
    if waits_for_data {
        return Err("`moof` without `mdat`".to_owned());
    }
    if runs.iter().all(|run| run.samples == 0) {
        return Err("no sample".to_owned());
    }
    Ok(runs)
}

fn join(known: &mut Run, run: Run) -> Result<(), String> {
    if run.begin != known.begin.saturating_add(known.duration) {
        let end = known.begin.saturating_add(known.duration);
        return Err(format!(
            "a fragment begins at {} and not at {end} ticks",
            run.begin
        ));
    }
    known.duration = known.duration.saturating_add(run.duration);
    known.samples = known.samples.saturating_add(run.samples);
    known.has_independent |= run.has_independent;
    Ok(())
}

fn fragment(traf: &[u8], init: &Init, samples_left: &mut usize) -> Result<Run, String> {
    let tfhd = required(traf, b"tfhd")?;
    let short = "`tfhd` is cut off";
    let flags = be32(tfhd, 0).ok_or(short)? & 0x00ff_ffff;
    let id = be32(tfhd, 4).ok_or(short)?;
    let track = init.tracks.iter().find(|track| track.id == id);
    let track = track.ok_or_else(|| format!("track {id} is not in the init section"))?;
    let (mut duration, mut sample_flags) = (track.default_duration, track.default_flags);
    let mut at = 8;
    for (flag, bytes) in [(0x1, 8), (0x2, 4), (0x8, 4), (0x10, 4), (0x20, 4)] {
        if flags & flag == 0 {
            continue;
        }
        match flag {
            0x8 => duration = be32(tfhd, at).ok_or(short)?,
            0x20 => sample_flags = be32(tfhd, at).ok_or(short)?,
            _ => {}
        }
        at += bytes;
    }
    let tfdt = required(traf, b"tfdt")?;
    let begin = if tfdt.first() == Some(&1) {
        be64(tfdt, 4)
    } else {
        be32(tfdt, 4).map(u64::from)
    };
    let mut run = Run {
        track: id,
        begin: begin.ok_or("`tfdt` is cut off")?,
        duration: 0,
        samples: 0,
        begins_independent: false,
        has_independent: false,
    };
    for (name, trun) in boxes(traf)? {
        if &name == b"trun" {
            samples(trun, (duration, sample_flags), &mut run, samples_left)?;
        }
    }
    Ok(run)
}

fn samples(
    trun: &[u8],
    defaults: (u32, u32),
    run: &mut Run,
    left: &mut usize,
) -> Result<(), String> {
    let short = "`trun` is cut off";
    let flags = be32(trun, 0).ok_or(short)? & 0x00ff_ffff;
    let count = be32(trun, 4).ok_or(short)?;
    let mut at = 8;
    at += if flags & 0x1 != 0 { 4 } else { 0 };
    let mut first_flags = None;
    if flags & 0x4 != 0 {
        first_flags = Some(be32(trun, at).ok_or(short)?);
        at += 4;
    }
    for index in 0..count {
        *left = left.checked_sub(1).ok_or("too many samples")?;
        let mut field = |flag: u32| -> Result<Option<u32>, &str> {
            if flags & flag == 0 {
                return Ok(None);
            }
            let value = be32(trun, at).ok_or(short)?;
            at += 4;
            Ok(Some(value))
        };
        let duration = field(0x100)?.unwrap_or(defaults.0);
        field(0x200)?;
        let own = field(0x400)?;
        field(0x800)?;
        let first = first_flags.filter(|_| index == 0);
        let sample_flags = own.or(first).unwrap_or(defaults.1);
        let is_independent = sample_flags & NON_SYNC == 0;
        run.begins_independent |= is_independent && run.samples == 0;
        run.has_independent |= is_independent;
        run.samples += 1;
        run.duration = run.duration.saturating_add(u64::from(duration));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len() + 8).unwrap();
        [&size.to_be_bytes()[..], name, body].concat()
    }

    #[test]
    fn boxes_that_lie_about_their_size_are_named() {
        let mut bytes = boxed(b"ftyp", b"iso6");
        assert!(init(&bytes).unwrap_err().contains("no `moov`"));
        bytes.truncate(10);
        assert!(init(&bytes).unwrap_err().contains("12 bytes, 10 are left"));
        let media_alone = boxed(b"mdat", b"x");
        assert!(
            media(&media_alone, &Init::default())
                .unwrap_err()
                .contains("without `moof`")
        );
        assert!(
            media(b"", &Init::default())
                .unwrap_err()
                .contains("no sample")
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(init(&bytes));
            let track = Track { id: 1, kind: Kind::Video, timescale: 1, default_duration: 1, default_flags: 0 };
            let one = Init { tracks: vec![track] };
            drop(media(&bytes, &one));
            let nested = boxed(b"moof", &boxed(b"traf", &bytes));
            drop(media(&nested, &one));
            let head = boxed(b"tfhd", &[0, 0, 0, 0, 0, 0, 0, 1]);
            let time = boxed(b"tfdt", &[0; 8]);
            let run = boxed(b"trun", &bytes);
            let nested = boxed(b"moof", &boxed(b"traf", &[head, time, run].concat()));
            drop(media(&nested, &one));
        }
    }
}
