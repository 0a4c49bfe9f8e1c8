//! A chart of points as inline SVG, without script.

use std::{collections::VecDeque, fmt::Write};

use crate::bench::Point;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 140.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 20.0;
const TOP: f64 = 10.0;

/// Draws a series; nothing where there is too little to draw. `scale` and `unit` are for the labels.
pub(super) fn draw(title: &str, points: &VecDeque<Point>, (scale, unit): (f64, &str)) -> String {
    let mut text = String::new();
    if points.len() < 2 {
        return text;
    }
    let values = || points.iter().map(|(_, value)| *value);
    let (low, high) = (
        values().fold(0.0, f64::min),
        values().fold(f64::MIN, f64::max),
    );
    let high = if high - low < 1e-9 { low + 1.0 } else { high };
    let begin = points.front().map_or(0.0, |(at, _)| *at);
    let end = points.back().map_or(1.0, |(at, _)| *at);
    let span = if end - begin < 1e-9 { 1.0 } else { end - begin };
    let x = |at: f64| LEFT + (at - begin) / span * (WIDTH - LEFT - 10.0);
    let y = |value: f64| TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM);
    let line: Vec<String> = points
        .iter()
        .map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value)))
        .collect();
    let label = |value: f64| format!("{:.2} {unit}", value * scale);
    // Writing to a String cannot fail.
    let written = writeln!(
        text,
        "<figure><figcaption>{title}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\
         <line class=\"axis\" x1=\"{LEFT}\" y1=\"{zero:.1}\" x2=\"{WIDTH}\" y2=\"{zero:.1}\"/>\
         <polyline points=\"{}\"/>\
         <text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
         <text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
         <text x=\"{LEFT}\" y=\"{foot}\">{begin:.0} s</text>\
         <text x=\"{WIDTH}\" y=\"{foot}\" text-anchor=\"end\">{end:.0} s</text></svg></figure>",
        line.join(" "),
        y(high) + 4.0,
        label(high),
        y(low) + 4.0,
        label(low),
        zero = y(0.0_f64.clamp(low, high)),
        right = LEFT - 6.0,
        foot = HEIGHT - 4.0,
    );
    debug_assert!(written.is_ok());
    text
}
