/**
 * A crew at work: it is told where to connect, the encoder is judged while it sends, what happens is told as it does, what is kept is cut and
 * deleted, and shows are announced, started, ended and put back.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { ANSWER_MS } from "../harness/chat.mjs";
import { publish, underWay } from "../harness/publisher.mjs";
import { recordings } from "../harness/recordings.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { accessible, BOSS, complaints, enter, logIn, setUp, TABLET } from "../harness/studio.mjs";
import { newSecret } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

/** The health of an encoder is told from its first pictures on, and its playlists are read every ten seconds. */
const JUDGED_MS = 20_000;

scene("a crew sees its stream judged and told of, announces an event, cuts a clip and hands out a key", async (scene) => {
  const server = await Server.start(scene, { extra: '[recording]\nchannels = ["*"]\n[accounts]\nregistration = "closed"\n', reconnectWindow: "2s" });
  await setUp(server);
  const browser = await startBrowser(scene);
  const { page, console } = await openPage(scene, browser, `${server.url}/studio/${CHANNEL}#show`, { name: "crew", viewport: TABLET });
  await logIn(page, BOSS);
  await page.getByText("Start the encoder: it is judged here while it sends.").waitFor();
  await page.locator("[data-testid=news-list][data-following=true]").waitFor();

  // A key for the encoder: told once, gone when it is revoked.
  await page.getByTestId("key-name").fill("Camera 1");
  await page.getByTestId("key-make").click();
  const key = await page.getByTestId("key-made").inputValue();
  assert.ok(key.length >= 16);

  // Where the encoder connects, and then where it comes from.
  const way = page.locator("[data-testid=encoder-address][data-protocol=RTMP]").getByTestId("encoder-server");
  assert.equal(await way.inputValue(), server.rtmpUrl);
  await page.getByText("No encoder is connected to this server.").waitFor();
  const encoder = await publish(scene, server);
  await page.locator("[data-testid=encoder][data-protocol=rtmp]").getByText("127.0.0.1").waitFor({ timeout: JUDGED_MS });
  const news = (/** @type {string} */ type) => page.locator(`[data-testid=news-item][data-type="${type}"]`).first();
  await news("show.live").waitFor();
  const check = (/** @type {string} */ name) => page.locator(`[data-testid=check][data-check=${name}]`);
  await check("videoCodec").and(page.locator("[data-verdict=good]")).waitFor({ timeout: JUDGED_MS });
  await check("keyframe").and(page.locator("[data-verdict=good]")).waitFor();
  await page.locator("[data-testid=chart-frameRate]").getByText(/^(29|30|31)/).waitFor();
  await page.getByTestId("rung").filter({ hasText: "360p" }).waitFor();

  await page.getByTestId("cue-title").fill("Encore <b>");
  await page.getByTestId("cue-announce").click();
  await page.getByTestId("cue").filter({ hasText: "Encore <b>" }).waitFor({ timeout: JUDGED_MS });
  await accessible(page, "the show");
  await page.screenshot({ path: join(scene.artifacts, "studio-show.png") });
  await underWay(server, 6);

  await encoder.kill();
  await news("encoder.lost").waitFor();
  await news("recording.ready").waitFor();
  const recording = page.locator("[data-testid=kept][data-clip=false][data-ended=true]");
  await recording.getByTestId("cut").click();
  await page.getByTestId("cut-from").fill("0:04");
  await page.getByTestId("cut-to").fill("0:02");
  await page.getByTestId("cut-make").click();
  await page.getByText("Two times within the recording, please").waitFor();
  await page.getByTestId("cut-to").fill("0:06");
  await page.getByTestId("cut-make").click();
  await page.locator("[data-testid=kept][data-clip=true]").waitFor();
  await recording.getByTestId("delete").click();
  await page.getByTestId("delete-sure").click();
  await recording.waitFor({ state: "detached" });
  assert.deepEqual((await recordings(server)).map(({ clip }) => clip), [true]);

  await page.getByTestId("key-revoke").click();
  await page.getByTestId("key-sure").click();
  await until("no key is left", ANSWER_MS, async () => (await page.getByTestId("key").count()) === 0);
  await accessible(page, "the show when it is over");
  await page.screenshot({ path: join(scene.artifacts, "studio-show-over.png"), fullPage: true });
  assert.deepEqual(complaints(console), []);
  assert.ok(!(await server.child.log()).includes(key), "the key is in no log");
});

