/**
 * How each scenario of scenarios.json is judged. One function per scenario, the same for every client; what a client
 * heard is all that counts.
 */

import assert from "node:assert/strict";
import { ANSWER_MS, guest } from "../harness/chat.mjs";
import { cuttableProxy } from "../harness/proxy.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";
import { npmClient } from "./npm-client.mjs";

/** How long a client may take to come back: its own backoff has jitter, and the server may be starting. */
const RETURN_MS = 15_000;

/**
 * @typedef {object} Stage
 * @property {import("../harness/scene.mjs").Scene} scene
 * @property {import("../harness/server.mjs").Server} server
 * @property {string} secret
 * @property {(port: number) => Promise<import("./client.mjs").Client>} client The client on trial.
 */

/** @param {import("./client.mjs").Client} client */
const kinds = (client) => client.heard.map((heard) => heard.kind);

/**
 * @param {import("./client.mjs").Client} client
 * @param {string} what
 * @param {(heard: import("./client.mjs").Heard) => boolean} test
 * @param {number} [deadlineMs]
 */
const hears = (client, what, test, deadlineMs = ANSWER_MS) =>
  until(`the client hears ${what} (so far: ${kinds(client).join(", ")})`, deadlineMs, () => client.heard.find(test));

/** @param {import("./client.mjs").Client} client @param {string} channel */
const texts = (client, channel) =>
  client.heard.filter((heard) => heard.kind === "publication" && heard.channel === channel && heard.data.text !== undefined)
    .map((heard) => heard.data.text);

/** @param {import("./client.mjs").Client} client @param {string} text */
const hearsText = (client, text) => hears(client, `"${text}"`, ({ data }) => data?.text === text);

/** A client on trial that is connected and subscribed to the chat. @param {Stage} stage @param {{ port?: number, user?: string }} [options] */
async function inChat(stage, { port = stage.server.httpPort, user = "on-trial" } = {}) {
  const client = await stage.client(port);
  await client.connect([sign(stage.secret, { user })]);
  await hears(client, "connected", ({ kind }) => kind === "connected");
  await client.subscribe(stage.server.chatChannel);
  await hears(client, "subscribed", ({ kind }) => kind === "subscribed");
  return client;
}

/** Somebody else, by the npm client over WebSocket. @param {Stage} stage @param {import("../harness/tokens.mjs").Claims} claims */
async function somebody({ scene, server, secret }, claims) {
  const other = await npmClient(scene, server.httpPort, "websocket-json");
  await other.connect([sign(secret, claims)]);
  await hears(other, "connected", ({ kind }) => kind === "connected");
  return other;
}

