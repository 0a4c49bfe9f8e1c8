/**
 * The server is killed with SIGKILL in the middle of a show and started again: page, video and chat come back by
 * themselves, and the ledger of acknowledged messages agrees with the history to the last one.
 */

import assert from "node:assert/strict";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { fan, wholeHistory } from "../harness/chat.mjs";
import { playlists } from "../harness/hls.mjs";
import { ledgerSender } from "../harness/ledger.mjs";
import { untilPlaying } from "../harness/player.mjs";
import { persistentEncoder } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";
import * as chat from "../harness/chat-panel.mjs";

/** From the moment the server is ready again. */
const BACK_MS = 10_000;
/** Acknowledged before the kill, and after it. */
const BEFORE = 300;
const AFTER = 300;

scene("after SIGKILL and a restart, page, video and chat recover, and every acknowledged message is there once", async (scene) => {
  const server = await Server.start(scene, { sendRate: "unlimited", shownPerSecond: 0 });
  const encoder = persistentEncoder(scene, server);
  await until("the show is on the air", 20_000, () => playlists(server));
  const browser = await startBrowser(scene);
  const { page } = await openPage(scene, browser, server.watchUrl, { name: "fan" });
  await untilPlaying(page);
  await chat.join(page, "Ana");
  await chat.say(page, "before the kill");
  await chat.confirmed(page, "before the kill");

  const sender = await fan(scene, server, { name: "ledger", channel: server.roomChannel });
  const before = await playlists(server);
  const ledger = ledgerSender(sender.client, server.chatChannel);
  scene.after(() => ledger.stop());
  await until("messages are acknowledged", 20_000, () => ledger.acknowledged.size >= BEFORE);

  await server.kill();
  await server.run();
  const readyAt = performance.now();

  const left = () => Math.max(1, BACK_MS - (performance.now() - readyAt));
  await until("chat is acknowledged again", left(), () => ledger.acknowledged.size >= BEFORE + AFTER);
  await until("the show is on the air again", left(), () => playlists(server));
  const after = await playlists(server);
  assert.notEqual(after?.video.url, before?.video.url, "a restarted server never reuses addresses that a cache may hold");
  const prefix = new URL(".", after?.video.url).href;
  await until("the page plays the new stream", left(), () =>
    page.evaluate((address) => performance.getEntriesByType("resource").some((r) => r.name.startsWith(address) && r.name.endsWith(".m4s")), prefix));
  await untilPlaying(page, left());
  await chat.say(page, "after the restart");
  await chat.confirmed(page, "after the restart");
  const recoveredMs = Math.round(performance.now() - readyAt);
  assert.ok(recoveredMs <= BACK_MS, `all was back after ${recoveredMs} ms`);
  console.log(`recovered ${recoveredMs} ms after the server was ready; ${ledger.resent} sends were repeated`);

  await ledger.stop();
  await encoder.stop();
  const judge = await fan(scene, server, { name: "judge" });
  const kept = await wholeHistory(judge.subscription);
  const ids = kept.map((p) => p.data.id);
  assert.equal(new Set(ids).size, ids.length, "each message once");
  const offsets = new Map(kept.map((p) => [p.data.id, p.offset]));
  for (const [id, offset] of ledger.acknowledged) assert.equal(offsets.get(id), offset, `${id} is held under the offset that was acknowledged`);
  assert.deepEqual(kept.map((p) => p.offset), kept.map((_, at) => at + 1), "no hole and no repeat");
});
