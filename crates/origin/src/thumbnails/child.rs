//! One picture or sheet, one process: it reads all of its input, writes one JPEG, and is gone.
//!
//! A process that lived on would hold the picture before last back until it had reordered it, and would have to be told
//! of every new configuration. So it is started for each, which takes less than a tenth of a second of a core, and none of
//! them outlives [`THUMBNAIL_DEADLINE`].

use std::{io, path::PathBuf, sync::Arc};

use bytes::Bytes;
use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    sync::Semaphore,
    time::timeout,
};

use crate::{
    ladder,
    limits::{SHEET_BYTES_MAX, SHEET_COLUMNS, SHEET_ROWS, THUMBNAIL_DEADLINE},
};

/// Who makes pictures.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    pub(super) program: PathBuf,
    pub(super) places: Arc<Semaphore>,
}

/// Why there is no picture.
#[derive(Debug, Error)]
pub(crate) enum Failed {
    #[error("cannot run {program}: {source}; install ffmpeg, or set ladder.program")]
    Start { program: String, source: io::Error },
    #[error("the pipe broke: {0}")]
    Io(#[from] io::Error),
    #[error("there was no picture within {THUMBNAIL_DEADLINE:?}")]
    Late,
    #[error("it wrote more than {SHEET_BYTES_MAX} bytes")]
    TooLong,
    #[error("it wrote no JPEG: {0}")]
    NoPicture(String),
}

impl Child {
    /// The first picture of fragmented MP4, small.
    pub(super) async fn picture(
        &self,
        media: [Bytes; 2],
        (width, height): (u32, u32),
    ) -> Result<Bytes, Failed> {
        let filter = format!("scale={width}:{height},format=yuvj420p");
        self.run(
            "-probesize 32768 -analyzeduration 0 -f mp4",
            &filter,
            &media,
        )
        .await
    }

    /// Pictures of one size side by side, row by row; what is missing of the last row is black.
    pub(super) async fn sheet(&self, pictures: &[Bytes]) -> Result<Bytes, Failed> {
        let filter = format!("tile={SHEET_COLUMNS}x{SHEET_ROWS}");
        self.run("-f image2pipe -c:v mjpeg", &filter, pictures)
            .await
    }

    async fn run(&self, input: &str, filter: &str, pieces: &[Bytes]) -> Result<Bytes, Failed> {
        // Never closed; waits for as long as others of this machine are at work.
        let _place = self.places.acquire().await;
        let work = async {
            let mut child = self.command(input, filter).spawn().map_err(|source| {
                let program = self.program.display().to_string();
                Failed::Start { program, source }
            })?;
            let (Some(mut stdin), Some(stdout), Some(stderr)) =
                (child.stdin.take(), child.stdout.take(), child.stderr.take())
            else {
                return Err(Failed::NoPicture("it has no pipes".to_owned()));
            };
            let feed = async {
                for piece in pieces {
                    // It stops reading once it has seen the picture it wants.
                    if stdin.write_all(piece).await.is_err() {
                        break;
                    }
                }
                drop(stdin);
                Ok(())
            };
            let (mut out, mut said) = (Vec::new(), Vec::new());
            let mut stdout = stdout.take(SHEET_BYTES_MAX as u64 + 1);
            let mut stderr = stderr.take(1 << 10);
            tokio::try_join!(
                feed,
                stdout.read_to_end(&mut out),
                stderr.read_to_end(&mut said)
            )?;
            if out.len() > SHEET_BYTES_MAX {
                return Err(Failed::TooLong);
            }
            let status = child.wait().await?;
            if !status.success() || !is_jpeg(&out) {
                let said = String::from_utf8_lossy(&said).trim().to_owned();
                return Err(Failed::NoPicture(said));
            }
            Ok(Bytes::from(out))
        };
        // What is dropped here is killed.
        timeout(THUMBNAIL_DEADLINE, work)
            .await
            .map_err(|_| Failed::Late)?
    }

    fn command(&self, input: &str, filter: &str) -> Command {
        let mut command = ladder::child(&self.program);
        let before = "-hide_banner -nostats -loglevel error -protocol_whitelist pipe -threads 1";
        let after = "-frames:v 1 -map_metadata -1 -c:v mjpeg -q:v 5 -f image2pipe pipe:1";
        let words = |text: &str| -> Vec<String> {
            text.split_ascii_whitespace().map(str::to_owned).collect()
        };
        command
            .args(words(before))
            .args(words(input))
            .args(["-i", "pipe:0", "-map", "0:v:0", "-vf", filter])
            .args(words(after));
        command
    }
}

fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xd8]) && bytes.ends_with(&[0xff, 0xd9])
}
