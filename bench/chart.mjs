/** Draws latency over time as one self-contained SVG: no script, no font, no network. */

const WIDTH = 1000;
const HEIGHT = 420;
const MARGIN = { left: 64, right: 24, top: 56, bottom: 48 };
const COLOURS = ["#7c5cff", "#e0457b"];

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {{ atS: number, latencyS: number }[]} samples
 * @property {number[]} stallsS When the player had to wait.
 * @property {number} p50S
 * @property {number} p95S
 */

/**
 * @param {string} title
 * @param {Series[]} series
 * @returns {string}
 */
export function latencyChart(title, series) {
  const lastS = Math.max(1, ...series.flatMap((s) => s.samples.map((sample) => sample.atS)));
  const topS = Math.ceil(Math.max(1, ...series.flatMap((s) => s.samples.map((sample) => sample.latencyS))) + 0.5);
  /** @param {number} atS */
  const x = (atS) => MARGIN.left + (atS / lastS) * (WIDTH - MARGIN.left - MARGIN.right);
  /** @param {number} latencyS */
  const y = (latencyS) => HEIGHT - MARGIN.bottom - (latencyS / topS) * (HEIGHT - MARGIN.top - MARGIN.bottom);

  const grid = Array.from({ length: topS + 1 }, (_, s) =>
    `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${round(y(s))}" y2="${round(y(s))}" stroke="#8884"/>` +
    `<text x="${MARGIN.left - 10}" y="${round(y(s) + 4)}" text-anchor="end">${s} s</text>`);
  const minutes = Array.from({ length: Math.floor(lastS / 60) + 1 }, (_, minute) =>
    `<text x="${round(x(minute * 60))}" y="${HEIGHT - MARGIN.bottom + 20}" text-anchor="middle">${minute} min</text>`);
  const lines = series.map((s, i) => {
    const points = s.samples.map((sample) => `${round(x(sample.atS))},${round(y(sample.latencyS))}`).join(" ");
    const stalls = s.stallsS.map((atS) =>
      `<line x1="${round(x(atS))}" x2="${round(x(atS))}" y1="${MARGIN.top}" y2="${HEIGHT - MARGIN.bottom}" stroke="${COLOURS[i]}" stroke-dasharray="2 4"/>`);
    return `<polyline fill="none" stroke="${COLOURS[i]}" stroke-width="1.5" points="${points}"/>${stalls.join("")}`;
  });
  const legend = series.map((s, i) =>
    `<rect x="${MARGIN.left + i * 440}" y="32" width="12" height="12" rx="3" fill="${COLOURS[i]}"/>` +
    `<text x="${MARGIN.left + i * 440 + 18}" y="43">${s.name}: p50 ${s.p50S.toFixed(2)} s, p95 ${s.p95S.toFixed(2)} s, ` +
    `${s.stallsS.length} stalls in ${Math.round((s.samples.at(-1)?.atS ?? 0) / 6) / 10} min</text>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="#556">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${MARGIN.left}" y="22" font-size="15" font-weight="600" fill="#223">${title}</text>
${[...legend, ...grid, ...minutes, ...lines].join("\n")}
</svg>
`;
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}

/**
 * Draws values over time.
 *
 * @param {{ title: string, unit: string, series: { name: string, points: { atS: number, value: number }[] }[] }} chart
 * @returns {string}
 */
export function lineChart({ title, unit, series }) {
  const lastS = Math.max(1, ...series.flatMap(({ points }) => points.map(({ atS }) => atS)));
  const most = Math.max(1, ...series.flatMap(({ points }) => points.map(({ value }) => value)));
  const step = 10 ** Math.floor(Math.log10(most));
  const top = Math.ceil((most * 1.1) / step) * step;
  /** @param {number} atS */
  const x = (atS) => MARGIN.left + (atS / lastS) * (WIDTH - MARGIN.left - MARGIN.right);
  /** @param {number} value */
  const y = (value) => HEIGHT - MARGIN.bottom - (value / top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const grid = Array.from({ length: Math.round(top / step) + 1 }, (_, n) =>
    `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${round(y(n * step))}" y2="${round(y(n * step))}" stroke="#8884"/>` +
    `<text x="${MARGIN.left - 10}" y="${round(y(n * step) + 4)}" text-anchor="end">${n * step} ${unit}</text>`);
  const times = Array.from({ length: Math.floor(lastS / 60) + 1 }, (_, minute) =>
    `<text x="${round(x(minute * 60))}" y="${HEIGHT - MARGIN.bottom + 20}" text-anchor="middle">${minute} min</text>`);
  const lines = series.map(({ points }, i) =>
    `<polyline fill="none" stroke="${COLOURS[i % COLOURS.length]}" stroke-width="2" points="${points.map(({ atS, value }) => `${round(x(atS))},${round(y(value))}`).join(" ")}"/>`);
  const legend = series.map(({ name }, i) =>
    `<rect x="${MARGIN.left + i * 440}" y="32" width="12" height="12" rx="3" fill="${COLOURS[i % COLOURS.length]}"/><text x="${MARGIN.left + i * 440 + 18}" y="43">${name}</text>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="#556">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${MARGIN.left}" y="22" font-size="15" font-weight="600" fill="#223">${title}</text>
${[...legend, ...grid, ...times, ...lines].join("\n")}
</svg>
`;
}

const BAR_HEIGHT = 34;

/**
 * Draws a value for each of several things, as bars.
 *
 * @param {{ title: string, unit: string, bars: { name: string, value: number }[] }} chart
 * @returns {string}
 */
export function barChart({ title, unit, bars }) {
  const left = 240;
  const top = 44;
  const height = top + bars.length * BAR_HEIGHT + 16;
  const most = Math.max(1, ...bars.map((bar) => bar.value));
  const rows = bars.map(({ name, value }, i) => {
    const y = top + i * BAR_HEIGHT;
    const width = Math.max(1, round((value / most) * (WIDTH - left - 140)));
    return `<text x="${left - 12}" y="${y + 19}" text-anchor="end">${name}</text>` +
      `<rect x="${left}" y="${y + 4}" width="${width}" height="22" rx="3" fill="${COLOURS[name === "Fanwave" ? 0 : 1]}"/>` +
      `<text x="${left + width + 8}" y="${y + 19}">${Math.round(value).toLocaleString("en")}${unit}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13" fill="#556">
<rect width="100%" height="100%" fill="#fff"/>
<text x="24" y="26" font-size="15" font-weight="600" fill="#223">${title}</text>
${rows.join("\n")}
</svg>
`;
}

/**
 * Draws a value for each of several things, in groups that each have a scale of their own.
 *
 * @param {{ title: string, unit: string, groups: { name: string, bars: { name: string, value: number }[] }[] }} chart
 * @returns {string}
 */
export function groupedBarChart({ title, unit, groups }) {
  const left = 240;
  let y = 44;
  const drawn = groups.flatMap(({ name, bars }) => {
    const most = Math.max(1, ...bars.map((bar) => bar.value));
    const heading = `<text x="24" y="${y + 19}" font-weight="600">${name}</text>`;
    y += BAR_HEIGHT - 6;
    const rows = bars.map((bar) => {
      const width = Math.max(1, round((bar.value / most) * (WIDTH - left - 140)));
      const row = `<text x="${left - 12}" y="${y + 17}" text-anchor="end">${bar.name}</text>` +
        `<rect x="${left}" y="${y + 2}" width="${width}" height="20" rx="3" fill="${COLOURS[bar.name === "Fanwave" ? 0 : 1]}"/>` +
        `<text x="${left + width + 8}" y="${y + 17}">${Math.round(bar.value).toLocaleString("en")}${unit}</text>`;
      y += BAR_HEIGHT - 8;
      return row;
    });
    y += 10;
    return [heading, ...rows];
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 6}" font-family="system-ui, sans-serif" font-size="13" fill="#556">
<rect width="100%" height="100%" fill="#fff"/>
<text x="24" y="26" font-size="15" font-weight="600" fill="#223">${title}</text>
${drawn.join("\n")}
</svg>
`;
}
