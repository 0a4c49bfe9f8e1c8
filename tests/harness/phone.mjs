/** The phone that the page is measured on, whatever machine plays it. */

import { setPriority } from "node:os";
import { throttling } from "lighthouse/core/config/constants.js";
import { pageFunctions } from "lighthouse/core/lib/page-functions.js";

/** Lighthouse's own "slow 4G". */
export const NETWORK = { latencyMs: 150, downBits: 1_638_400, upBits: 768_000 };

/** Of how many points Chrome's developer tools take a mid-range phone to be (a Pixel 5), and a low-end one, by Lighthouse's benchmark. */
export const MID_RANGE = 1_000;
export const LOW_END = 264;

/** Of so many measurements the middle one counts. */
const MEASURED = 5;

/** A priority before everything else that is no real-time task. */
const FIRST = -20;

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
 * How many points a page has of the processor, and how many when it is slowed down: of each the most that is seen, by turns, because whatever else the
 * machine does takes some away.
 *
 * @param {import("playwright-core").Page} page
 * @param {import("playwright-core").CDPSession} cdp of the page
 * @param {number} rate
 */
export async function slowedPoints(page, cdp, rate) {
  const points = { free: 0, slowed: 0 };
  for (let n = 0; n < MEASURED; n += 1) {
    for (const key of /** @type {(keyof typeof points)[]} */ (Object.keys(points))) {
      await cdp.send("Emulation.setCPUThrottlingRate", { rate: key === "free" ? 1 : rate });
      points[key] = Math.max(points[key], await page.evaluate(pageFunctions.computeBenchmarkIndex));
    }
  }
  return points;
}

/**
 * Has the main thread of the page that has worked most run before everything else, as one that has a core of its own on a phone: neither the browser's
 * video decoder nor its rasteriser stops it. Chromium slows a thread down by the clock, and so adds three times what the thread has waited for the
 * processor to how long a task takes (`ThreadCPUThrottler`). The thread that slows it down inherits the priority, if it is slowed down after this.
 *
 * @param {import("playwright-core").Browser} browser
 * @returns {Promise<boolean>} whether the system lets us do that: root, or whoever has CAP_SYS_NICE
 */
export async function goesFirst(browser) {
  const cdp = await browser.newBrowserCDPSession();
  const { processInfo } = await cdp.send("SystemInfo.getProcessInfo");
  await cdp.detach();
  const [busiest] = processInfo.filter(({ type }) => type === "renderer").sort((one, other) => other.cpuTime - one.cpuTime);
  if (busiest === undefined) throw new Error("the browser has no page");
  try {
    setPriority(busiest.id, FIRST);
    return true;
  } catch (error) {
    const { info } = /** @type {{ info?: { code?: string } }} */ (error);
    if (info?.code !== "EACCES" && info?.code !== "EPERM") throw error;
    return false;
  }
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
