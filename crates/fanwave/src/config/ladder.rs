//! `[ladder]`: what is encoded beside what publishers send.

use fanwave_origin::{Encoder, LadderConfig, LadderError, RungConfig};

use super::{check::Check, schema, settings::KeyPath};

/// Most rungs of all shows that may be asked for at one time.
const RUNGS_AT_ONCE_MAX: u64 = 1_024;

pub(super) fn plan(check: &mut Check<'_>, ladder: &schema::Ladder) -> LadderConfig {
    let key = |name| KeyPath::of("ladder", name);
    let mut rungs = Vec::with_capacity(ladder.rungs.len());
    for text in &ladder.rungs {
        match rung(text) {
            Some(rung) => rungs.push(rung),
            None => check.refuse(
                key("rungs"),
                format!(
                    "holds \"{text}\"; a rung is its lines and its bitrate, such as \"720p 2500k\""
                ),
            ),
        }
    }
    let encoder = match ladder.encoder.as_str() {
        "x264" => Encoder::Libx264,
        "nvenc" => Encoder::Nvenc,
        "vaapi" => Encoder::Vaapi,
        _ => {
            check.refuse(key("encoder"), "must be \"x264\", \"nvenc\" or \"vaapi\"");
            Encoder::Libx264
        }
    };
    let aac_kilobits = kilobits(&ladder.aac);
    if aac_kilobits.is_none() && !ladder.aac.is_empty() {
        check.refuse(key("aac"), "must be a bitrate such as \"128k\", or empty");
    }
    let default = LadderConfig::default();
    let rungs_max: usize = check.number(key("rungs_max"), ladder.rungs_max, 0..=RUNGS_AT_ONCE_MAX);
    let planned = LadderConfig {
        rungs,
        rungs_max: if rungs_max == 0 {
            default.rungs_max
        } else {
            rungs_max
        },
        program: check.path(key("program"), &ladder.program),
        encoder,
        aac_kilobits,
        slate: (!ladder.slate.is_empty()).then(|| check.path(key("slate"), &ladder.slate)),
    };
    match planned.check() {
        Ok(()) => {}
        Err(error @ LadderError::Sound(_)) => check.refuse(key("aac"), format!("asks for {error}")),
        Err(error) => check.refuse(key("rungs"), format!("makes no ladder: {error}")),
    }
    planned
}

/// `720p 2500k`.
fn rung(text: &str) -> Option<RungConfig> {
    let (lines, bitrate) = text.split_once(' ')?;
    Some(RungConfig {
        lines: lines.strip_suffix('p')?.parse().ok()?,
        kilobits: kilobits(bitrate)?,
    })
}

/// `2500k`.
fn kilobits(text: &str) -> Option<u32> {
    text.strip_suffix('k')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rung_is_its_lines_and_its_bitrate() {
        let expected = RungConfig {
            lines: 720,
            kilobits: 2_500,
        };
        assert_eq!(rung("720p 2500k"), Some(expected));
        for text in [
            "",
            "720p",
            "720 2500",
            "720p2500k",
            "720p 2.5M",
            "p k",
            "-1p 5k",
        ] {
            assert_eq!(rung(text), None, "{text}");
        }
    }
}
