//! What a run comes to, as data, as JSON and as one HTML page.

mod chart;
mod html;

use std::{collections::VecDeque, time::Duration};

use serde::Serialize;

use crate::{
    bench::{Bench, Lane, Point},
    finding::Finding,
    rules::{Rule, Severity},
};

/// The version of the JSON form; it changes when a field changes its meaning or goes.
pub const FORMAT: u32 = 1;

/// What the findings come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing but notes.
    Clean,
    /// Warnings, and no error.
    Warnings,
    /// A MUST is broken.
    Errors,
}

/// Everything about a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// See [`FORMAT`].
    pub format: u32,
    /// What was judged.
    pub url: String,
    /// For how long, seconds.
    pub seconds: f64,
    /// What it comes to.
    pub verdict: Verdict,
    /// How many findings are errors.
    pub errors: usize,
    /// How many findings are warnings.
    pub warnings: usize,
    /// How many findings are notes.
    pub notes: usize,
    /// What was followed.
    pub renditions: Vec<Followed>,
    /// What was found, in the order in which it was.
    pub findings: Vec<Finding>,
    /// The rules that were judged by.
    pub rules: Vec<Rule>,
}

/// A rendition that was followed.
#[derive(Debug, Clone, Serialize)]
pub struct Followed {
    /// Its name in findings.
    pub name: String,
    /// Its playlist.
    pub url: String,
    /// Versions of it that were seen.
    pub versions: u64,
    /// Parts and segments of it that were fetched.
    pub pieces: u64,
    /// How much later than a part target after the one before each part came: seconds after the start, and seconds.
    pub part_jitter: VecDeque<Point>,
    /// How long blocking requests were held: seconds after the start, and seconds.
    pub holds: VecDeque<Point>,
    /// How old the end of each version was: seconds after the start, and seconds.
    pub age: VecDeque<Point>,
    /// How much whole segments needed: seconds after the start, and bits per second.
    pub bitrate: VecDeque<Point>,
}

impl Report {
    /// What the bench knows after so long.
    pub(crate) fn of(bench: &Bench, url: &str, elapsed: Duration, only: &[Rule]) -> Self {
        let (errors, warnings) = (bench.count(Severity::Error), bench.count(Severity::Warning));
        let verdict = match (errors, warnings) {
            (0, 0) => Verdict::Clean,
            (0, _) => Verdict::Warnings,
            _ => Verdict::Errors,
        };
        Self {
            format: FORMAT,
            url: url.to_owned(),
            seconds: elapsed.as_secs_f64(),
            verdict,
            errors,
            warnings,
            notes: bench.count(Severity::Note),
            renditions: bench.lanes().iter().map(Followed::of).collect(),
            findings: bench.findings().to_vec(),
            rules: if only.is_empty() {
                Rule::ALL.to_vec()
            } else {
                only.to_vec()
            },
        }
    }

    /// The report as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report has nothing that JSON has not")
    }

    /// The report as one HTML page that needs nothing else.
    #[must_use]
    pub fn to_html(&self) -> String {
        html::page(self)
    }
}

impl Followed {
    fn of(lane: &Lane) -> Self {
        let series = lane.series.clone();
        Self {
            name: lane.name.clone(),
            url: lane.address.to_string(),
            versions: lane.versions,
            pieces: lane.pieces,
            part_jitter: series.jitter,
            holds: series.holds,
            age: series.age,
            bitrate: series.bitrate,
        }
    }
}

#[cfg(test)]
mod tests;
