//! What was found: each rule that is broken, once for each place, with how often.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde::Serialize;

use crate::{
    limits::{FINDINGS_MAX, SEEN_CHARS_MAX},
    rules::{Rule, Severity},
};

/// A rule that is broken, as one look at one thing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which rule.
    pub rule: Rule,
    /// The line of the playlist, from 1.
    pub line: Option<usize>,
    /// What is there.
    pub seen: String,
    /// What should be there.
    pub expected: String,
}

impl Fault {
    /// A fault without a line.
    pub fn new(rule: Rule, seen: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            rule,
            line: None,
            seen: bounded(seen.into()),
            expected: bounded(expected.into()),
        }
    }

    /// The same, in this line.
    #[must_use]
    pub fn at(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }
}

/// Text of a stranger, cut to a length that can be read.
fn bounded(text: String) -> String {
    if text.chars().count() <= SEEN_CHARS_MAX {
        return text;
    }
    let mut cut: String = text.chars().take(SEEN_CHARS_MAX).collect();
    cut.push_str(" ...");
    cut
}

/// A rule that is broken somewhere, and how often it was seen.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The rule's name.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// The rule's number in the checklist.
    pub number: u8,
    /// Where the rule is written.
    pub source: &'static str,
    /// What the rule asks for.
    pub title: &'static str,
    /// What to do.
    pub advice: &'static str,
    /// The rendition, or `multivariant`.
    pub place: String,
    /// The URL of what was looked at when it was first found.
    pub url: String,
    /// The line of the playlist then, from 1.
    pub line: Option<usize>,
    /// What was there.
    pub seen: String,
    /// What should have been there.
    pub expected: String,
    /// How often it was found at this place.
    pub count: u64,
    /// When it was found first, seconds after the start.
    pub first_seconds: f64,
    /// When it was found last, seconds after the start.
    pub last_seconds: f64,
}

/// All findings of a run.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Rules to judge by; none means all.
    only: Vec<Rule>,
    findings: Vec<Finding>,
    places: BTreeMap<(Rule, String), usize>,
    fresh: VecDeque<usize>,
}

/// Where and when something was looked at.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The rendition, or `multivariant`.
    pub name: &'a str,
    /// The URL that was asked.
    pub url: &'a str,
    /// When, after the start.
    pub at: Duration,
}

impl Ledger {
    /// An empty one, for these rules; for all where none is named.
    #[must_use]
    pub fn new(only: Vec<Rule>) -> Self {
        Self {
            only,
            ..Self::default()
        }
    }

    /// Whether a rule is judged at all.
    #[must_use]
    pub fn judges(&self, rule: Rule) -> bool {
        self.only.is_empty() || self.only.contains(&rule)
    }

    /// Takes note of a fault.
    pub fn add(&mut self, place: Place<'_>, fault: Fault) {
        if !self.judges(fault.rule) {
            return;
        }
        let key = (fault.rule, place.name.to_owned());
        let seconds = place.at.as_secs_f64();
        if let Some(known) = self
            .places
            .get(&key)
            .and_then(|index| self.findings.get_mut(*index))
        {
            known.count += 1;
            known.last_seconds = seconds;
            return;
        }
        if self.findings.len() >= FINDINGS_MAX {
            return;
        }
        let facts = fault.rule.facts();
        self.places.insert(key, self.findings.len());
        self.fresh.push_back(self.findings.len());
        self.findings.push(Finding {
            rule: fault.rule,
            severity: facts.severity,
            number: facts.number,
            source: facts.source,
            title: facts.title,
            advice: facts.advice,
            place: place.name.to_owned(),
            url: place.url.to_owned(),
            line: fault.line,
            seen: fault.seen,
            expected: fault.expected,
            count: 1,
            first_seconds: seconds,
            last_seconds: seconds,
        });
    }

    /// A finding that nobody was told yet.
    pub fn poll_fresh(&mut self) -> Option<Finding> {
        let index = self.fresh.pop_front()?;
        self.findings.get(index).cloned()
    }

    /// All of them, as they were found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}
