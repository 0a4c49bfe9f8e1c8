/**
 * Glass to glass: how old the picture is that a fan sees. The demo picture carries the encoder's wall clock as a block
 * code in a corner; it is read out of the video element and compared with this machine's clock, which is the same one.
 */

import { readBlockCode } from "./block-code.mjs";
import { playOn } from "./player.mjs";
import { until } from "./wait.mjs";

/** How long a readable picture may take. One that is between two clock values is unreadable, the next one is not. */
const READ_MS = 2_000;

/**
 * The age of the picture that is shown now, milliseconds.
 *
 * @param {import("playwright-core").Page} page
 * @returns {Promise<number>}
 */
export async function pictureAge(page) {
  return until("the clock in the picture can be read", READ_MS, async () => {
    const seen = await readBlockCode(page);
    return seen && seen.readAt - seen.clock;
  });
}

/** A player that catches up plays 5 % faster: over this much of the show it would win back 250 ms. */
const SETTLING_S = 5;
/** What the age of the picture may differ by from one part to the next. */
const SETTLED_MS = 100;

/**
 * Waits until the player no longer catches up, which it does after a slow start or a stall.
 *
 * @param {import("playwright-core").Page} page
 * @param {number} deadlineMs
 */
export async function untilSettled(page, deadlineMs) {
  let before = await pictureAge(page);
  await until("the player is where it wants to be", deadlineMs, async () => {
    await playOn(page, SETTLING_S);
    const now = await pictureAge(page);
    const won = before - now;
    before = now;
    return won < SETTLED_MS;
  });
}

/**
 * @param {number[]} values
 * @param {number} share 0.5 for the median.
 */
export function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  if (value === undefined) throw new Error("no values, no percentile");
  return value;
}
