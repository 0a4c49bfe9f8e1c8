/**
 * A fan on a bad night: half a minute without a network, three restarts of their server (stopped, killed, drained), and in the
 * middle of typing their whole region goes. Nothing they wrote is lost or there twice, and what the page shows is the room.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, startBrowser } from "../harness/browser.mjs";
import * as chat from "../harness/chat-panel.mjs";
import { fan, send, wholeHistory } from "../harness/chat.mjs";
import { twoRegions } from "../harness/regions.mjs";
import { scene } from "../harness/scene.mjs";
import { until, within } from "../harness/wait.mjs";

/** How long the fan has no network. Others go on talking, so that there is something to miss. */
const OFFLINE_MS = 30_000;
/** Others say something so often: of the whole night it is fewer lines than the page keeps. */
const PACE_MS = 500;
/** Until the page has noticed, has tried as often as it does, and has come back. */
const BACK_MS = 25_000;
const PARIS_MS = 1_000;
const DRAINED_MS = 15_000;

scene("offline for 30 s, three restarts and another region in the middle of typing: nothing lost, nothing twice", async (scene) => {
  const { seoul, paris, doors } = await twoRegions(scene);
  const [seoulDoor, parisDoor] = doors.map(({ port }) => port);
  // As far away as it is; on a busy machine the nearer one may take longer than what it has of a head start.
  doors[1].delay(PARIS_MS);
  const speaker = await talking(scene, paris);

  const browser = await startBrowser(scene);
  /** @type {string[]} */
  const sockets = [];
  const { page } = await openPage(scene, browser, `http://127.0.0.1:${seoulDoor}/`, {
    name: "fan", prepare: async (opening) => void opening.on("websocket", (socket) => sockets.push(new URL(socket.url()).port)),
  });
  await chat.join(page, "Ana");
  /** @type {string[]} */
  const written = [];
  const say = async (/** @type {string} */ text) => {
    written.push(text);
    await chat.say(page, text);
  };
  const confirmed = (/** @type {string} */ text) => until(`"${text}" is confirmed`, BACK_MS, async () => (await chat.messages(page, text, "sent").count()) === 1);

  await say("before everything");
  await confirmed("before everything");
  assert.equal(sockets[0], `${seoulDoor}`, "the nearer region is the better one");

  // Stopped, killed and drained, each with something on its way.
  const restarts = [
    ["stopped", () => seoul.stop()],
    ["killed", () => seoul.kill()],
    ["drained", async () => {
      seoul.child.signal("SIGTERM");
      await within("the server has sent its fans away", DRAINED_MS, seoul.child.exited);
    }],
  ];
  for (const [how, end] of /** @type {[string, () => Promise<void>][]} */ (restarts)) {
    await say(`while it is being ${how}`);
    await end();
    await say(`while it is ${how}`);
    await seoul.run();
    await say(`after it was ${how}`);
    await confirmed(`after it was ${how}`);
  }
  assert.deepEqual(new Set(sockets), new Set([`${seoulDoor}`]), "a restart is no reason to go elsewhere");
  doors[1].delay(0);

  // A tunnel: the browser knows that it has no network, and the sockets it had say nothing.
  const saidBefore = speaker.said.length;
  for (const door of doors) door.shut();
  await page.context().setOffline(true);
  const offlineSince = performance.now();
  for (const line of [1, 2, 3, 4, 5]) await say(`in the tunnel, ${line}`);
  await chat.messages(page, "in the tunnel, 5", "pending").waitFor();
  await until("half a minute has passed, and others have talked", 2 * OFFLINE_MS, () =>
    performance.now() - offlineSince >= OFFLINE_MS && speaker.said.length > saidBefore + 10);
  assert.equal(await chat.messages(page, "in the tunnel, 1", "pending").count(), 1, "it waits, and says so");
  for (const door of doors) door.reopen();
  await page.context().setOffline(false);
  for (const line of [1, 2, 3, 4, 5]) await confirmed(`in the tunnel, ${line}`);

  // In the middle of a sentence the region goes, for good.
  await chat.input(page).focus();
  await page.keyboard.type("half of it in Seoul");
  await seoul.kill();
  await until("the page has gone to the other region", BACK_MS, () => sockets.at(-1) === `${parisDoor}`);
  assert.equal(await chat.input(page).inputValue(), "half of it in Seoul");
  assert.ok(await chat.input(page).evaluate((field) => field === document.activeElement), "the fan goes on typing");
  await page.keyboard.type(", half of it in Paris");
  written.push("half of it in Seoul, half of it in Paris");
  await page.keyboard.press("Enter");
  await confirmed("half of it in Seoul, half of it in Paris");
  await page.screenshot({ path: join(scene.artifacts, "bad-network.png") });

  const spoken = await speaker.stop();
  const judge = await fan(scene, paris, { name: "judge" });
  const log = await wholeHistory(judge.subscription);
  const texts = log.map(({ data }) => data.text);
  assert.deepEqual(log.map(({ offset }) => offset), log.map((_, at) => at + 1), "a log without a hole");
  assert.deepEqual(texts.filter((text) => written.includes(text)), written, "what the fan wrote is there once, in the order of writing");
  assert.deepEqual(texts.filter((text) => spoken.includes(text)), spoken);
  assert.equal(texts.length, written.length + spoken.length, "and nothing else is");
  await until("the page shows the last of it", BACK_MS, async () => (await chat.messages(page, texts.at(-1) ?? "").count()) === 1);
  // Whoever reads further up has all of it, and not only the newest.
  await chat.log(page).hover();
  await page.mouse.wheel(0, -100_000);
  const shown = () => chat.log(page).getByTestId("chat-text").allTextContents();
  await until("the page shows all that it keeps", BACK_MS, async () => (await shown()).length >= texts.length);
  assert.deepEqual(await shown(), texts, "the page shows the room, once, in order");
});

/**
 * Somebody in another region who talks all night.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {import("../harness/server.mjs").Server} server
 */
async function talking(scene, server) {
  const { client } = await fan(scene, server, { name: "speaker" });
  /** @type {string[]} */
  const said = [];
  let leaving = false;
  const talk = (async () => {
    while (!leaving) {
      const text = `line ${said.length}`;
      await send(client, server.chatChannel, { id: text, text });
      said.push(text);
      await new Promise((resolve) => setTimeout(resolve, PACE_MS));
    }
  })();
  const stop = async () => {
    leaving = true;
    await talk;
    return said;
  };
  scene.after(() => void stop());
  return { said, stop };
}
