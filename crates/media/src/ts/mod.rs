//! One publisher's MPEG transport stream in, its tracks and samples out (ISO/IEC 13818-1).
//!
//! 1. `packet` cuts the bytes into packets of 188 and finds their beginning again when it is lost.
//! 2. `section` reads the tables: the first program, and in it the first stream of H.264 or HEVC, and those of AAC and Opus.
//! 3. `pes` puts the packets of each stream together again. What a lost packet belonged to is dropped, counted, and the
//!    next unit is taken: SRT gives up on packets that come too late, and a show does not end over that.
//! 4. `elementary` turns pictures into what a file holds, `adts` and `opus` take the sound apart.
//! 5. All of it goes to the [`crate::intake`], whose ticks are those of a transport stream. What comes out, and in which order,
//!    is said there.
//!
//! Usage: call [`Demux::handle`], then drain [`Demux::poll_output`]. After an error the publisher has to be let go: nothing
//! more comes out.

mod adts;
mod clock;
mod opus;
mod packet;
mod pes;
mod section;

use thiserror::Error;

use self::{
    adts::Adts,
    clock::{Unwrap, signed_33},
    opus::Opus,
    packet::{Packet, Splitter},
    pes::{Pes, Unit},
    section::{AudioEntry, AudioStream, Program, Sections},
};
use crate::{
    aac::AacConfigError,
    elementary::{
        annexb,
        assembly::{Assembly, AssemblyError},
        parameter_sets::ParameterSets,
    },
    intake::{IntakeError, Output, PictureIn},
    language::Language,
    limits::{
        AUDIO_FRAME_BYTES_MAX, FRAME_BYTES_MAX, KEYFRAME_WAIT_MS, TS_AUDIO_PES_BYTES_MAX,
        TS_SEARCH_BYTES_MAX,
    },
    track::{AudioConfig, AudioTrack, VideoConfigError},
};

