//! The report as one page: figures, charts and settings, with nothing to load and nothing to run.
//!
//! Texts from outside (a host, a room, a reason) are escaped; everything else is a number.

use std::fmt::Write;

use super::{
    Percentiles, Report, Row,
    chart::{Chart, Series, Unit, count, label, millis},
};

/// The page.
pub(super) fn page(report: &Report) -> String {
    let run = &report.run;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>fanwave load: {} on {}</title>\n<style>{STYLE}</style></head>\
         <body>\n<header><p class=\"kicker\">fanwave load</p><h1>{} <span class=\"dim\">on</span> {}</h1>\n<p \
         class=\"dim\">{} fans, {} room{}, {} messages/s and room lossless, {} lossy, {} bytes of text. {}.</p></header>\n",
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
        escape(&run.split),
    );
    push_verdict(report, &mut page);
    push_tiles(report, &mut page);
    page.push_str("<section class=\"charts\">\n");
    push_charts(report, &mut page);
    page.push_str("</section>\n<section class=\"tables\">\n");
    push_tables(report, &mut page);
    page.push_str("</section>\n");
    let _ = write!(
        page,
        "<footer class=\"dim\">fanwave {} · Unix time {} · took {} s. Latency counts from the time at which a message \
         was meant to be sent.</footer></body></html>\n",
        run.version,
        run.started_at,
        run.took_ms / 1_000
    );
    page
}

fn push_verdict(report: &Report, page: &mut String) {
    let verdict = &report.verdict;
    let (class, words) = match (verdict.valid, verdict.nothing_lost) {
        (false, _) => ("bad", "INVALID: the generator, not the server, was the limit"),
        (true, false) => ("bad", "The lossless lane lost, repeated or reordered messages"),
        (true, true) if report.lossless.balance.expected > 0 => {
            ("good", "Every fan got every message of the lossless lane, once and in order")
        }
        (true, true) => ("good", "The run is valid; nothing was sent into the lossless lane"),
    };
    let _ = write!(page, "<div class=\"verdict {class}\"><strong>{words}</strong>");
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
    let fans = format!("of {} fans, p99 {}", count(report.run.fans.into()), millis(report.connect.time.p99_us));
    let mut tiles = vec![
        ("Connected", count(report.connect.connected), fans),
        (
            "Deliveries per second",
            count(report.deliveries.per_second),
            format!("{} in all, best second {}", count(report.deliveries.total), count(report.deliveries.best_second)),
        ),
        ("Delivery p99", millis(time.p99_us), format!("p50 {}, max {}", millis(time.p50_us), millis(time.max_us))),
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
    if report.returns.time.count > 0 {
        let back = report.returns.all_back_ms.map_or_else(
            || format!("{} away", count(report.returns.away)),
            |all| format!("{} ms", count(all)),
        );
        let detail = format!("{} returns, p99 {}", count(report.returns.time.count), millis(report.returns.time.p99_us));
        tiles.push(("All back after", back, detail));
    }
    if let Some(server) = &report.server {
        let per_second = server.deliveries_per_cpu_second.map_or_else(|| "-".to_owned(), count);
        let bytes = server.bytes_per_connection.map_or_else(|| "-".to_owned(), count);
        let detail = format!("{} ms CPU, {bytes} bytes per connection", count(server.cpu_ms));
        tiles.push(("Deliveries per server CPU second", per_second, detail));
    }
    let busy = format!("{} %", report.generator.busy_percent);
    let detail = format!(
        "worst second {} %, senders late by p99 {}",
        report.generator.busiest_percent,
        millis(report.generator.lag.p99_us)
    );
    tiles.push(("Generator busy", busy, detail));
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

/// How a line's value is taken from a row.
type Pick = fn(&Row) -> Option<u64>;

fn push_charts(report: &Report, page: &mut String) {
    const CONNECTED: &[(&str, Pick)] = &[("fans", |row| Some(row.connected))];
    const CONNECTS: &[(&str, Pick)] = &[
        ("p50", |row| (row.connects > 0).then_some(row.connect_p50_us)),
        ("p99", |row| (row.connects > 0).then_some(row.connect_p99_us)),
    ];
    const DELIVERIES: &[(&str, Pick)] = &[("deliveries", |row| Some(row.deliveries))];
    const DELIVERY: &[(&str, Pick)] = &[
        ("p50", |row| (row.deliveries > 0).then_some(row.p50_us)),
        ("p99", |row| (row.deliveries > 0).then_some(row.p99_us)),
    ];
    const CPU: &[(&str, Pick)] = &[
        ("server", |row| row.server_cpu_percent),
        ("generator", |row| row.load_cpu_percent),
    ];
    const BUSY: &[(&str, Pick)] = &[("busiest worker", |row| Some(row.busy_percent.into()))];
    const LAG: &[(&str, Pick)] = &[("late by p99", |row| Some(row.lag_p99_us))];
    const MEMORY: &[(&str, Pick)] = &[("server", |row| row.server_bytes)];
    const CLOSES: &[(&str, Pick)] = &[("closed", |row| Some(row.closes.values().sum()))];
    let charts: [(&'static str, Unit, &[(&'static str, Pick)]); 9] = [
        ("Fans connected", Unit::Count, CONNECTED),
        ("Time to connect", Unit::Micros, CONNECTS),
        ("Deliveries per second", Unit::Count, DELIVERIES),
        ("Delivery time", Unit::Micros, DELIVERY),
        ("Processor use", Unit::Percent, CPU),
        ("Generator busy", Unit::Percent, BUSY),
        ("Senders late", Unit::Micros, LAG),
        ("Server memory", Unit::Bytes, MEMORY),
        ("Connections ended per second", Unit::Count, CLOSES),
    ];
    let moments: Vec<(u64, &str)> = report.moments.iter().map(|moment| (moment.millis, moment.label.as_str())).collect();
    for (title, unit, lines) in charts {
        let series = lines.iter().map(|(name, pick)| Series {
            name,
            values: report.seconds.iter().map(pick).collect(),
        });
        let chart = Chart { title, unit, series: series.collect(), moments: &moments };
        page.push_str(&chart.to_svg());
    }
}

