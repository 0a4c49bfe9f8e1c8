//! Every value with the place it came from, before it has a meaning.

use std::{collections::BTreeMap, fmt};

use toml::{Table, Value};

use super::{keys::KEYS, problem::Origin, schema::Config};

/// A key at a place: `http.listen`, or `channels[1].title`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath {
    /// The table's name.
    pub section: &'static str,
    /// The entry, in a list of tables.
    pub index: Option<usize>,
    /// The name in the table.
    pub name: &'static str,
}

impl KeyPath {
    /// A key of an ordinary section.
    #[must_use]
    pub const fn of(section: &'static str, name: &'static str) -> Self {
        Self {
            section,
            index: None,
            name,
        }
    }

    /// A key of one entry of a list.
    #[must_use]
    pub const fn entry(section: &'static str, index: usize, name: &'static str) -> Self {
        Self {
            section,
            index: Some(index),
            name,
        }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            None => write!(f, "{}.{}", self.section, self.name),
            Some(index) => write!(f, "{}[{index}].{}", self.section, self.name),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its kind has been checked against the table of keys.
    pub value: Value,
    /// Where it was set last.
    pub origin: Origin,
}

/// All values. A key that nobody set has its default.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    entries: BTreeMap<KeyPath, Setting>,
}

impl Settings {
    /// What holds when nothing is configured.
    #[must_use]
    pub fn defaults() -> Self {
        let mut settings = Self {
            entries: BTreeMap::new(),
        };
        let table = Table::try_from(Config::default())
            .expect("the plain structs of the schema are TOML tables");
        for key in KEYS {
            match table.get(key.section) {
                Some(Value::Array(list)) => {
                    for (index, entry) in list.iter().enumerate() {
                        settings.set_default(
                            KeyPath::entry(key.section, index, key.name),
                            entry.get(key.name),
                        );
                    }
                }
                section => {
                    let value = section.and_then(|section| section.get(key.name));
                    settings.set_default(KeyPath::of(key.section, key.name), value);
                }
            }
        }
        settings
    }

    fn set_default(&mut self, path: KeyPath, value: Option<&Value>) {
        let value = value
            .expect("every key of the table is a field of the structs; a test compares them")
            .clone();
        self.entries.insert(
            path,
            Setting {
                value,
                origin: Origin::Default,
            },
        );
    }

    /// Sets a value whose kind has been checked.
    pub fn set(&mut self, path: KeyPath, value: Value, origin: Origin) {
        self.entries.insert(path, Setting { value, origin });
    }

    /// Empties a list: a file that has entries of its own replaces the default ones.
    pub fn clear_list(&mut self, section: &'static str) {
        self.entries.retain(|path, _| path.section != section);
    }

    /// Adds an entry to a list, with every key at its empty value, and returns its index. What is left out of the
    /// entry counts as set where the entry begins.
    pub fn append_entry(&mut self, section: &'static str, origin: &Origin) -> usize {
        let index = self.list_length(section);
        for key in KEYS.iter().filter(|key| key.section == section) {
            self.set(
                KeyPath::entry(section, index, key.name),
                key.kind.empty(),
                origin.clone(),
            );
        }
        index
    }

    /// Entries of a list.
    #[must_use]
    pub fn list_length(&self, section: &str) -> usize {
        let last = self
            .entries
            .keys()
            .filter(|path| path.section == section)
            .filter_map(|path| path.index)
            .max();
        last.map_or(0, |index| index + 1)
    }

    /// A key's value.
    #[must_use]
    pub fn value(&self, path: KeyPath) -> Option<&Value> {
        self.entries.get(&path).map(|setting| &setting.value)
    }

    /// Where a key was set.
    #[must_use]
    pub fn origin(&self, path: KeyPath) -> Origin {
        self.entries
            .get(&path)
            .map_or(Origin::Default, |setting| setting.origin.clone())
    }

    /// The plain structs of all values.
    ///
    /// # Errors
    ///
    /// A number that does not fit its field; everything else has been checked when the value was set.
    pub fn config(&self) -> Result<Config, toml::de::Error> {
        let mut root = Table::new();
        for section in list_sections() {
            // A list that was emptied must not come back as its default.
            root.insert(section.to_owned(), Value::Array(Vec::new()));
        }
        for (path, setting) in &self.entries {
            let table = match path.index {
                None => root
                    .entry(path.section)
                    .or_insert_with(|| Value::Table(Table::new())),
                Some(index) => {
                    let list = root
                        .entry(path.section)
                        .or_insert_with(|| Value::Array(Vec::new()));
                    let Value::Array(list) = list else { continue };
                    if list.len() == index {
                        list.push(Value::Table(Table::new()));
                    }
                    &mut list[index]
                }
            };
            if let Value::Table(table) = table {
                table.insert(path.name.to_owned(), setting.value.clone());
            }
        }
        root.try_into()
    }
}

/// The sections that are lists of tables.
fn list_sections() -> impl Iterator<Item = &'static str> {
    let listed = KEYS
        .iter()
        .filter(|key| key.is_listed())
        .map(|key| key.section);
    listed
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
}
