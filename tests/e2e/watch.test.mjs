/** What a fan came for: the show plays without a stall, says that it is live and how far behind, on a laptop and a phone. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, PHONE, startBrowser } from "../harness/browser.mjs";
import * as chat from "../harness/chat-panel.mjs";
import { countStalls, playOn, stalls, untilPlaying } from "../harness/player.mjs";
import { underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { insets, standsUpright } from "../harness/watch-page.mjs";

const WATCHED_S = 20;

scene("the show plays for 20 s without a stall, live and with its latency", async (scene) => {
  const server = await Server.start(scene, { demo: true });
  await underWay(server);
  const browser = await startBrowser(scene);
  const { page, console } = await openPage(scene, browser, server.watchUrl, { name: "wide" });
  await untilPlaying(page);
  await countStalls(page);
  await page.getByText("LIVE", { exact: true }).first().waitFor();
  await page.getByTitle(/^Behind the stage by \d/).first().waitFor();

  await playOn(page, WATCHED_S);
  const seen = await stalls(page);
  assert.deepEqual({ waitedAtS: seen.waitedAtS, frozen: seen.frozen }, { waitedAtS: [], frozen: 0 }, JSON.stringify(seen));
  // More than the time that passed is no fault: the page may be on its way to the live edge.
  assert.ok(seen.playedS > seen.elapsedS - 1, `played ${seen.playedS} s in ${seen.elapsedS} s`);
  await insets(page);
  const errors = console.filter((line) => /^(error|uncaught)/.test(line));
  assert.deepEqual(errors, [], "nothing in the browser's console");
  await page.screenshot({ path: join(scene.artifacts, "watch-wide.png") });
});

scene("on a phone the show is above the chat, and nothing sticks out", async (scene) => {
  const server = await Server.start(scene, { demo: true });
  const browser = await startBrowser(scene);
  const { page } = await openPage(scene, browser, server.watchUrl, { name: "phone", viewport: PHONE, mobile: true });
  await untilPlaying(page);
  await chat.log(page).getByText(/\S/).first().waitFor();

  await standsUpright(page);
  await page.screenshot({ path: join(scene.artifacts, "watch-phone.png") });
});
