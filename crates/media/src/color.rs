//! How the numbers of a picture become light: the code points of ITU-T H.273, and what a playlist says of them.

/// Colour description of a track; code points of ITU-T H.273.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color {
    /// `ColourPrimaries`; 1 is BT.709, 9 is BT.2020.
    pub primaries: u8,
    /// `TransferCharacteristics`; 16 is PQ, 18 is HLG.
    pub transfer: u8,
    /// `MatrixCoefficients`.
    pub matrix: u8,
    /// Whether samples use their whole range.
    pub full_range: bool,
}

/// VIDEO-RANGE of a playlist (draft-pantos-hls-rfc8216bis-22 section 4.4.6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Standard dynamic range.
    Sdr,
    /// Hybrid log-gamma.
    Hlg,
    /// SMPTE ST 2084.
    Pq,
}

/// "Unspecified" in all three tables of H.273.
const UNSPECIFIED: u8 = 2;

impl Color {
    /// Whether it says anything.
    #[must_use]
    pub fn is_specified(&self) -> bool {
        [self.primaries, self.transfer, self.matrix]
            .iter()
            .any(|&code| code != UNSPECIFIED)
    }

    /// What a playlist says of it.
    #[must_use]
    pub fn range(&self) -> Range {
        match self.transfer {
            16 => Range::Pq,
            18 => Range::Hlg,
            _ => Range::Sdr,
        }
    }

    /// As the box library has it.
    pub(crate) fn colr(&self) -> mp4_atom::Colr {
        mp4_atom::Colr::Nclx {
            colour_primaries: self.primaries.into(),
            transfer_characteristics: self.transfer.into(),
            matrix_coefficients: self.matrix.into(),
            full_range_flag: self.full_range,
        }
    }
}
