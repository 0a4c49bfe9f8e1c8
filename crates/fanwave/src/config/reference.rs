//! `fanwave config-reference`: every key with its meaning, default and cost, printed from the table of keys.
//!
//! The reference is itself a configuration file, and means exactly the defaults.

use std::fmt::Write;

use toml::Value;

use super::{
    env,
    keys::{KEYS, Key, SECTIONS, is_list},
    settings::{KeyPath, Settings},
};

/// What stands before a line that sets nothing, and would if this were taken away.
pub(super) const UNSET: &str = "#    ";

/// Columns of a comment line.
const WIDTH: usize = 100;

/// The whole reference.
#[must_use]
pub fn print() -> String {
    let mut text = String::from(
        "# Every key of Fanwave's configuration, with its default.\n\
         # Printed by `fanwave config-reference`; `fanwave check-config FILE` checks a file of yours.\n\
         # An environment variable beats the file: its name is given with each key.\n",
    );
    let settings = Settings::defaults();
    for (section, heading) in SECTIONS {
        text.push('\n');
        comment(&mut text, heading);
        let keys: Vec<&Key> = KEYS.iter().filter(|key| key.section == *section).collect();
        if is_list(section) {
            entries(&mut text, section, &keys, &settings);
        } else {
            line(&mut text, format_args!("[{section}]"));
            for key in keys {
                explain(&mut text, key);
                assign(&mut text, KeyPath::of(key.section, key.name), &settings);
            }
        }
    }
    text
}

/// The default entries of a list; keys are explained at the first one. A list that has none is explained all the same.
fn entries(text: &mut String, section: &str, keys: &[&Key], settings: &Settings) {
    let length = settings.list_length(section);
    if length == 0 {
        line(text, format_args!("{UNSET}[[{section}]]"));
        for key in keys {
            explain(text, key);
            line(
                text,
                format_args!("{UNSET}{} = {}", key.name, key.kind.empty()),
            );
        }
    }
    for index in 0..length {
        if index > 0 {
            text.push('\n');
        }
        line(text, format_args!("[[{section}]]"));
        for key in keys {
            if index == 0 {
                explain(text, key);
            }
            assign(text, KeyPath::entry(key.section, index, key.name), settings);
        }
    }
}

fn explain(text: &mut String, key: &Key) {
    text.push('\n');
    comment(text, key.doc);
    if !key.cost.is_empty() {
        comment(text, &format!("Costs at most: {}.", key.cost));
    }
    comment(text, &format!("Variable: {}", env::variable(key)));
}

fn assign(text: &mut String, path: KeyPath, settings: &Settings) {
    let default = settings
        .value(path)
        .map(Value::to_string)
        .unwrap_or_default();
    line(text, format_args!("{} = {default}", path.name));
}

/// A comment, folded at [`WIDTH`].
fn comment(text: &mut String, words: &str) {
    let mut column = 0;
    for word in words.split(' ') {
        let start = column == 0;
        if start || column + 1 + word.chars().count() > WIDTH {
            text.push_str(if start { "#" } else { "\n#" });
            column = 1;
        }
        text.push(' ');
        text.push_str(word);
        column += 1 + word.chars().count();
    }
    text.push('\n');
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{arguments}");
}
