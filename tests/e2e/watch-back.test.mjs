/**
 * A fan on the bar of the show: small pictures say where they would land, they go back and come back to live, by mouse and by
 * keyboard, listen to another soundtrack, and give the picture the whole page.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, PAGE_MS, startBrowser } from "../harness/browser.mjs";
import { get } from "../harness/hls.mjs";
import { countStalls, playOn, stalls, untilPlaying } from "../harness/player.mjs";
import { ENHANCED, ffmpegNext, publish, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { accessible } from "../harness/studio.mjs";
import { freeUdpPort } from "../harness/udp.mjs";
import { until } from "../harness/wait.mjs";

/** So much of the show there is before the fan comes. */
const SEGMENTS = 7;
/** The fan goes to about the middle of it. */
const BACK_S = 5;

scene("a fan sees where the bar leads, goes back, hears another language, and is live again", async (scene) => {
  const port = await freeUdpPort();
  const server = await Server.start(scene, { extra: `[srt]\nlisten = "127.0.0.1:${port}"\n[thumbnails]\nchannels = ["*"]\ninterval = "2s"\n` });
  const { twoSounds } = ENHANCED;
  const args = [...twoSounds.args, "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=kor"];
  const url = `srt://127.0.0.1:${port}?streamid=${server.streamKey}`;
  await publish(scene, server, { encoder: { ...twoSounds, args }, program: ffmpegNext(), url });
  await underWay(server, SEGMENTS);
  await until("there are pictures of the show", PAGE_MS, async () => (await get(`${server.url}/live/demo/thumbnails.vtt`)).text.split(" --> ").length > 3);
  const browser = await startBrowser(scene);
  const { page, console } = await openPage(scene, browser, server.watchUrl, { name: "fan" });
  await untilPlaying(page);

  const bar = page.getByRole("slider", { name: "Place in the show" });
  const behind = () => bar.evaluate((element) => -(/** @type {HTMLInputElement} */ (element)).valueAsNumber);
  const wake = () => page.mouse.move(300 + Math.random() * 50, 300);
  await wake();
  const box = await bar.boundingBox();
  assert.ok(box);
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  const picture = page.getByTestId("scrub-picture");
  await picture.waitFor();
  await until("the small picture is loaded", PAGE_MS, () => picture.evaluate((image) => (/** @type {HTMLImageElement} */ (image)).naturalWidth >= 160));
  await page.screenshot({ path: join(scene.artifacts, "watch-scrub.png") });

  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  await page.getByText("Jump to live").waitFor();
  await until("the fan is back in the show", PAGE_MS, async () => (await behind()) > BACK_S);
  await untilPlaying(page);
  await playOn(page, 1);
  assert.ok((await behind()) > BACK_S, "nobody is taken back to live against their will");

  await wake();
  await page.getByRole("button", { name: "Soundtrack" }).click();
  await page.getByRole("menuitemradio", { name: "Korean" }).click();
  await countStalls(page);
  await playOn(page, 2);
  assert.equal((await stalls(page)).frozen, 0, "the picture goes on while the sound changes");
  await page.getByRole("button", { name: "Soundtrack" }).click();
  assert.equal(await page.getByRole("menuitemradio", { name: "Korean" }).getAttribute("aria-checked"), "true");
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Theatre mode" }).click();
  await bar.focus();
  await page.keyboard.press("End");
  await until("the fan is live again", PAGE_MS, async () => (await bar.getAttribute("aria-valuetext")) === "Live" && !(await page.getByText("Jump to live").isVisible()));
  await page.keyboard.press("ArrowLeft");
  await until("an arrow key goes back", PAGE_MS, async () => /^0:\d\d behind live$/.test((await bar.getAttribute("aria-valuetext")) ?? ""));
  await page.getByText("Jump to live").click();
  await until("the fan is live again", PAGE_MS, async () => (await bar.getAttribute("aria-valuetext")) === "Live");

  await page.getByRole("button", { name: "Leave theatre mode" }).waitFor();
  const [video, list] = await Promise.all([page.getByTestId("player").boundingBox(), page.getByTestId("chat-log").boundingBox()]);
  assert.ok(video && list);
  assert.deepEqual([video.x, video.y, video.height], [0, 0, 900], "the picture has the page from edge to edge");
  assert.equal(Math.round(video.width), Math.round(list.x - 1), "up to the chat");
  await accessible(page, "the watch page in theatre mode");
  await page.screenshot({ path: join(scene.artifacts, "watch-theatre.png") });
  assert.deepEqual(console.filter((line) => /^(error|uncaught)/.test(line)), [], "nothing in the browser's console");
});
