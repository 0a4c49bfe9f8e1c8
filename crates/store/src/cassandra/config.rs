//! Where the cluster is, and how it is spoken to.

use std::{fmt, str::FromStr};

use scylla::statement;
use thiserror::Error;

use crate::Encryption;

/// A keyspace of Apache Cassandra or `ScyllaDB`, and how it is spoken to.
#[derive(Clone)]
pub struct CassandraConfig {
    /// Some nodes, as `NAME:PORT`; they tell of the others.
    pub contact_points: Vec<String>,
    /// All tables are in this keyspace, which is made where there is none. As [`CassandraConfig::is_keyspace`] has it.
    pub keyspace: String,
    /// The datacenter whose nodes are asked; any, if it is empty.
    pub datacenter: String,
    /// Copies of every row in that datacenter, or in each: for a keyspace that has to be made.
    pub replicas: u32,
    /// How many of them answer before a message counts as recorded, or read.
    pub consistency: Consistency,
    /// Who asks; nobody in particular, if it is empty.
    pub user: String,
    /// With what password.
    pub password: Option<String>,
    /// Whether others on the way can read along. Certificates have to name the nodes' addresses.
    pub encryption: Encryption,
}

/// How many copies answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// One: what it has when it is lost is lost.
    One,
    /// Most of the datacenter's.
    LocalQuorum,
    /// Most of all.
    Quorum,
    /// All: recording ends when one node does.
    All,
}

/// No such consistency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be \"one\", \"local_quorum\", \"quorum\" or \"all\"")]
pub struct ConsistencyError;

impl FromStr for Consistency {
    type Err = ConsistencyError;

    fn from_str(text: &str) -> Result<Self, ConsistencyError> {
        Ok(match text {
            "one" => Self::One,
            "local_quorum" => Self::LocalQuorum,
            "quorum" => Self::Quorum,
            "all" => Self::All,
            _ => return Err(ConsistencyError),
        })
    }
}

impl Consistency {
    pub(super) fn level(self) -> statement::Consistency {
        match self {
            Self::One => statement::Consistency::LocalOne,
            Self::LocalQuorum => statement::Consistency::LocalQuorum,
            Self::Quorum => statement::Consistency::Quorum,
            Self::All => statement::Consistency::All,
        }
    }

    /// Of what depends on what was read.
    pub(super) fn serial(self) -> statement::SerialConsistency {
        match self {
            Self::One | Self::LocalQuorum => statement::SerialConsistency::LocalSerial,
            Self::Quorum | Self::All => statement::SerialConsistency::Serial,
        }
    }
}

impl fmt::Debug for CassandraConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CassandraConfig")
            .field("place", &self.place())
            .field("datacenter", &self.datacenter)
            .field("replicas", &self.replicas)
            .field("consistency", &self.consistency)
            .field("user", &self.user)
            .field("encryption", &self.encryption)
            .finish_non_exhaustive()
    }
}

impl CassandraConfig {
    /// Whether a keyspace may have this name: it is written into statements as it is.
    #[must_use]
    pub fn is_keyspace(name: &str) -> bool {
        /// Longer names are refused by Cassandra.
        const BYTES_MAX: usize = 48;
        name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && name.len() <= BYTES_MAX
            // The database keeps these for itself.
            && !name.starts_with("system")
    }

    /// Whether a datacenter may have this name: it is written into a statement as it is.
    #[must_use]
    pub fn is_datacenter(name: &str) -> bool {
        name.len() <= 64
            && name.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':')
            })
    }

    /// As people are told of it: never with the password.
    pub(super) fn place(&self) -> String {
        format!("{} at {}", self.keyspace, self.contact_points.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyspace_is_a_plain_name() {
        for name in ["fanwave", "a_9", &"a".repeat(48)] {
            assert!(CassandraConfig::is_keyspace(name), "{name}");
        }
        for name in [
            "",
            "9a",
            "_a",
            "Fan",
            "a b",
            "a;drop",
            "a\"",
            "system_x",
            "é",
            &"a".repeat(49),
        ] {
            assert!(!CassandraConfig::is_keyspace(name), "{name}");
        }
        assert!(
            CassandraConfig::is_datacenter("") && CassandraConfig::is_datacenter("eu-west:1_a.b")
        );
        assert!(!CassandraConfig::is_datacenter("a'b"));
    }

    #[test]
    fn no_password_is_printed() {
        let config = CassandraConfig {
            contact_points: vec!["db.example:9042".into()],
            keyspace: "fanwave".into(),
            datacenter: "dc1".into(),
            replicas: 3,
            consistency: Consistency::LocalQuorum,
            user: "fanwave".into(),
            password: Some("canary-secret".into()),
            encryption: Encryption::Off,
        };
        let printed = format!("{config:?}");
        assert!(printed.contains("fanwave at db.example:9042"), "{printed}");
        assert!(!printed.contains("canary"), "{printed}");
    }
}
