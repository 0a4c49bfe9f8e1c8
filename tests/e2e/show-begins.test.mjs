/** Fans come before the show does: it starts on their page by itself, and costs each of them every part once. */

import assert from "node:assert/strict";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { playOn, untilPlaying } from "../harness/player.mjs";
import { publish } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";

/** From the first part to a moving picture: the page looks for the show every few seconds. */
const START_MS = 15_000;
const WATCHED_S = 6;

scene("the show starts by itself on a page that waits for it, and no part is loaded twice", async (scene) => {
  const server = await Server.start(scene);
  const browser = await startBrowser(scene);
  /** @type {Map<string, number>} */
  const loads = new Map();
  const prepare = async (/** @type {import("playwright-core").Page} */ page) => {
    page.on("request", (request) => {
      const path = new URL(request.url()).pathname;
      if (path.endsWith(".m4s")) loads.set(path, (loads.get(path) ?? 0) + 1);
    });
  };
  const { page } = await openPage(scene, browser, server.watchUrl, { name: "early", prepare });
  await page.getByText("The show hasn’t started yet").waitFor();

  await publish(scene, server);
  await untilPlaying(page, START_MS);
  await playOn(page, WATCHED_S);
  assert.ok(loads.size > WATCHED_S, "parts were loaded");
  assert.deepEqual([...loads].filter(([, times]) => times > 1), [], "each of them once");
});
