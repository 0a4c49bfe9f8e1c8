//! `AudioSpecificConfig` (ISO/IEC 14496-3 section 1.6.2.1): what an AAC track is.
//!
//! Reads the few leading bits that decide the timeline (sample rate, samples per frame) and the sample entry
//! (channels), and names the codec for the playlist. Refuses what players do not play everywhere.

use bytes::Bytes;
use thiserror::Error;

use crate::{bits::Bits, limits::CONFIG_BYTES_MAX};

/// The configuration of one AAC track; two are equal when their bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AacConfig {
    record: Bytes,
    object_type: u8,
    sample_rate: u32,
    channels: u16,
    frame_samples: u32,
}

/// Why an `AudioSpecificConfig` was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AacConfigError {
    /// Longer than any real one.
    #[error("audio configuration of {bytes} bytes, the limit is {CONFIG_BYTES_MAX}")]
    TooLong {
        /// What it has.
        bytes: usize,
    },
    /// It ends too early.
    #[error("audio configuration of {bytes} bytes ends too early")]
    Truncated {
        /// What it has.
        bytes: usize,
    },
    /// An AAC variety that players do not play everywhere.
    #[error("unsupported AAC object type {0}: send AAC-LC")]
    ObjectType(u8),
    /// A sample rate outside 8 to 96 kHz.
    #[error("unsupported AAC sample rate {0} Hz: send 44100 or 48000")]
    SampleRate(u32),
    /// A layout that the configuration does not name by number.
    #[error("unsupported AAC channel layout {0}: send mono or stereo")]
    Channels(u8),
}

/// `samplingFrequencyIndex` 0 to 12.
const SAMPLE_RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];
const OBJECT_LC: u8 = 2;
const OBJECT_SBR: u8 = 5;
const OBJECT_PS: u8 = 29;

impl AacConfig {
    /// Reads an `AudioSpecificConfig`.
    ///
    /// # Errors
    /// When it is cut short, or describes what this server does not take.
    pub fn parse(record: Bytes) -> Result<Self, AacConfigError> {
        let bytes = record.len();
        if bytes > CONFIG_BYTES_MAX {
            return Err(AacConfigError::TooLong { bytes });
        }
        Self::read(&record)
            .ok_or(AacConfigError::Truncated { bytes })??
            .checked(record)
    }

    /// `None` when the bits run out.
    fn read(record: &[u8]) -> Option<Result<Parsed, AacConfigError>> {
        let mut bits = Bits::new(record);
        let object_type = read_object_type(&mut bits)?;
        let sample_rate = match read_sample_rate(&mut bits)? {
            Ok(rate) => rate,
            Err(index) => return Some(Err(AacConfigError::SampleRate(index))),
        };
        let layout = bits.take(4)?;
        let mut core = object_type;
        if matches!(object_type, OBJECT_SBR | OBJECT_PS) {
            // Explicit signalling of SBR: the rate above is the core's, and the core's own type follows.
            if let Err(index) = read_sample_rate(&mut bits)? {
                return Some(Err(AacConfigError::SampleRate(index)));
            }
            core = read_object_type(&mut bits)?;
        }
        if core != OBJECT_LC {
            return Some(Err(AacConfigError::ObjectType(core)));
        }
        // GASpecificConfig begins with frameLengthFlag.
        let frame_samples = if bits.take(1)? == 1 { 960 } else { 1_024 };
        Some(Ok(Parsed {
            object_type,
            sample_rate,
            layout,
            frame_samples,
        }))
    }

    /// The bytes as the publisher sent them.
    #[must_use]
    pub fn record(&self) -> &Bytes {
        &self.record
    }

    /// Samples per second of the core decoder, 8,000 to 96,000; the timescale of the track.
    #[must_use]
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Number of channels, 1 to 8.
    #[must_use]
    pub fn channels(&self) -> u16 {
        self.channels
    }

    /// Samples in every frame, at [`Self::sample_rate`].
    #[must_use]
    pub fn frame_samples(&self) -> u32 {
        self.frame_samples
    }

    /// The codec as a playlist names it (RFC 6381), such as `mp4a.40.2`.
    #[must_use]
    pub fn codec(&self) -> String {
        format!("mp4a.40.{}", self.object_type)
    }
}

struct Parsed {
    object_type: u8,
    sample_rate: u32,
    layout: u32,
    frame_samples: u32,
}

impl Parsed {
    fn checked(self, record: Bytes) -> Result<AacConfig, AacConfigError> {
        let Self {
            object_type,
            sample_rate,
            layout,
            frame_samples,
        } = self;
        if !(8_000..=96_000).contains(&sample_rate) {
            return Err(AacConfigError::SampleRate(sample_rate));
        }
        let channels = match layout {
            1..=6 => u16::try_from(layout).unwrap_or(2),
            7 => 8,
            other => {
                return Err(AacConfigError::Channels(
                    u8::try_from(other).unwrap_or(u8::MAX),
                ));
            }
        };
        Ok(AacConfig {
            record,
            object_type,
            sample_rate,
            channels,
            frame_samples,
        })
    }
}

