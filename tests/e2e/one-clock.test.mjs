/** One clock: whoever watches later reads later. Two browsers, one some seconds behind the other, and one message. */

import assert from "node:assert/strict";
import { readBlockCode } from "../harness/block-code.mjs";
import { openPage, startBrowser } from "../harness/browser.mjs";
import * as chat from "../harness/chat-panel.mjs";
import { fan, send } from "../harness/chat.mjs";
import { startClockEncoder } from "../harness/clock-encoder.mjs";
import { untilPlaying } from "../harness/player.mjs";
import { underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

/** A small picture: two browsers have to decode it. */
const WIDTH = 640;
/** How far the second fan goes back. */
const BACK_S = 6;
/** What is between the clock painted into a picture and its date in the playlist, and between two looks at the page. */
const SLACK_MS = 2_500;
/** How long a message may take to its moment in the picture of the one who is behind. */
const READ_MS = 30_000;

scene("a fan who watches later reads a message later, at its moment in the picture", async (scene) => {
  const server = await Server.start(scene);
  startClockEncoder(scene, ["-c:a", "aac", "-f", "flv", `${server.rtmpUrl}/${server.streamKey}`], "ffmpeg", WIDTH);
  await underWay(server);
  const browser = await startBrowser(scene);
  const { page: early } = await openPage(scene, browser, server.watchUrl, { name: "early" });
  const { page: late } = await openPage(scene, browser, server.watchUrl, { name: "late" });
  await Promise.all([untilPlaying(early), untilPlaying(late)]);
  await goBack(late);

  const speaker = await fan(scene, server, { name: "speaker" });
  const text = "did you see that?";
  const { at } = await send(speaker.client, server.chatChannel, { id: "1", text });
  const [readEarly, readLate] = await Promise.all([reading(early, text), reading(late, text)]);

  for (const [who, { before, after }] of Object.entries({ early: readEarly, late: readLate })) {
    assert.ok(before >= at - SLACK_MS, `${who} read it ${at - before} ms before its moment`);
    assert.ok(after <= at + SLACK_MS, `${who} read it ${after - at} ms after its moment`);
  }
  const apart = readLate.atMs - readEarly.atMs;
  assert.ok(apart >= BACK_S * 1_000 - SLACK_MS, `the one who is ${BACK_S} s behind read it ${apart} ms later`);
});

/**
 * Pauses, goes back, and plays on: who has paused by choice is not brought back to live.
 *
 * @param {import("playwright-core").Page} page
 */
async function goBack(page) {
  await until("there is something to go back to", READ_MS, () => page.getByTestId("video").evaluate(
    (element, back) => /** @type {HTMLVideoElement} */ (element).currentTime > back, BACK_S,
  ));
  await page.getByTestId("play-button").click();
  await page.getByTestId("video").evaluate((element, back) => {
    const video = /** @type {HTMLVideoElement} */ (element);
    video.currentTime -= back;
  }, BACK_S);
  await page.getByTestId("play-button").click();
  await untilPlaying(page);
}

/**
 * Waits until a message is on the page: the clock of the picture at the last look without it, and at the first one with it.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
async function reading(page, text) {
  let before = 0;
  return until(`"${text}" is on the page`, READ_MS, async () => {
    const seen = await chat.messages(page, text).count();
    const clock = (await readBlockCode(page))?.clock;
    if (seen === 1 && clock !== undefined && before > 0) return { before, after: clock, atMs: performance.now() };
    if (seen === 0) before = clock ?? before;
    return undefined;
  });
}
