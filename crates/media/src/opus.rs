//! Opus: its identification header (RFC 7845 section 5.1) and how long a packet lasts (RFC 6716 section 3.1).
//!
//! Opus is decoded at 48 kHz whatever was recorded, so that is the timescale of the track. The pre-skip of the header goes
//! into the sample entry as it came; no edit list repeats it, because a live stream is joined anywhere and publishers
//! already count it into their timestamps.

use bytes::Bytes;
use mp4_atom::{Dops, OpusChannelMapping};
use thiserror::Error;

use crate::limits::CONFIG_BYTES_MAX;

/// Samples per second of every Opus track.
pub const OPUS_SAMPLE_RATE: u32 = 48_000;

/// The longest packet: 120 ms (RFC 6716 section 3.2.5).
const PACKET_SAMPLES_MAX: u32 = 5_760;

/// The configuration of one Opus track; two are equal when their bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusConfig {
    record: Bytes,
    dops: Dops,
}

/// Why an identification header was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpusConfigError {
    /// Longer than any real one.
    #[error("Opus configuration of {bytes} bytes, the limit is {CONFIG_BYTES_MAX}")]
    TooLong {
        /// What it has.
        bytes: usize,
    },
    /// It is no identification header.
    #[error("Opus configuration of {bytes} bytes is malformed")]
    Malformed {
        /// What it has.
        bytes: usize,
    },
    /// A layout that players do not know.
    #[error("unsupported Opus layout of {channels} channels in family {family}: send stereo")]
    Layout {
        /// `channel mapping family`.
        family: u8,
        /// Number of channels.
        channels: u8,
    },
}

/// A packet whose duration cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed Opus packet of {bytes} bytes")]
pub struct OpusPacketError {
    /// What it has.
    pub bytes: usize,
}

const MAGIC: &[u8] = b"OpusHead";

/// Streams, coupled streams and the order of channels for three channels and more, as RFC 7845 section 5.1.1.2 has them.
const SURROUND: [(u8, u8, &[u8]); 6] = [
    (2, 1, &[0, 2, 1]),
    (2, 2, &[0, 1, 2, 3]),
    (3, 2, &[0, 4, 1, 2, 3]),
    (4, 2, &[0, 4, 1, 2, 3, 5]),
    (4, 3, &[0, 4, 1, 2, 3, 5, 6]),
    (5, 3, &[0, 6, 1, 2, 3, 4, 5, 7]),
];

impl OpusConfig {
    /// A stream of one to eight channels of which nothing else is told; `None` for any other number.
    #[must_use]
    pub fn of_channels(channels: u8) -> Option<Self> {
        // Version 1, no pre-skip, what was recorded at 48 kHz, no gain.
        let mut head = [MAGIC, &[1, channels, 0, 0]].concat();
        head.extend_from_slice(&OPUS_SAMPLE_RATE.to_le_bytes());
        head.extend_from_slice(&[0, 0]);
        if channels <= 2 {
            head.push(0);
        } else {
            let (streams, coupled, order) = SURROUND.get(usize::from(channels) - 3)?;
            head.extend_from_slice(&[1, *streams, *coupled]);
            head.extend_from_slice(order);
        }
        Self::parse(head.into()).ok()
    }

    /// Reads an identification header.
    ///
    /// # Errors
    /// When it is cut short, or describes what this server does not take.
    pub fn parse(record: Bytes) -> Result<Self, OpusConfigError> {
        let bytes = record.len();
        if bytes > CONFIG_BYTES_MAX {
            return Err(OpusConfigError::TooLong { bytes });
        }
        let dops = read(&record).ok_or(OpusConfigError::Malformed { bytes })?;
        let (channels, family) = (
            dops.output_channel_count,
            dops.channel_mapping.as_ref().map_or(0, |m| m.family),
        );
        // RFC 7845 section 5.1.1: family 0 is mono or stereo, family 1 the orders of Vorbis up to 7.1.
        if !matches!((family, channels), (0, 1 | 2) | (1, 1..=8)) {
            return Err(OpusConfigError::Layout { family, channels });
        }
        Ok(Self { record, dops })
    }