scene("a crew announces shows, starts, ends and puts them back, and sees what others do", async (scene) => {
  const secret = newSecret();
  const server = await Server.start(scene, { secret, extra: '[accounts]\nregistration = "closed"\n' });
  const browser = await startBrowser(scene);
  const { page, console, token } = await enter(scene, browser, server, { role: "staff", name: "Crew", at: `/${CHANNEL}#show` });
  const planned = (/** @type {string} */ title, /** @type {string} */ state) => page.locator(`[data-testid=planned][data-state=${state}]`).filter({ hasText: title });
  const onAir = async () => (await (await fetch(`${server.url}/api/v1/channels/${CHANNEL}`)).json()).show?.title;
  await page.getByText("No show is announced.").waitFor();
  for (const title of ["Late show", "Encore <b>"]) {
    await page.getByTestId("show-new").click();
    await page.getByTestId("show-title").fill(title);
    await page.getByTestId("show-artist").fill("Mina");
    if (title === "Late show") {
      // Half past eight in the evening here is what the server is told as that moment.
      await page.getByTestId("show-starts").fill("2030-01-02T20:30");
      await page.getByTestId("show-ends").fill("2030-01-02T20:00");
      await page.getByTestId("show-save").click();
      await page.getByText("The end has to be later than the beginning").waitFor();
      await page.getByTestId("show-ends").fill("2030-01-02T22:00");
    }
    await page.getByTestId("show-save").click();
    await planned(title, "scheduled").waitFor();
  }
  const { shows } = await (await fetch(`${server.url}/api/v1/channels/${CHANNEL}/shows`)).json();
  const expected = await page.evaluate(() => new Date(2030, 0, 2, 20, 30).getTime());
  const late = shows.find((/** @type {{ title: string }} */ show) => show.title === "Late show");
  assert.equal(late.starts_at, expected);
  await accessible(page, "announced shows");

  // It is asked first, and what is asked can be let be.
  await planned("Late show", "scheduled").getByTestId("show-start").click();
  await page.getByText("Start it now, for everybody?").waitFor();
  await page.getByRole("button", { name: "Not now" }).click();
  assert.equal(await onAir(), undefined);
  await planned("Late show", "scheduled").getByTestId("show-start").click();
  await accessible(page, "a question before a show begins");
  await page.getByTestId("show-sure").click();
  await planned("Late show", "live").waitFor();
  assert.equal(await onAir(), "Late show");
  await planned("Encore <b>", "scheduled").getByTestId("show-start").click();
  await page.getByTestId("show-sure").click();
  await page.getByTestId("plan-problem").getByText("Another show of this channel is on. End that one first.").waitFor();

  // Somebody else ends it: seen without a reload, and taken back here.
  const headers = { authorization: `Bearer ${token}` };
  const stopped = await fetch(`${server.url}/api/v1/channels/${CHANNEL}/shows/${late.id}/stop`, { method: "POST", headers });
  assert.equal(stopped.status, 200);
  await planned("Late show", "ended").getByTestId("show-undo").click({ timeout: JUDGED_MS });
  await planned("Late show", "live").waitFor();
  await page.getByTestId("plan-problem").waitFor({ state: "detached" });
  await planned("Late show", "live").getByTestId("show-edit").click();
  await page.getByTestId("show-title").fill("Later show");
  await page.getByTestId("show-save").click();
  await planned("Later show", "live").getByTestId("show-stop").click();
  await page.getByTestId("show-sure").click();
  await planned("Later show", "ended").waitFor();
  assert.equal(await onAir(), undefined);
  await page.screenshot({ path: join(scene.artifacts, "studio-schedule.png") });
  // What was refused is in the console as a failed request; nothing else is.
  assert.deepEqual(complaints(console).filter((line) => !/status of 409/.test(line)), []);
});
