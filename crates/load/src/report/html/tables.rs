//! The tables of the page.

use std::fmt::Write;

use super::escape;
use crate::report::{
    Percentiles, Report,
    chart::{Unit, count, label, millis},
};

/// Appends all tables that have rows.
pub(super) fn push(report: &Report, page: &mut String) {
    push_table(
        "Times",
        &["", "count", "p50", "p90", "p99", "p99.9", "max"],
        &times(report),
        page,
    );
    let lane = &report.lossless;
    let rows = [
        ("Sent", lane.sent),
        ("Accepted by the server", lane.accepted),
        ("Expected by all fans", lane.balance.expected),
        ("Received", lane.balance.received),
        ("Missing", lane.balance.missing),
        ("Gaps seen", lane.gaps),
        ("Reorders", lane.reorders),
        ("Duplicates", lane.duplicates),
        ("Came with a recovery", lane.recovered),
        ("Recoveries that were not whole", lane.unrecovered),
    ];
    push_counts("Lossless lane", &rows, page);
    let lane = &report.lossy;
    let rows = [
        ("Sent", lane.sent),
        ("Accepted by the server", lane.accepted),
        ("Nobody there to send", lane.unsent),
        ("Shown to all fans", lane.received),
        ("Not shown to them", lane.skipped),
        ("Told as left out (+N)", lane.more),
    ];
    push_counts("Lossy lane", &rows, page);
    push_falls(report, page);
    push_closes(report, page);
    push_failures(report, page);
    push_server(report, page);
    push_servers(report, page);
    push_generator(report, page);
}

/// Every loss of many fans, and their way back.
fn push_falls(report: &Report, page: &mut String) {
    let after = |time: Option<u64>| time.map_or_else(|| "never".to_owned(), count);
    let falls = report.returns.falls.iter().map(|fall| {
        vec![
            count(fall.at_ms),
            count(fall.fans),
            count(fall.lost),
            after(fall.nearly_all_back_ms),
            after(fall.all_back_ms),
        ]
    });
    let heads = [
        "at, ms",
        "fans before",
        "lost",
        "99 % back after, ms",
        "all back after, ms",
    ];
    push_table("Fans lost", &heads, &falls.collect::<Vec<_>>(), page);
}

fn push_closes(report: &Report, page: &mut String) {
    let closes = report
        .closes
        .iter()
        .map(|(code, times)| vec![code.to_string(), meaning(*code).to_owned(), count(*times)]);
    push_table(
        "Close codes",
        &["code", "meaning", "times"],
        &closes.collect::<Vec<_>>(),
        page,
    );
}

fn push_failures(report: &Report, page: &mut String) {
    let mut failures = report.connect.failures.clone();
    if let Some(viewers) = &report.viewers {
        let rows = [
            ("Playlists", viewers.playlists),
            ("Parts", viewers.parts),
            ("Bytes of media", viewers.bytes),
        ];
        push_counts("Viewers", &rows, page);
        failures.extend(
            viewers
                .failures
                .iter()
                .map(|(reason, times)| (format!("viewer: {reason}"), *times)),
        );
    }
    let failures = failures
        .iter()
        .map(|(reason, times)| vec![escape(reason), count(*times)]);
    push_table(
        "Failed attempts",
        &["reason", "times"],
        &failures.collect::<Vec<_>>(),
        page,
    );
}

fn push_server(report: &Report, page: &mut String) {
    if let Some(server) = &report.server {
        let bytes = server.resident_bytes.map(|(before, after)| {
            format!(
                "{} before the ramp, {} after it",
                label(before, Unit::Bytes),
                label(after, Unit::Bytes)
            )
        });
        let rows = [
            ("Processor time, ms", Some(count(server.cpu_ms))),
            (
                "Per million deliveries, ms",
                server.cpu_ms_per_million.map(count),
            ),
            ("Memory of its own", bytes),
            (
                "Bytes per connection",
                server.bytes_per_connection.map(count),
            ),
        ];
        let rows = rows
            .into_iter()
            .filter_map(|(name, value)| Some(vec![name.to_owned(), value?]));
        push_table("Server", &["", ""], &rows.collect::<Vec<_>>(), page);
    }
}

