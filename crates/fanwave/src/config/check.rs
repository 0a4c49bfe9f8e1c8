//! Checks single values while the plan is made, and collects what is wrong with them.

use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use super::{
    duration,
    problem::{Fault, Problem},
    settings::{KeyPath, Settings},
};
use crate::secret;

/// Collects problems. A value that is refused is replaced by one that lets the checking go on; the plan it would be in
/// is never seen.
#[derive(Debug)]
pub(super) struct Check<'a> {
    settings: &'a Settings,
    problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    /// Nothing is wrong yet.
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            problems: Vec::new(),
        }
    }

    /// The plan, if nothing was wrong.
    pub(super) fn finish<T>(self, plan: T) -> Result<T, Vec<Problem>> {
        if self.problems.is_empty() {
            Ok(plan)
        } else {
            Err(self.problems)
        }
    }

    /// Reports a problem with a key.
    pub(super) fn refuse(&mut self, path: KeyPath, reason: impl Into<String>) {
        let fault = Fault::Value {
            key: path.to_string(),
            reason: reason.into(),
        };
        self.problems.push(Problem {
            origin: self.settings.origin(path),
            fault,
        });
    }

    /// An IP address with its port.
    pub(super) fn address(&mut self, path: KeyPath, text: &str) -> SocketAddr {
        SocketAddr::from_str(text).unwrap_or_else(|_| {
            self.refuse(
                path,
                "must be an IP address and a port, such as \"0.0.0.0:8080\" or \"[::1]:8080\"",
            );
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    /// A duration of the range.
    pub(super) fn duration(
        &mut self,
        path: KeyPath,
        text: &str,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        match duration::parse(text) {
            Ok(parsed) if range.contains(&parsed) => return parsed,
            Ok(_) => {
                let (least, most) = (
                    duration::format(*range.start()),
                    duration::format(*range.end()),
                );
                self.refuse(path, format!("must be from {least} to {most}"));
            }
            Err(error) => self.refuse(path, error.to_string()),
        }
        *range.start()
    }

    /// A number of the range, as the type that the program wants.
    pub(super) fn number<T: TryFrom<u64> + Default>(
        &mut self,
        path: KeyPath,
        number: u64,
        range: RangeInclusive<u64>,
    ) -> T {
        let fitting = Some(number)
            .filter(|n| range.contains(n))
            .and_then(|n| T::try_from(n).ok());
        fitting.unwrap_or_else(|| {
            self.refuse(
                path,
                format!("must be from {} to {}", range.start(), range.end()),
            );
            T::default()
        })
    }

    /// A path that is not empty.
    pub(super) fn path(&mut self, path: KeyPath, text: &str) -> PathBuf {
        if text.is_empty() {
            self.refuse(path, "must not be empty");
        }
        PathBuf::from(text)
    }

    /// A file whose content only its owner may read; an empty text means none.
    pub(super) fn secret_file(&mut self, path: KeyPath, text: &str) -> Option<PathBuf> {
        if text.is_empty() {
            return None;
        }
        if let Err(error) = secret::check_file(Path::new(text)) {
            self.refuse(path, format!("cannot be used: {error}"));
        }
        Some(PathBuf::from(text))
    }
}