/// Five bits, or eleven.
fn read_object_type(bits: &mut Bits<'_>) -> Option<u8> {
    let value = match bits.take(5)? {
        31 => 32 + bits.take(6)?,
        value => value,
    };
    u8::try_from(value).ok()
}

/// The rate, or the index that names none.
fn read_sample_rate(bits: &mut Bits<'_>) -> Option<Result<u32, u32>> {
    let index = bits.take(4)?;
    if index == 15 {
        return bits.take(24).map(Ok);
    }
    let named = usize::try_from(index)
        .ok()
        .and_then(|i| SAMPLE_RATES.get(i).copied());
    Some(named.ok_or(index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(record: &'static [u8]) -> Result<AacConfig, AacConfigError> {
        AacConfig::parse(Bytes::from_static(record))
    }

    #[test]
    fn stereo_48_khz_low_complexity() {
        let config = parse(&[0x11, 0x90]).unwrap();
        assert_eq!(
            (
                config.sample_rate(),
                config.channels(),
                config.frame_samples()
            ),
            (48_000, 2, 1_024)
        );
        assert_eq!(config.codec(), "mp4a.40.2");
        assert_eq!(config.record().as_ref(), [0x11, 0x90]);
    }

    #[test]
    fn mono_44100_with_trailing_sync_extension() {
        let config = parse(&[0x12, 0x08, 0x56, 0xe5, 0x00]).unwrap();
        assert_eq!((config.sample_rate(), config.channels()), (44_100, 1));
    }

    #[test]
    fn explicit_sbr_keeps_the_core_rate_and_names_itself() {
        // Object type 5, core 24 kHz, stereo, extension 48 kHz, core type 2, frameLengthFlag 0.
        // 00101 0110 0010 0011 00010 0 = 0x2b 0x11 0x88 0x00
        let config = parse(&[0x2b, 0x11, 0x88, 0x00]).unwrap();
        assert_eq!((config.sample_rate(), config.channels()), (24_000, 2));
        assert_eq!(config.codec(), "mp4a.40.5");
    }

    #[test]
    fn an_explicit_rate_is_read_and_bounded() {
        // 00010 1111 (48,001 = 0x00bb81) 0010 0
        let bits = format!("{:05b}{:04b}{:024b}{:04b}0", 2, 15, 48_001, 2);
        let config = AacConfig::parse(pack(&bits)).unwrap();
        assert_eq!(config.sample_rate(), 48_001);
        for rate in [0, 7_999, 96_001, 0xff_ffff] {
            let bits = format!("{:05b}{:04b}{rate:024b}{:04b}0", 2, 15, 2);
            assert_eq!(
                AacConfig::parse(pack(&bits)),
                Err(AacConfigError::SampleRate(rate))
            );
        }
    }

    fn pack(bits: &str) -> Bytes {
        let mut bits = bits.to_owned();
        while !bits.len().is_multiple_of(8) {
            bits.push('0');
        }
        let byte = |i| u8::from_str_radix(&bits[i..i + 8], 2).unwrap();
        (0..bits.len())
            .step_by(8)
            .map(byte)
            .collect::<Vec<_>>()
            .into()
    }

    #[test]
    fn refusals_say_what_to_send() {
        assert_eq!(parse(&[]), Err(AacConfigError::Truncated { bytes: 0 }));
        assert_eq!(parse(&[0x11]), Err(AacConfigError::Truncated { bytes: 1 }));
        // Object type 1, main profile.
        assert_eq!(
            parse(&[0x09, 0x90]).unwrap_err().to_string(),
            "unsupported AAC object type 1: send AAC-LC"
        );
        // Channel layout 0 leaves the layout to the stream.
        assert_eq!(parse(&[0x11, 0x80]), Err(AacConfigError::Channels(0)));
        // Rate index 12 is 7,350 Hz, 13 is reserved.
        assert_eq!(parse(&[0x16, 0x10]), Err(AacConfigError::SampleRate(7_350)));
        assert_eq!(parse(&[0x16, 0x90]), Err(AacConfigError::SampleRate(13)));
        let long = Bytes::from(vec![0x11; CONFIG_BYTES_MAX + 1]);
        assert_eq!(
            AacConfig::parse(long),
            Err(AacConfigError::TooLong {
                bytes: CONFIG_BYTES_MAX + 1
            })
        );
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_in_range(record in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Ok(config) = AacConfig::parse(record.into()) {
                prop_assert!((8_000..=96_000).contains(&config.sample_rate()));
                prop_assert!((1..=8).contains(&config.channels()));
                prop_assert!(matches!(config.frame_samples(), 960 | 1_024));
            }
        }
    }
}
