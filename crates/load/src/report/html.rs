//! The report as one page: figures, charts and settings, with nothing to load and nothing to run.
//!
//! Texts from outside (a host, a room, a reason) are escaped; everything else is a number.

use std::fmt::Write;

use super::{
    Report,
    chart::{count, millis},
};

mod figures;
mod tables;

const STYLE: &str = include_str!("html/style.css");

/// The page.
pub(super) fn page(report: &Report) -> String {
    let run = &report.run;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>fanwave load: {} on {}</title>\n<style>{STYLE}</style></head>\
         <body>\n<header><p class=\"kicker\">fanwave load</p><h1>{} <span class=\"dim\">on</span> {}</h1>\n<p \
         class=\"dim\">{} fans, {} room{}, {} messages/s and room lossless, {} lossy, {} bytes of text, {}. {}.</p></header>\n",
        run.scenario,
        escape(&run.target),
        run.scenario,
        escape(&run.target),
        count(run.fans.into()),
        run.rooms,
        if run.rooms == 1 { "" } else { "s" },
        run.room_rate,
        run.chat_rate,
        run.text_bytes,
        if run.encoding == "json" {
            "JSON"
        } else {
            "Protobuf"
        },
        escape(&run.split),
    );
    push_verdict(report, &mut page);
    push_tiles(report, &mut page);
    page.push_str("<section class=\"charts\">\n");
    figures::push(report, &mut page);
    page.push_str("</section>\n<section class=\"tables\">\n");
    tables::push(report, &mut page);
    page.push_str("</section>\n");
    let _ = writeln!(
        page,
        "<footer class=\"dim\">fanwave {} · Unix time {} · took {} s. Latency counts from the time at which a message \
         was meant to be sent.</footer></body></html>",
        run.version,
        run.started_at,
        run.took_ms / 1_000
    );
    page
}

fn push_verdict(report: &Report, page: &mut String) {
    let verdict = &report.verdict;
    let (class, words) = match (verdict.valid, verdict.nothing_lost) {
        (false, _) => (
            "bad",
            "INVALID: the generator, not the server, was the limit",
        ),
        (true, false) => (
            "bad",
            "The lossless lane lost, repeated or reordered messages",
        ),
        (true, true) if report.lossless.balance.expected > 0 => (
            "good",
            "Every fan got every message of the lossless lane, once and in order",
        ),
        (true, true) => (
            "good",
            "The run is valid; nothing was sent into the lossless lane",
        ),
    };
    let _ = write!(
        page,
        "<div class=\"verdict {class}\"><strong>{words}</strong>"
    );
    let remarks: Vec<&String> = verdict.invalid.iter().chain(&verdict.notes).collect();
    if !remarks.is_empty() {
        page.push_str("<ul>");
        for remark in remarks {
            let _ = write!(page, "<li>{}</li>", escape(remark));
        }
        page.push_str("</ul>");
    }
    page.push_str("</div>\n");
}

fn push_tiles(report: &Report, page: &mut String) {
    let lane = &report.lossless;
    let time = &report.deliveries.time;
    let fans = format!(
        "of {} fans, p99 {}",
        count(report.run.fans.into()),
        millis(report.connect.time.p99_us)
    );
    let mut tiles: Vec<Tile> = vec![
        ("Connected", count(report.connect.connected), fans),
        (
            "Deliveries per second",
            count(report.deliveries.per_second),
            format!(
                "{} in all, best second {}",
                count(report.deliveries.total),
                count(report.deliveries.best_second)
            ),
        ),
        (
            "Delivery p99",
            millis(time.p99_us),
            format!("p50 {}, max {}", millis(time.p50_us), millis(time.max_us)),
        ),
        (
            "Lossless lane",
            format!("{} missing", count(lane.balance.missing)),
            format!(
                "{} of {} received, {} duplicates, {} reorders",
                count(lane.balance.received),
                count(lane.balance.expected),
                count(lane.duplicates),
                count(lane.reorders)
            ),
        ),
    ];
    push_later_tiles(report, &mut tiles);
    page.push_str("<section class=\"tiles\">\n");
    for (name, value, detail) in tiles {
        let _ = writeln!(
            page,
            "<div class=\"tile\"><span class=\"name\">{name}</span><span class=\"value\">{value}</span><span \
             class=\"dim\">{detail}</span></div>"
        );
    }
    page.push_str("</section>\n");
}

/// A name, a figure, and what belongs to it.
type Tile = (&'static str, String, String);

/// What not every run has, and this tool itself.
fn push_later_tiles(report: &Report, tiles: &mut Vec<Tile>) {
    if report.returns.time.count > 0 {
        let back = report.returns.all_back_ms.map_or_else(
            || format!("{} away", count(report.returns.away)),
            |all| format!("{} ms", count(all)),
        );
        let detail = format!(
            "{} returns, p99 {}",
            count(report.returns.time.count),
            millis(report.returns.time.p99_us)
        );
        tiles.push(("All back after", back, detail));
    }
    if let Some(server) = &report.server {
        let per_second = server
            .deliveries_per_cpu_second
            .map_or_else(|| "-".to_owned(), count);
        let bytes = server
            .bytes_per_connection
            .map_or_else(|| "-".to_owned(), count);
        let detail = format!(
            "{} ms CPU, {bytes} bytes per connection",
            count(server.cpu_ms)
        );
        tiles.push(("Deliveries per server CPU second", per_second, detail));
    }
    let busy = format!("{} %", report.generator.busy_percent);
    let detail = format!(
        "worst second {} %, senders late by p99 {}",
        report.generator.busiest_percent,
        millis(report.generator.lag.p99_us)
    );
    tiles.push(("Generator busy", busy, detail));
}

/// Text as HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
