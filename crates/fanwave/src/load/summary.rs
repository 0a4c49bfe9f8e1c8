//! What the screen shows at the end of a run: the figures that matter, one line each, and every server.

use std::fmt::Write;

use fanwave_load::Report;

/// What a terminal shows at the end.
pub(super) fn of(report: &Report) -> String {
    // Writing to a String cannot fail.
    let lane = &report.lossless;
    let mut text = format!(
        "\nConnected   {} of {} fans, p50 {}, p99 {}\nDelivered   {} ({}/s), p50 {}, p99 {}, max {}\n",
        report.connect.connected,
        report.run.fans,
        ms(report.connect.time.p50_us),
        ms(report.connect.time.p99_us),
        report.deliveries.total,
        report.deliveries.per_second,
        ms(report.deliveries.time.p50_us),
        ms(report.deliveries.time.p99_us),
        ms(report.deliveries.time.max_us),
    );
    let _ = writeln!(
        text,
        "Lossless    {} of {} expected, {} missing, {} duplicates, {} reorders, {} in other rooms ({} sent, {} accepted, {} recovered)",
        lane.balance.received,
        lane.balance.expected,
        lane.balance.missing,
        lane.duplicates,
        lane.reorders,
        report.strays,
        lane.sent,
        lane.accepted,
        lane.recovered,
    );
    push_lossy(report, &mut text);
    push_falls(report, &mut text);
    if let Some(millis) = report.returns.all_back_ms {
        let _ = writeln!(
            text,
            "All back    after {millis} ms, p99 {}",
            ms(report.returns.time.p99_us)
        );
    }
    if let Some(server) = &report.server {
        let _ = writeln!(
            text,
            "Server      {} ms CPU, {}.{:03} us per delivery, {} deliveries per CPU second, {} bytes per connection",
            server.cpu_ms,
            server.cpu_ms_per_million.unwrap_or(0) / 1_000,
            server.cpu_ms_per_million.unwrap_or(0) % 1_000,
            server.deliveries_per_cpu_second.unwrap_or(0),
            server.bytes_per_connection.unwrap_or(0),
        );
    }
    if let Some(millis) = report.generator.cpu_ms_per_million {
        let _ = writeln!(
            text,
            "Generator   {}.{:03} us CPU per delivery, busy {} %, {} bytes per fan",
            millis / 1_000,
            millis % 1_000,
            report.generator.busy_percent,
            report.generator.bytes_per_fan.unwrap_or(0),
        );
    }
    push_servers(report, &mut text);
    for note in &report.verdict.notes {
        let _ = writeln!(text, "Note        {note}");
    }
    for reason in &report.verdict.invalid {
        let _ = writeln!(text, "INVALID     {reason}");
    }
    text
}

/// The lossy lane, when anything was said there.
fn push_lossy(report: &Report, text: &mut String) {
    let (lossless, lossy) = (&report.lossless, &report.lossy);
    if lossy.sent == 0 {
        return;
    }
    let _ = writeln!(
        text,
        "  its way   p50 {}, p99 {}, max {}\nLossy       {} shown, {} skipped, +{} told ({} sent, {} accepted)\n  its way   \
         p50 {}, p99 {}, max {}",
        ms(lossless.delivery.p50_us),
        ms(lossless.delivery.p99_us),
        ms(lossless.delivery.max_us),
        lossy.received,
        lossy.skipped,
        lossy.more,
        lossy.sent,
        lossy.accepted,
        ms(lossy.delivery.p50_us),
        ms(lossy.delivery.p99_us),
        ms(lossy.delivery.max_us),
    );
}

/// A line per loss of many fans.
fn push_falls(report: &Report, text: &mut String) {
    let after = |time: Option<u64>| {
        time.map_or_else(|| "never".to_owned(), |millis| format!("after {millis} ms"))
    };
    for fall in &report.returns.falls {
        let _ = writeln!(
            text,
            "Fans lost   {} of {} at {} ms: 99 % back {}, all {}",
            fall.lost,
            fall.fans,
            fall.at_ms,
            after(fall.nearly_all_back_ms),
            after(fall.all_back_ms),
        );
    }
}

/// A line per server, when there are several.
fn push_servers(report: &Report, text: &mut String) {
    if report.servers.len() < 2 {
        return;
    }
    let known =
        |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let width = report.servers.iter().map(|server| server.host.len()).max();
    let width = width.unwrap_or(0);
    let _ = writeln!(
        text,
        "\n{:<width$}  {:>7}  {:>7}  {:>10}  {:>7}  {:>9}  {:>9}  closed",
        "Server", "fans", "at end", "deliveries", "failed", "CPU ms", "bytes/fan"
    );
    for server in &report.servers {
        let closes = server.closes.iter();
        let closes: Vec<String> = closes
            .map(|(code, times)| format!("{code}: {times}"))
            .collect();
        let _ = writeln!(
            text,
            "{:<width$}  {:>7}  {:>7}  {:>10}  {:>7}  {:>9}  {:>9}  {}",
            server.host,
            server.connected,
            server.connected_at_end,
            server.deliveries,
            server.failures,
            known(server.cpu_ms),
            known(server.bytes_per_connection),
            closes.join(", "),
        );
    }
}

/// Microseconds as milliseconds.
fn ms(micros: u64) -> String {
    format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100)
}
