//! Open files: every fan is one, and systems allow few of them unless asked.

use std::fmt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the server itself needs beside its fans: listeners, the store, logs, connections for the page.
const OWN: u64 = 256;

/// How many files this process may have open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors(Option<u64>);

/// Raises the limit to what the system allows without special rights, and says what it is now.
///
/// A failure costs nothing but fans: the limit stays as it was.
#[must_use]
pub fn raise() -> Descriptors {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    Descriptors(getrlimit(Resource::Nofile).current)
}

impl Descriptors {
    /// A limit that is known.
    #[must_use]
    pub const fn new(limit: u64) -> Self {
        Self(Some(limit))
    }

    /// The limit, if there is one.
    #[must_use]
    pub const fn limit(self) -> Option<u64> {
        self.0
    }

    /// How many fans fit, at most so many; each open socket is one file.
    #[must_use]
    pub fn fans(self, configured_max: usize) -> u64 {
        let configured = u64::try_from(configured_max).unwrap_or(u64::MAX);
        self.0.map_or(configured, |limit| {
            configured.min(limit.saturating_sub(OWN))
        })
    }
}

impl fmt::Display for Descriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(limit) => write!(f, "{limit}"),
            None => f.write_str("unlimited"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fans_fit_the_smaller_of_two_limits() {
        assert_eq!(Descriptors(Some(20_000)).fans(100_000), 19_744);
        assert_eq!(Descriptors(Some(20_000)).fans(500), 500);
        assert_eq!(Descriptors(Some(10)).fans(500), 0);
        assert_eq!(Descriptors(None).fans(500), 500);
    }

    #[test]
    fn after_raising_the_limit_is_the_system_s_own() {
        assert_eq!(raise().0, getrlimit(Resource::Nofile).maximum);
    }
}
