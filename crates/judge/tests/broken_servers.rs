//! One broken server per rule: the judge finds what is wrong with it, and nothing else; with a server that is right, it
//! finds nothing.
//!
//! Judge and server live in one runtime whose time is paused: it goes on when both have nothing left to do. So a run is
//! the same every time, however busy the machine is, and its seconds take as long as its requests.

#![expect(clippy::unwrap_used, reason = "what cannot go on fails the test")]

mod origin;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use fanwave_judge::{Address, Order, Report, Rule, RunError, run};
use tokio::sync::Notify;

use self::origin::{Memory, Origin, defect::Defect};

/// How long a stream is judged: long enough for every probe on both renditions, and for a discontinuity to be removed.
const TIME: Duration = Duration::from_secs(20);

fn judge(defect: Defect, path: &str, only: Vec<Rule>) -> Result<Report, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let scheme = if defect == Defect::Unprotected {
            "http"
        } else {
            "https"
        };
        let order = Order {
            address: Address::parse(&format!("{scheme}://origin.test{path}")).unwrap(),
            time: TIME,
            only,
            dial: Arc::new(Memory {
                origin: Arc::new(Origin::new(defect)),
            }),
            began: 0,
            stop: Arc::new(Notify::new()),
        };
        run(&order, &mut |_| {}).await
    })
}

fn rules(report: &Report) -> BTreeSet<Rule> {
    report.findings.iter().map(|finding| finding.rule).collect()
}

/// What is wrong with the judgement on a server.
fn misjudged(defect: Defect) -> Option<String> {
    let report = match judge(defect, "/live/main.m3u8", Vec::new()) {
        Ok(report) => report,
        Err(error) => return Some(format!("{defect:?}: {error}")),
    };
    let found = rules(&report);
    let missing: Vec<_> = defect
        .breaks()
        .iter()
        .filter(|rule| !found.contains(rule))
        .map(ToString::to_string)
        .collect();
    let known = |rule: Rule| defect.breaks().contains(&rule) || defect.may_break().contains(&rule);
    let more: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| !known(finding.rule))
        .collect();
    if missing.is_empty() && more.is_empty() {
        return None;
    }
    let more: Vec<_> = more
        .iter()
        .map(|finding| {
            format!(
                "\n    {} {} at {:.2} s, {} times: {} (expected: {})",
                finding.rule,
                finding.url,
                finding.first_seconds,
                finding.count,
                finding.seen,
                finding.expected
            )
        })
        .collect();
    Some(format!(
        "{defect:?}: not found: {missing:?}; found besides: {}",
        more.concat()
    ))
}

#[test]
fn each_broken_server_is_found_out_and_nothing_else_is_found() {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(defect) = Defect::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    wrong.lock().unwrap().extend(misjudged(*defect));
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {} servers:\n{}",
        wrong.len(),
        Defect::ALL.len(),
        wrong.join("\n")
    );
}

#[test]
fn each_rule_has_a_server_that_breaks_it() {
    let broken: BTreeSet<Rule> = Defect::ALL
        .iter()
        .flat_map(|defect| defect.breaks())
        .copied()
        .collect();
    let unproven: Vec<_> = Rule::ALL
        .iter()
        .filter(|rule| !broken.contains(rule))
        .collect();
    assert!(unproven.is_empty(), "no server breaks {unproven:?}");
}

#[test]
fn a_media_playlist_is_judged_alone() {
    let report = judge(Defect::GohlslibMsnAtPart0, "/live/a.m3u8", Vec::new()).unwrap();
    assert_eq!(report.renditions.len(), 1);
    // A report on a rendition that is not known here cannot be judged.
    assert_eq!(rules(&report), BTreeSet::from([Rule::MsnEarly]));
}

#[test]
fn only_the_rules_that_are_named_are_judged_by() {
    let report = judge(
        Defect::NoIndependentPart,
        "/live/main.m3u8",
        vec![Rule::NoIndependentPart],
    )
    .unwrap();
    assert_eq!(rules(&report), BTreeSet::from([Rule::NoIndependentPart]));
    assert_eq!(report.rules, [Rule::NoIndependentPart]);
}

#[test]
fn what_is_no_playlist_is_not_judged() {
    let error = judge(Defect::None, "/live/nothing.m3u8", Vec::new()).unwrap_err();
    assert!(
        matches!(error, RunError::NoPlaylist { status: 404, .. }),
        "{error}"
    );
}

#[test]
fn each_rule_is_in_the_documentation_as_it_is() {
    let page = include_str!("../../../docs/judge.md");
    for rule in Rule::ALL {
        let facts = rule.facts();
        let row = format!(
            "| {} | {} | {} | {} | {} |",
            facts.id, facts.severity, facts.number, facts.title, facts.source
        );
        assert!(page.contains(&row), "docs/judge.md lacks `{row}`");
    }
}
