//! A line chart as inline SVG: no script, readable in both colour schemes, values as tooltips.
//!
//! A long run is drawn in [`POINTS_MAX`] steps; each shows the highest value of its stretch, because a peak that is
//! drawn away is the one that mattered.

use std::fmt::Write;

/// Most points of a line.
const POINTS_MAX: usize = 300;

const WIDTH: f64 = 680.0;
const HEIGHT: f64 = 210.0;
/// Room for the numbers on the left, the times below, and a moment's label above.
const LEFT: f64 = 58.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 24.0;

/// What the numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// How many.
    Count,
    /// Microseconds, shown as milliseconds.
    Micros,
    /// Percent.
    Percent,
    /// Bytes, shown as megabytes.
    Bytes,
}

/// One line: a value per second, or none where nothing was measured.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) values: Vec<Option<u64>>,
}

/// A chart.
#[derive(Debug, Clone)]
pub(super) struct Chart<'a> {
    pub(super) title: &'static str,
    pub(super) unit: Unit,
    pub(super) series: Vec<Series>,
    /// Milliseconds and label of vertical marks.
    pub(super) moments: &'a [(u64, &'a str)],
}

impl Chart<'_> {
    /// The chart as a figure with its legend; nothing when there is nothing to draw.
    pub(super) fn to_svg(&self) -> String {
        let highest = self
            .series
            .iter()
            .flat_map(|series| series.values.iter().flatten());
        // A line that never leaves zero says less than its absence.
        let Some(highest) = highest.max().copied().filter(|highest| *highest > 0) else {
            return String::new();
        };
        let seconds = self
            .series
            .iter()
            .map(|series| series.values.len())
            .max()
            .unwrap_or(0);
        let scale = Scale {
            step: step(highest),
            seconds: seconds.saturating_sub(1).max(1),
        };
        let mut svg = format!("<figure><figcaption>{}", self.title);
        for (index, series) in self.series.iter().enumerate() {
            let _ = write!(svg, " <span class=\"key k{index}\">{}</span>", series.name);
        }
        let _ = write!(
            svg,
            "</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            self.title
        );
        self.draw_grid(&scale, &mut svg);
        self.draw_moments(&scale, &mut svg);
        for (index, series) in self.series.iter().enumerate() {
            self.draw_line(index, series, &scale, &mut svg);
        }
        svg.push_str("</svg></figure>\n");
        svg
    }

    fn draw_grid(&self, scale: &Scale, svg: &mut String) {
        for line in 0..=LINES {
            let value = scale.step * line;
            let y = scale.y(value);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"tick\" \
                 x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                label(value, self.unit)
            );
        }
        let every = nice(scale.seconds as u64 / 8);
        let mut second = 0;
        while second <= scale.seconds as u64 {
            let _ = write!(
                svg,
                "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{second} s</text>",
                scale.x(second * 1_000),
                HEIGHT - 6.0
            );
            second += every;
        }
    }

    fn draw_moments(&self, scale: &Scale, svg: &mut String) {
        for (index, (millis, name)) in self.moments.iter().enumerate() {
            let x = scale.x(*millis);
            // Labels of moments that are close to each other do not share a line.
            let y = if index % 2 == 0 { 8.0 } else { 18.0 };
            let (anchor, at) = if x > WIDTH * 0.8 {
                ("end", x - 3.0)
            } else {
                ("start", x + 3.0)
            };
            let _ = write!(
                svg,
                "<line class=\"moment\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"2\" y2=\"{:.1}\"/><text class=\"note\" \
                 x=\"{at:.1}\" y=\"{y}\" text-anchor=\"{anchor}\">{name}</text>",
                HEIGHT - BOTTOM
            );
        }
    }

    fn draw_line(&self, index: usize, series: &Series, scale: &Scale, svg: &mut String) {
        let points = thin(&series.values);
        let mut path = String::new();
        let mut pen_down = false;
        for (second, value) in &points {
            let Some(value) = value else {
                pen_down = false;
                continue;
            };
            let command = if pen_down { 'L' } else { 'M' };
            let _ = write!(
                path,
                "{command}{:.1} {:.1}",
                scale.x(*second as u64 * 1_000),
                scale.y(*value)
            );
            pen_down = true;
        }
        let _ = write!(svg, "<path class=\"line l{index}\" d=\"{path}\"/>");
        for (place, (second, value)) in points.iter().enumerate() {
            let Some(value) = value else { continue };
            let measured =
                |place: Option<usize>| place.and_then(|place| points.get(place)?.1).is_some();
            // A point without neighbours has no line to it: it is always shown.
            let alone = !measured(place.checked_sub(1)) && !measured(place.checked_add(1));
            let _ = write!(
                svg,
                "<circle class=\"dot d{index}{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{second} s, {}: {}</title></circle>",
                if alone { " alone" } else { "" },
                scale.x(*second as u64 * 1_000),
                scale.y(*value),
                series.name,
                label(*value, self.unit)
            );
        }
    }
}

