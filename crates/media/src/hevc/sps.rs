//! The HEVC sequence parameter set (H.265 section 7.3.2.2): size, picture rate and colour of a track.
//!
//! Written by a stranger: every count is bounded before it is followed, and nothing is subtracted unchecked. What lies
//! behind the size is worth having but not needed, so a set whose end cannot be read still tells the size.

use crate::{
    bits::{Bits, unescaped},
    color::Color,
    limits::FRAME_RATE_MILLI_MAX,
};

/// What is read of a sequence parameter set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sps {
    /// `sps_seq_parameter_set_id`.
    pub(super) number: u32,
    /// `chroma_format_idc`, 0 to 3.
    pub(super) chroma: u32,
    /// `bit_depth_luma_minus8` and `bit_depth_chroma_minus8`, if the set goes on so far.
    pub(super) depths: Option<(u32, u32)>,
    /// Of the picture shown, pixels.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) frame_rate_milli: Option<u32>,
    pub(super) color: Option<Color>,
}

/// `nal_unit_header`.
const HEADER_BYTES: usize = 2;
/// The profile and its flags in `profile_tier_level`, bits; the level has eight more.
const PROFILE_BITS: usize = 88;
const LEVEL_BITS: usize = 8;
/// "The value of `num_short_term_ref_pic_sets` shall be in the range of 0 to 64".
const SHORT_TERM_SETS_MAX: u32 = 64;
/// `num_long_term_ref_pics_sps` is at most 32.
const LONG_TERM_PICTURES_MAX: u32 = 32;
/// `sps_max_dec_pic_buffering_minus1` is at most 15: no set names more pictures.
const REFERENCE_PICTURES_MAX: u32 = 16;
/// `aspect_ratio_idc` that a width and a height follow.
const EXTENDED_SAR: u32 = 255;

impl Sps {
    /// `None` when it ends too early or names a size that is none.
    pub(super) fn parse(nal: &[u8]) -> Option<Self> {
        let payload = unescaped(nal.get(HEADER_BYTES..)?);
        let mut bits = Bits::new(&payload);
        // sps_video_parameter_set_id
        bits.skip(4)?;
        let sub_layers = bits.take(3)?;
        // sps_temporal_id_nesting_flag
        bits.skip(1)?;
        profile_tier_level(&mut bits, sub_layers)?;
        let number = bits.golomb()?;
        let chroma = bits.golomb()?;
        if chroma > 3 {
            return None;
        }
        if chroma == 3 {
            // separate_colour_plane_flag
            bits.skip(1)?;
        }
        let (mut width, mut height) = (bits.golomb()?, bits.golomb()?);
        if bits.flag()? {
            // The conformance window, in units of chroma samples (table 6-1).
            let (unit_x, unit_y) = match chroma {
                1 => (2, 2),
                2 => (2, 1),
                _ => (1, 1),
            };
            let mut cut = |unit: u32| bits.golomb()?.checked_mul(unit);
            let (left, right, top, bottom) =
                (cut(unit_x)?, cut(unit_x)?, cut(unit_y)?, cut(unit_y)?);
            width = width.checked_sub(left.checked_add(right)?)?;
            height = height.checked_sub(top.checked_add(bottom)?)?;
        }
        let depths = bits.golomb().zip(bits.golomb());
        let vui = depths
            .and_then(|_| rest(&mut bits, sub_layers))
            .unwrap_or_default();
        Some(Self {
            number,
            chroma,
            depths,
            width,
            height,
            frame_rate_milli: vui.frame_rate_milli,
            color: vui.color,
        })
    }
}

/// Section 7.3.3 with `profilePresentFlag`.
fn profile_tier_level(bits: &mut Bits<'_>, sub_layers: u32) -> Option<()> {
    bits.skip(PROFILE_BITS + LEVEL_BITS)?;
    let mut left_out = 0;
    for _ in 0..sub_layers {
        left_out += if bits.flag()? { PROFILE_BITS } else { 0 };
        left_out += if bits.flag()? { LEVEL_BITS } else { 0 };
    }
    if sub_layers > 0 {
        // reserved_zero_2bits up to the eighth layer
        for _ in sub_layers..8 {
            bits.skip(2)?;
        }
    }
    bits.skip(left_out)
}

#[derive(Debug, Default)]
struct Vui {
    frame_rate_milli: Option<u32>,
    color: Option<Color>,
}

