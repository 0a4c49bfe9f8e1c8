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
import { behind, fillsThePage, goBack, goesByKeyboard, listensTo, listenTo, pointAtMiddle, press } from "../harness/watch-page.mjs";

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

  const middle = await pointAtMiddle(page);
  await page.screenshot({ path: join(scene.artifacts, "watch-scrub.png") });
  await goBack(page, middle, BACK_S);
  await playOn(page, 1);
  assert.ok((await behind(page)) > BACK_S, "nobody is taken back to live against their will");

  await listenTo(page, "Korean");
  await countStalls(page);
  await playOn(page, 2);
  assert.equal((await stalls(page)).frozen, 0, "the picture goes on while the sound changes");
  assert.ok(await listensTo(page, "Korean"));

  await press(page.getByRole("button", { name: "Theatre mode" }));
  await goesByKeyboard(page);

  await fillsThePage(page);
  await accessible(page, "the watch page in theatre mode");
  await page.screenshot({ path: join(scene.artifacts, "watch-theatre.png") });
  assert.deepEqual(console.filter((line) => /^(error|uncaught)/.test(line)), [], "nothing in the browser's console");
});
