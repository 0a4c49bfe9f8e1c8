/** What the parts of the benchmark have in common. */

/** Fans in the room that is measured. */
export const FANS = 15_000;

/** Beyond this {@link disturbance}, times say more about the machine than about the servers. */
export const DISTURBED = 0.1;

/**
 * @typedef {object} Stage Where a part plays.
 * @property {import("../../tests/harness/scene.mjs").Scene} scene
 * @property {import("./tokens.mjs").Tokens} tokens
 * @property {import("./contestants.mjs").Certificate} certificate
 */

/**
 * @typedef {object} Check One promise, and what was seen.
 * @property {string} what
 * @property {string} bar
 * @property {string} seen
 * @property {boolean} pass
 */

/** @typedef {{ head: string[], rows: (string | number)[][] }} Table */

/**
 * @typedef {object} Result
 * @property {string} title
 * @property {Check[]} checks
 * @property {{ caption: string, table: Table }[]} tables
 * @property {{ name: string, title: string, bars: { name: string, value: number }[], unit: string }[]} [charts]
 * @property {object} raw Everything that was measured.
 */

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 ? sorted[Math.floor(middle)] ?? NaN : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/**
 * @param {string} what
 * @param {number} value
 * @param {number} least
 * @param {(value: number) => string} [show]
 * @returns {Check}
 */
export function atLeast(what, value, least, show = count) {
  return { what, bar: `≥ ${show(least)}`, seen: show(value), pass: value >= least };
}

/**
 * @param {string} what
 * @param {number} value
 * @param {number} most
 * @param {(value: number) => string} [show]
 * @returns {Check}
 */
export function atMost(what, value, most, show = count) {
  return { what, bar: `≤ ${show(most)}`, seen: show(value), pass: value <= most };
}

/**
 * Nothing lost, nothing twice, nothing out of order.
 *
 * @param {string} what
 * @param {import("./crowd.mjs").Published[]} phases
 * @returns {Check}
 */
export function lossless(what, phases) {
  const missing = sum(phases.map((phase) => phase.expected - phase.received));
  const wrong = sum(phases.map((phase) => phase.duplicates + phase.out_of_order + phase.strangers));
  const seen = `${count(missing)} missing, ${count(wrong)} repeated or misplaced of ${count(sum(phases.map((phase) => phase.expected)))}`;
  return { what, bar: "all, once, in order", seen, pass: missing === 0 && wrong === 0 };
}

/**
 * The share of their time in which the servers were ready to run and others had their core: 0 on a machine of their own.
 *
 * @param {unknown} raw Costs, wherever they are in it.
 */
export function disturbance(raw) {
  let waited = 0;
  let measured = 0;
  /** @param {unknown} value */
  const look = (value) => {
    if (typeof value !== "object" || value === null) return;
    if ("server_wait_s" in value && "seconds" in value) {
      waited += Number(value.server_wait_s);
      measured += Number(value.seconds);
    }
    for (const inner of Object.values(value)) look(inner);
  };
  look(raw);
  return measured > 0 ? waited / measured : 0;
}

/** @param {number[]} values */
export function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

/** @param {number} value */
export function count(value) {
  return Math.round(value).toLocaleString("en");
}

/** @param {number} value */
export function ratio(value) {
  return value.toFixed(2);
}

/** @param {number} value */
export function times(value) {
  return `${value.toFixed(1)} x`;
}

/** @param {number} value */
export function ms(value) {
  // Nothing came that could have been late.
  if (value === 0) return "none came";
  return `${Math.round(value)} ms`;
}

/** @param {number} value */
export function percent(value) {
  return `${(value * 100).toFixed(1)} %`;
}

/** @param {number} value */
export function bytes(value) {
  return `${count(value)} B`;
}

/** @param {number} value */
export function seconds(value) {
  return `${value.toFixed(1)} s`;
}