/// Why a publisher cannot be taken any further.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TsError {
    /// It is no transport stream.
    #[error("no MPEG-TS program within {TS_SEARCH_BYTES_MAX} bytes: send MPEG-TS")]
    NoProgram,
    /// The program has pictures, in another codec.
    #[error("unsupported MPEG-TS stream type {0:#04x}: send H.264 or HEVC")]
    VideoType(u8),
    /// The program has sound, in another codec.
    #[error("unsupported MPEG-TS stream type {0:#04x}: send AAC or Opus")]
    AudioType(u8),
    /// The program has neither pictures nor sound.
    #[error("an MPEG-TS program without video and audio: send H.264 or HEVC, and AAC or Opus")]
    NoStream,
    /// Pictures came, but none at which decoding can begin.
    #[error(
        "no IDR picture with its parameter sets within {KEYFRAME_WAIT_MS} ms: set the keyframe interval to 2 s in the \
         encoder, and have it repeat its headers"
    )]
    NoKeyframe,
    /// The parameter sets make no configuration.
    #[error(transparent)]
    VideoConfig(#[from] VideoConfigError),
    /// The audio frames' headers make no configuration.
    #[error(transparent)]
    AudioConfig(#[from] AacConfigError),
    /// A picture is longer than any real one.
    #[error("picture of more than {FRAME_BYTES_MAX} bytes")]
    PictureTooLong,
    /// An audio packet is longer than any real one.
    #[error("audio packet of more than {TS_AUDIO_PES_BYTES_MAX} bytes")]
    AudioTooLong,
    /// An audio frame is longer than any real one.
    #[error("audio frame of more than {AUDIO_FRAME_BYTES_MAX} bytes")]
    AudioFrame,
    /// The frames make no stream.
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

impl From<AssemblyError> for TsError {
    fn from(error: AssemblyError) -> Self {
        match error {
            AssemblyError::NoKeyframe => Self::NoKeyframe,
            AssemblyError::Intake(error) => Self::Intake(error),
        }
    }
}

/// What was lost on the way, as far as the stream shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// Times that packets of a stream were missing.
    pub gaps: u64,
    /// Bytes that were no packets.
    pub skipped_bytes: u64,
}

/// Turns one publisher's transport stream into samples; see the module for the order of things.
#[derive(Debug)]
pub struct Demux {
    splitter: Splitter,
    association: Sections,
    map: Option<(u16, Sections)>,
    program: Option<Streams>,
    /// Bytes read without a program.
    searched: usize,
    clock: Unwrap,
    assembly: Assembly,
    /// Units that the last packet completed.
    units: Vec<Unit>,
    gaps_before: u64,
    is_over: bool,
}

/// The streams that are taken of the program.
#[derive(Debug)]
struct Streams {
    program: Program,
    video: Option<Pes>,
    parameter_sets: Option<ParameterSets>,
    /// By the order in the program's map, which is their number from here on.
    audio: Vec<Sound>,
}

/// One stream of sound.
#[derive(Debug)]
struct Sound {
    pes: Pes,
    frames: Frames,
    language: Option<Language>,
}

/// What takes the units of sound apart.
#[derive(Debug)]
enum Frames {
    Adts(Adts),
    Opus(Opus),
}

impl Sound {
    fn new(entry: &AudioEntry) -> Option<Self> {
        let frames = match entry.stream {
            AudioStream::Adts => Frames::Adts(Adts::default()),
            AudioStream::Opus(channels) => Frames::Opus(Opus::new(channels)?),
        };
        Some(Self {
            pes: Pes::new(entry.pid, TS_AUDIO_PES_BYTES_MAX),
            frames,
            language: entry.language.clone(),
        })
    }
}

impl Demux {
    /// A publisher whose first picture is decoded `start_ms` milliseconds after the start of the stream.
    #[must_use]
    pub fn new(start_ms: u32) -> Self {
        Self {
            splitter: Splitter::default(),
            association: Sections::default(),
            map: None,
            program: None,
            searched: 0,
            clock: Unwrap::default(),
            assembly: Assembly::new(start_ms),
            units: Vec::new(),
            gaps_before: 0,
            is_over: false,
        }
    }

    /// The next output, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.assembly.poll_output()
    }

    /// Whether the encoder makes open groups of pictures; see [`crate::Intake::has_open_groups`].
    #[must_use]
    pub fn has_open_groups(&self) -> bool {
        self.assembly.has_open_groups()
    }

    /// What was lost so far.
    #[must_use]
    pub fn losses(&self) -> Losses {
        let open = self.program.as_ref().map_or(0, Streams::gaps);
        Losses {
            gaps: self.gaps_before.saturating_add(open),
            skipped_bytes: self.splitter.skipped_bytes(),
        }
    }

    /// Takes bytes as they came; packets may begin and end anywhere in them.
    ///
    /// # Errors
    /// When the publisher cannot be taken any further.
    pub fn handle(&mut self, bytes: &[u8]) -> Result<(), TsError> {
        if self.is_over {
            return Ok(());
        }
        let taken = self.take(bytes);
        self.is_over = taken.is_err();
        taken
    }

    /// The publisher is gone: gives out what was held back for look-ahead.
    ///
    /// A picture that was not followed by another is dropped: nobody knows whether all of it came.
    pub fn finish(&mut self) {
        self.is_over = true;
        self.assembly.finish();
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), TsError> {
        if self.program.is_none() {
            self.searched = self.searched.saturating_add(bytes.len());
            if self.searched > TS_SEARCH_BYTES_MAX {
                return Err(TsError::NoProgram);
            }
        }
        let mut rest = bytes;
        while let Some(packet) = self.splitter.take(&mut rest) {
            self.packet(&Packet::parse(&packet))?;
        }
        Ok(())
    }

    fn packet(&mut self, packet: &Packet<'_>) -> Result<(), TsError> {
        if packet.pid == section::ASSOCIATION_PID {
            self.associate(packet);
        }
        if self.map.as_ref().is_some_and(|(pid, _)| *pid == packet.pid) {
            self.map(packet)?;
        }
        let Some(streams) = &mut self.program else {
            return Ok(());
        };
        let units = &mut self.units;
        if let Some(video) = &mut streams.video
            && video.pid() == packet.pid
        {
            let taken = video.take(packet, units);
            taken.map_err(|_| TsError::PictureTooLong)?;
            for unit in std::mem::take(units) {
                self.picture(&unit)?;
            }
        } else if let Some(index) = streams
            .audio
            .iter()
            .position(|sound| sound.pes.pid() == packet.pid)
        {
            let taken = streams.audio[index].pes.take(packet, units);
            taken.map_err(|_| TsError::AudioTooLong)?;
            for unit in std::mem::take(units) {
                self.sound(index, &unit)?;
            }
        }
        Ok(())
    }

    fn associate(&mut self, packet: &Packet<'_>) {
        let mut found = None;
        self.association.take(packet, |section| {
            found = section::map_pid(section).or(found);
        });
        if let Some(pid) = found
            && self.map.as_ref().is_none_or(|(known, _)| *known != pid)
        {
            self.map = Some((pid, Sections::default()));
        }
    }

    fn map(&mut self, packet: &Packet<'_>) -> Result<(), TsError> {
        let mut found = None;
        if let Some((_, sections)) = &mut self.map {
            sections.take(packet, |section| {
                found = section::program(section).or(found.take());
            });
        }
        match found.transpose()? {
            Some(program)
                if self
                    .program
                    .as_ref()
                    .is_none_or(|now| now.program != program) =>
            {
                let before = self.program.take();
                self.gaps_before = self
                    .gaps_before
                    .saturating_add(before.map_or(0, |streams| streams.gaps()));
                self.assembly
                    .expect(program.video.is_some(), program.audio.len())?;
                self.program = Some(Streams::new(program));
                Ok(())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn picture(&mut self, unit: &Unit) -> Result<(), TsError> {
        // A picture without a time cannot be shown.
        let Some(presented) = unit.presented else {
            return Ok(());
        };
        let decoded = unit.decoded.unwrap_or(presented);
        let composition = signed_33(presented.wrapping_sub(decoded));
        let decode = self.clock.next(decoded);
        let sets = self
            .program
            .as_mut()
            .and_then(|s| s.parameter_sets.as_mut());
        let Some(sets) = sets else {
            return Ok(());
        };
        let picture = annexb::picture(&unit.data, sets);
        if picture.begins
            && let Some(config) = sets.changed()?
        {
            self.assembly.video_config(config)?;
        }
        Ok(self.assembly.picture(PictureIn {
            decode,
            composition,
            data: picture.data,
        })?)
    }

    fn sound(&mut self, index: usize, unit: &Unit) -> Result<(), TsError> {
        let at = unit.presented.map(|presented| self.clock.next(presented));
        let streams = self.program.as_mut();
        let Some(sound) = streams.and_then(|streams| streams.audio.get_mut(index)) else {
            return Ok(());
        };
        // There are no more than a few.
        let number = u16::try_from(index).unwrap_or(u16::MAX);
        match &mut sound.frames {
            Frames::Adts(adts) => {
                for frame in adts.take(at, &unit.data)? {
                    if let Some(config) = adts.changed(&frame)? {
                        let track = track(sound.language.as_ref(), AudioConfig::Aac(config));
                        self.assembly.audio_config(number, track)?;
                    }
                    if let Some(at) = frame.at {
                        self.assembly.sound(number, at, frame.data)?;
                    }
                }
            }
            Frames::Opus(opus) => {
                if let Some(config) = opus.untold() {
                    let track = track(sound.language.as_ref(), AudioConfig::Opus(config));
                    self.assembly.audio_config(number, track)?;
                }
                for frame in opus.take(at, &unit.data) {
                    if let Some(at) = frame.at {
                        self.assembly.sound(number, at, frame.data)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// What a track is whose frames are of this configuration.
fn track(language: Option<&Language>, config: AudioConfig) -> AudioTrack {
    AudioTrack {
        language: language.cloned(),
        ..AudioTrack::new(config)
    }
}

impl Streams {
    fn new(program: Program) -> Self {
        Self {
            video: program.video.map(|(_, pid)| Pes::new(pid, FRAME_BYTES_MAX)),
            parameter_sets: program.video.map(|(codec, _)| ParameterSets::new(codec)),
            audio: program.audio.iter().filter_map(Sound::new).collect(),
            program,
        }
    }

    fn gaps(&self) -> u64 {
        let sound = self.audio.iter().map(|sound| sound.pes.gaps());
        let video = self.video.as_ref().map_or(0, Pes::gaps);
        sound.fold(video, u64::saturating_add)
    }
}

#[cfg(test)]
pub(crate) mod tests;
