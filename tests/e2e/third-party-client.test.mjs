/**
 * The npm `centrifuge` client, unmodified, is the judge of the chat protocol: connect, subscribe, publish, history,
 * presence, and recovery of what was missed while its socket was down.
 */

import assert from "node:assert/strict";
import { fan, send, wholeHistory } from "../harness/chat.mjs";
import { cuttableProxy } from "../harness/proxy.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until, within } from "../harness/wait.mjs";

scene("an unmodified client publishes, hears, and reads the history", async (scene) => {
  const server = await Server.start(scene);
  const ana = await fan(scene, server, { name: "Ana" });
  const minjun = await fan(scene, server, { name: "민준" });

  const texts = ["hola", "안녕하세요 👋", "สวัสดี"];
  for (const text of texts) await ana.subscription.publish({ text });
  for (const text of texts) await minjun.hears(text);

  assert.deepEqual(minjun.heard.map((p) => p.data.text), texts, "in the order of publishing, each once");
  assert.deepEqual(minjun.heard.map((p) => p.offset), [1, 2, 3]);
  const [first] = minjun.heard;
  assert.equal(first?.data.name, "Ana");
  assert.equal(first?.data.role, "fan");
  assert.equal(first?.info?.user, ana.user);
  assert.ok(Math.abs(Date.now() - first?.data.at) < 60_000, "stamped with the time of the server");

  assert.deepEqual((await wholeHistory(minjun.subscription)).map((p) => p.data.text), texts);
  const newest = await minjun.subscription.history({ limit: 2, reverse: true });
  assert.deepEqual(newest.publications.map((p) => p.data.text), texts.toReversed().slice(0, 2));
});

scene("presence counts connections and people", async (scene) => {
  const server = await Server.start(scene);
  const ana = await fan(scene, server, { name: "Ana" });
  const minjun = await fan(scene, server, { name: "민준" });
  const both = await ana.subscription.presenceStats();
  assert.deepEqual({ clients: both.numClients, users: both.numUsers }, { clients: 2, users: 2 });
  minjun.client.disconnect();
  await until("one of the two is gone", 5_000, async () => (await ana.subscription.presenceStats()).numClients === 1);
});

scene("a dropped socket is recovered without a gap and without a repeat", async (scene) => {
  const server = await Server.start(scene);
  const proxy = await cuttableProxy(scene, server.httpPort);
  const traveller = await fan(scene, server, { name: "traveller", port: proxy.port });
  const speaker = await fan(scene, server, { name: "speaker" });

  await send(speaker.client, server.chatChannel, { id: "a", text: "before" });
  await traveller.hears("before");

  const again = new Promise((resolve) => traveller.subscription.once("subscribed", resolve));
  proxy.cut();
  for (const text of ["meanwhile 1", "meanwhile 2", "meanwhile 3"]) await send(speaker.client, server.chatChannel, { id: text, text });
  const context = /** @type {import("centrifuge").SubscribedContext} */ (await within("the traveller is back", 10_000, again));
  await send(speaker.client, server.chatChannel, { id: "z", text: "after" });
  await traveller.hears("after");

  assert.equal(context.wasRecovering, true);
  assert.equal(context.recovered, true);
  assert.ok(proxy.accepted >= 2, "the client came back over a new connection");
  assert.deepEqual(traveller.heard.map((p) => p.data.text), ["before", "meanwhile 1", "meanwhile 2", "meanwhile 3", "after"]);
});

scene("the same message id is one message, however often it is sent", async (scene) => {
  const server = await Server.start(scene);
  const ana = await fan(scene, server, { name: "Ana" });
  const first = await send(ana.client, server.chatChannel, { id: "once", text: "only once" });
  const second = await send(ana.client, server.chatChannel, { id: "once", text: "only once" });
  assert.equal(first.duplicate, false);
  assert.equal(second.duplicate, true);
  assert.deepEqual([second.offset, second.epoch, second.at], [first.offset, first.epoch, first.at]);
  await send(ana.client, server.chatChannel, { id: "other", text: "the next" });
  await ana.hears("the next");
  assert.deepEqual(ana.heard.map((p) => p.data.text), ["only once", "the next"]);
});
