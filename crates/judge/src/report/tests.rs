use std::collections::VecDeque;

use super::*;
use crate::finding::{Fault, Ledger, Place};

fn report() -> Report {
    let mut ledger = Ledger::default();
    let place = Place {
        name: "/<script>.m3u8",
        url: "http://h/<script>.m3u8?a=\"1\"",
        at: Duration::from_secs(3),
    };
    for _ in 0..2 {
        let seen = "<img src=x onerror=alert(1)>";
        ledger.add(place, Fault::new(Rule::PartTooLong, seen, "a & b").at(7));
    }
    Report {
        format: FORMAT,
        url: place.url.to_owned(),
        seconds: 60.0,
        verdict: Verdict::Errors,
        errors: 1,
        warnings: 0,
        notes: 0,
        renditions: vec![Followed {
            name: place.name.to_owned(),
            url: place.url.to_owned(),
            versions: 2,
            pieces: 3,
            part_jitter: VecDeque::from([(0.0, 0.01), (1.0, -0.01), (2.0, 0.0)]),
            holds: VecDeque::new(),
            age: VecDeque::from([(0.0, 1.0), (0.0, 1.0)]),
            bitrate: VecDeque::from([(0.0, 1e6), (1.0, 2e6)]),
        }],
        findings: ledger.findings().to_vec(),
        rules: vec![Rule::PartTooLong],
    }
}

#[test]
fn text_of_servers_is_no_markup() {
    let page = report().to_html();
    assert!(
        !page.contains("<script") && !page.contains("<img"),
        "{page}"
    );
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"));
    assert!(page.contains("2 times, from 3.0 s to 3.0 s"));
    assert!(page.contains("<polyline") && !page.contains("NaN") && !page.contains("inf,"));
    for reference in ["http-equiv", "src=\"", "href=", "url(", "@import"] {
        assert!(!page.contains(reference), "{reference}");
    }
}

#[test]
fn the_json_form_is_a_promise() {
    insta::assert_snapshot!(report().to_json());
}