    /// The bytes as the publisher sent them.
    #[must_use]
    pub fn record(&self) -> &Bytes {
        &self.record
    }

    /// The same without pre-skip, for a decoder that is to leave out nothing and so moves no times.
    #[must_use]
    pub fn without_skip(&self) -> Self {
        let mut record = self.record.to_vec();
        // Behind the magic, the version and the number of channels; it was there when the record was read.
        if let Some(skip) = record.get_mut(10..12) {
            skip.fill(0);
        }
        Self {
            record: record.into(),
            dops: Dops {
                pre_skip: 0,
                ..self.dops.clone()
            },
        }
    }

    /// Number of channels, 1 to 8.
    #[must_use]
    pub fn channels(&self) -> u16 {
        self.dops.output_channel_count.into()
    }

    /// The codec as a playlist names it. RFC 6381 has no say; Safari knows it in this spelling alone, others in any.
    #[must_use]
    pub fn codec(&self) -> String {
        "Opus".to_owned()
    }

    /// Samples in a packet, at [`OPUS_SAMPLE_RATE`]: told by its first two bytes.
    ///
    /// # Errors
    /// For an empty packet, one of no frames and one of more than 120 ms.
    pub fn packet_samples(&self, packet: &[u8]) -> Result<u32, OpusPacketError> {
        let malformed = OpusPacketError {
            bytes: packet.len(),
        };
        let toc = *packet.first().ok_or(malformed)?;
        let config = usize::from(toc >> 3);
        // RFC 6716 table 2, in samples.
        let frame = match config {
            0..=11 => [480, 960, 1_920, 2_880][config & 3],
            12..=15 => [480, 960][config & 1],
            _ => [120, 240, 480, 960][config & 3],
        };
        let frames = match toc & 3 {
            0 => 1,
            1 | 2 => 2,
            _ => u32::from(packet.get(1).ok_or(malformed)? & 0x3f),
        };
        let samples: u32 = frame * frames;
        if (1..=PACKET_SAMPLES_MAX).contains(&samples) {
            Ok(samples)
        } else {
            Err(malformed)
        }
    }

    /// The header as the box library has it.
    pub(crate) fn dops(&self) -> &Dops {
        &self.dops
    }
}

