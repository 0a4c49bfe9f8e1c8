/**
 * The server API over the broker: a back end that knows nothing but Redis has things said and done in rooms of two servers, each
 * once, also when the server that does them is killed in the middle.
 */

import assert from "node:assert/strict";
import { startRedis } from "../harness/brokers.mjs";
import { BackEnd } from "../harness/back-end.mjs";
import { SEEN_MS, joinAs } from "../harness/member.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

/** From when a server is killed until another goes on: its lead runs out, and the other hears of it, on a busy machine. */
const TAKEN_UP_MS = 15_000;

/** How many commands one scene sends, of how many senders. */
const MANY = 1_000;
const SENDERS = 40;

/** @param {import("../harness/scene.mjs").Scene} scene */
async function twoServers(scene) {
  const redis = await startRedis(scene);
  const secret = newSecret();
  /** @param {string} folder */
  const start = (folder) => Server.start(scene, { folder, secret, sendRate: "unlimited", extra: `${redis.engine}\n[commands]\ntake = "on"\n` });
  // The first to start leads.
  const first = await start("first");
  const second = await start("second");
  return { backEnd: new BackEnd(redis.port), first, second, secret };
}

/** @param {string} name @param {string} id @param {string} text */
const say = (name, id, text) => ({ id, path: `/channels/${CHANNEL}/publish`, body: { id, text, sender: { user: name, name } } });

/** @param {Server} server */
async function metric(server, /** @type {string} */ name) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(new RegExp(`^fanwave_commands_${name}(?:_total)? (\\d+)$`, "m").exec(text)?.[1]);
}

/**
 * The texts of the whole chat, the oldest first.
 *
 * @param {Server} server
 */
async function history(server) {
  /** @type {string[]} */
  const texts = [];
  /** @type {number | null} */
  let before = null;
  do {
    /** @type {string} */
    const cursor = before === null ? "" : `&before=${before}`;
    /** @type {any} */
    const page = await (await fetch(`${server.url}/api/v1/channels/${CHANNEL}/messages?lane=chat&limit=200${cursor}`)).json();
    texts.unshift(...page.messages.map((/** @type {any} */ message) => message.text).reverse());
    before = page.next_before;
  } while (before !== null);
  return texts;
}

scene("what a back end sends to Redis is said and done, in order, and what cannot be is kept with its reason", async (scene) => {
  const { backEnd, first, second, secret } = await twoServers(scene);
  const ana = await joinAs(scene, second, "ana", sign(secret, { user: "ana" }));
  const minji = await joinAs(scene, first, "minji", sign(secret, { user: "minji" }));

  const ban = { id: "ban-1", path: `/channels/${CHANNEL}/users/ana/ban?actor=kim&actor_name=Kim`, body: { seconds: 600 } };
  await backEnd.send(
    { id: "order-1", path: `/channels/${CHANNEL}/publish`, body: { id: "order-1", text: "the shirt is sold out", lane: "room" } },
    say("ana", "m-1", "my first"),
    say("ana", "m-2", "my second"),
    ban,
    say("ana", "m-3", "after the ban"),
    "sold out",
    { id: "key-1", path: "/api-keys", body: { name: "evil", scopes: ["publish"] } },
  );
  await minji.sees("what the back end says", ({ text, name }) => text === "the shirt is sold out" && name === "commands");
  await minji.sees("the ban", ({ type, user, name }) => type === "banned" && user === "ana" && name === "Kim");
  await until("ana's socket is closed for good", SEEN_MS, () => ana.closed.includes(3507));
  await until("all is done", SEEN_MS, async () => (await backEnd.waiting()) === 0);
  assert.deepEqual(await history(second), ["my first", "my second"]);

  const letters = await backEnd.letters();
  const codes = letters.map(({ problem }) => [problem.status, problem.code]).sort();
  assert.deepEqual(codes, [[400, "malformed_command"], [403, "banned"], [404, "not_a_command"]]);
  const banned = letters.find(({ problem }) => problem.code === "banned");
  assert.equal(JSON.parse(banned.command).id, "m-3");

  // Sent once more, it is done already: the audit log of the other server has one ban.
  await backEnd.send(ban, { id: "gone-1", path: "/users/minji/disconnect" });
  await until("minji's socket is closed", SEEN_MS, () => minji.closed.includes(3503));
  const acts = (await (await fetch(`${second.url}/api/v1/channels/${CHANNEL}/messages?lane=room`)).json()).messages;
  assert.equal(acts.filter((/** @type {any} */ { event }) => event?.type === "banned").length, 1);
  assert.deepEqual([await metric(first, "leads"), await metric(second, "leads")], [1, 0]);
  assert.equal(await metric(first, "done"), 6);
});

scene("a server that is killed among a thousand commands has each done once, by the other", async (scene) => {
  const { backEnd, first, second } = await twoServers(scene);
  const texts = Array.from({ length: MANY }, (_, number) => `${number % SENDERS}: ${number}`);
  await backEnd.send(...texts.map((text, number) => say(`u-${number % SENDERS}`, `m-${number}`, text)));
  await until("it is in the middle", SEEN_MS, async () => (await history(second)).length > MANY / 10);
  await first.kill();
  const left = await backEnd.waiting();
  assert.ok(left > 0, "some are left");
  await until("the other has done the rest", TAKEN_UP_MS, async () => (await backEnd.waiting()) === 0);

  const said = await history(second);
  assert.equal(said.length, MANY, "each once");
  assert.deepEqual(new Set(said), new Set(texts), "all of them");
  for (let sender = 0; sender < SENDERS; sender += 1) {
    const of = (/** @type {string[]} */ all) => all.filter((text) => text.startsWith(`${sender}: `));
    assert.deepEqual(of(said), of(texts), `in the order of sender ${sender}`);
  }
  assert.deepEqual(await backEnd.letters(), []);
  assert.equal(await metric(second, "leads"), 1);
});
