/**
 * The show in Debian's Firefox: a fan who was there before it sees it begin, changes what they see and hear of it and how it lies on the
 * page, goes back, and reads beside it what was said at that time; and all of it has its words in five languages.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, PAGE_MS, PHONE, SIDEWAYS, startFirefox, WIDE } from "../harness/browser.mjs";
import { fan, send } from "../harness/chat.mjs";
import { startClockEncoder } from "../harness/clock-encoder.mjs";
import { readAtItsMoment, SLACK_MS } from "../harness/glass.mjs";
import { get } from "../harness/hls.mjs";
import { LANGUAGES, speak } from "../harness/languages.mjs";
import { playOn, untilPlaying } from "../harness/player.mjs";
import { ffmpegNext, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { noteForbidden } from "../harness/site.mjs";
import { accessible, complaints, told } from "../harness/studio.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { freeUdpPort } from "../harness/udp.mjs";
import { until } from "../harness/wait.mjs";
import { behind, fallBehind, fillsThePage, goBack, goesByKeyboard, insets, listensTo, listenTo, pointAtMiddle, press, standsUpright, sticksOut, watchIn } from "../harness/watch-page.mjs";
import { npmClient } from "../judges/npm-client.mjs";

/** A small picture: two pages have to decode it. */
const WIDTH = 640;
const TWO_SOUNDS = ["-map", "2:a", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=kor"];
/** From the encoder's start to a moving picture on a page that waits for it. */
const START_MS = 40_000;
/** So much of the show there is before the fan goes back to about the middle of it. */
const SEGMENTS = 7;
const BACK_S = 5;

/** @param {number} srtPort */
const config = (srtPort) => `
[srt]
listen = "127.0.0.1:${srtPort}"
[ladder]
rungs = ["144p 150k"]
rungs_max = 1
[thumbnails]
channels = ["*"]
interval = "2s"
[quality]
every = "1s"
`;

scene("in Firefox, too, a show begins, is seen in other ways, gone back in, and read beside at its own pace", async (scene) => {
  const [port, secret] = [await freeUdpPort(), newSecret()];
  const server = await Server.start(scene, { secret, sendRate: "unlimited", extra: config(port) });
  const firefox = await startFirefox(scene);
  /** @type {() => void} */
  let allowed = () => assert.fail("nobody looked");
  const { page, console } = await openPage(scene, firefox, server.watchUrl, {
    name: "fan",
    prepare: async (opening) => {
      allowed = await noteForbidden(opening);
    },
  });
  await page.getByText("The show hasn’t started yet").waitFor();
  const url = `srt://127.0.0.1:${port}?streamid=${server.streamKey}`;
  startClockEncoder(scene, [...TWO_SOUNDS, "-c:a", "aac", "-f", "mpegts", url], ffmpegNext(), WIDTH);
  await untilPlaying(page, START_MS);
  await page.getByText("LIVE", { exact: true }).first().waitFor();
  await page.getByTitle(/^Behind the stage by \d/).first().waitFor();
  await insets(page);
  for (const lines of [144, 360]) {
    await watchIn(page, lines);
    await playOn(page, 1);
  }
  await page.setViewportSize(PHONE);
  await standsUpright(page);
  await accessible(page, "the watch page upright");
  await page.setViewportSize(WIDE);

  await underWay(server, SEGMENTS);
  await until("there are pictures of the show", PAGE_MS, async () => (await get(`${server.url}/live/demo/thumbnails.vtt`)).text.split(" --> ").length > 3);
  const middle = await pointAtMiddle(page);
  await page.screenshot({ path: join(scene.artifacts, "firefox-scrub.png") });
  await goBack(page, middle, BACK_S);
  await readsLater(scene, server, page, firefox);

  await listenTo(page, "Korean");
  await playOn(page, 2);
  assert.ok(await listensTo(page, "Korean"));
  await press(page.getByRole("button", { name: "Theatre mode" }));
  await goesByKeyboard(page);
  await playOn(page, 1);
  await fillsThePage(page);
  await accessible(page, "the watch page in theatre mode");
  await page.screenshot({ path: join(scene.artifacts, "firefox-theatre.png") });
  await press(page.getByRole("button", { name: "Leave theatre mode" }));

  const { total } = await told(server, "/quality");
  assert.ok(total.startups >= 1 && total.figures.startup_p50_ms > 0, `how it plays is told: ${JSON.stringify(total)}`);
  await hasItsWords(scene, server, page);
  allowed();
  assert.deepEqual(complaints(console), []);
});

/**
 * A fan who is live reads something at its moment; the one who has gone back does, too, and that is later.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {Server} server
 * @param {import("playwright-core").Page} page Of the one who has gone back.
 * @param {import("playwright-core").Browser} firefox
 */
async function readsLater(scene, server, page, firefox) {
  const { page: live } = await openPage(scene, firefox, server.watchUrl, { name: "live", locale: "ko-KR" });
  assert.equal(await live.locator("html").getAttribute("lang"), "ko", "the browser's own language is taken");
  await speak(live, "en");
  await untilPlaying(live);
  const speaker = await fan(scene, server, { name: "speaker" });
  const text = "did you see that?";
  const back = await behind(page);
  const { at } = await send(speaker.client, server.chatChannel, { id: "1", text });
  const [early, late] = await Promise.all([live, page].map((one) => readAtItsMoment(one, { text, at })));
  assert.ok(early !== undefined && late !== undefined);
  assert.ok(late - early >= back * 1_000 - SLACK_MS, `who is ${back} s behind reads it ${late - early} ms later`);
  await live.context().close();
}

/**
 * With everything on the page that has words, nothing sticks out of its place in any language, wide, upright or sideways. A picture of each is
 * kept for people to look at.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {Server} server
 * @param {import("playwright-core").Page} page
 */
async function hasItsWords(scene, server, page) {
  const staff = await npmClient(scene, server.httpPort, "websocket-json");
  await staff.connect([sign(/** @type {string} */ (server.secret), { user: "mod", name: "Mo", role: "moderator" })]);
  await staff.rpc("pin", { room: "demo", id: "p1", text: "21:00 Encore · 앙코르 · アンコール · อังกอร์" });
  await staff.rpc("poll.open", { room: "demo", id: "q1", question: "1 / 2 ?", choices: ["Dawn", "새벽"] });
  await staff.rpc("mode", { room: "demo", slow_seconds: 10 });
  await page.getByTestId("poll-card").waitFor();
  for (const language of Object.keys(LANGUAGES)) {
    await page.setViewportSize(WIDE);
    await speak(page, language);
    for (const [name, viewport] of Object.entries({ wide: WIDE, phone: PHONE, sideways: SIDEWAYS })) {
      await page.setViewportSize(viewport);
      await page.getByTestId("play-button").focus();
      await page.screenshot({ path: join(scene.artifacts, `firefox-watch-${language}-${name}.png`) });
      assert.deepEqual(await page.evaluate(sticksOut), [], `${language}, ${name}`);
    }
  }
  // There is least room beside what leads back to live.
  await fallBehind(page);
  for (const language of Object.keys(LANGUAGES)) {
    await page.setViewportSize(WIDE);
    await speak(page, language);
    await page.setViewportSize(PHONE);
    await page.getByTestId("go-live").waitFor();
    assert.deepEqual(await page.evaluate(sticksOut), [], `${language}, behind`);
  }
}
