//! API keys: what a back end shows instead of a person's token.
//!
//! A file has one key a line: a name, its scopes, and the key itself or its SHA-256. Of a key nothing is kept in memory but
//! its digest, which is all that is compared, in constant time and with every key there is; nothing of it is ever shown.
//!
//! ```text
//! # name    scopes           key
//! ticketing publish,tokens   8d1f2c...
//! desk      moderate,read    sha256:9f86d081884c7d65...
//! ```

use std::{fmt, str::FromStr, sync::Arc};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{self, SHA256, SHA256_OUTPUT_LEN},
};
use fanwave_wire::{Role, Sender, UserId};
use serde::Deserialize;
use thiserror::Error;
use utoipa::ToSchema;

use crate::limits::{API_KEY_CHARS_MAX, API_KEY_CHARS_MIN, API_KEY_NAME_BYTES_MAX, API_KEYS_MAX};

/// What begins a digest in place of a key.
const DIGEST_PREFIX: &str = "sha256:";

/// What a key's name is made a user id with: no guest has such a one.
const USER_PREFIX: &str = "api:";

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ApiKeyScope)]
pub enum Scope {
    /// Say something in rooms, in anybody's name.
    Publish,
    /// Act as a moderator, in anybody's name.
    Moderate,
    /// Read what is not for everybody.
    Read,
    /// Make connection tokens of fans and members.
    Tokens,
    /// Put rooms under legal hold, and forget people.
    Log,
}

const SCOPES: [(Scope, &str); 5] = [
    (Scope::Publish, "publish"),
    (Scope::Moderate, "moderate"),
    (Scope::Read, "read"),
    (Scope::Tokens, "tokens"),
    (Scope::Log, "log"),
];

impl Scope {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        SCOPES
            .iter()
            .find(|(scope, _)| *scope == self)
            .map_or("", |(_, name)| name)
    }
}

impl FromStr for Scope {
    type Err = KeyFileProblem;

    fn from_str(text: &str) -> Result<Self, KeyFileProblem> {
        let found = SCOPES.iter().find(|(_, name)| *name == text);
        found.map(|(scope, _)| *scope).ok_or(KeyFileProblem::Scope)
    }
}

/// One key, without the key.
#[derive(Clone)]
pub struct ApiKey {
    name: Arc<str>,
    scopes: Vec<Scope>,
    digest: [u8; SHA256_OUTPUT_LEN],
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("name", &self.name)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

impl ApiKey {
    /// A key that is kept elsewhere than in the file.
    pub(crate) fn new(name: &str, scopes: Vec<Scope>, digest: [u8; SHA256_OUTPUT_LEN]) -> Self {
        Self {
            name: name.into(),
            scopes,
            digest,
        }
    }

    /// Whether it may be used for this.
    #[must_use]
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Who acts when nobody is named: the key itself, with the rank of the staff.
    #[must_use]
    pub fn sender(&self) -> Sender {
        let user = UserId(format!("{USER_PREFIX}{}", self.name).into());
        Sender::new(user, Arc::clone(&self.name), Role::Staff)
    }
}

/// The keys of an installation; none by default.
#[derive(Debug, Clone, Default)]
pub struct ApiKeys(Vec<ApiKey>);

/// What is wrong with a file of keys, without a word of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyFileProblem {
    /// There are more keys than are looked through at every request.
    #[error("has more than {API_KEYS_MAX} keys")]
    TooMany,
    /// A line has not three words.
    #[error("needs a name, scopes and a key in each line, with spaces between them")]
    Words,
    /// A name is no name.
    #[error("needs names of 1 to {API_KEY_NAME_BYTES_MAX} of a-z A-Z 0-9 - _ ., each once")]
    Name,
    /// A scope that does not exist.
    #[error("needs scopes such as \"publish,read\", of: publish, moderate, read, tokens, log")]
    Scope,
    /// A key that could be guessed, or is none.
    #[error(
        "needs keys of {API_KEY_CHARS_MIN} to {API_KEY_CHARS_MAX} printable ASCII characters, each once, or sha256: and 64 \
         hexadecimal digits"
    )]
    Key,
}

/// A problem and the line it is in, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("line {line} {problem}")]
pub struct KeyFileError {
    /// Which line.
    pub line: usize,
    /// What is wrong there.
    pub problem: KeyFileProblem,
}

