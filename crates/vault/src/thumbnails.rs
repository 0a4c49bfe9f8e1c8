//! What is written down about the pictures of a recording, for whoever seeks in it.
//!
//! ```text
//! thumbnails/index.json   which pictures are on which sheet; replaced as a whole with each sheet
//! thumbnails/N.jpg        a sheet
//! ```

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Place, Vault, VaultError, limits::INDEX_FILE_BYTES_MAX};

/// The form that is written. One of another number is refused.
pub const FORMAT: u32 = 1;

/// The folder of a stream's pictures within that of the stream.
pub const FOLDER: &str = "thumbnails";

/// All sheets of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheets {
    /// [`FORMAT`].
    pub format: u32,
    /// From one picture to the next, as it was meant, milliseconds.
    pub interval_ms: u64,
    /// Oldest first.
    pub sheets: Vec<Sheet>,
}

/// Pictures side by side, row by row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// Names its file.
    #[serde(rename = "n")]
    pub number: u32,
    /// Of one picture, pixels.
    #[serde(rename = "w")]
    pub width: u32,
    /// Of one picture, pixels.
    #[serde(rename = "h")]
    pub height: u32,
    /// When each was shown, milliseconds since 1970.
    #[serde(rename = "t")]
    pub at_ms: Vec<u64>,
}

/// The file of one sheet in a stream's folder.
#[must_use]
pub fn sheet_place(folder: &Place, number: u32) -> Place {
    folder.join(FOLDER).join(&format!("{number}.jpg"))
}

fn index_place(folder: &Place) -> Place {
    folder.join(FOLDER).join("index.json")
}

/// Writes which sheets there are.
///
/// # Errors
/// [`VaultError`].
pub async fn write(vault: &Vault, folder: &Place, sheets: &Sheets) -> Result<(), VaultError> {
    let text = serde_json::to_vec(sheets).map_err(|error| crate::malformed(&error))?;
    let place = index_place(folder);
    vault.write(&place, vec![Bytes::from(text)]).await
}

/// Reads which sheets there are.
///
/// # Errors
/// [`VaultError::NotFound`]: the recording has none. Otherwise as for any file, or it is of a form that is not known here.
pub async fn read(vault: &Vault, folder: &Place) -> Result<Sheets, VaultError> {
    let text = vault
        .read_whole(&index_place(folder), INDEX_FILE_BYTES_MAX)
        .await?;
    let sheets: Sheets = serde_json::from_slice(&text).map_err(|error| crate::malformed(&error))?;
    if sheets.format == FORMAT {
        Ok(sheets)
    } else {
        Err(crate::broken("the pictures are of another release"))
    }
}

/// Removes a sheet, and what is written down about all sheets.
///
/// # Errors
/// [`VaultError`].
pub async fn remove(vault: &Vault, folder: &Place, number: u32) -> Result<(), VaultError> {
    vault.remove(&index_place(folder)).await?;
    vault.remove(&sheet_place(folder, number)).await
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
            read(&vault, &place).await,
            Err(VaultError::NotFound)
        ));
        let sheets = Sheets {
            format: FORMAT,
            interval_ms: 10_000,
            sheets: vec![Sheet {
                number: 0,
                width: 160,
                height: 90,
                at_ms: vec![7, 10_007],
            }],
        };
        write(&vault, &place, &sheets).await.unwrap();
        assert_eq!(read(&vault, &place).await.unwrap(), sheets);
        let other = Sheets {
            format: 2,
            ..sheets
        };
        write(&vault, &place, &other).await.unwrap();
        read(&vault, &place).await.unwrap_err();
        assert_eq!(
            sheet_place(&place, 3).to_string(),
            "demo/k3x9/thumbnails/3.jpg"
        );
        remove(&vault, &place, 3).await.unwrap();
        let missing = read(&vault, &place).await;
        assert!(matches!(missing, Err(VaultError::NotFound)));
    }
}
