/** The SDK in Node, against the real server: what is written is there once, what is said is heard once, whatever happens between. */

import assert from "node:assert/strict";
import { fan, wholeHistory } from "../harness/chat.mjs";
import { cuttableProxy } from "../harness/proxy.mjs";
import { scene } from "../harness/scene.mjs";
import { sdkFan } from "../harness/sdk-fan.mjs";
import { Server } from "../harness/server.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until, within } from "../harness/wait.mjs";

/** For what needs a connection to come back. */
const BACK_MS = 15_000;

scene("a fan says something, hears others, and reads what was said before", async (scene) => {
  const server = await Server.start(scene);
  const ana = await sdkFan(scene, server, { name: "Ana" });
  const said = await within("the message is taken", BACK_MS, ana.room.send("¡Hola!").settled);
  assert.equal(said.state, "sent");
  await ana.hears("¡Hola!");

  const minjun = await sdkFan(scene, server, { name: "민준" });
  await minjun.hears("¡Hola!");
  await within("the answer is taken", BACK_MS, minjun.room.send("안녕하세요", { reply_to: { offset: 1, user: "someone" } }).settled);
  await ana.hears("안녕하세요");
  assert.deepEqual(ana.texts(), ["¡Hola!", "안녕하세요"]);
  assert.deepEqual(ana.room.entries("chat").map(({ offset, name }) => [offset, name]), [[1, "Ana"], [2, "민준"]]);
  await until("both are counted", BACK_MS, async () => (await ana.room.watchers()).users === 2);
  const page = await ana.room.history({ limit: 1 });
  assert.equal(page.entries.length, 1);
  assert.equal(page.next, 2);
});

scene("two kills, a cut and a time offline: nothing is lost, nothing is there twice, and the order is that of writing", async (scene) => {
  const server = await Server.start(scene, { sendRate: "unlimited", shownPerSecond: 0 });
  const proxy = await cuttableProxy(scene, server.httpPort);
  const writer = await sdkFan(scene, server, { name: "writer", port: proxy.port });
  const reader = await sdkFan(scene, server, { name: "reader" });
  /** @type {string[]} */
  const written = [];
  /** @type {Promise<import("../../sdk/dist/index.js").Outgoing>[]} */
  const settled = [];
  const write = (/** @type {number} */ count) => {
    for (let at = 0; at < count; at += 1) {
      written.push(`line ${written.length}`);
      settled.push(writer.room.send(/** @type {string} */ (written.at(-1))).settled);
    }
  };

  write(10);
  await settled[4];
  // In the middle of sending.
  proxy.cut();
  write(10);
  await until("the writer is back", BACK_MS, () => writer.client.state === "connected");
  await settled[12];
  await server.kill();
  await until("both have noticed", BACK_MS, () => writer.client.state !== "connected" && reader.client.state !== "connected");
  // Offline: they wait in the outbox.
  write(10);
  assert.ok(writer.room.outgoing.some(({ state }) => state === "pending"));
  await server.run();
  const answers = await within("everything is decided", BACK_MS, Promise.all(settled));
  await server.kill();
  await server.run();
  await until("both are back", BACK_MS, () => writer.client.state === "connected" && reader.client.state === "connected");
  write(1);
  await within("the last is decided", BACK_MS, Promise.all(settled));

  assert.deepEqual(new Set(answers.map(({ state }) => state)), new Set(["sent"]));
  await until("everything is heard", BACK_MS, () => reader.texts().length >= written.length && writer.texts().length >= written.length);
  assert.deepEqual(reader.texts(), written, "to the other, in order, each once");
  assert.deepEqual(writer.texts(), written, "and to oneself");
  assert.deepEqual([...reader.gaps, ...writer.gaps], []);
  const judge = await fan(scene, server, { name: "judge" });
  assert.deepEqual((await wholeHistory(judge.subscription)).map((p) => p.data.text), written, "and in the log");
});

