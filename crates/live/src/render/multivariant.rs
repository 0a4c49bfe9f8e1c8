//! The multivariant playlist: what there is to choose from.

use std::fmt::{self, Write};

/// What the multivariant playlist says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multivariant {
    /// The streams to choose from, the one to start with first. A stream without pictures has one variant, its sound.
    pub variants: Vec<Variant>,
    /// The sound that goes with the pictures, where it is a rendition of its own.
    pub audio: Option<AudioGroup>,
}

/// EXT-X-STREAM-INF and its URI (section 4.4.6.2; authoring rule 9 wants every attribute).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Relative to the multivariant playlist, such as `{prefix}/video.m3u8`.
    pub uri: String,
    /// Peak bits per second of the variant, its sound included.
    pub bandwidth: u64,
    /// Mean bits per second of the variant, its sound included.
    pub average_bandwidth: u64,
    /// RFC 6381 codecs of the variant, its sound included.
    pub codecs: Vec<String>,
    /// Width and height of the pictures; `None` for sound alone.
    pub resolution: Option<(u32, u32)>,
    /// Pictures per 1,000 seconds; `None` for sound alone.
    pub frame_rate_millihertz: Option<u32>,
}

/// EXT-X-MEDIA of type AUDIO (section 4.4.6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioGroup {
    /// Relative to the multivariant playlist, such as `{prefix}/audio.m3u8`.
    pub uri: String,
    /// What a player's menu calls it.
    pub name: String,
    /// Number of channels.
    pub channels: u32,
}

/// The text of the multivariant playlist. It needs no tag above version 1, so it has no EXT-X-VERSION
/// (section 4.4.1.2).
#[must_use]
pub fn multivariant_playlist(playlist: &Multivariant) -> String {
    let mut text = String::new();
    write(&mut text, playlist).expect("writing to a String cannot fail");
    text
}

fn write(text: &mut String, playlist: &Multivariant) -> fmt::Result {
    writeln!(text, "#EXTM3U")?;
    writeln!(text, "#EXT-X-INDEPENDENT-SEGMENTS")?;
    if let Some(audio) = &playlist.audio {
        let (name, uri, channels) = (quoted(&audio.name), quoted(&audio.uri), audio.channels);
        write!(
            text,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME={name},DEFAULT=YES,AUTOSELECT=YES"
        )?;
        writeln!(text, ",CHANNELS=\"{channels}\",URI={uri}")?;
    }
    for variant in &playlist.variants {
        let (peak, mean) = (variant.bandwidth, variant.average_bandwidth);
        write!(
            text,
            "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={mean}"
        )?;
        write!(text, ",CODECS={}", quoted(&variant.codecs.join(",")))?;
        if let Some((width, height)) = variant.resolution {
            write!(text, ",RESOLUTION={width}x{height}")?;
        }
        if let Some(rate) = variant.frame_rate_millihertz {
            write!(text, ",FRAME-RATE={}.{:03}", rate / 1000, rate % 1000)?;
        }
        writeln!(
            text,
            "{}",
            if playlist.audio.is_some() {
                ",AUDIO=\"audio\""
            } else {
                ""
            }
        )?;
        writeln!(text, "{}", variant.uri)?;
    }
    Ok(())
}

/// A quoted-string, which cannot hold a quote or a line's end (section 4.2): they are left out.
fn quoted(value: &str) -> String {
    let legal = value.chars().filter(|c| !matches!(c, '"' | '\r' | '\n'));
    ['"'].into_iter().chain(legal).chain(['"']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show() -> Multivariant {
        Multivariant {
            variants: vec![Variant {
                uri: "k3x9/video.m3u8".into(),
                bandwidth: 4_660_000,
                average_bandwidth: 3_660_000,
                codecs: vec!["avc1.64001f".into(), "mp4a.40.2".into()],
                resolution: Some((1920, 1080)),
                frame_rate_millihertz: Some(29_970),
            }],
            audio: Some(AudioGroup {
                uri: "k3x9/audio.m3u8".into(),
                name: "Stage \"A\"\n".into(),
                channels: 2,
            }),
        }
    }

    #[test]
    fn pictures_with_sound_beside_them() {
        insta::assert_snapshot!(multivariant_playlist(&show()));
    }

    #[test]
    fn sound_alone() {
        let variant = Variant {
            uri: "k3x9/audio.m3u8".into(),
            bandwidth: 176_000,
            average_bandwidth: 160_000,
            codecs: vec!["mp4a.40.2".into()],
            resolution: None,
            frame_rate_millihertz: None,
        };
        insta::assert_snapshot!(multivariant_playlist(&Multivariant {
            variants: vec![variant],
            audio: None
        }));
    }
}
