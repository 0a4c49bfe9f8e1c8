/**
 * A whole chat log beside a broker: two servers share their rooms through a real Redis that keeps little, and one of them
 * writes everything down in a real PostgreSQL. What moderators do is seen in sockets, history, search, recovery and replay on
 * either server; the one that records is killed in the middle, and nothing is missing and nothing is there twice.
 */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startRedis } from "../harness/brokers.mjs";
import { SEEN_MS, joinAs } from "../harness/member.mjs";
import { Postgresql } from "../harness/postgresql.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { newSecret } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

const KEY = "canary-api-key-41c9d7e0";

/** Recognisable, so that the test can look for them where they must not be. */
const FAN = "canary-fan-91";

/** What moderators do is seen within this: a promise. */
const ENFORCED_MS = 1_000;

/** Until another server records, and until all is recorded. */
const RECORDED_MS = 20_000;

/** Messages before the server that records is killed, and after. */
const ACT = 300;

const BATCH = 50;

/**
 * Asks a server as a back end does.
 *
 * @param {Server} server
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 */
async function ask(server, method, path, body) {
  return fetch(`${server.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(RECORDED_MS),
  });
}

/**
 * The same, where it has to succeed.
 *
 * @param {Server} server
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 */
async function done(server, method, path, body) {
  const answer = await ask(server, method, path, body);
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text && JSON.parse(text);
}

/**
 * Every page of something, from the first to the last.
 *
 * @param {Server} server
 * @param {string} path With a query.
 * @param {"before" | "after"} way
 * @returns {Promise<any[]>}
 */
async function pages(server, path, way) {
  const all = [];
  let cursor;
  do {
    const page = await done(server, "GET", `${path}&limit=150${cursor ? `&${way}=${cursor}` : ""}`);
    all.push(...page.messages);
    cursor = page[`next_${way}`];
  } while (cursor);
  return all;
}

/** @param {Server} server @param {string} [more] */
const replay = (server, more = "") => pages(server, `/channels/${CHANNEL}/log?lane=chat${more}`, "after");
/** @param {Server} server @param {string} query */
const search = (server, query) => pages(server, `/channels/${CHANNEL}/log/search?${query}`, "before");
/** @param {Server} server */
const history = (server) => pages(server, `/channels/${CHANNEL}/messages?lane=chat`, "before");
/** @param {any[]} messages */
const texts = (messages) => messages.map(({ text }) => text);

/**
 * Somebody in both lanes of the room.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {Server} server
 * @param {string} user
 */
async function join_(scene, server, user) {
  const { token } = await done(server, "POST", "/tokens", { user, name: user });
  return joinAs(scene, server, user, token);
}

/** @param {Server} server @param {string} name */
async function metric(server, name) {
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  return Number(metrics.match(new RegExp(`^${name} (\\S+)$`, "m"))?.[1]);
}

scene("a chat log beside a broker has everything once, whatever moderators do and whoever is killed", async (scene) => {
  const [redis, database] = await Promise.all([startRedis(scene), Postgresql.start(scene)]);
  const keys = join(scene.folder, "api-keys");
  await writeFile(keys, `desk publish,moderate,read,tokens,log ${KEY}\n`, { mode: 0o600 });
  const secret = newSecret();
  const extra = `${redis.engine}log_messages = 100\n[store]\nkind = "postgresql"\nrecord = "on"\n${database.address}\n[api]\nkeys_file = "${keys}"\n`;
  const start = (/** @type {string} */ folder) => Server.start(scene, { folder, secret, sendRate: "unlimited", shownPerSecond: 0, extra });
  const servers = [await start("first"), await start("second")];
  const leader = await until("one of them records", RECORDED_MS, async () => {
    const leads = await Promise.all(servers.map((server) => metric(server, "fanwave_recorder_leads")));
    return leads[0] + leads[1] === 1 ? leads.indexOf(1) : undefined;
  }).then((index) => /** @type {Server} */ (servers[/** @type {number} */ (index)]));
  const other = /** @type {Server} */ (servers.find((server) => server !== leader));
  const began = Date.now();

  // What moderators do through one server is seen in the open sockets of the other.
  const fan = await join_(scene, other, FAN);
  const minji = await join_(scene, leader, "minji");
  let slowest = 0;
  /** @param {() => Promise<any>} act @param {() => Promise<any>} seen */
  const seen = async (act, seen) => {
    const answer = await act();
    const answered = performance.now();
    await seen();
    slowest = Math.max(slowest, performance.now() - answered);
    return answer;
  };
  const undo = (/** @type {Server} */ server, /** @type {any} */ of) => done(server, "POST", `/channels/${CHANNEL}/audit/${of.act}/undo`);
  const spoiler = await fan.say("s1", "the spoiler");
  await fan.say("s2", "a night to remember");
  await minji.sees("the spoiler", ({ text }) => text === "the spoiler");
  minji.client.disconnect();
  await seen(() => done(leader, "DELETE", `/channels/${CHANNEL}/messages/${spoiler.offset}`), () => fan.sees("the deletion", ({ type }) => type === "deleted"));
  const before = minji.subscribed.length;
  minji.client.connect();
  await until("minji has recovered", SEEN_MS, () => minji.subscribed.length >= before + 2);
  assert.ok(minji.subscribed.slice(before).every(({ recovered }) => recovered));
  assert.equal(minji.heard.filter(({ text }) => text === "the spoiler").length, 1, "it does not come back");

  const slow = await seen(
    () => done(leader, "PUT", `/channels/${CHANNEL}/settings`, { slow_seconds: 600 }),
    () => fan.sees("the mode", ({ type, slow_seconds }) => type === "mode" && slow_seconds === 600),
  );
  await assert.rejects(fan.say("s3", "once"), { code: 111 });
  await seen(() => undo(other, slow), () => minji.sees("the mode of before", ({ type, slow_seconds }) => type === "mode" && !slow_seconds));
  await until("the fan may speak", SEEN_MS, () => fan.say("s3", "once"));
  await fan.say("s4", "twice");

  const ban = await seen(
    () => done(leader, "POST", `/channels/${CHANNEL}/users/${FAN}/ban`, { seconds: 600 }),
    () => until("their socket is closed", SEEN_MS, () => fan.closed.includes(3507)),
  );
  await seen(() => undo(other, ban), () => minji.sees("the pardon", ({ type }) => type === "pardoned"));
  const back = await until("they are let in again", SEEN_MS, () => join_(scene, leader, FAN));
  await back.say("s5", "back again");
  assert.ok(slowest <= ENFORCED_MS, `seen after ${slowest} ms`);
  console.log(`what moderators did was seen in sockets of the other server after ${Math.round(slowest)} ms at the most`);

  // The server that records is killed while much is said, and started again.
  const lines = Array.from({ length: 2 * ACT }, (_, index) => `line ${index}`);
  const say = async (/** @type {Server} */ server, /** @type {number} */ from) => {
    for (let at = from; at < from + ACT; at += BATCH) {
      const messages = lines.slice(at, at + BATCH).map((text) => ({ id: text.replace(" ", "-"), text, sender: { user: "bridge", name: "Bridge" } }));
      const { results } = await done(server, "POST", `/channels/${CHANNEL}/publish`, { messages });
      assert.ok(results.every((/** @type {any} */ result) => result.offset), JSON.stringify(results));
    }
  };
  await say(other, 0);
  await leader.kill();
  await say(other, ACT);
  await until("the other server records", RECORDED_MS, async () => (await metric(other, "fanwave_recorder_leads")) === 1);
  await leader.run();
  const said = ["a night to remember", "once", "twice", "back again", ...lines];
  await until("all of it is recorded", RECORDED_MS, async () => (await replay(other)).length >= said.length);
  assert.equal(await metric(other, "fanwave_recorder_holes_total"), 0);
  assert.equal(await (await fetch(`${other.url}/readyz`)).text(), "ready\n");
  for (const server of [leader, other]) {
    assert.deepEqual(texts(await replay(server)), said, `replay of ${server.name}`);
    // Redis has the newest alone; the history goes on where it ends.
    assert.deepEqual(texts(await history(server)).reverse(), said, `history of ${server.name}`);
    assert.deepEqual(texts(await search(server, "text=night")), ["a night to remember"]);
    assert.deepEqual(texts(await search(server, "text=spoiler")), []);
    assert.deepEqual(texts(await search(server, `user=${FAN}`)), ["back again", "twice", "once", "a night to remember"]);
    const replayed = await replay(server, `&from=${began}&until=${Date.now() + 60_000}`);
    assert.equal(replayed.length, said.length);
  }
  assert.deepEqual(await replay(leader, `&from=${Date.now() + 3_600_000}`), []);
  const file = async (/** @type {string} */ format) => (await ask(leader, "GET", `/channels/${CHANNEL}/log/export?format=${format}`)).text();
  const exported = (await file("jsonl")).trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(texts(exported), said);
  const table = await file("csv");
  assert.equal(table.trim().split("\r\n").length, said.length + 1);
  assert.ok(table.includes('"back again"') && !table.includes("spoiler"));

  // A person is forgotten, but not in a room under legal hold.
  await done(leader, "PUT", `/holds/${CHANNEL}`);
  assert.deepEqual((await done(other, "GET", "/holds")).holds.map((/** @type {any} */ { channel }) => channel), [CHANNEL]);
  assert.deepEqual(await done(leader, "POST", `/users/${FAN}/forget`), { messages: 0, held: 2 });
  assert.equal((await search(other, `user=${FAN}`)).length, 4);
  await done(other, "DELETE", `/holds/${CHANNEL}`);
  assert.ok((await database.dump()).includes(FAN), "the test can find what it looks for");
  const forgotten = await done(leader, "POST", `/users/${FAN}/forget`);
  assert.ok(forgotten.messages > 0 && forgotten.held === 0, JSON.stringify(forgotten));
  await until("no history has them", SEEN_MS, async () => !JSON.stringify([await history(leader), await history(other)]).includes(FAN));
  assert.deepEqual(texts(await replay(other)), lines);
  assert.ok(!(await database.dump()).includes(FAN), "nothing of them is in any table");
  for (const lane of ["chat", "room"]) {
    const left = await (await ask(other, "GET", `/channels/${CHANNEL}/log/export?lane=${lane}`)).text();
    assert.ok(!left.includes(FAN), left);
  }
});