/// From behind the bit depths to the timing in the VUI, the last of what is wanted.
fn rest(bits: &mut Bits<'_>, sub_layers: u32) -> Option<Vui> {
    let order_bits = bits.golomb()?.checked_add(4).filter(|&bits| bits <= 16)?;
    let ordered = if bits.flag()? { sub_layers + 1 } else { 1 };
    golombs(bits, 3 * ordered)?;
    // Sizes of blocks, depths of trees.
    golombs(bits, 6)?;
    if bits.flag()? && bits.flag()? {
        scaling_lists(bits)?;
    }
    // amp_enabled_flag, sample_adaptive_offset_enabled_flag
    bits.skip(2)?;
    if bits.flag()? {
        // pcm_sample_bit_depth_*, sizes, pcm_loop_filter_disabled_flag
        bits.skip(8)?;
        golombs(bits, 2)?;
        bits.skip(1)?;
    }
    short_term_sets(bits)?;
    if bits.flag()? {
        let pictures = bits
            .golomb()
            .filter(|&count| count <= LONG_TERM_PICTURES_MAX)?;
        for _ in 0..pictures {
            bits.take(order_bits + 1)?;
        }
    }
    // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
    bits.skip(2)?;
    if bits.flag()? { vui(bits) } else { None }
}

fn golombs(bits: &mut Bits<'_>, count: u32) -> Option<()> {
    for _ in 0..count {
        bits.golomb()?;
    }
    Some(())
}

/// Section 7.3.4.
fn scaling_lists(bits: &mut Bits<'_>) -> Option<()> {
    for size in 0..4_u32 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if bits.flag()? {
                let coefficients = 64.min(1 << (4 + (size << 1)));
                golombs(bits, coefficients + u32::from(size > 1))?;
            } else {
                // scaling_list_pred_matrix_id_delta
                bits.golomb()?;
            }
        }
    }
    Some(())
}

/// Section 7.3.7, all of them: each may be told as what differs from the one before it.
fn short_term_sets(bits: &mut Bits<'_>) -> Option<()> {
    let sets = bits
        .golomb()
        .filter(|&count| count <= SHORT_TERM_SETS_MAX)?;
    let mut pictures = 0;
    for set in 0..sets {
        pictures = if set > 0 && bits.flag()? {
            // delta_rps_sign, abs_delta_rps_minus1
            bits.skip(1)?;
            bits.golomb()?;
            let mut kept = 0;
            for _ in 0..=pictures {
                let used = bits.flag()?;
                kept += u32::from(used || bits.flag()?);
            }
            kept
        } else {
            let (before, after) = (bits.golomb()?, bits.golomb()?);
            let pictures = before.checked_add(after)?;
            if pictures > REFERENCE_PICTURES_MAX {
                return None;
            }
            for _ in 0..pictures {
                // delta_poc_*_minus1, used_by_curr_pic_*_flag
                bits.golomb()?;
                bits.skip(1)?;
            }
            pictures
        };
        if pictures > REFERENCE_PICTURES_MAX {
            return None;
        }
    }
    Some(())
}

/// Annex E.2.1, up to the timing.
fn vui(bits: &mut Bits<'_>) -> Option<Vui> {
    if bits.flag()? && bits.take(8)? == EXTENDED_SAR {
        bits.skip(32)?;
    }
    if bits.flag()? {
        // overscan_appropriate_flag
        bits.skip(1)?;
    }
    let mut color = None;
    if bits.flag()? {
        // video_format
        bits.skip(3)?;
        let full_range = bits.flag()?;
        if bits.flag()? {
            let mut code = || bits.take(8).and_then(|code| u8::try_from(code).ok());
            let (primaries, transfer, matrix) = (code()?, code()?, code()?);
            color = Some(Color {
                primaries,
                transfer,
                matrix,
                full_range,
            })
            .filter(Color::is_specified);
        }
    }
    Some(Vui {
        frame_rate_milli: timing(bits),
        color,
    })
}

fn timing(bits: &mut Bits<'_>) -> Option<u32> {
    if bits.flag()? {
        // chroma_sample_loc_type_*
        golombs(bits, 2)?;
    }
    // neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
    bits.skip(3)?;
    if bits.flag()? {
        // The default display window.
        golombs(bits, 4)?;
    }
    if !bits.flag()? {
        return None;
    }
    let (ticks, scale) = (bits.take(32)?, bits.take(32)?);
    let milli = (u64::from(scale) * 1_000).checked_div(ticks.into())?;
    u32::try_from(milli)
        .ok()
        .filter(|rate| (1..=FRAME_RATE_MILLI_MAX).contains(rate))
}