fn push_tables(report: &Report, page: &mut String) {
    push_table("Times", &["", "count", "p50", "p90", "p99", "p99.9", "max"], &times(report), page);
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
        ("Received by all fans", lane.received),
        ("Told as left out", lane.more),
    ];
    push_counts("Lossy lane", &rows, page);
    let closes = report.closes.iter().map(|(code, times)| vec![code.to_string(), meaning(*code).to_owned(), count(*times)]);
    push_table("Close codes", &["code", "meaning", "times"], &closes.collect::<Vec<_>>(), page);
    let mut failures = report.connect.failures.clone();
    if let Some(viewers) = &report.viewers {
        let rows = [
            ("Playlists", viewers.playlists),
            ("Parts", viewers.parts),
            ("Bytes of media", viewers.bytes),
        ];
        push_counts("Viewers", &rows, page);
        failures.extend(viewers.failures.iter().map(|(reason, times)| (format!("viewer: {reason}"), *times)));
    }
    let failures = failures.iter().map(|(reason, times)| vec![escape(reason), count(*times)]);
    push_table("Failed attempts", &["reason", "times"], &failures.collect::<Vec<_>>(), page);
    if let Some(server) = &report.server {
        let bytes = server.resident_bytes.map(|(before, after)| {
            format!("{} before the ramp, {} after it", label(before, Unit::Bytes), label(after, Unit::Bytes))
        });
        let rows = [
            ("Processor time, ms", Some(count(server.cpu_ms))),
            ("Per million deliveries, ms", server.cpu_ms_per_million.map(count)),
            ("Memory of its own", bytes),
            ("Bytes per connection", server.bytes_per_connection.map(count)),
        ];
        let rows = rows.into_iter().filter_map(|(name, value)| Some(vec![name.to_owned(), value?]));
        push_table("Server", &["", ""], &rows.collect::<Vec<_>>(), page);
    }
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
        let values = [time.p50_us, time.p90_us, time.p99_us, time.p999_us, time.max_us];
        let head = [name.to_owned(), count(time.count)];
        head.into_iter().chain(values.map(millis)).collect()
    };
    times.into_iter().filter(|(_, time)| time.count > 0).map(row).collect()
}

