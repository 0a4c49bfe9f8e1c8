//! The report as a page.

use super::Report;

/// The page.
pub(super) fn page(report: &Report) -> String {
    format!("<!doctype html><pre>{}</pre>", report.to_json())
}