/// Steps of the grid.
const LINES: u64 = 4;

struct Scale {
    /// Value between two lines of the grid.
    step: u64,
    seconds: usize,
}

impl Scale {
    fn x(&self, millis: u64) -> f64 {
        let share = (millis as f64 / 1_000.0 / self.seconds as f64).min(1.0);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: u64) -> f64 {
        let share = value as f64 / (self.step * LINES) as f64;
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }
}

/// A round step with which so many lines reach the highest value.
fn step(highest: u64) -> u64 {
    nice(highest.div_ceil(LINES))
}

/// The next 1, 2, 2.5 or 5 with zeros behind it.
fn nice(least: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for step in [power, power * 2, power * 5 / 2, power * 5] {
            if step >= least && (step != power * 5 / 2 || power > 1) {
                return step;
            }
        }
        match power.checked_mul(10) {
            Some(next) if next <= u64::MAX / 5 => power = next,
            _ => return least.max(1),
        }
    }
}

/// No more points than a line has, each the highest of its stretch.
fn thin(values: &[Option<u64>]) -> Vec<(usize, Option<u64>)> {
    let stretch = values.len().div_ceil(POINTS_MAX).max(1);
    let stretches = values.chunks(stretch).enumerate();
    stretches
        .map(|(index, values)| (index * stretch, values.iter().flatten().max().copied()))
        .collect()
}

/// A number with its unit.
pub(super) fn label(value: u64, unit: Unit) -> String {
    match unit {
        Unit::Count => count(value),
        Unit::Micros => millis(value),
        Unit::Percent => format!("{value} %"),
        Unit::Bytes => format!("{}.{} MB", value / 1_000_000, value % 1_000_000 / 100_000),
    }
}

/// A count with thin spaces between its thousands.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Microseconds as milliseconds, with as many digits as say something.
pub(super) fn millis(micros: u64) -> String {
    if micros >= 100_000 || micros.is_multiple_of(1_000) {
        format!("{} ms", count(micros / 1_000))
    } else if micros >= 1_000 {
        format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100)
    } else {
        format!("0.{:02} ms", micros / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_reach_the_top() {
        for highest in [
            0,
            1,
            3,
            4,
            9,
            17,
            99,
            100,
            101,
            4_711,
            749_000,
            u64::MAX / 100,
        ] {
            let step = step(highest);
            assert!(step * LINES >= highest && step > 0, "{highest}");
            let digits = step.to_string();
            let head = digits.trim_end_matches('0');
            assert!(["1", "2", "25", "5"].contains(&head), "{highest}: {step}");
        }
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(count(12), "12");
        let shown = [0, 120, 1_500, 99_940, 100_400, 2_500_000].map(millis);
        assert_eq!(
            shown,
            [
                "0 ms",
                "0.12 ms",
                "1.5 ms",
                "99.9 ms",
                "100 ms",
                "2\u{202f}500 ms"
            ]
        );
    }

    #[test]
    fn a_long_run_keeps_its_peaks() {
        let mut values = vec![Some(1); 5_000];
        values[3_333] = Some(99);
        values[4_999] = None;
        let points = thin(&values);
        assert!(points.len() <= POINTS_MAX);
        assert_eq!(
            points.iter().filter_map(|(_, value)| *value).max(),
            Some(99)
        );
    }

    #[test]
    fn where_nothing_was_measured_nothing_is_drawn() {
        let series = |values| vec![Series { name: "a", values }];
        let chart = |values| Chart {
            title: "t",
            unit: Unit::Count,
            series: series(values),
            moments: &[],
        };
        assert_eq!(chart(vec![None, None]).to_svg(), "");
        let svg = chart(vec![Some(1), None, Some(2), Some(3)]).to_svg();
        assert_eq!(svg.matches("<circle").count(), 3);
        let path = svg.split("class=\"line l0\" d=\"").nth(1).unwrap();
        let path = path.split('"').next().unwrap();
        assert_eq!(
            (path.matches('M').count(), path.matches('L').count()),
            (2, 1)
        );
    }
}