fn push_counts(title: &str, rows: &[(&str, u64)], page: &mut String) {
    let rows: Vec<Vec<String>> = rows.iter().map(|(name, value)| vec![(*name).to_owned(), count(*value)]).collect();
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

const STYLE: &str = "
:root{color-scheme:light dark;--bg:#fbfbfd;--card:#fff;--ink:#1a1b26;--dim:#5d6075;--rule:#e2e3ec;--a:#5b4be0;--b:#d9480f;\
--good:#0b7a4b;--bad:#c01f3a}
@media(prefers-color-scheme:dark){:root{--bg:#12131c;--card:#1a1c28;--ink:#ecedf5;--dim:#a2a6bd;--rule:#2e3144;--a:#a89bff;\
--b:#ffa066;--good:#4fd69c;--bad:#ff7b90}}
*{box-sizing:border-box}body{margin:0 auto;max-width:1480px;padding:24px;background:var(--bg);color:var(--ink);\
font:15px/1.45 system-ui,sans-serif}
h1{margin:0;font-size:26px}.kicker{margin:0;color:var(--a);font-weight:600}.dim{color:var(--dim)}
.verdict{margin:16px 0;padding:12px 16px;border-radius:10px;background:var(--card);border-left:5px solid}
.verdict.good{border-color:var(--good)}.verdict.good strong{color:var(--good)}
.verdict.bad{border-color:var(--bad)}.verdict.bad strong{color:var(--bad)}.verdict ul{margin:6px 0 0;padding-left:20px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(210px,1fr));gap:12px}
.tile,figure,table{background:var(--card);border:1px solid var(--rule);border-radius:10px}
.tile{padding:12px 16px;display:flex;flex-direction:column}.tile .name{color:var(--dim)}
.tile .value{font-size:26px;font-weight:650;font-variant-numeric:tabular-nums}.tile .dim{font-size:13px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(560px,100%),1fr));gap:12px;margin:12px 0}
figure{margin:0;padding:12px 16px 8px;min-width:0}figcaption{font-weight:600;margin-bottom:4px}svg{display:block;width:100%;height:auto}
.key{font-weight:400;font-size:13px;margin-left:10px}.key::before{content:'';display:inline-block;width:10px;height:10px;\
border-radius:3px;margin-right:5px}.k0::before{background:var(--a)}.k1::before{background:var(--b)}
.grid{stroke:var(--rule)}.tick,.note{fill:var(--dim);font-size:11px}.moment{stroke:var(--dim);stroke-dasharray:3 4}
.line{fill:none;stroke-width:2;stroke-linejoin:round}.l0{stroke:var(--a)}.l1{stroke:var(--b)}
.dot{opacity:0}.dot:hover{opacity:1}.d0{fill:var(--a)}.d1{fill:var(--b)}
.tables{display:flex;flex-wrap:wrap;gap:12px;align-items:flex-start}table{border-spacing:0;padding:10px 8px;max-width:100%;\
overflow-x:auto}caption{text-align:left;font-weight:600;padding:4px 8px}th{font-weight:400;color:var(--dim)}
th,td{padding:3px 8px;text-align:right;font-variant-numeric:tabular-nums}th:first-child,td:first-child{text-align:left}
footer{margin-top:20px;font-size:13px}";

#[cfg(test)]
mod tests;