impl ApiKeys {
    /// Reads the text of a file. Empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    ///
    /// See [`KeyFileProblem`].
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let mut keys: Vec<ApiKey> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = (index + 1, line.trim());
            if line.1.is_empty() || line.1.starts_with('#') {
                continue;
            }
            let refuse = |problem| KeyFileError {
                line: line.0,
                problem,
            };
            let key = parse_line(line.1).map_err(refuse)?;
            if keys.iter().any(|known| known.name == key.name) {
                return Err(refuse(KeyFileProblem::Name));
            }
            if keys.iter().any(|known| known.digest == key.digest) {
                return Err(refuse(KeyFileProblem::Key));
            }
            if keys.len() == API_KEYS_MAX {
                return Err(refuse(KeyFileProblem::TooMany));
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    /// The key that somebody shows, if it is one.
    #[must_use]
    pub fn find(&self, shown: &str) -> Option<&ApiKey> {
        if !(API_KEY_CHARS_MIN..=API_KEY_CHARS_MAX).contains(&shown.len()) {
            return None;
        }
        let digest = digest::digest(&SHA256, shown.as_bytes());
        let mut found = None;
        for key in &self.0 {
            // All of them, so that the time says nothing about which.
            if verify_slices_are_equal(digest.as_ref(), &key.digest).is_ok() {
                found = Some(key);
            }
        }
        found
    }
}

fn parse_line(line: &str) -> Result<ApiKey, KeyFileProblem> {
    let mut words = line.split_ascii_whitespace();
    let (Some(name), Some(scopes), Some(key), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(KeyFileProblem::Words);
    };
    if !is_name(name) {
        return Err(KeyFileProblem::Name);
    }
    let scopes = scopes.split(',').map(str::parse);
    Ok(ApiKey {
        name: name.into(),
        scopes: scopes.collect::<Result<_, _>>()?,
        digest: digest_of(key).ok_or(KeyFileProblem::Key)?,
    })
}

/// Whether a key can be called that.
pub(crate) fn is_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=API_KEY_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(legal)
}

fn digest_of(key: &str) -> Option<[u8; SHA256_OUTPUT_LEN]> {
    let mut bytes = [0_u8; SHA256_OUTPUT_LEN];
    if let Some(written) = key.strip_prefix(DIGEST_PREFIX) {
        if written.len() != 2 * SHA256_OUTPUT_LEN || !written.is_ascii() {
            return None;
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            let digits = written.get(2 * index..2 * index + 2)?;
            // `from_str_radix` takes a sign, too.
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        return Some(bytes);
    }
    let legal = (API_KEY_CHARS_MIN..=API_KEY_CHARS_MAX).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_graphic());
    if !legal {
        return None;
    }
    bytes.copy_from_slice(digest::digest(&SHA256, key.as_bytes()).as_ref());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "canary-key-0123456789abcdef";

    fn problem(text: &str) -> (usize, KeyFileProblem) {
        let error = ApiKeys::parse(text).unwrap_err();
        (error.line, error.problem)
    }

    #[test]
    fn a_key_is_found_by_itself_or_its_digest_and_is_never_shown() {
        let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let text = format!("# who\n\nshop publish,tokens {KEY}\r\ndesk moderate sha256:{digest}\n");
        let keys = ApiKeys::parse(&text).unwrap();
        let shop = keys.find(KEY).unwrap();
        assert!(shop.allows(Scope::Publish) && shop.allows(Scope::Tokens));
        assert!(!shop.allows(Scope::Moderate) && !shop.allows(Scope::Read));
        assert_eq!(&*shop.sender().user.0, "api:shop");
        // "test" has that digest, and is too short to be a key however it is configured.
        assert!(keys.find("test").is_none());
        assert!(keys.find(&KEY.replace('0', "1")).is_none());
        let shown = format!("{keys:?}");
        assert!(
            !shown.contains("canary") && shown.contains("shop"),
            "{shown}"
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_without_the_key() {
        let line = |words: &str| format!("ok read {KEY}-\n{words}\n");
        for (words, expected) in [
            ("shop publish", KeyFileProblem::Words),
            (&*format!("shop publish {KEY} more"), KeyFileProblem::Words),
            (&*format!("sh/op publish {KEY}"), KeyFileProblem::Name),
            (&*format!("ok publish {KEY}"), KeyFileProblem::Name),
            (&*format!("shop publish,all {KEY}"), KeyFileProblem::Scope),
            (&*format!("shop publish, {KEY}"), KeyFileProblem::Scope),
            ("shop publish canary", KeyFileProblem::Key),
            ("shop publish sha256:12", KeyFileProblem::Key),
            (&*format!("shop publish {KEY}-"), KeyFileProblem::Key),
        ] {
            assert_eq!(problem(&line(words)), (2, expected), "{words}");
            let told = ApiKeys::parse(&line(words)).unwrap_err().to_string();
            assert!(!told.contains("canary"), "{told}");
        }
        let many: String = (0..=API_KEYS_MAX)
            .map(|n| format!("k{n} read {KEY}-{n}\n"))
            .collect();
        assert_eq!(problem(&many).1, KeyFileProblem::TooMany);
    }
}
