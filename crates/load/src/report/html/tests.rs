use std::collections::BTreeMap;

use crate::{
    Order, Report, Scenario,
    exchange::Second,
    ledger::Balance,
    order::tests::small,
    report::{Evidence, Fall, Moment, Row, RowGauges, ServerEvidence},
    split::{Situation, split},
};

/// A run of six seconds in which 200 fans are dropped once, and one of them misses two messages.
fn report(order: &Order, busy: u32) -> Report {
    let situation = Situation {
        fans: order.fans,
        viewers: 0,
        senders: 1,
        descriptors: 20_000,
        processors: 2,
        workers: None,
        servers: 1,
        loopback: true,
        ports: 28_232,
    };
    let mut evidence = Evidence {
        started_ns: 1_700_000_000_000_000_000,
        ended_ns: 1_700_000_006_500_000_000,
        publish_millis: 4_000,
        dropped_at_ns: Some(1_700_000_002_000_000_000),
        last_back_ns: 1_700_000_003_100_000_000,
        balance: Balance {
            expected: 800,
            received: 798,
            missing: 2,
            fans_missing: 1,
        },
        servers: vec![ServerEvidence {
            pids: vec![4711],
            connected_at_begin: 200,
            connected_at_end: 200,
            cpu_at_begin: Some(1_000_000),
            cpu_at_end: Some(1_040_000),
            bytes_before: Some(20_000_000),
            bytes_after: Some(20_040_000),
        }],
        falls: vec![Fall {
            at_ms: 2_000,
            fans: 200,
            lost: 200,
            nearly_all_back_ms: Some(1_000),
            all_back_ms: None,
        }],
        load_cpu_at_begin: Some(27_000),
        load_cpu_micros: Some(90_000),
        load_bytes: Some(4_000_000),
        moments: vec![
            Moment {
                millis: 1_000,
                label: "messages begin".to_owned(),
            },
            Moment {
                millis: 2_000,
                label: "all dropped".to_owned(),
            },
        ],
        ..Evidence::default()
    };
    for index in 0..6_u64 {
        let second = second(index, busy);
        let gauges = RowGauges {
            connected: vec![if index == 2 { 0 } else { 200 }],
            server_cpu_percent: Some(10 + index),
            load_cpu_percent: None,
            server_bytes: Some(20_000_000),
        };
        evidence
            .rows
            .push(Row::new(usize::try_from(index).unwrap(), &second, &gauges));
        evidence.total.merge(&second);
        evidence.publishing.merge(&second);
    }
    evidence.closes = BTreeMap::from([(1006, 1), (3008, 3)]);
    Report::new(order, &split(&situation).unwrap(), &evidence)
}

fn second(index: u64, busy: u32) -> Second {
    let mut second = Second {
        busy,
        sent_room: 1,
        accepted_room: 1,
        recovered: index,
        ..Second::default()
    };
    second
        .connect
        .record_many(1_500 + index * 100, if index == 0 { 200 } else { 0 });
    second
        .back
        .record_many(700_000, if index == 3 { 200 } else { 0 });
    second.room.record_many(900 + index * 1_000, 150);
    second.lag.record(400);
    second.failures = BTreeMap::from([("<refused> & gone".to_owned(), index)]);
    second.refused = BTreeMap::from([(111, index)]);
    second
}

/// The page without its style sheet and charts: what is said, not how it looks.
fn said(page: &str) -> String {
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, rest) = rest.split_once("</style>").unwrap();
    let (before, rest) = rest.split_once("<section class=\"charts\">").unwrap();
    let (_, after) = rest.split_once("</section>").unwrap();
    format!("{head}{before}{after}").replace("</tr>", "</tr>\n")
}

#[test]
fn the_page_says_what_the_run_found() {
    let order = Order {
        scenario: Scenario::Storm,
        share_percent: 100,
        ..small()
    };
    insta::assert_snapshot!(said(&report(&order, 300).to_html()));
}

#[test]
fn the_page_needs_nothing_else() {
    let page = report(&small(), 300).to_html();
    for outside in [
        "<script",
        "<link",
        "src=",
        "href=",
        "@import",
        "url(",
        "<refused>",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    // One chart per figure that was measured and is not zero throughout: no second had a connection end.
    assert_eq!(page.matches("<svg").count(), 8);
    assert_eq!(page.matches("<path class=\"line l0\"").count(), 8);
    assert!(
        page.contains(" alone\""),
        "the one second of returns is seen"
    );
    for tag in [
        "div", "section", "figure", "svg", "table", "tr", "td", "span", "ul", "li",
    ] {
        let opened =
            page.matches(&format!("<{tag} ")).count() + page.matches(&format!("<{tag}>")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn a_saturated_generator_makes_the_result_invalid() {
    let fine = report(&small(), 300);
    assert!(fine.verdict.valid && !fine.verdict.nothing_lost);
    let saturated = report(&small(), 950);
    assert!(!saturated.verdict.valid);
    assert!(saturated.to_html().contains("INVALID"));
    let json: serde_json::Value = serde_json::from_str(&saturated.to_json()).unwrap();
    assert_eq!(json["verdict"]["valid"], false);
    assert_eq!(json["lossless"]["missing"], 2);
    assert_eq!(json["generator"]["busy_percent"], 95);
    assert_eq!(json["server"]["bytes_per_connection"], 200);
    assert_eq!(json["returns"]["all_back_ms"], 1_100);
}
