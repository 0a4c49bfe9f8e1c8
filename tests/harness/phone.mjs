/** The phone that the page is measured on, whatever machine plays it. */

import { throttling } from "lighthouse/core/config/constants.js";
import { pageFunctions } from "lighthouse/core/lib/page-functions.js";

/** Lighthouse's own "slow 4G". */
export const NETWORK = { latencyMs: 150, downBits: 1_638_400, upBits: 768_000 };

/** Of how many points Chrome's developer tools take a mid-range phone to be (a Pixel 5), and a low-end one, by Lighthouse's benchmark. */
export const MID_RANGE = 1_000;
export const LOW_END = 264;

/** Of so many measurements the middle one counts. */
const MEASURED = 5;

/**
 * How many points the processor has, as a page of this browser sees it, beside all that runs on the machine already.
 *
 * @param {import("playwright-core").Browser} browser
 */
export async function pointsOf(browser) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const points = [];
  // The first is compiled meanwhile.
  for (let n = 0; n <= MEASURED; n += 1) points.push(await page.evaluate(pageFunctions.computeBenchmarkIndex));
  await context.close();
  const sorted = points.slice(1).sort((one, other) => one - other);
  return sorted[Math.floor(MEASURED / 2)] ?? NaN;
}

/**
 * How many times a processor has to be slowed down to be a mid-range phone's. One that is slower than that is left alone.
 *
 * @param {number} points
 */
export function slowdownOf(points) {
  return Math.max(1, points / MID_RANGE);
}

/**
 * What Lighthouse has to simulate for such a phone.
 *
 * @param {number} slowdown
 */
export function lighthousePhone(slowdown) {
  return { ...throttling.mobileSlow4G, cpuSlowdownMultiplier: slowdown };
}
