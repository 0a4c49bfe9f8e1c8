/**
 * What the video element does, told by the element itself: where it plays, and every time it had to wait.
 */

import { until } from "./wait.mjs";
import { PAGE_MS } from "./browser.mjs";

/** The page's player. */
const VIDEO = '[data-testid=video]';

/**
 * How long the playhead may stand still before a person sees it: the picture repeats for 12 frames at 30 per second.
 * The `waiting` event counts as a stall at once.
 */
const FROZEN_MS = 400;

/**
 * Waits until the show moves.
 *
 * @param {import("playwright-core").Page} page
 * @param {number} [deadlineMs]
 */
export async function untilPlaying(page, deadlineMs = PAGE_MS) {
  await until("the page plays", deadlineMs, async () => {
    const from = await currentTime(page);
    return from > 0 && until("the playhead moves", 1_000, async () => (await currentTime(page)) > from + 0.2);
  });
}

/**
 * @param {import("playwright-core").Page} page
 * @returns {Promise<number>}
 */
export function currentTime(page) {
  return page.locator(VIDEO).evaluate((video) => /** @type {HTMLVideoElement} */ (video).currentTime);
}

/**
 * Begins to count stalls. Runs inside the page, frame by frame, so nothing between two looks is missed.
 *
 * @param {import("playwright-core").Page} page
 */
export async function countStalls(page) {
  await page.locator(VIDEO).evaluate((element, frozenMs) => {
    const video = /** @type {HTMLVideoElement} */ (element);
    /** @type {number[]} */
    const waitedAtS = [];
    const record = { waitedAtS, frozen: 0, longestFrozenMs: 0, from: video.currentTime, since: performance.now() };
    Object.assign(window, { stallRecord: record });
    video.addEventListener("waiting", () => {
      // A jump that the page itself makes within what it has loaded is no stall; if it lasts, it counts as frozen.
      if (!video.seeking) waitedAtS.push(Math.round((performance.now() - record.since) / 100) / 10);
    });
    let last = video.currentTime;
    let movedAt = performance.now();
    let counted = false;
    let lookedAt = performance.now();
    const look = () => {
      const now = performance.now();
      // When the whole page was held up, nobody looked: that gap says nothing about the player.
      if (now - lookedAt > frozenMs / 2) movedAt = now;
      lookedAt = now;
      if (video.currentTime !== last) {
        last = video.currentTime;
        movedAt = now;
        counted = false;
      }
      const frozenFor = now - movedAt;
      record.longestFrozenMs = Math.max(record.longestFrozenMs, frozenFor);
      if (frozenFor > frozenMs && !counted) {
        record.frozen += 1;
        counted = true;
      }
      setTimeout(look, 20);
    };
    look();
  }, FROZEN_MS);
}

/**
 * What was counted since `countStalls`.
 *
 * @param {import("playwright-core").Page} page
 * @returns {Promise<{ waiting: number, waitedAtS: number[], frozen: number, longestFrozenMs: number, playedS: number, elapsedS: number }>}
 */
export function stalls(page) {
  return page.locator(VIDEO).evaluate((element) => {
    const video = /** @type {HTMLVideoElement} */ (element);
    const record = /** @type {any} */ (window).stallRecord;
    return {
      waiting: record.waitedAtS.length,
      waitedAtS: record.waitedAtS,
      frozen: record.frozen,
      longestFrozenMs: Math.round(record.longestFrozenMs),
      playedS: video.currentTime - record.from,
      elapsedS: (performance.now() - record.since) / 1000,
    };
  });
}

/** A picture that stands for so long does not only wait for a part that is on its way. */
const DRY_MS = 1_500;

/**
 * Waits until the player has nothing left to show, and gives back where the picture stands.
 *
 * @param {import("playwright-core").Page} page
 * @param {number} deadlineMs
 * @returns {Promise<number>}
 */
export function untilDry(page, deadlineMs) {
  /** @type {{ at: number | false, since: number }} */
  let stands = { at: false, since: 0 };
  return until("the page has run dry", deadlineMs, async () => {
    const at = await page.locator(VIDEO).evaluate((element) => {
      const video = /** @type {HTMLVideoElement} */ (element);
      return video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA && video.currentTime;
    });
    if (at !== stands.at) stands = { at, since: performance.now() };
    return performance.now() - stands.since >= DRY_MS && at;
  });
}

/**
 * Waits until so much of the show has been played, by the media clock.
 *
 * @param {import("playwright-core").Page} page
 * @param {number} seconds
 */
export async function playOn(page, seconds) {
  const from = await currentTime(page);
  await until(`${seconds} s of the show are played`, (seconds + 10) * 1000, async () => (await currentTime(page)) >= from + seconds);
}