/// Each server for itself, when there are several.
fn push_servers(report: &Report, page: &mut String) {
    if report.servers.len() < 2 {
        return;
    }
    let known = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), count);
    let rows = report.servers.iter().map(|server| {
        let closes = server.closes.iter();
        let closes: Vec<String> = closes
            .map(|(code, times)| format!("{code}: {}", count(*times)))
            .collect();
        vec![
            escape(&server.host),
            count(server.connected),
            count(server.connected_at_end),
            count(server.deliveries),
            closes.join(", "),
            count(server.failures),
            known(server.cpu_ms),
            known(server.cpu_ms_per_million),
            known(server.bytes_per_connection),
        ]
    });
    let heads = [
        "",
        "fans",
        "at the end",
        "deliveries",
        "closed",
        "failed attempts",
        "CPU, ms",
        "per million, ms",
        "bytes per fan",
    ];
    push_table("Servers", &heads, &rows.collect::<Vec<_>>(), page);
}

fn push_generator(report: &Report, page: &mut String) {
    let generator = &report.generator;
    let bytes = |bytes| label(bytes, Unit::Bytes);
    let rows = [
        ("Processor time, whole run, ms", generator.cpu_ms.map(count)),
        (
            "Per million deliveries, ms",
            generator.cpu_ms_per_million.map(count),
        ),
        ("Memory of its own", generator.resident_bytes.map(bytes)),
        ("Bytes per fan", generator.bytes_per_fan.map(count)),
    ];
    let rows = rows
        .into_iter()
        .filter_map(|(name, value)| Some(vec![name.to_owned(), value?]));
    push_table("Generator", &["", ""], &rows.collect::<Vec<_>>(), page);
}

fn times(report: &Report) -> Vec<Vec<String>> {
    let mut times = vec![
        ("Connect", report.connect.time),
        ("Come back", report.returns.time),
        ("Delivery, lossless", report.lossless.delivery),
        ("Delivery, lossy", report.lossy.delivery),
        ("Answer to a sender", report.lossless.answer),
        ("Senders late", report.generator.lag),
    ];
    if let Some(viewers) = &report.viewers {
        times.push(("Part", viewers.part));
        times.push(("Playlist", viewers.playlist));
    }
    let row = |(name, time): (&str, Percentiles)| {
        let values = [
            time.p50_us,
            time.p90_us,
            time.p99_us,
            time.p999_us,
            time.max_us,
        ];
        let head = [name.to_owned(), count(time.count)];
        head.into_iter().chain(values.map(millis)).collect()
    };
    times
        .into_iter()
        .filter(|(_, time)| time.count > 0)
        .map(row)
        .collect()
}

fn push_counts(title: &str, rows: &[(&str, u64)], page: &mut String) {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|(name, value)| vec![(*name).to_owned(), count(*value)])
        .collect();
    push_table(title, &["", ""], &rows, page);
}

/// A table; nothing when it has no rows. Cells are HTML already.
fn push_table(title: &str, heads: &[&str], rows: &[Vec<String>], page: &mut String) {
    if rows.is_empty() {
        return;
    }
    let _ = write!(page, "<table><caption>{title}</caption>");
    if heads.iter().any(|head| !head.is_empty()) {
        page.push_str("<tr>");
        for head in heads {
            let _ = write!(page, "<th>{head}</th>");
        }
        page.push_str("</tr>");
    }
    for row in rows {
        page.push_str("<tr>");
        for cell in row {
            let _ = write!(page, "<td>{cell}</td>");
        }
        page.push_str("</tr>");
    }
    page.push_str("</table>\n");
}

/// What a close code means, in a few words.
const fn meaning(code: u16) -> &'static str {
    match code {
        1000 => "normal",
        1001 => "going away",
        1005 => "closed without a reason",
        1006 => "ended without a word",
        1013 => "try again later",
        3000 => "connection closed",
        3001 => "shutdown",
        3005 => "expired",
        3008 => "too slow: recover",
        3010 => "insufficient state: recover",
        3012 => "no pong",
        3013 => "too many requests",
        3500 => "invalid token",
        3501 => "bad request",
        3503 => "forced",
        _ => "",
    }
}
