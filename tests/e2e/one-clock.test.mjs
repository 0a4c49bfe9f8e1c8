/** One clock: whoever watches later reads later. Two browsers, one some seconds behind the other, and one message. */

import assert from "node:assert/strict";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { fan, send } from "../harness/chat.mjs";
import { startClockEncoder } from "../harness/clock-encoder.mjs";
import { readAtItsMoment, SLACK_MS } from "../harness/glass.mjs";
import { untilPlaying } from "../harness/player.mjs";
import { underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

/** A small picture: two browsers have to decode it. */
const WIDTH = 640;
/** How far the second fan goes back. */
const BACK_S = 6;
/** How long it takes until there is as much of the show. */
const SHOWN_MS = 30_000;

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
  const [readEarly, readLate] = await Promise.all([early, late].map((page) => readAtItsMoment(page, { text, at })));
  assert.ok(readEarly && readLate);
  const apart = readLate - readEarly;
  assert.ok(apart >= BACK_S * 1_000 - SLACK_MS, `the one who is ${BACK_S} s behind read it ${apart} ms later`);
});

/**
 * Pauses, goes back, and plays on: who has paused by choice is not brought back to live.
 *
 * @param {import("playwright-core").Page} page
 */
async function goBack(page) {
  await until("there is something to go back to", SHOWN_MS, () => page.getByTestId("video").evaluate(
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
