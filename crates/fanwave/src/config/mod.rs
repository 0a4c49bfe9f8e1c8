//! Configuration: one TOML file, environment variables over it, and a checked plan out of both.
//!
//! 1. [`keys`] is the one table of keys: name, kind, meaning and worst-case cost; the defaults are the `Default` of
//!    the plain structs in [`schema`]. `fanwave config-reference` is printed from that table ([`mod@reference`]).
//! 2. [`mod@file`] reads the TOML file and [`mod@env`] the variables `FANWAVE__SECTION__KEY` into [`settings::Settings`], which
//!    remember where every value came from. A key that the table does not know is refused with its place and the
//!    nearest name that the table does know.
//! 3. [`plan`] gives every text its meaning (addresses, durations, ids), checks ranges and what keys mean together, and
//!    is what the rest of the program sees. Every problem is reported, not only the first.
//!
//! Nothing here opens sockets or creates files; reading the secret files' permissions is all it does to the disk.

pub mod accounts;
mod api;
pub mod authorise;
pub mod cassandra;
mod check;
pub mod commands;
mod cost;
pub mod demo;
pub mod drain;
pub mod duration;
pub mod engine;
pub mod env;
pub mod file;
pub mod gateway;
pub mod http;
pub mod ingest;
pub mod kafka;
pub mod keys;
mod ladder;
pub mod nats;
pub mod oidc;
pub mod plan;
pub mod problem;
pub mod proxy;
mod quality;
mod recording;
pub mod reference;
mod regions;
pub mod s3;
pub mod schema;
pub mod settings;
pub mod simulcast;
pub mod store;
pub mod suggest;
#[cfg(test)]
mod tests;
mod thumbnails;
pub mod tokens;
pub mod webhook;
pub mod webhooks;

use std::{
    fmt::Write,
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use self::{plan::Plan, problem::Problem, settings::Settings};

/// Largest configuration file, bytes; 256 channels with every key commented take 160 KiB.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Most problems shown at once: a screen of them.
const PROBLEMS_SHOWN_MAX: usize = 20;

/// Why there is no plan.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is no configuration of this size.
    #[error("the configuration file {} is larger than {FILE_BYTES_MAX} bytes", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// The values make no sense. Each problem names its place.
    #[error("{}", list(problems))]
    Invalid {
        /// At least one.
        problems: Vec<Problem>,
    },
}

/// Reads the file, if there is one, and the environment over it, and makes the plan.
///
/// # Errors
///
/// See [`ConfigError`].
pub fn load(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Plan, ConfigError> {
    let text = file.map(read).transpose()?;
    let source = file.map(|path| (path, text.as_deref().unwrap_or_default()));
    parse(source, variables)
}

/// [`load`] with the file's text already read.
///
/// # Errors
///
/// [`ConfigError::Invalid`].
pub fn parse(
    file: Option<(&Path, &str)>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Plan, ConfigError> {
    let mut settings = Settings::defaults();
    let mut problems = Vec::new();
    if let Some((path, text)) = file {
        problems.extend(file::apply(path, text, &mut settings));
    }
    problems.extend(env::apply(variables, &mut settings));
    // A plan made from half-read settings would report problems that are only consequences.
    let made = if problems.is_empty() {
        plan::make(&settings)
    } else {
        Err(problems)
    };
    made.map_err(|mut problems| {
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        ConfigError::Invalid { problems }
    })
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read {
        path: path.to_owned(),
        source,
    };
    if std::fs::metadata(path).map_err(failed)?.len() > FILE_BYTES_MAX {
        return Err(ConfigError::TooLarge {
            path: path.to_owned(),
        });
    }
    std::fs::read_to_string(path).map_err(failed)
}

fn list(problems: &[Problem]) -> String {
    let mut text = String::new();
    for (index, problem) in problems.iter().take(PROBLEMS_SHOWN_MAX).enumerate() {
        let separator = if index == 0 { "" } else { "\n" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{problem}");
    }
    if problems.len() > PROBLEMS_SHOWN_MAX {
        let _ = write!(
            text,
            "\n... and {} more",
            problems.len() - PROBLEMS_SHOWN_MAX
        );
    }
    text
}
