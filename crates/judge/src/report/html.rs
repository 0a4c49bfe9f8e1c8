//! The report as one page: no script, no font, no image, nothing from elsewhere. All text of servers is escaped.

use std::fmt::{self, Display, Write};

use super::{Followed, Report, Verdict, chart};
use crate::finding::Finding;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8885;--bad:#c62828;--warn:#b26a00;--note:#5a6b7b;--good:#2e7d32;--ink:#1769aa}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
.verdict{font-weight:600}.clean{color:var(--good)}.errors,.error{color:var(--bad)}.warnings,.warning{color:var(--warn)}.note{color:var(--note)}
article{border-left:4px solid currentColor;padding:.2rem 0 .2rem .8rem;margin:1rem 0}
article>*{color:CanvasText;margin:.2rem 0}
article h3{font-size:1rem}
dl{display:grid;grid-template-columns:7rem 1fr;gap:.1rem .6rem;margin:0}dt{color:var(--note)}dd{margin:0;overflow-wrap:anywhere}
figure{margin:1rem 0}svg{width:100%;height:auto}polyline{fill:none;stroke:var(--ink);stroke-width:1.2}.axis{stroke:var(--line)}
text{font-size:11px;fill:CanvasText}table{border-collapse:collapse}td,th{text-align:left;padding:.15rem .8rem .15rem 0;border-bottom:1px solid var(--line)}";

/// Text in which nothing is markup.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c if c.is_control() => f.write_str("\u{fffd}")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let mut text = String::new();
    write(&mut text, report).expect("writing to a String cannot fail");
    text
}

fn write(text: &mut String, report: &Report) -> fmt::Result {
    let (class, verdict) = match report.verdict {
        Verdict::Clean => ("clean", "clean"),
        Verdict::Warnings => ("warnings", "warnings only"),
        Verdict::Errors => ("errors", "errors"),
    };
    let url = Escaped(&report.url);
    writeln!(
        text,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    )?;
    writeln!(
        text,
        "<meta name=\"viewport\" content=\"width=device-width\">"
    )?;
    writeln!(
        text,
        "<title>fanwave judge: {url}</title><style>{STYLE}</style></head><body>"
    )?;
    writeln!(text, "<h1>fanwave judge: {url}</h1>")?;
    writeln!(
        text,
        "<p><span class=\"verdict {class}\">{verdict}</span>: {} errors, {} warnings, {} notes in {:.0} s, by {} rules.</p>",
        report.errors,
        report.warnings,
        report.notes,
        report.seconds,
        report.rules.len()
    )?;
    writeln!(text, "<h2>Findings</h2>")?;
    if report.findings.is_empty() {
        writeln!(text, "<p>None.</p>")?;
    }
    let mut findings: Vec<&Finding> = report.findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for finding in findings {
        article(text, finding)?;
    }
    writeln!(
        text,
        "<h2>Renditions</h2>\n<table><tr><th>Playlist</th><th>Versions</th><th>Media fetched</th></tr>"
    )?;
    for rendition in &report.renditions {
        let name = Escaped(&rendition.name);
        writeln!(
            text,
            "<tr><td>{name}</td><td>{}</td><td>{}</td></tr>",
            rendition.versions, rendition.pieces
        )?;
    }
    writeln!(text, "</table>")?;
    for rendition in &report.renditions {
        charts(text, rendition)?;
    }
    writeln!(text, "</body></html>")
}

fn article(text: &mut String, finding: &Finding) -> fmt::Result {
    let Finding {
        rule,
        severity,
        title,
        ..
    } = finding;
    writeln!(
        text,
        "<article class=\"{severity}\"><h3>{rule} {severity}: {}</h3><dl>",
        Escaped(title)
    )?;
    let line = finding
        .line
        .map_or_else(String::new, |line| format!(", line {line}"));
    let place = format!("{}{line}", finding.url);
    let often = match finding.count {
        1 => format!("once, at {:.1} s", finding.first_seconds),
        count => format!(
            "{count} times, from {:.1} s to {:.1} s",
            finding.first_seconds, finding.last_seconds
        ),
    };
    let source = format!(
        "{}; number {} of the checklist",
        finding.source, finding.number
    );
    for (name, value) in [
        ("where", place.as_str()),
        ("seen", &finding.seen),
        ("expected", &finding.expected),
        ("what to do", finding.advice),
        ("how often", &often),
        ("source", &source),
    ] {
        writeln!(text, "<dt>{name}</dt><dd>{}</dd>", Escaped(value))?;
    }
    writeln!(text, "</dl></article>")
}

fn charts(text: &mut String, rendition: &Followed) -> fmt::Result {
    writeln!(text, "<h2>{}</h2>", Escaped(&rendition.name))?;
    text.push_str(&chart::draw(
        "Parts: how much later than a part target after the one before",
        &rendition.part_jitter,
        (1e3, "ms"),
    ));
    text.push_str(&chart::draw(
        "Blocking requests: how long they were held",
        &rendition.holds,
        (1.0, "s"),
    ));
    text.push_str(&chart::draw(
        "Playlists: how old their end was, by its date",
        &rendition.age,
        (1.0, "s"),
    ));
    text.push_str(&chart::draw(
        "Segments: bit rate",
        &rendition.bitrate,
        (1e-6, "Mb/s"),
    ));
    Ok(())
}
