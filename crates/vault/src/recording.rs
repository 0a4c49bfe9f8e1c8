//! What is written down about a recording, so that its files can be played: by this process or by the next one.
//!
//! ```text
//! about.json           what it is of, and what there is to choose from
//! index/0.json ...     which segments there are: chunks, each written anew until it is full
//! RENDITION/           its init sections and segments, as they were shown
//! ```
//!
//! Each file is replaced as a whole. A killed process leaves an index of all that it had written into it, and at most a few
//! segments that no index knows. Nothing here knows what a playlist is.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Place, Vault, VaultError,
    limits::{CHUNK_RANGES_MAX, CHUNK_SEGMENTS_MAX, CHUNKS_MAX, INDEX_FILE_BYTES_MAX},
};

/// The form that is written. One of another number is refused.
pub const FORMAT: u32 = 1;

/// What a recording is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// [`FORMAT`].
    pub format: u32,
    /// The channel that showed it.
    pub channel: String,
    /// The folder of its stream in URLs.
    pub prefix: String,
    /// When it began, milliseconds since 1970.
    pub since_ms: u64,
    /// Whether nothing will be added.
    pub ended: bool,
    /// EXT-X-TARGETDURATION, seconds.
    pub target_duration_s: u32,
    /// Its renditions, in the order in which the index numbers them.
    pub renditions: Vec<Rendition>,
    /// What there is to choose from: a multivariant playlist whose addresses are those of the renditions.
    pub multivariant: String,
    /// How many chunks its index has, of one that nothing will be added to. Without it, chunks are read until there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<u32>,
    /// The first segments that are kept: (rendition, number), each to a last one. Empty: all there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<Clip>,
}

/// What a clip shows of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clip {
    /// The recording that it is of.
    pub of: String,
    /// Where it was meant to begin, milliseconds since 1970.
    pub from_ms: u64,
    /// Where it was meant to end.
    pub to_ms: u64,
}

/// One rendition of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendition {
    /// Its name in URLs.
    pub name: String,
    /// Whether it has sound alone.
    pub audio: bool,
}

/// A segment in an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Its rendition's place in [`About::renditions`].
    #[serde(rename = "r")]
    pub rendition: u8,
    /// Its number.
    #[serde(rename = "n")]
    pub number: u64,
    /// When it begins, milliseconds since 1970.
    #[serde(rename = "t")]
    pub starts_at_ms: u64,
    /// How long it lasts, microseconds.
    #[serde(rename = "d")]
    pub duration_us: u64,
    /// Its init section.
    #[serde(rename = "i", default, skip_serializing_if = "is_zero")]
    pub init: u32,
    /// Discontinuities of its rendition before it, since the beginning.
    #[serde(rename = "c", default, skip_serializing_if = "is_zero")]
    pub discontinuities: u32,
    /// Its bytes; 0: it is a gap.
    #[serde(rename = "b")]
    pub bytes: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Something that happened at a time of the show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// Attributes of EXT-X-DATERANGE.
    pub attributes: String,
}

/// A piece of an index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Segments of all renditions, each rendition's in order.
    pub segments: Vec<Segment>,
    /// What happened, in the order in which it was announced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub happenings: Vec<Happening>,
}

impl Chunk {
    /// Whether the next entry belongs into the next chunk.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.segments.len() >= CHUNK_SEGMENTS_MAX || self.happenings.len() >= CHUNK_RANGES_MAX
    }
}

/// The file of a recording's description.
#[must_use]
pub fn about_place(folder: &Place) -> Place {
    folder.join("about.json")
}

/// The file of one chunk of a recording's index.
#[must_use]
pub fn chunk_place(folder: &Place, number: u32) -> Place {
    folder.join("index").join(&format!("{number}.json"))
}

/// Writes what a recording is.
///
/// # Errors
/// [`VaultError`].
pub async fn write_about(vault: &Vault, folder: &Place, about: &About) -> Result<(), VaultError> {
    write(vault, &about_place(folder), about).await
}

/// Writes a chunk of an index.
///
/// # Errors
/// [`VaultError`].
pub async fn write_chunk(
    vault: &Vault,
    folder: &Place,
    number: u32,
    chunk: &Chunk,
) -> Result<(), VaultError> {
    write(vault, &chunk_place(folder, number), chunk).await
}

async fn write(vault: &Vault, place: &Place, value: &impl Serialize) -> Result<(), VaultError> {
    let text = serde_json::to_vec(value).map_err(|error| crate::malformed(&error))?;
    vault.write(place, vec![Bytes::from(text)]).await
}

/// Reads what a recording is.
///
/// # Errors
/// [`VaultError::NotFound`]: the folder holds none. Otherwise as for any file, or it is of a form that is not known here.
pub async fn read_about(vault: &Vault, folder: &Place) -> Result<About, VaultError> {
    let text = vault
        .read_whole(&about_place(folder), INDEX_FILE_BYTES_MAX)
        .await?;
    let about: About = serde_json::from_slice(&text).map_err(|error| crate::malformed(&error))?;
    if about.format == FORMAT {
        Ok(about)
    } else {
        Err(crate::broken("the recording is of another release"))
    }
}

/// Reads a chunk; `None` behind the last one.
///
/// # Errors
/// As for any file.
pub async fn read_chunk(
    vault: &Vault,
    folder: &Place,
    number: u32,
) -> Result<Option<Chunk>, VaultError> {
    if number >= CHUNKS_MAX {
        return Ok(None);
    }
    let place = chunk_place(folder, number);
    match vault.read_whole(&place, INDEX_FILE_BYTES_MAX).await {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| crate::malformed(&error)),
        Err(VaultError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_down_is_read_back_and_another_form_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::in_folder(folder.path()).unwrap();
        let place = Place::of(["demo", "k3x9"]);
        assert!(matches!(
            read_about(&vault, &place).await,
            Err(VaultError::NotFound)
        ));
        let about = About {
            format: FORMAT,
            channel: "demo".to_owned(),
            prefix: "k3x9".to_owned(),
            since_ms: 7,
            ended: false,
            target_duration_s: 6,
            renditions: vec![Rendition {
                name: "video".to_owned(),
                audio: false,
            }],
            multivariant: "#EXTM3U\n".to_owned(),
            chunks: None,
            clip: None,
        };
        write_about(&vault, &place, &about).await.unwrap();
        assert_eq!(read_about(&vault, &place).await.unwrap(), about);
        let segment = Segment {
            rendition: 0,
            number: 1,
            starts_at_ms: 7,
            duration_us: 2_000_000,
            init: 0,
            discontinuities: 0,
            bytes: 100,
        };
        let chunk = Chunk {
            segments: vec![segment; 2],
            happenings: Vec::new(),
        };
        assert_eq!(
            serde_json::to_string(&chunk.segments[0]).unwrap(),
            r#"{"r":0,"n":1,"t":7,"d":2000000,"b":100}"#
        );
        write_chunk(&vault, &place, 0, &chunk).await.unwrap();
        assert_eq!(read_chunk(&vault, &place, 0).await.unwrap(), Some(chunk));
        assert_eq!(read_chunk(&vault, &place, 1).await.unwrap(), None);
        let other = About { format: 2, ..about };
        write_about(&vault, &place, &other).await.unwrap();
        read_about(&vault, &place).await.unwrap_err();
        let torn = vec![Bytes::from_static(b"{\"segments\":[{")];
        vault.write(&chunk_place(&place, 1), torn).await.unwrap();
        read_chunk(&vault, &place, 1).await.unwrap_err();
    }
}