/// `None` when it is cut short, of another version, or its table names what is not there.
fn read(record: &[u8]) -> Option<Dops> {
    let rest = record.strip_prefix(MAGIC)?;
    let (&[version, channels, a, b, c, d, e, f, g, h, family], table) = rest.split_first_chunk()?;
    // "the upper four bits ... major version number": implementations refuse another, and take any minor one.
    if version >> 4 != 0 {
        return None;
    }
    let channel_mapping = match family {
        0 => None,
        family => {
            let (&[stream_count, coupled_count], table) = table.split_first_chunk()?;
            let channel_mapping = table.get(..channels.into())?.to_vec();
            let decoded = u16::from(stream_count) + u16::from(coupled_count);
            let is_legal = stream_count > 0
                && coupled_count <= stream_count
                && decoded <= u16::from(u8::MAX)
                && channel_mapping
                    .iter()
                    .all(|&channel| channel == u8::MAX || u16::from(channel) < decoded);
            if !is_legal {
                return None;
            }
            Some(OpusChannelMapping {
                family,
                stream_count,
                coupled_count,
                channel_mapping,
            })
        }
    };
    Some(Dops {
        output_channel_count: channels,
        pre_skip: u16::from_le_bytes([a, b]),
        input_sample_rate: u32::from_le_bytes([c, d, e, f]),
        output_gain: i16::from_le_bytes([g, h]),
        channel_mapping,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Stereo with a pre-skip of 312 samples, as libopus writes it.
    pub(crate) const HEAD: &[u8] = &[
        b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', 1, 2, 0x38, 1, 0x80, 0xbb, 0, 0, 0, 0, 0,
    ];

    fn parse(record: &[u8]) -> Result<OpusConfig, OpusConfigError> {
        OpusConfig::parse(Bytes::copy_from_slice(record))
    }

    /// The header with another count of channels and family, and what follows it.
    fn layout(channels: u8, family: u8, table: &[u8]) -> Result<OpusConfig, OpusConfigError> {
        let mut head = HEAD.to_vec();
        (head[9], head[18]) = (channels, family);
        head.extend_from_slice(table);
        parse(&head)
    }

    #[test]
    fn a_header_names_channels_and_pre_skip() {
        let config = parse(HEAD).unwrap();
        assert_eq!((config.channels(), config.codec().as_str()), (2, "Opus"));
        assert_eq!(
            (config.dops().pre_skip, config.dops().input_sample_rate),
            (312, 48_000)
        );
        let surround = layout(6, 1, &[4, 2, 0, 4, 1, 2, 3, 5]).unwrap();
        assert_eq!(surround.channels(), 6);
    }

    #[test]
    fn refusals_say_what_to_send() {
        assert_eq!(parse(&[]), Err(OpusConfigError::Malformed { bytes: 0 }));
        assert_eq!(
            parse(&HEAD[..18]),
            Err(OpusConfigError::Malformed { bytes: 18 })
        );
        let mut version = HEAD.to_vec();
        version[8] = 0x10;
        assert_eq!(
            parse(&version),
            Err(OpusConfigError::Malformed { bytes: 19 })
        );
        assert_eq!(
            layout(3, 0, &[]).unwrap_err().to_string(),
            "unsupported Opus layout of 3 channels in family 0: send stereo"
        );
        assert_eq!(
            layout(0, 0, &[]),
            Err(OpusConfigError::Layout {
                family: 0,
                channels: 0
            })
        );
        assert_eq!(
            layout(2, 255, &[2, 0, 0, 1]),
            Err(OpusConfigError::Layout {
                family: 255,
                channels: 2
            })
        );
        // A table that names a channel past the decoded ones, more coupled streams than streams, and none.
        for table in [[1, 1, 0, 2], [1, 2, 0, 1], [0, 0, 255, 255]] {
            assert_eq!(
                layout(2, 1, &table),
                Err(OpusConfigError::Malformed { bytes: 23 })
            );
        }
        let long = Bytes::from(vec![0; CONFIG_BYTES_MAX + 1]);
        assert_eq!(
            OpusConfig::parse(long),
            Err(OpusConfigError::TooLong {
                bytes: CONFIG_BYTES_MAX + 1
            })
        );
    }

    #[test]
    fn without_pre_skip_everything_else_stays() {
        let config = parse(HEAD).unwrap();
        let plain = config.without_skip();
        assert_ne!(plain, config);
        assert_eq!(plain, OpusConfig::parse(plain.record().clone()).unwrap());
        assert_eq!(
            (plain.channels(), plain.dops().pre_skip),
            (config.channels(), 0)
        );
        assert_eq!(plain.without_skip(), plain);
    }

    #[test]
    fn packets_tell_how_long_they_last() {
        let config = parse(HEAD).unwrap();
        let ms = |packet: &[u8]| config.packet_samples(packet).map(|s| s / 48);
        // SILK 60 ms, hybrid 20 ms, CELT 20 ms, two of CELT 10 ms, five of SILK 20 ms.
        assert_eq!(ms(&[3 << 3]), Ok(60));
        assert_eq!(ms(&[13 << 3]), Ok(20));
        assert_eq!(ms(&[31 << 3]), Ok(20));
        assert_eq!(ms(&[30 << 3 | 1]), Ok(20));
        assert_eq!(ms(&[1 << 3 | 3, 5]), Ok(100));
        // Two and a half milliseconds.
        assert_eq!(config.packet_samples(&[16 << 3]), Ok(120));
        for packet in [&[][..], &[3], &[3, 0], &[31 << 3 | 3, 7]] {
            let bytes = packet.len();
            assert_eq!(
                config.packet_samples(packet),
                Err(OpusPacketError { bytes })
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_in_range(
            tail in proptest::collection::vec(any::<u8>(), 0..24), packet in proptest::collection::vec(any::<u8>(), 0..4),
        ) {
            if let Ok(config) = parse(&[MAGIC, &tail].concat()) {
                prop_assert!((1..=8).contains(&config.channels()));
                if let Ok(samples) = config.packet_samples(&packet) {
                    prop_assert!((120..=PACKET_SAMPLES_MAX).contains(&samples));
                }
            }
        }
    }
}
