//! The multivariant playlist: what there is to choose from.

use std::fmt::{self, Write};

/// What the multivariant playlist says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multivariant {
    /// The streams to choose from, the one to start with first. A stream without pictures has one variant, its sound.
    pub variants: Vec<Variant>,
    /// The sound that goes with the pictures, where it is a rendition of its own; the default of each group first.
    pub audio: Vec<AudioRendition>,
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
    /// Dynamic range of the pictures.
    pub video_range: VideoRange,
    /// Group of the sound that goes with it, where it is a rendition of its own.
    pub audio: Option<String>,
}

/// VIDEO-RANGE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoRange {
    /// The attribute may be left out, and is: players that do not know it play no other.
    Sdr,
    /// Hybrid log-gamma.
    Hlg,
    /// SMPTE ST 2084.
    Pq,
}

/// EXT-X-MEDIA of type AUDIO (section 4.4.6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioRendition {
    /// GROUP-ID.
    pub group: String,
    /// Relative to the multivariant playlist, such as `{prefix}/audio.m3u8`.
    pub uri: String,
    /// What a player's menu calls it.
    pub name: String,
    /// What is spoken, a tag of RFC 5646, where that is known.
    pub language: Option<String>,
    /// Whether it is played unless a viewer chooses otherwise; one of a group at most.
    pub is_default: bool,
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
    for audio in &playlist.audio {
        rendition(text, audio)?;
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
        match variant.video_range {
            VideoRange::Sdr => {}
            VideoRange::Hlg => write!(text, ",VIDEO-RANGE=HLG")?,
            VideoRange::Pq => write!(text, ",VIDEO-RANGE=PQ")?,
        }
        if let Some(group) = &variant.audio {
            write!(text, ",AUDIO={}", quoted(group))?;
        }
        writeln!(text)?;
        writeln!(text, "{}", variant.uri)?;
    }
    Ok(())
}

fn rendition(text: &mut String, audio: &AudioRendition) -> fmt::Result {
    write!(
        text,
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID={}",
        quoted(&audio.group)
    )?;
    write!(text, ",NAME={}", quoted(&audio.name))?;
    if let Some(language) = &audio.language {
        write!(text, ",LANGUAGE={}", quoted(language))?;
    }
    // A player may choose by what its viewer speaks, but only among languages that are known.
    let autoselect = audio.is_default || audio.language.is_some();
    let yes = |is: bool| if is { "YES" } else { "NO" };
    write!(
        text,
        ",DEFAULT={},AUTOSELECT={}",
        yes(audio.is_default),
        yes(autoselect)
    )?;
    let (channels, uri) = (audio.channels, quoted(&audio.uri));
    writeln!(text, ",CHANNELS=\"{channels}\",URI={uri}")
}

/// A quoted-string, which cannot hold a quote or a line's end (section 4.2): they are left out.
fn quoted(value: &str) -> String {
    let legal = value.chars().filter(|c| !matches!(c, '"' | '\r' | '\n'));
    ['"'].into_iter().chain(legal).chain(['"']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures() -> Variant {
        Variant {
            uri: "k3x9/video.m3u8".into(),
            bandwidth: 4_660_000,
            average_bandwidth: 3_660_000,
            codecs: vec!["avc1.64001f".into(), "mp4a.40.2".into()],
            resolution: Some((1920, 1080)),
            frame_rate_millihertz: Some(29_970),
            video_range: VideoRange::Sdr,
            audio: Some("audio".into()),
        }
    }

    fn stage() -> AudioRendition {
        AudioRendition {
            group: "audio".into(),
            uri: "k3x9/audio.m3u8".into(),
            name: "Stage \"A\"\n".into(),
            language: None,
            is_default: true,
            channels: 2,
        }
    }

    fn sound() -> Variant {
        Variant {
            uri: "k3x9/audio.m3u8".into(),
            bandwidth: 176_000,
            average_bandwidth: 160_000,
            codecs: vec!["mp4a.40.2".into()],
            resolution: None,
            frame_rate_millihertz: None,
            video_range: VideoRange::Sdr,
            audio: None,
        }
    }

    #[test]
    fn pictures_with_sound_beside_them() {
        insta::assert_snapshot!(multivariant_playlist(&Multivariant {
            variants: vec![pictures()],
            audio: vec![stage()]
        }));
    }

    #[test]
    fn sound_alone() {
        insta::assert_snapshot!(multivariant_playlist(&Multivariant {
            variants: vec![sound()],
            audio: Vec::new()
        }));
    }

    #[test]
    fn high_dynamic_range_with_commentary_in_languages() {
        let high = |video_range| Variant {
            codecs: vec!["hvc1.2.4.L120.90".into(), "mp4a.40.2".into()],
            video_range,
            ..pictures()
        };
        let listeners = Variant {
            audio: Some("audio".into()),
            ..sound()
        };
        let commentary = |number: u32, language: Option<&str>| AudioRendition {
            uri: format!("k3x9/audio-{number}.m3u8"),
            name: format!("Commentary {number}"),
            language: language.map(str::to_owned),
            is_default: false,
            ..stage()
        };
        insta::assert_snapshot!(multivariant_playlist(&Multivariant {
            variants: vec![high(VideoRange::Pq), high(VideoRange::Hlg), listeners],
            audio: vec![stage(), commentary(2, Some("ko")), commentary(3, None)],
        }));
    }
}
