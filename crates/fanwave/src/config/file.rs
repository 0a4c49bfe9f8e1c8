//! The TOML file into settings, each with its line and column.

use std::{ops::Range, path::Path};

use toml::{
    Spanned, Value,
    de::{DeTable, DeValue},
};

use super::{
    keys::{KEYS, Key, Kind},
    problem::{Fault, Origin, Problem},
    settings::{KeyPath, Settings},
    suggest,
};

/// Reads a file's text over the settings, and reports everything that is wrong with it.
pub fn apply(path: &Path, text: &str, settings: &mut Settings) -> Vec<Problem> {
    let mut reader = Reader {
        path,
        text,
        settings,
        problems: Vec::new(),
    };
    match DeTable::parse(text) {
        Ok(root) => reader.root(root.get_ref()),
        Err(error) => {
            let at = error.span().unwrap_or(0..0);
            // The parser's longer explanations go over several lines; a problem is one line.
            let message = error.message().replace('\n', ", ");
            reader.report(at, Fault::Syntax(message));
        }
    }
    reader.problems
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    settings: &'a mut Settings,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn root(&mut self, root: &DeTable<'_>) {
        for (name, value) in root.iter() {
            let keys: Vec<&'static Key> = KEYS
                .iter()
                .filter(|key| key.section == name.get_ref())
                .collect();
            let Some(first) = keys.first() else {
                self.unknown(name.span(), name.get_ref());
                continue;
            };
            match (first.is_listed(), value.get_ref()) {
                (false, DeValue::Table(table)) => self.section(&keys, None, table),
                (true, DeValue::Array(list)) => self.list(first.section, &keys, list),
                (listed, found) => {
                    let expected = if listed {
                        "a list of tables, each under its name in double brackets"
                    } else {
                        "a table"
                    };
                    let fault = Fault::Kind {
                        key: name.get_ref().to_string(),
                        expected,
                        found: described(found),
                    };
                    self.report(value.span(), fault);
                }
            }
        }
    }

    /// The file's entries replace the default ones.
    fn list(
        &mut self,
        section: &'static str,
        keys: &[&'static Key],
        list: &[Spanned<DeValue<'_>>],
    ) {
        self.settings.clear_list(section);
        for entry in list {
            let origin = self.origin(entry.span());
            let index = self.settings.append_entry(section, &origin);
            match entry.get_ref() {
                DeValue::Table(table) => self.section(keys, Some(index), table),
                found => {
                    let fault = Fault::Kind {
                        key: section.to_owned(),
                        expected: "a list of tables",
                        found: described(found),
                    };
                    self.report(entry.span(), fault);
                }
            }
        }
    }

    fn section(&mut self, keys: &[&'static Key], index: Option<usize>, table: &DeTable<'_>) {
        for (name, value) in table.iter() {
            let Some(key) = keys.iter().find(|key| key.name == name.get_ref()) else {
                let section = keys.first().map_or("", |key| key.section);
                self.unknown(name.span(), &format!("{section}.{}", name.get_ref()));
                continue;
            };
            let path = KeyPath {
                section: key.section,
                index,
                name: key.name,
            };
            match convert(key.kind, value.get_ref()) {
                Some(converted) => {
                    let origin = self.origin(value.span());
                    self.settings.set(path, converted, origin);
                }
                None => {
                    let found = described(value.get_ref());
                    let fault = Fault::Kind {
                        key: path.to_string(),
                        expected: key.kind.described(),
                        found,
                    };
                    self.report(value.span(), fault);
                }
            }
        }
    }

    fn unknown(&mut self, at: Range<usize>, written: &str) {
        let sections = super::keys::SECTIONS
            .iter()
            .map(|(name, _)| (*name).to_owned());
        let keys = KEYS
            .iter()
            .map(|key| format!("{}.{}", key.section, key.name));
        // A lone word is a mistyped section, or a key that stands before any section.
        let nearest = match written.contains('.') {
            true => suggest::nearest(written, keys),
            false => {
                suggest::nearest(written, sections).or_else(|| suggest::nearest(written, keys))
            }
        };
        // In its own section a key is written without the section's name.
        let section = written
            .split_once('.')
            .map(|(section, _)| format!("{section}."));
        let nearest =
            nearest.map(
                |name| match section.and_then(|section| name.strip_prefix(&section)) {
                    Some(bare) => bare.to_owned(),
                    None => name,
                },
            );
        self.report(
            at,
            Fault::UnknownKey {
                key: written.to_owned(),
                nearest,
            },
        );
    }

    fn report(&mut self, at: Range<usize>, fault: Fault) {
        let origin = self.origin(at);
        self.problems.push(Problem { origin, fault });
    }

    fn origin(&self, at: Range<usize>) -> Origin {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        Origin::File {
            path: self.path.to_owned(),
            line,
            column,
        }
    }
}

/// The value, when it is of the kind.
fn convert(kind: Kind, value: &DeValue<'_>) -> Option<Value> {
    match (kind, value) {
        (Kind::Text, DeValue::String(text)) => Some(Value::String(text.to_string())),
        (Kind::Number, DeValue::Integer(number)) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
            (parsed >= 0).then_some(Value::Integer(parsed))
        }
        (Kind::TextList, DeValue::Array(list)) => {
            let texts = list
                .iter()
                .map(|entry| convert(Kind::Text, entry.get_ref()));
            texts.collect::<Option<Vec<Value>>>().map(Value::Array)
        }
        _ => None,
    }
}

/// What was found, for people. Values themselves are never repeated: one of them may be a misplaced secret.
fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(_) => "a string".to_owned(),
        DeValue::Integer(number) => format!("the number {}", number.as_str()),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
