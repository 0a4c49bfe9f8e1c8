//! Attribute lists (section 4.2): names, values and their types.

use std::time::Duration;

use crate::{finding::Fault, rules::Rule};

/// One value as it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Attribute {
    name: String,
    value: String,
    is_quoted: bool,
}

/// The attributes of one tag, and what is wrong with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    tag: &'static str,
    line: usize,
    list: Vec<Attribute>,
}

/// What type of value an attribute has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A quoted-string that is not empty.
    Quoted,
    /// A quoted-string that may be empty.
    MaybeEmpty,
    /// An enumerated-string out of these.
    OneOf(&'static [&'static str]),
    /// A decimal-integer.
    Integer,
    /// A decimal-floating-point.
    Decimal,
    /// A signed-decimal-floating-point.
    Signed,
    /// A decimal-resolution.
    Resolution,
}

/// An attribute that a tag may have: its name, its type, and whether it is required.
pub type Definition = (&'static str, Type, bool);

impl Attributes {
    /// Reads the list behind a tag's colon, and checks it against the tag's definition.
    pub fn parse(
        (tag, line): (&'static str, usize),
        text: &str,
        definitions: &[Definition],
        faults: &mut Vec<Fault>,
    ) -> Self {
        let mut read = Self {
            tag,
            line,
            list: Vec::new(),
        };
        if let Err(seen) = read.split(text) {
            let expected = "AttributeName=AttributeValue, with commas between and no whitespace";
            faults.push(Fault::new(Rule::Syntax, format!("{tag}: {seen}"), expected).at(line));
        }
        for (index, attribute) in read.list.iter().enumerate() {
            let (name, value) = (&attribute.name, &attribute.value);
            if read
                .list
                .iter()
                .take(index)
                .any(|other| other.name == *name)
            {
                let seen = format!("{tag} has {name} twice");
                faults.push(Fault::new(Rule::Attribute, seen, "once").at(line));
            }
            let Some((_, of_type, _)) = definitions.iter().find(|(known, ..)| known == name) else {
                continue;
            };
            if !of_type.fits(value, attribute.is_quoted) {
                let quote = if attribute.is_quoted { "\"" } else { "" };
                let seen = format!("{tag} has {name}={quote}{value}{quote}");
                faults.push(Fault::new(Rule::Attribute, seen, of_type.describe()).at(line));
            }
        }
        for (name, ..) in definitions.iter().filter(|(.., required)| *required) {
            if read.raw(name).is_none() {
                let seen = format!("{tag} has no {name}");
                faults.push(
                    Fault::new(Rule::Attribute, seen, format!("{name} is required")).at(line),
                );
            }
        }
        read
    }

    /// The line of the tag.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    fn split(&mut self, text: &str) -> Result<(), String> {
        let mut rest = text;
        while !rest.is_empty() {
            let (name, after) = rest.split_once('=').ok_or_else(|| format!("`{rest}`"))?;
            let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(format!("the name `{name}`"));
            }
            let (value, is_quoted, after) = if let Some(quoted) = after.strip_prefix('"') {
                let (value, after) = quoted
                    .split_once('"')
                    .ok_or_else(|| format!("{name} has no closing quote"))?;
                (value, true, after)
            } else {
                let end = after.find(',').unwrap_or(after.len());
                let (value, after) = after.split_at(end);
                if value.contains(char::is_whitespace) || value.contains('"') {
                    return Err(format!("{name}={value}"));
                }
                (value, false, after)
            };
            self.list.push(Attribute {
                name: name.to_owned(),
                value: value.to_owned(),
                is_quoted,
            });
            rest = match after.strip_prefix(',') {
                Some("") => return Err("a comma at the end".to_owned()),
                Some(rest) => rest,
                None if after.is_empty() => "",
                None => return Err(format!("`{after}` behind {name}")),
            };
        }
        Ok(())
    }

    /// The value, of whatever type.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&str> {
        let found = self.list.iter().find(|attribute| attribute.name == name);
        found.map(|attribute| attribute.value.as_str())
    }

    /// Whether the value is `YES`.
    #[must_use]
    pub fn is_yes(&self, name: &str) -> bool {
        self.raw(name) == Some("YES")
    }

    /// The value as a whole number.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<u64> {
        integer(self.raw(name)?)
    }

    /// The value as seconds.
    #[must_use]
    pub fn seconds(&self, name: &str) -> Option<Duration> {
        seconds(self.raw(name)?)
    }

    /// All of them in the order of their names, so that two lists can be compared.
    #[must_use]
    pub fn sorted(&self) -> Vec<(String, String)> {
        let pair = |attribute: &Attribute| (attribute.name.clone(), attribute.value.clone());
        let mut pairs: Vec<_> = self.list.iter().map(pair).collect();
        pairs.sort();
        pairs
    }

    /// Whether an attribute's name begins so.
    #[must_use]
    pub fn has_prefix(&self, prefix: &str) -> bool {
        self.list
            .iter()
            .any(|attribute| attribute.name.starts_with(prefix))
    }
}

