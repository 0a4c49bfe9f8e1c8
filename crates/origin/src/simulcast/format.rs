//! What a platform is told of a show before its first picture: how pictures and sound are coded.

use bytes::Bytes;
use fanwave_media::{AudioConfig, TrackId, Tracks, VideoConfig};

/// What goes to platforms of a publisher's tracks: its first pictures and its first sound, as far as every platform takes
/// them. Pure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Format {
    /// H.264.
    pub(super) pictures: Option<Pictures>,
    /// AAC.
    pub(super) sound: Option<Sound>,
    /// Whether there are pictures of another codec.
    has_other_pictures: bool,
    /// Whether there is sound, and none of it is AAC.
    pub(super) has_other_sound: bool,
}

/// How pictures are coded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pictures {
    /// The AVC decoder configuration record.
    pub(super) record: Bytes,
    pub(super) width: u16,
    pub(super) height: u16,
}

/// How sound is coded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sound {
    pub(super) track: TrackId,
    /// The AAC audio specific configuration.
    pub(super) record: Bytes,
    /// Samples per second.
    pub(super) rate: u32,
    pub(super) channels: u16,
}

impl Format {
    pub(super) fn of(tracks: &Tracks) -> Self {
        let pictures = tracks.video.first().map(|track| &track.config);
        let sound = tracks.ids().find_map(|track| {
            let AudioConfig::Aac(config) = &tracks.audio(track)?.config else {
                return None;
            };
            Some(Sound {
                track,
                record: config.record().clone(),
                rate: config.sample_rate(),
                channels: config.channels(),
            })
        });
        Self {
            has_other_pictures: matches!(
                pictures,
                Some(VideoConfig::Hevc(_) | VideoConfig::Av1(_))
            ),
            has_other_sound: sound.is_none() && !tracks.audio.is_empty(),
            pictures: match pictures {
                Some(VideoConfig::Avc(config)) => Some(Pictures {
                    record: config.record().clone(),
                    width: config.width(),
                    height: config.height(),
                }),
                _ => None,
            },
            sound,
        }
    }

    /// Whether there is anything that platforms take. Sound without the pictures that belong to it is not.
    pub(super) fn is_taken(&self) -> bool {
        !self.has_other_pictures && (self.pictures.is_some() || self.sound.is_some())
    }

    /// Whether a push in this format can go on in the other: the same pictures to look at and sound to hear, coded otherwise.
    ///
    /// Platforms take a new configuration amid a push; what has another size, few of them do.
    pub(super) fn goes_on_as(&self, next: &Self) -> bool {
        let size = |format: &Self| format.pictures.as_ref().map(|p| (p.width, p.height));
        let heard = |format: &Self| format.sound.as_ref().map(|s| (s.rate, s.channels));
        size(self) == size(next) && heard(self) == heard(next)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use fanwave_media::{AacConfig, AudioTrack, AvcConfig, OpusConfig, VideoTrack};

    use super::*;

    /// 1280x720 at 30 pictures per second, High profile of this level.
    pub(in crate::simulcast) fn avc(level: u8) -> VideoConfig {
        let mut record = crate::tests::AVC.to_vec();
        (record[3], record[11]) = (level, level);
        VideoConfig::Avc(AvcConfig::parse(record.into()).unwrap())
    }

    /// AAC-LC, 48 kHz, of so many channels.
    pub(in crate::simulcast) fn aac(channels: u8) -> AudioConfig {
        let record = vec![0x11, 0x80 | (channels << 3)];
        AudioConfig::Aac(AacConfig::parse(record.into()).unwrap())
    }

    pub(in crate::simulcast) fn opus() -> AudioConfig {
        AudioConfig::Opus(OpusConfig::of_channels(2).unwrap())
    }

    pub(in crate::simulcast) fn tracks(
        video: impl IntoIterator<Item = VideoConfig>,
        audio: impl IntoIterator<Item = AudioConfig>,
    ) -> Tracks {
        Tracks {
            video: video.into_iter().map(VideoTrack::new).collect(),
            audio: audio.into_iter().map(AudioTrack::new).collect(),
        }
    }

    #[test]
    fn the_first_pictures_go_out_with_the_first_sound_that_platforms_take() {
        let format = Format::of(&tracks([avc(31)], [opus(), aac(2), aac(1)]));
        assert!(format.is_taken() && !format.has_other_sound);
        let pictures = format.pictures.unwrap();
        assert_eq!((pictures.width, pictures.height), (1_280, 720));
        let sound = format.sound.unwrap();
        assert_eq!(
            (sound.track, sound.rate, sound.channels),
            (TrackId::audio(1), 48_000, 2)
        );

        let mute = Format::of(&tracks([avc(31)], [opus()]));
        assert!(mute.is_taken() && mute.has_other_sound && mute.sound.is_none());
        let silent = Format::of(&tracks([avc(31)], []));
        assert!(silent.is_taken() && !silent.has_other_sound);
        assert!(Format::of(&tracks([], [aac(2)])).is_taken());
        assert!(!Format::of(&tracks([], [opus()])).is_taken());
        let heard_alone = Format {
            has_other_pictures: true,
            ..Format::of(&tracks([], [aac(2)]))
        };
        assert!(!heard_alone.is_taken());
    }

    #[test]
    fn a_push_goes_on_while_what_is_seen_and_heard_is_alike() {
        let of = |level, channels| Format::of(&tracks([avc(level)], [aac(channels)]));
        assert!(of(31, 2).goes_on_as(&of(32, 2)));
        assert_ne!(of(31, 2), of(32, 2));
        assert!(!of(31, 2).goes_on_as(&of(31, 1)));
        assert!(!of(31, 2).goes_on_as(&Format::of(&tracks([avc(31)], []))));
    }
}
