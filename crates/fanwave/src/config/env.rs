//! Environment variables over the file: `FANWAVE__HTTP__LISTEN` sets `http.listen`.
//!
//! Entries of a list are numbered from 0: `FANWAVE__CHANNELS__0__TITLE`; the number after the last entry adds one.
//! Names are upper case; a variable that begins with the prefix and names no key is refused, because it was meant to do
//! something. An empty variable is an empty value, not an unset one.

use toml::Value;

use super::{
    keys::{KEYS, Key, Kind},
    problem::{Fault, Origin, Problem},
    settings::{KeyPath, Settings},
    suggest,
};

/// What every variable begins with.
pub const PREFIX: &str = "FANWAVE__";

/// The process's variables of ours. A value that is no Unicode cannot be one of ours and is read with replacements, so
/// that its key's own check refuses it.
pub fn variables() -> impl Iterator<Item = (String, String)> {
    let ours = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        let name = name.into_string().ok()?;
        name.starts_with(PREFIX)
            .then(|| (name, value.to_string_lossy().into_owned()))
    };
    std::env::vars_os().filter_map(ours)
}

/// The variable that sets a key; a list's entries have `N` for their number.
#[must_use]
pub fn variable(key: &Key) -> String {
    let section = key.section.to_ascii_uppercase();
    let entry = if key.is_listed() { "N__" } else { "" };
    format!(
        "{PREFIX}{section}__{entry}{}",
        key.name.to_ascii_uppercase()
    )
}

/// Reads the variables over the settings, in the order of their names, and reports everything that is wrong with them.
pub fn apply(
    variables: impl IntoIterator<Item = (String, String)>,
    settings: &mut Settings,
) -> Vec<Problem> {
    let mut ours: Vec<(String, String)> = variables
        .into_iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    // Numbers of entries in numeric order, so that a new entry 10 finds entry 9 there.
    ours.sort_by_cached_key(|(name, _)| (index(name), name.clone()));
    let set = ours.into_iter().filter_map(|(name, value)| {
        let fault = set(&name, &value, settings).err()?;
        Some(Problem {
            origin: Origin::Variable { name },
            fault,
        })
    });
    set.collect()
}

fn set(name: &str, text: &str, settings: &mut Settings) -> Result<(), Fault> {
    let (key, index) = find(name).ok_or_else(|| unknown(name))?;
    let origin = Origin::Variable {
        name: name.to_owned(),
    };
    if let Some(index) = index {
        let length = settings.list_length(key.section);
        if index > length {
            return Err(Fault::Gap {
                section: key.section,
                length,
            });
        }
        if index == length {
            settings.append_entry(key.section, &origin);
        }
    }
    let path = KeyPath {
        section: key.section,
        index,
        name: key.name,
    };
    let value = convert(key.kind, text).ok_or_else(|| Fault::Kind {
        key: path.to_string(),
        expected: key.kind.described(),
        found: "other text".to_owned(),
    })?;
    settings.set(path, value, origin);
    Ok(())
}

/// The key that a variable names, with the number of the entry where it names one.
fn find(name: &str) -> Option<(&'static Key, Option<usize>)> {
    let rest = name.strip_prefix(PREFIX)?;
    let parts: Vec<&str> = rest.split("__").collect();
    let matches = |part: &str, name: &str| part == name.to_ascii_uppercase();
    match parts[..] {
        [section, name] => {
            let key = KEYS
                .iter()
                .find(|k| !k.is_listed() && matches(section, k.section) && matches(name, k.name))?;
            Some((key, None))
        }
        [section, number, name] => {
            let key = KEYS
                .iter()
                .find(|k| k.is_listed() && matches(section, k.section) && matches(name, k.name))?;
            Some((key, Some(number.parse().ok()?)))
        }
        _ => None,
    }
}

/// The entry's number in a variable, 0 for keys without one.
fn index(name: &str) -> usize {
    find(name).and_then(|(_, index)| index).unwrap_or(0)
}

fn unknown(name: &str) -> Fault {
    Fault::UnknownKey {
        key: name.to_owned(),
        nearest: suggest::nearest(name, KEYS.iter().map(variable)),
    }
}

fn convert(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Text => Some(Value::String(text.to_owned())),
        Kind::Number => text
            .parse::<i64>()
            .ok()
            .filter(|number| *number >= 0)
            .map(Value::Integer),
        Kind::TextList => {
            let texts = text
                .split(',')
                .map(str::trim)
                .filter(|text| !text.is_empty());
            Some(Value::Array(
                texts.map(|text| Value::String(text.to_owned())).collect(),
            ))
        }
    }
}
