//! What can be wrong with a configuration, and where it stands.

use std::{fmt, path::PathBuf};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file, at a line and column counted from 1; columns are characters.
    File {
        /// Which file.
        path: PathBuf,
        /// Its line.
        line: usize,
        /// The column in it.
        column: usize,
    },
    /// An environment variable.
    Variable {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Variable { name } => f.write_str(name),
        }
    }
}

/// One thing wrong at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// What.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.fault)
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The text is no TOML; the parser's words.
    Syntax(String),
    /// There is no such key.
    UnknownKey {
        /// As it was written.
        key: String,
        /// The nearest key that exists, if one is near.
        nearest: Option<String>,
    },
    /// The key wants another kind of value.
    Kind {
        /// The key.
        key: String,
        /// What it wants.
        expected: &'static str,
        /// What it got.
        found: String,
    },
    /// A variable sets an entry of a list behind the list's end.
    Gap {
        /// The list.
        section: &'static str,
        /// Its length.
        length: usize,
    },
    /// The value is of the right kind and makes no sense.
    Value {
        /// The key.
        key: String,
        /// Why, as a fragment that follows the key's name.
        reason: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(message) => f.write_str(message),
            Self::UnknownKey {
                key,
                nearest: Some(nearest),
            } => {
                write!(f, "unknown key `{key}`; did you mean `{nearest}`?")
            }
            Self::UnknownKey { key, nearest: None } => {
                write!(
                    f,
                    "unknown key `{key}`; `fanwave config-reference` lists every key"
                )
            }
            Self::Kind {
                key,
                expected,
                found,
            } => write!(f, "`{key}` must be {expected}, not {found}"),
            Self::Gap { section, length } => {
                write!(
                    f,
                    "`{section}` has {length} entries: the next one has the index {length}"
                )
            }
            Self::Value { key, reason } => write!(f, "`{key}` {reason}"),
        }
    }
}
