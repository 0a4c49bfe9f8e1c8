/**
 * A chat that is faster than anybody reads: the page shows a sample and says how many more there were, a fan always sees
 * what they said themselves, and what a moderator deletes leaves every page at once and the history for ever.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, PAGE_MS, startBrowser } from "../harness/browser.mjs";
import { fan, send, wholeHistory } from "../harness/chat.mjs";
import * as chat from "../harness/chat-panel.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";
import { npmClient } from "../judges/npm-client.mjs";

/** So many write at once ... */
const WRITERS = 20;

/** ... and each so often: 400 messages within a second or two, where ten a second can be read. */
const MESSAGES = 20;

scene("a flood is a readable sample, an honest count, and everything in the log", async (scene) => {
  const server = await Server.start(scene, { sendRate: "unlimited" });
  const browser = await startBrowser(scene);
  const listener = await fan(scene, server, { name: "listener" });
  const { page } = await openPage(scene, browser, server.watchUrl, { name: "reader" });
  await chat.join(page, "Reader");
  await chat.say(page, "before the flood");
  await chat.confirmed(page, "before the flood");
  const writers = await Promise.all(Array.from({ length: WRITERS }, (_, index) => fan(scene, server, { name: `fan ${index}` })));

  const flood = Promise.all(writers.map(async ({ client }, writer) => {
    for (let n = 0; n < MESSAGES; n += 1) {
      await send(client, server.chatChannel, { id: `m${n}`, text: `hello from ${writer}, number ${n}` });
    }
  }));
  const more = page.getByTestId("chat-more");
  await more.waitFor();
  await chat.say(page, "in the middle of it");
  await chat.confirmed(page, "in the middle of it");
  await page.screenshot({ path: join(scene.artifacts, "chat-flood.png") });
  await flood;

  // Who says nothing was shown a sample, and told of all the rest.
  const said = WRITERS * MESSAGES + 2;
  const shown = () => listener.heard.filter(({ data }) => data.text !== undefined).length;
  const skipped = () => listener.heard.filter(({ data }) => data.type === "more").reduce((sum, { data }) => sum + data.count, 0);
  await until("what was shown and what was told of add up", PAGE_MS, () => shown() + skipped() === said);
  assert.ok(shown() < said / 2, `a sample was shown: ${shown()} of ${said}`);

  // Who says something hears all of it, whatever others see.
  const [writer] = writers;
  assert.ok(writer);
  await until("a fan has heard their own messages, all of them", PAGE_MS, () =>
    writer.heard.filter(({ data }) => data.text?.startsWith("hello from 0,")).length === MESSAGES);
  assert.equal((await wholeHistory(listener.subscription)).length, said, "everything is in the log");
});

scene("what a moderator deletes leaves the page, the history and the late joiner", async (scene) => {
  const secret = newSecret();
  const server = await Server.start(scene, { secret });
  const browser = await startBrowser(scene);
  const { page } = await openPage(scene, browser, server.watchUrl, { name: "fan" });
  await chat.join(page, "Ana");
  const troll = await fan(scene, server, { name: "troll" });
  const spoiler = await send(troll.client, server.chatChannel, { id: "1", text: "the encore is a secret" });
  await send(troll.client, server.chatChannel, { id: "2", text: "harmless" });
  await chat.messages(page, "the encore is a secret").waitFor();
  await chat.messages(page, "harmless").waitFor();

  const moderator = await npmClient(scene, server.httpPort, "websocket-json");
  await moderator.connect([sign(secret, { user: "mod", role: "moderator" })]);
  await moderator.rpc("delete", { room: "demo", offset: spoiler.offset });
  await until("the deleted message is off the page", PAGE_MS, async () =>
    (await chat.messages(page, "the encore is a secret").count()) === 0);
  assert.equal(await chat.messages(page, "harmless").count(), 1);

  const { page: late } = await openPage(scene, browser, server.watchUrl, { name: "late" });
  await chat.messages(late, "harmless").waitFor();
  assert.equal(await chat.messages(late, "the encore is a secret").count(), 0);

  await moderator.rpc("clear", { room: "demo", user: troll.user });
  for (const open of [page, late]) {
    await until("nothing of the troll is on the page", PAGE_MS, async () => (await chat.messages(open, "harmless").count()) === 0);
  }
  const judge = await fan(scene, server, { name: "judge" });
  assert.deepEqual(await wholeHistory(judge.subscription), []);
});
