/**
 * Glass to glass: how old the picture is that a fan sees. The demo picture carries the encoder's wall clock as a block
 * code in a corner; it is read out of the video element and compared with this machine's clock, which is the same one.
 */

import assert from "node:assert/strict";
import { readBlockCode } from "./block-code.mjs";
import * as chat from "./chat-panel.mjs";
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

/** How long a message may take to its moment in the picture of somebody who is behind. */
const MOMENT_MS = 30_000;
/** What is between the clock painted into a picture and its date in the playlist, and between two looks at the page. */
export const SLACK_MS = 2_500;

/**
 * Waits until a message is on the page, which has to be at its moment in the picture: the clock of the last picture without it and
 * of the first one with it say so.
 *
 * @param {import("playwright-core").Page} page
 * @param {{ text: string, at: number }} message `at`: when it was said, Unix ms.
 * @returns {Promise<number>} When it was read, ms of this process's clock.
 */
export async function readAtItsMoment(page, { text, at }) {
  let before = 0;
  const { after, atMs } = await until(`"${text}" is on the page`, MOMENT_MS, async () => {
    const seen = await chat.messages(page, text).count();
    const clock = (await readBlockCode(page))?.clock;
    if (seen === 1 && clock !== undefined && before > 0) return { after: clock, atMs: performance.now() };
    if (seen === 0) before = clock ?? before;
    return undefined;
  });
  assert.ok(before >= at - SLACK_MS, `read ${at - before} ms before its moment`);
  assert.ok(after <= at + SLACK_MS, `read ${after - at} ms after its moment`);
  return atMs;
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