scene("on the clock of the player, nothing is to be seen before its moment, and deletions are at once", async (scene) => {
  const secret = newSecret();
  const server = await Server.start(scene, { sendRate: "unlimited", secret });
  const moderator = await sdkFan(scene, server, { name: "moderator", token: sign(secret, { user: "mo", role: "moderator" }) });
  const viewer = await sdkFan(scene, server, { name: "viewer" });
  // A player that stands still until the test moves it.
  let playhead = Date.now() - 60_000;
  scene.after(viewer.room.attachPlayer({ playingDate: () => playhead }));

  /** @type {{ offset: number, at: number }[]} */
  const places = [];
  for (const text of ["one", "two", "three"]) {
    const { place } = await within("it is taken", BACK_MS, moderator.room.send(text).settled);
    assert.ok(place);
    places.push(place);
  }
  const [, two, three] = /** @type {[any, { offset: number, at: number }, { offset: number, at: number }]} */ (places);
  await moderator.hears("three");
  const own = await within("one's own is taken", BACK_MS, viewer.room.send("mine").settled);
  assert.equal(own.state, "sent");
  assert.deepEqual(viewer.texts(), [], "the picture is a minute behind");
  assert.deepEqual(viewer.room.outgoing.map(({ text }) => text), ["mine"], "one's own is there all the same");

  playhead = two.at;
  await until("what was said by then is to be seen", BACK_MS, () => viewer.texts().length === 2);
  assert.deepEqual(viewer.texts(), ["one", "two"]);
  await moderator.room.moderate.delete(two.offset);
  await until("it is gone", BACK_MS, () => viewer.room.entries("chat").length === 1);
  await moderator.room.moderate.delete(three.offset);
  playhead = Date.now() + 60_000;
  await until("the rest is to be seen", BACK_MS, () => viewer.texts().includes("mine"));
  assert.deepEqual(viewer.room.entries("chat").map((entry) => "text" in entry && entry.text), ["one", "mine"]);
  assert.deepEqual(viewer.room.outgoing, []);
  playhead = two.at;
  await until("back there, the future is not", BACK_MS, () => viewer.room.entries("chat").length === 1);
});

scene("what moderators and fans ask of a room is done, and everybody hears of it", async (scene) => {
  const secret = newSecret();
  const server = await Server.start(scene, { sendRate: "unlimited", secret });
  const mo = await sdkFan(scene, server, { name: "mo", token: sign(secret, { user: "mo", role: "moderator" }), room: { staff: true } });
  const token = sign(secret, { user: "ana", name: "Ana" });
  const ana = await sdkFan(scene, server, { name: "Ana", token });
  /** @type {import("../../sdk/dist/index.js").Notice[]} */
  const notices = [];
  ana.room.on("notice", (notice) => notices.push(notice));
  const stands = (/** @type {string} */ what, /** @type {(standing: import("../../sdk/dist/index.js").Standing) => boolean} */ is) =>
    until(what, BACK_MS, () => is(ana.room.standing));

  const poll = await mo.room.moderate.openPoll({ question: "Encore?", choices: ["yes", "no"] });
  await stands("the poll is open", ({ polls }) => polls[0]?.poll === poll && polls[0].choices[0] === "yes");
  await ana.room.vote(poll, 0);
  await stands("the vote is counted", ({ polls }) => polls[0]?.counts[0] === 1);
  await mo.room.moderate.closePoll(poll);
  await stands("the poll is closed", ({ polls }) => polls[0]?.closed === true && polls[0].counts[0] === 1);

  const pin = await mo.room.moderate.pin({ text: "Be kind" });
  await stands("it is held up", ({ pins }) => pins[0]?.text === "Be kind");
  await mo.room.moderate.unpin(pin);
  await stands("it is taken down", ({ pins }) => pins.length === 0);

  ana.room.react("heart", 2);
  ana.room.react("heart");
  await until("the taps are told, together", BACK_MS, () => notices.some((notice) => notice.type === "reactions" && notice.counts.heart === 3));
  await ana.room.gift({ gift: "rose", count: 3 });
  await until("the gift is told", BACK_MS, () => mo.heard.some((entry) => "event" in entry && entry.event.type === "gift" && entry.event.count === 3));
  await ana.room.follow(["ko"]);
  await ana.room.follow("all");
  const { users, count } = await ana.room.presence();
  assert.deepEqual([count, users.toSorted()], [2, ["ana", "mo"]]);

  await mo.room.moderate.mode({ hold: true });
  await stands("the room holds", ({ mode }) => mode?.hold === true);
  const waits = await within("it is held", BACK_MS, ana.room.send("let me in").settled);
  assert.equal(waits.state, "held");
  const held = await until("the moderators see it", BACK_MS, () => mo.room.entries("staff").find((entry) => "event" in entry && entry.event.type === "held"));
  await mo.room.moderate.review(held.offset, true);
  await ana.hears("let me in");
  assert.deepEqual(ana.room.outgoing, [], "it has its place");

  await mo.room.moderate.mute("ana", 600);
  const { state, refusal, message } = await within("it is refused", BACK_MS, ana.room.send("hello?").settled);
  assert.deepEqual([state, refusal], ["refused", "not-allowed"], message);
  await assert.rejects(ana.room.moderate.ban("mo"), { name: "CallError", code: 103 });
  await mo.room.moderate.ban("ana");
  await until("she is sent away, for good", BACK_MS, () => ana.client.state === "closed");
});