/** @type {Record<string, (stage: Stage) => Promise<void>>} */
export const SCENARIOS = {
  async connect(stage) {
    const client = await stage.client(stage.server.httpPort);
    await client.connect([(await guest(stage.server, "Ana")).token]);
    const { client: id } = await hears(client, "connected", ({ kind }) => kind === "connected");
    assert.ok(id && id.length >= 8, `a client id: ${id}`);
  },

  async "refused-token"(stage) {
    const client = await stage.client(stage.server.httpPort);
    await client.connect([sign(newSecret(), { user: "forger" })]);
    const { code } = await hears(client, "disconnected", ({ kind }) => kind === "disconnected");
    assert.equal(code, 3500);
    assert.ok(!kinds(client).includes("connected"));
  },

  async "expired-token"(stage) {
    const client = await stage.client(stage.server.httpPort);
    await client.connect([
      sign(stage.secret, { user: "late", seconds: -60 }),
      sign(stage.secret, { user: "late" }),
    ]);
    await hears(client, "connected", ({ kind }) => kind === "connected", RETURN_MS);
    assert.ok(kinds(client).filter((kind) => kind === "token").length >= 2, "it fetched a second token");
  },

  async refresh(stage) {
    const client = await stage.client(stage.server.httpPort);
    await client.connect([
      sign(stage.secret, { user: "long", seconds: 3 }),
      sign(stage.secret, { user: "long" }),
    ]);
    await hears(client, "connected", ({ kind }) => kind === "connected");
    await until("the client fetches a second token", RETURN_MS, () =>
      kinds(client).filter((kind) => kind === "token").length >= 2);
    // A command after the refresh proves that the connection has outlived its first token.
    await client.rpc("send", { channel: stage.server.chatChannel, id: "after", text: "still here" });
    assert.equal(kinds(client).filter((kind) => kind === "connected").length, 1, "on the same connection");
  },

  async "publish-and-hear"(stage) {
    const client = await inChat(stage);
    const channel = stage.server.chatChannel;
    const other = await somebody(stage, { user: "other" });
    await client.publish(channel, { text: "one" });
    await other.publish(channel, { text: "two" });
    await client.publish(channel, { text: "three" });
    await hearsText(client, "three");
    assert.deepEqual(texts(client, channel), ["one", "two", "three"]);
    const offsets = client.heard.filter(({ kind }) => kind === "publication").map(({ offset }) => offset);
    assert.deepEqual(offsets, [1, 2, 3]);
  },

  async unsubscribe(stage) {
    const client = await inChat(stage);
    const channel = stage.server.chatChannel;
    const other = await somebody(stage, { user: "other" });
    await client.unsubscribe(channel);
    await hears(client, "unsubscribed", ({ kind }) => kind === "unsubscribed");
    await other.publish(channel, { text: "not for you" });
    await client.resubscribe(channel);
    await until("it is subscribed again", ANSWER_MS, () => kinds(client).filter((kind) => kind === "subscribed").length >= 2);
    await other.publish(channel, { text: "for you" });
    await hearsText(client, "for you");
    // A client that left by itself does not ask for what it missed.
    assert.ok(!texts(client, channel).includes("not for you") || client.heard.some(({ recovered }) => recovered));
  },

  async history(stage) {
    const client = await inChat(stage);
    const channel = stage.server.chatChannel;
    for (const text of ["a", "b", "c", "d"]) await client.publish(channel, { text });
    const all = await client.history(channel, { limit: 10 });
    assert.deepEqual(all.publications.map(({ data }) => data.text), ["a", "b", "c", "d"]);
    assert.equal(all.offset, 4);
    const newest = await client.history(channel, { limit: 2, reverse: true });
    assert.deepEqual(newest.publications.map(({ data }) => data.text), ["d", "c"]);
    const rest = await client.history(channel, { limit: 10, since: { offset: 2, epoch: all.epoch } });
    assert.deepEqual(rest.publications.map(({ offset }) => offset), [3, 4]);
  },

  async presence(stage) {
    const client = await inChat(stage);
    const channel = stage.server.chatChannel;
    for (const user of ["second", "second", "third"]) {
      const other = await somebody(stage, { user });
      await other.subscribe(channel);
      await hears(other, "subscribed", ({ kind }) => kind === "subscribed");
    }
    assert.deepEqual(await client.presenceStats(channel), { clients: 4, users: 3 });
    assert.deepEqual((await client.presence(channel)).toSorted(), ["on-trial", "second", "second", "third"]);
  },

  async rpc(stage) {
    const client = await inChat(stage);
    const channel = stage.server.chatChannel;
    const first = await client.rpc("send", { channel, id: "m-1", text: "acknowledged" });
    assert.deepEqual([first.offset, first.id, first.duplicate], [1, "m-1", false]);
    const again = await client.rpc("send", { channel, id: "m-1", text: "acknowledged" });
    assert.deepEqual([again.offset, again.duplicate], [1, true]);
    await assert.rejects(client.rpc("no.such.method", {}), { code: 104 });
  },

  async errors(stage) {
    const client = await inChat(stage);
    await assert.rejects(client.history("nonsense", { limit: 1 }), { code: 102 });
    await assert.rejects(client.publish(stage.server.roomChannel, { text: "I am the artist" }), { code: 103 });
    await client.publish(stage.server.chatChannel, { text: "still connected" });
    await hearsText(client, "still connected");
    assert.equal(kinds(client).filter((kind) => kind === "connected").length, 1);
  },

  async recovery(stage) {
    const proxy = await cuttableProxy(stage.scene, stage.server.httpPort);
    const client = await inChat(stage, { port: proxy.port });
    const channel = stage.server.chatChannel;
    const other = await somebody(stage, { user: "other" });
    await other.publish(channel, { text: "before" });
    await hearsText(client, "before");
    proxy.cut();
    for (const text of ["missed 1", "missed 2", "missed 3"]) await other.publish(channel, { text });
    const back = await hears(client, "subscribed again", ({ wasRecovering }) => wasRecovering === true, RETURN_MS);
    assert.equal(back.recovered, true);
    await other.publish(channel, { text: "after" });
    await hearsText(client, "after");
    assert.deepEqual(texts(client, channel), ["before", "missed 1", "missed 2", "missed 3", "after"]);
  },

  async unrecoverable(stage) {
    const client = await stage.client(stage.server.httpPort);
    await client.connect([sign(stage.secret, { user: "on-trial" })]);
    await client.subscribe(stage.server.chatChannel, { since: { offset: 7, epoch: "of-another-log" } });
    const subscribed = await hears(client, "subscribed", ({ kind }) => kind === "subscribed");
    assert.deepEqual([subscribed.wasRecovering, subscribed.recovered], [true, false]);
  },

  async "server-side-subscription"(stage) {
    const channel = stage.server.chatChannel;
    const client = await stage.client(stage.server.httpPort);
    await client.connect([sign(stage.secret, { user: "on-trial", channels: [channel] })]);
    await hears(client, "the server's subscription", ({ kind, serverSide }) => kind === "subscribed" && serverSide === true);
    const other = await somebody(stage, { user: "other" });
    await other.publish(channel, { text: "to whom the server subscribed" });
    const publication = await hearsText(client, "to whom the server subscribed");
    assert.equal(publication.channel, channel);
  },

  async batch(stage) {
    const client = await inChat(stage);
    const channel = stage.server.chatChannel;
    await client.batch(channel, 10);
    await hearsText(client, "batch 10");
    assert.deepEqual(texts(client, channel), Array.from({ length: 10 }, (_, index) => `batch ${index + 1}`));
  },

  async "big-and-many-languages"(stage) {
    const client = await inChat(stage);
    const channel = stage.server.chatChannel;
    const all = [
      "최고의 무대였어요 💜".repeat(20), "最高のステージでした ✨".repeat(20), "¡Qué concierto! ".repeat(20).trim(),
      "เก่งมากเลย ".repeat(20).trim(), "👨‍👩‍👧‍👦".repeat(30), "مرحبا بالجميع", "\"quotes\" \\ and </script>", "a\u2028b",
    ];
    for (const text of all) await client.publish(channel, { text });
    await until("all have come", ANSWER_MS, () => texts(client, channel).length === all.length);
    assert.deepEqual(texts(client, channel).slice(0, -1), all.slice(0, -1));
    assert.equal(texts(client, channel).at(-1), "a b", "a line separator becomes a space: a message is one line");
  },

  async ban(stage) {
    const client = await inChat(stage, { user: "troll" });
    const moderator = await somebody(stage, { user: "mod", role: "moderator" });
    await moderator.rpc("ban", { room: "demo", user: "troll" });
    const { code } = await hears(client, "disconnected", ({ kind }) => kind === "disconnected");
    assert.ok(code !== undefined && code >= 3500 && code < 4000, `a code that says stay away: ${code}`);
  },

  async deleted(stage) {
    const client = await inChat(stage);
    const { chatChannel, roomChannel } = stage.server;
    await client.subscribe(roomChannel);
    await hears(client, "the room lane", ({ kind, channel }) => kind === "subscribed" && channel === roomChannel);
    const other = await somebody(stage, { user: "other" });
    const spoiler = await other.rpc("send", { channel: chatChannel, id: "s", text: "the encore is ..." });
    await other.publish(chatChannel, { text: "harmless" });
    await hearsText(client, "harmless");
    const moderator = await somebody(stage, { user: "mod", role: "moderator" });
    await moderator.rpc("delete", { room: "demo", offset: spoiler.offset });
    const event = await hears(client, "the deletion", ({ channel, data }) => channel === roomChannel && data?.type === "deleted");
    assert.equal(event.data.offset, spoiler.offset);
    const page = await client.history(chatChannel, { limit: 10 });
    assert.deepEqual(page.publications.map(({ data }) => data.text), ["harmless"]);
  },

  async shutdown(stage) {
    const client = await inChat(stage);
    const { server } = stage;
    await client.publish(server.chatChannel, { text: "before" });
    await hearsText(client, "before");
    await server.stop();
    await server.run();
    const back = await hears(client, "subscribed again", ({ wasRecovering }) => wasRecovering === true, RETURN_MS);
    assert.equal(back.recovered, true);
    const other = await somebody(stage, { user: "other" });
    await other.publish(server.chatChannel, { text: "after" });
    await hearsText(client, "after");
    assert.deepEqual(texts(client, server.chatChannel), ["before", "after"]);
  },
};
