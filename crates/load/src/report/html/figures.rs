//! The charts of the page: which figures of a second they show.

use crate::report::{
    Report, Row,
    chart::{Chart, Series, Unit},
};

/// How a line's value is taken from a row.
type Pick = fn(&Row) -> Option<u64>;

/// Title, unit, and the lines with their names.
type Plan = (&'static str, Unit, &'static [(&'static str, Pick)]);

const CONNECTED: &[(&str, Pick)] = &[("fans", |row| Some(row.connected))];
const CONNECTS: &[(&str, Pick)] = &[
    ("p50", |row| {
        (row.connects > 0).then_some(row.connect_p50_us)
    }),
    ("p99", |row| {
        (row.connects > 0).then_some(row.connect_p99_us)
    }),
];
const DELIVERIES: &[(&str, Pick)] = &[("deliveries", |row| Some(row.deliveries))];
const LOSSLESS: &[(&str, Pick)] = &[
    ("p50", |row| measured(row.lossless_p50_us)),
    ("p99", |row| measured(row.lossless_p99_us)),
];
const LOSSY: &[(&str, Pick)] = &[
    ("p50", |row| measured(row.lossy_p50_us)),
    ("p99", |row| measured(row.lossy_p99_us)),
];
const CPU: &[(&str, Pick)] = &[
    ("server", |row| row.server_cpu_percent),
    ("generator", |row| row.load_cpu_percent),
];
const BUSY: &[(&str, Pick)] = &[("busiest worker", |row| Some(row.busy_percent.into()))];
const LAG: &[(&str, Pick)] = &[("late by p99", |row| Some(row.lag_p99_us))];
const MEMORY: &[(&str, Pick)] = &[("server", |row| row.server_bytes)];
const CLOSES: &[(&str, Pick)] = &[("closed", |row| Some(row.closes.values().sum()))];

/// A time that was measured; no delivery takes none.
fn measured(micros: u64) -> Option<u64> {
    (micros > 0).then_some(micros)
}

/// All charts, in their order.
const CHARTS: [Plan; 10] = [
    ("Fans connected", Unit::Count, CONNECTED),
    ("Time to connect", Unit::Micros, CONNECTS),
    ("Deliveries per second", Unit::Count, DELIVERIES),
    ("Delivery time, lossless lane", Unit::Micros, LOSSLESS),
    ("Delivery time, lossy lane", Unit::Micros, LOSSY),
    ("Processor use", Unit::Percent, CPU),
    ("Generator busy", Unit::Percent, BUSY),
    ("Senders late", Unit::Micros, LAG),
    ("Server memory", Unit::Bytes, MEMORY),
    ("Connections ended per second", Unit::Count, CLOSES),
];

/// Appends all charts that have something to show.
pub(super) fn push(report: &Report, page: &mut String) {
    let moments: Vec<(u64, &str)> = report
        .moments
        .iter()
        .map(|moment| (moment.millis, moment.label.as_str()))
        .collect();
    for (title, unit, lines) in CHARTS {
        let series = lines.iter().map(|(name, pick)| Series {
            name,
            values: report.seconds.iter().map(pick).collect(),
        });
        let chart = Chart {
            title,
            unit,
            series: series.collect(),
            moments: &moments,
        };
        page.push_str(&chart.to_svg());
    }
}
