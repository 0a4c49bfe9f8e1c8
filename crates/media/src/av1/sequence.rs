//! The AV1 sequence header (AV1 specification section 5.5): profile, level, size, picture rate and colour of a track.

use crate::{bits::Bits, color::Color, limits::FRAME_RATE_MILLI_MAX};

/// What is read of a sequence header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) profile: u8,
    /// `seq_level_idx[0]`.
    pub(super) level: u8,
    /// `seq_tier[0]`: whether it is the high one.
    pub(super) tier: bool,
    pub(super) bit_depth: u8,
    /// Of the largest picture, pixels.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) frame_rate_milli: Option<u32>,
    pub(super) color: Option<Color>,
}

/// Lengths of fields of the decoder model, bits.
#[derive(Debug, Clone, Copy)]
struct DecoderModel {
    delay_bits: usize,
}

/// `SELECT_SCREEN_CONTENT_TOOLS`: left to each frame.
const SELECT: u32 = 2;

impl Sequence {
    /// `None` when it ends too early or is of a single picture.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(payload);
        let profile = small(bits.take(3)?).filter(|&profile| profile <= 2)?;
        // still_picture, reduced_still_picture_header
        if bits.take(2)? != 0 {
            return None;
        }
        let (frame_rate_milli, model) = timing(&mut bits)?;
        let (level, tier) = operating_points(&mut bits, model)?;
        let width_bits = bits.take(4)? + 1;
        let height_bits = bits.take(4)? + 1;
        let (width, height) = (bits.take(width_bits)? + 1, bits.take(height_bits)? + 1);
        if bits.flag()? {
            // delta_frame_id_length_minus_2, additional_frame_id_length_minus_1
            bits.skip(7)?;
        }
        tools(&mut bits)?;
        let (bit_depth, color) = color_config(&mut bits, profile)?;
        Some(Self {
            profile,
            level,
            tier,
            bit_depth,
            width,
            height,
            frame_rate_milli,
            color,
        })
    }
}

/// A field of at most eight bits.
fn small(value: u32) -> Option<u8> {
    u8::try_from(value).ok()
}

/// `timing_info` and `decoder_model_info`.
fn timing(bits: &mut Bits<'_>) -> Option<(Option<u32>, Option<DecoderModel>)> {
    if !bits.flag()? {
        return Some((None, None));
    }
    let (ticks, scale) = (bits.take(32)?, bits.take(32)?);
    let mut rate = None;
    if bits.flag()? {
        // Equal intervals, of so many ticks. `uvlc` is the same as Exp-Golomb up to 32 bits.
        let interval = u64::from(ticks) * (u64::from(bits.golomb()?) + 1);
        let milli = (u64::from(scale) * 1_000).checked_div(interval);
        rate = milli
            .and_then(|milli| u32::try_from(milli).ok())
            .filter(|rate| (1..=FRAME_RATE_MILLI_MAX).contains(rate));
    }
    let mut model = None;
    if bits.flag()? {
        let delay_bits = usize::try_from(bits.take(5)?).ok()? + 1;
        // num_units_in_decoding_tick, buffer_removal_time_length_minus_1, frame_presentation_time_length_minus_1
        bits.skip(32 + 5 + 5)?;
        model = Some(DecoderModel { delay_bits });
    }
    Some((rate, model))
}

/// The level and tier of the first operating point, which is all layers there are.
fn operating_points(bits: &mut Bits<'_>, model: Option<DecoderModel>) -> Option<(u8, bool)> {
    let initial_delays = bits.flag()?;
    let points = bits.take(5)? + 1;
    let mut first = None;
    for _ in 0..points {
        // operating_point_idc
        bits.skip(12)?;
        let level = small(bits.take(5)?)?;
        let tier = level > 7 && bits.flag()?;
        first = first.or(Some((level, tier)));
        if let Some(model) = model
            && bits.flag()?
        {
            // decoder_buffer_delay, encoder_buffer_delay, low_delay_mode_flag
            bits.skip(2 * model.delay_bits + 1)?;
        }
        if initial_delays && bits.flag()? {
            bits.skip(4)?;
        }
    }
    first
}

/// What a decoder may be asked to do, up to `enable_restoration`.
fn tools(bits: &mut Bits<'_>) -> Option<()> {
    // use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter, enable_interintra_compound,
    // enable_masked_compound, enable_warped_motion, enable_dual_filter
    bits.skip(7)?;
    let has_order = bits.flag()?;
    if has_order {
        // enable_jnt_comp, enable_ref_frame_mvs
        bits.skip(2)?;
    }
    let screen_content = if bits.flag()? { SELECT } else { bits.take(1)? };
    if screen_content > 0 && !bits.flag()? {
        // seq_force_integer_mv
        bits.skip(1)?;
    }
    if has_order {
        // order_hint_bits_minus_1
        bits.skip(3)?;
    }
    // enable_superres, enable_cdef, enable_restoration
    bits.skip(3)
}

/// `color_config`, up to the range of the samples.
fn color_config(bits: &mut Bits<'_>, profile: u8) -> Option<(u8, Option<Color>)> {
    let high = bits.flag()?;
    let bit_depth = match (profile, high) {
        (2, true) => {
            if bits.flag()? {
                12
            } else {
                10
            }
        }
        (_, true) => 10,
        (_, false) => 8,
    };
    if profile != 1 {
        // mono_chrome
        bits.skip(1)?;
    }
    if !bits.flag()? {
        return Some((bit_depth, None));
    }
    let (primaries, transfer, matrix) = (
        small(bits.take(8)?)?,
        small(bits.take(8)?)?,
        small(bits.take(8)?)?,
    );
    // BT.709 primaries with the transfer of sRGB and no matrix are RGB, which has the full range unsaid.
    let is_rgb = (primaries, transfer, matrix) == (1, 13, 0);
    let full_range = is_rgb || bits.flag()?;
    let color = Color {
        primaries,
        transfer,
        matrix,
        full_range,
    };
    Some((bit_depth, Some(color).filter(Color::is_specified)))
}