impl Type {
    fn fits(self, value: &str, is_quoted: bool) -> bool {
        match self {
            Self::Quoted => is_quoted && !value.is_empty(),
            Self::MaybeEmpty => is_quoted,
            Self::OneOf(words) => !is_quoted && words.contains(&value),
            Self::Integer => !is_quoted && integer(value).is_some(),
            Self::Decimal => !is_quoted && seconds(value).is_some(),
            Self::Signed => {
                !is_quoted && seconds(value.strip_prefix('-').unwrap_or(value)).is_some()
            }
            Self::Resolution => {
                let sides = value.split_once('x');
                let is_whole = |(w, h)| integer(w).is_some() && integer(h).is_some();
                !is_quoted && sides.is_some_and(is_whole)
            }
        }
    }

    fn describe(self) -> String {
        match self {
            Self::Quoted => "a quoted-string that is not empty".to_owned(),
            Self::MaybeEmpty => "a quoted-string".to_owned(),
            Self::OneOf(words) => format!("{}, without quotes", words.join(" or ")),
            Self::Integer => "a decimal-integer, without quotes".to_owned(),
            Self::Decimal => "a decimal-floating-point, without quotes".to_owned(),
            Self::Signed => "a signed-decimal-floating-point, without quotes".to_owned(),
            Self::Resolution => "WIDTHxHEIGHT, without quotes".to_owned(),
        }
    }
}

/// A decimal-integer.
#[must_use]
pub fn integer(text: &str) -> Option<u64> {
    let is_number = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// A decimal-floating-point number of seconds, to the nearest microsecond. At most about 30,000 years.
#[must_use]
pub fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    if whole.len() > 12 || fraction.len() > 64 {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let digits: String = fraction
        .chars()
        .chain(std::iter::repeat('0'))
        .take(6)
        .collect();
    let micros: u64 = digits.parse().ok()?;
    let rounds_up = fraction
        .as_bytes()
        .get(6)
        .is_some_and(|digit| *digit >= b'5');
    let micros = whole
        .checked_mul(1_000_000)?
        .checked_add(micros + u64::from(rounds_up))?;
    Some(Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact_to_the_microsecond() {
        for (text, micros) in [
            ("1", 1_000_000),
            ("0.33334", 333_340),
            ("1.0000005", 1_000_001),
            ("6.", 6_000_000),
            (".5", 500_000),
        ] {
            assert_eq!(seconds(text), Some(Duration::from_micros(micros)), "{text}");
        }
        for text in ["", ".", "-1", "1e3", "1,5", "1.2.3", " 1"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn types_are_checked() {
        let definitions: &[Definition] = &[
            ("URI", Type::Quoted, true),
            ("DURATION", Type::Decimal, true),
            ("GAP", Type::OneOf(&["YES", "NO"]), false),
        ];
        let faults = |text: &str| {
            let mut faults = Vec::new();
            drop(Attributes::parse(
                ("EXT-X-PART", 1),
                text,
                definitions,
                &mut faults,
            ));
            faults
                .into_iter()
                .map(|fault| fault.rule)
                .collect::<Vec<_>>()
        };
        let fine = r#"URI="a,b=c",DURATION=1.0,GAP=YES,X-OTHER="1""#;
        assert_eq!(faults(fine), []);
        assert_eq!(faults(r#"URI=a,DURATION=1.0"#), [Rule::Attribute]);
        assert_eq!(faults(r#"URI="a",DURATION="1.0""#), [Rule::Attribute]);
        assert_eq!(faults(r#"URI="a""#), [Rule::Attribute]);
        assert_eq!(faults(r#"URI="a",URI="b",DURATION=1"#), [Rule::Attribute]);
        assert_eq!(
            faults(r#"URI="a", DURATION=1"#),
            [Rule::Syntax, Rule::Attribute]
        );
        assert_eq!(faults(r#"URI="a",DURATION=1,"#), [Rule::Syntax]);
    }
}
