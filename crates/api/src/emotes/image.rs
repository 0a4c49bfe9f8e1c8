//! What kind of image some bytes are, and how large: by what they begin with, whatever anybody says of them.
//!
//! PNG (W3C PNG, third edition, section 11.2.1), GIF (its specification of 1990, section 18) and `WebP` (RFC 9649, section 2). It reads
//! the beginning and unpacks nothing.

use thiserror::Error;

use crate::limits::EMOTE_PIXELS_MAX;

/// An image that browsers show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Image {
    /// Its media type.
    pub(super) media_type: &'static str,
    /// Pixels.
    pub(super) width: u32,
    /// Pixels.
    pub(super) height: u32,
}

/// Why an image is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum ImageError {
    /// It begins like none of them.
    #[error("it is neither a PNG nor a GIF nor a WebP")]
    Unknown,
    /// No side, or a side that is too long.
    #[error("it is {width} by {height} pixels: each side has 1 to {EMOTE_PIXELS_MAX}")]
    Size {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
}

/// What some bytes show.
pub(super) fn read(bytes: &[u8]) -> Result<Image, ImageError> {
    let found = png(bytes).or_else(|| gif(bytes)).or_else(|| webp(bytes));
    let image = found.ok_or(ImageError::Unknown)?;
    let fits = |side| (1..=EMOTE_PIXELS_MAX).contains(&side);
    let Image { width, height, .. } = image;
    if fits(width) && fits(height) {
        Ok(image)
    } else {
        Err(ImageError::Size { width, height })
    }
}

fn at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

fn png(bytes: &[u8]) -> Option<Image> {
    // The header's length is part of the signature: it has to be the first chunk, with 13 bytes.
    let is_png = bytes.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR");
    is_png.then_some(Image {
        media_type: "image/png",
        width: u32::from_be_bytes(at(bytes, 16)?),
        height: u32::from_be_bytes(at(bytes, 20)?),
    })
}

fn gif(bytes: &[u8]) -> Option<Image> {
    let is_gif = bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a");
    is_gif.then_some(Image {
        media_type: "image/gif",
        width: u16::from_le_bytes(at(bytes, 6)?).into(),
        height: u16::from_le_bytes(at(bytes, 8)?).into(),
    })
}

fn webp(bytes: &[u8]) -> Option<Image> {
    if !bytes.starts_with(b"RIFF") || at(bytes, 8)? != *b"WEBP" {
        return None;
    }
    let (width, height) = match &at::<4>(bytes, 12)? {
        // A frame of VP8 (RFC 6386, section 9.1): two bits of each side say how to scale.
        b"VP8 " => {
            let side = |offset| Some(u32::from(u16::from_le_bytes(at(bytes, offset)?) & 0x3fff));
            let is_key_frame = at(bytes, 23)? == [0x9d, 0x01, 0x2a];
            is_key_frame.then_some((side(26)?, side(28)?))?
        }
        b"VP8L" => {
            let bits = u32::from_le_bytes(at(bytes, 21)?);
            let sides = ((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1);
            (*bytes.get(20)? == 0x2f).then_some(sides)?
        }
        b"VP8X" => {
            let side = |offset| {
                let [low, middle, high] = at(bytes, offset)?;
                Some(u32::from_le_bytes([low, middle, high, 0]) + 1)
            };
            (side(24)?, side(27)?)
        }
        _ => return None,
    };
    Some(Image {
        media_type: "image/webp",
        width,
        height,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The beginning of a PNG of this size.
    pub(crate) fn png_of(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 6, 0, 0, 0]);
        bytes
    }

    fn webp_of(chunk: [u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = b"RIFF\x20\0\0\0WEBP".to_vec();
        bytes.extend(chunk);
        bytes.extend([20, 0, 0, 0]);
        bytes.extend(body);
        bytes
    }

    fn image(media_type: &'static str, width: u32, height: u32) -> Image {
        Image {
            media_type,
            width,
            height,
        }
    }

    #[test]
    fn each_kind_is_told_with_its_size() {
        let gif = |version: u8| [b"GIF8", &[version, b'a', 28, 0, 32, 0, 0xf7, 0, 0][..]].concat();
        let frame = [0, 0, 0, 0x9d, 0x01, 0x2a, 28, 0x40, 32, 0x80];
        let lossless = [0x2f, 27, 0xc0, 7, 0, 0];
        let extended = [0x10, 0, 0, 0, 27, 0, 0, 31, 0, 0];
        for (bytes, media_type) in [
            (png_of(28, 32), "image/png"),
            (gif(b'7'), "image/gif"),
            (gif(b'9'), "image/gif"),
            (webp_of(*b"VP8 ", &frame), "image/webp"),
            (webp_of(*b"VP8L", &lossless), "image/webp"),
            (webp_of(*b"VP8X", &extended), "image/webp"),
        ] {
            assert_eq!(read(&bytes), Ok(image(media_type, 28, 32)), "{bytes:02x?}");
            // However little of it is missing.
            for end in 0..bytes.len() {
                let read = read(&bytes[..end]);
                assert!(read == Err(ImageError::Unknown) || read == Ok(image(media_type, 28, 32)));
            }
        }
    }

    #[test]
    fn what_is_none_or_too_large_is_refused() {
        for bytes in [
            &b""[..],
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            b"\xff\xd8\xff\xe0",
            b"GIF90a\x1c\0\x1c\0",
            b"RIFF\x20\0\0\0WAVEfmt ",
        ] {
            assert_eq!(read(bytes), Err(ImageError::Unknown));
        }
        for (width, height) in [(0, 1), (1, 0), (257, 1), (1, u32::MAX)] {
            let refused = read(&png_of(width, height));
            assert_eq!(refused, Err(ImageError::Size { width, height }));
        }
        assert!(read(&png_of(1, 256)).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(
            start in prop::sample::select(vec![&b""[..], b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 ", b"RIFF\0\0\0\0WEBPVP8L", b"RIFF\0\0\0\0WEBPVP8X"]),
            rest in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let bytes = [start, &rest].concat();
            if let Ok(image) = read(&bytes) {
                prop_assert!((1..=EMOTE_PIXELS_MAX).contains(&image.width));
                prop_assert!((1..=EMOTE_PIXELS_MAX).contains(&image.height));
                prop_assert!(!start.is_empty() || bytes.len() > 9);
            }
        }
    }
}
