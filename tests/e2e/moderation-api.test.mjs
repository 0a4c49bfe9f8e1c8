/**
 * Moderation and publishing over HTTP, on two servers that share a real Redis: what is done through the API of one is seen in
 * the open sockets of both, in history, and after a recovery; and is undone through the API of the other.
 */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startRedis } from "../harness/brokers.mjs";
import { ANSWER_MS } from "../harness/chat.mjs";
import { Gate } from "../harness/gate.mjs";
import { SEEN_MS, joinAs } from "../harness/member.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { newSecret } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

/** Recognisable, so that the test can look for it where it must never be. */
const KEY = "canary-api-key-41c9d7e0";

/** From when a server reaches Redis again until all that it missed has come: a promise of every engine, and a moment more. */
const BACK_MS = 12_000;

/**
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {{ doors?: number }} [options] `doors`: 1 where the second server's way to Redis can be cut.
 */
async function twoServers(scene, { doors = 0 } = {}) {
  const redis = await startRedis(scene, { doors });
  const [door] = redis.doors;
  const gate = door && (await Gate.open(scene, door));
  const keys = join(scene.folder, "api-keys");
  await writeFile(keys, `desk publish,moderate,read,tokens ${KEY}\n`, { mode: 0o600 });
  const secret = newSecret();
  /** @param {string} folder @param {string} engine */
  const start = (folder, engine) =>
    Server.start(scene, { folder, secret, sendRate: "unlimited", extra: `${engine}\n[api]\nkeys_file = "${keys}"\n` });
  const first = await start("first", redis.engine);
  const second = await start("second", gate ? redis.engineBy(gate.port) : redis.engine);
  return { gate, first, second };
}

/**
 * Asks a server as a back end does.
 *
 * @param {Server} server
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 */
async function ask(server, method, path, body) {
  const response = await fetch(`${server.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  return { status: response.status, body: await response.json() };
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
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/**
 * Undoes an act through a server.
 *
 * @param {Server} server
 * @param {string} act
 */
const undo = (server, act) => ask(server, "POST", `/channels/${CHANNEL}/audit/${act}/undo`);

/**
 * Somebody with a token that the back end had made, in both lanes of the room.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {Server} server
 * @param {string} user
 */
async function join_(scene, server, user) {
  const { token } = await done(server, "POST", "/tokens", { user, name: user });
  return joinAs(scene, server, user, token);
}

/**
 * What a server's history of a lane says.
 *
 * @param {Server} server
 * @param {"chat" | "room"} [lane]
 * @returns {Promise<any[]>}
 */
async function history(server, lane = "chat") {
  return (await done(server, "GET", `/channels/${CHANNEL}/messages?lane=${lane}`)).messages;
}

scene("a ban through one server is seen on both, and undone through the other", async (scene) => {
  const { first, second } = await twoServers(scene);
  const ana = await join_(scene, second, "ana");
  const minji = await join_(scene, first, "minji");
  await ana.say("m1", "hello");

  const ban = await done(first, "POST", `/channels/${CHANNEL}/users/ana/ban?actor=kim&actor_name=Kim`, { seconds: 600 });
  await until("ana's socket is closed for good", SEEN_MS, () => ana.closed.includes(3507));
  await minji.sees("the ban", (event) => event.type === "banned" && event.user === "ana" && event.name === "Kim");
  const back = await join_(scene, second, "ana").then(() => "let in", (error) => String(error));
  assert.notEqual(back, "let in", "a banned user is let into no lane");

  // The audit log is the same on either server, and so is the way back.
  const { acts } = await done(second, "GET", `/channels/${CHANNEL}/audit`);
  assert.deepEqual([acts[0].id, acts[0].action, acts[0].by.user], [ban.act, "banned", "kim"]);
  const undone = await undo(second, ban.act);
  assert.equal(undone.status, 200, JSON.stringify(undone.body));
  await minji.sees("the pardon", (event) => event.type === "pardoned" && event.user === "ana");
  const again = await until("ana is let in", SEEN_MS, () => join_(scene, first, "ana"));
  await again.say("m2", "thank you");
  const after = await until("the first server knows that it is undone", SEEN_MS, async () => {
    const page = await done(first, "GET", `/channels/${CHANNEL}/audit`);
    return page.acts.find((/** @type {any} */ act) => act.id === ban.act && act.undone_by === undone.body.act);
  });
  assert.equal(after.undone_by, undone.body.act);
  assert.equal((await undo(first, ban.act)).body.code, "already_undone");
});

scene("a deleted message is gone for open sockets, history and whoever recovers", async (scene) => {
  const { first, second } = await twoServers(scene);
  const ana = await join_(scene, first, "ana");
  const minji = await join_(scene, second, "minji");
  await ana.say("m1", "before");
  const spoiler = await ana.say("m2", "the spoiler");
  await minji.sees("the spoiler", (event) => event.text === "the spoiler");

  // Gone for a moment: what is deleted meanwhile must not come back with the rest.
  minji.client.disconnect();
  const deleted = await done(second, "DELETE", `/channels/${CHANNEL}/messages/${spoiler.offset}`);
  await ana.sees("the deletion", (event) => event.type === "deleted" && event.offset !== undefined && event.channel === first.roomChannel);
  await ana.say("m3", "after");
  const before = minji.subscribed.length;
  minji.client.connect();
  await minji.sees("what came after", (event) => event.text === "after");
  await until("both lanes are recovered", SEEN_MS, () => minji.subscribed.length >= before + 2);
  assert.ok(minji.subscribed.slice(before).every(({ wasRecovering, recovered }) => wasRecovering && recovered), "both recovered");
  assert.equal(minji.heard.filter(({ text }) => text === "the spoiler").length, 1, "it was heard before it was deleted, and not again");
  assert.ok(minji.heard.some(({ type }) => type === "deleted"), "who recovers is told of the deletion");
  for (const server of [first, second]) {
    const texts = await until(`${server.name} has the newest`, SEEN_MS, async () => {
      const found = (await history(server)).map(({ text }) => text);
      return found.includes("after") ? found : undefined;
    });
    assert.deepEqual(texts, ["after", "before"]);
  }
  const refused = await undo(first, deleted.act);
  assert.deepEqual([refused.status, refused.body.code], [409, "text_is_gone"]);
});

scene("slow mode through one server binds on the other, and the former comes back", async (scene) => {
  const { first, second } = await twoServers(scene);
  const ana = await join_(scene, second, "ana");
  await done(first, "PUT", `/channels/${CHANNEL}/settings`, { slow_seconds: 1 });
  const slow = await done(first, "PUT", `/channels/${CHANNEL}/settings`, { slow_seconds: 600 });
  await ana.sees("the mode", (event) => event.type === "mode" && event.slow_seconds === 600);
  await ana.say("m1", "one");
  await assert.rejects(ana.say("m2", "two"), { code: 111 });

  assert.equal((await undo(second, slow.act)).status, 200);
  await until("the former mode is seen", SEEN_MS, () => ana.heard.filter(({ type, slow_seconds }) => type === "mode" && slow_seconds === 1).length >= 2);
  await until("one second has passed since the last message", SEEN_MS, () => ana.say("m2", "two"));
  assert.equal((await done(first, "GET", `/channels/${CHANNEL}/settings`)).slow_seconds, 1);
  const acts = (await history(second, "room")).map(({ event }) => event.slow_seconds);
  assert.deepEqual(acts, [1, 600, 1]);
});

scene("a back end publishes, counts who is there, and disconnects somebody on every server", async (scene) => {
  const { first, second } = await twoServers(scene);
  const ana = await join_(scene, first, "ana");
  const same = await join_(scene, second, "ana");
  const minji = await join_(scene, second, "minji");
  const order = { id: "order-4711", text: "the hall is open", lane: "room" };
  const published = await done(first, "POST", `/channels/${CHANNEL}/publish`, order);
  const again = await done(second, "POST", `/channels/${CHANNEL}/publish`, order);
  assert.deepEqual([again.offset, again.duplicate], [published.offset, true], "one message, whichever server is asked");
  const batch = Array.from({ length: 20 }, (_, n) => ({ id: `b${n}`, text: `line ${n}`, sender: { user: "bridge", name: "Bridge" } }));
  const { results } = await done(second, "POST", `/channels/${CHANNEL}/publish`, { messages: batch });
  assert.equal(results.filter((/** @type {any} */ result) => result.offset).length, batch.length, JSON.stringify(results));
  for (const fan of [ana, minji]) await fan.sees("what was published", (event) => event.text === order.text && event.channel === first.roomChannel);
  const broadcast = await done(first, "POST", "/broadcast", { channels: [CHANNEL, "nowhere"], id: "all-1", text: "five minutes", lane: "room" });
  assert.equal(broadcast.results[1].problem.code, "unknown_channel");
  await minji.sees("the broadcast", (event) => event.text === "five minutes");

  const stats = await until("each server counts the fans of both", SEEN_MS, async () => {
    const found = await done(first, "GET", `/channels/${CHANNEL}/stats`);
    return found.chat.everywhere.connections === 3 ? found : undefined;
  });
  assert.equal(stats.chat.here.connections, 1);
  const present = await done(second, "GET", `/channels/${CHANNEL}/presence`);
  assert.deepEqual(present.users.map((/** @type {any} */ { user }) => user), ["ana", "minji"]);

  const asked = performance.now();
  await done(first, "POST", "/users/ana/disconnect");
  await until("both of her sockets are closed", SEEN_MS, () => ana.closed.includes(3503) && same.closed.includes(3503));
  console.log(`a user's sockets on two servers were closed after ${Math.round(performance.now() - asked)} ms`);
  assert.equal(minji.closed.length, 0, "nobody else's");

  for (const server of [first, second]) assert.ok(!(await server.child.log()).includes(KEY), "a key is in no log");
});

scene("who is disconnected while their server is cut off from Redis goes when it is back", async (scene) => {
  const { gate, first, second } = await twoServers(scene, { doors: 1 });
  assert.ok(gate);
  const bo = await join_(scene, second, "bo");
  const minji = await join_(scene, second, "minji");
  gate.shut();
  await until("minji is told that her server is cut off", BACK_MS, () => minji.heard.find(({ type }) => type === "paused"));
  await done(first, "POST", "/users/bo/disconnect", { reconnect: true });
  assert.equal(bo.closed.length, 0, "his server cannot know it yet");
  gate.reopen();
  // Client libraries come back by themselves from 3011, which is told as a state, and not as the end.
  await until("bo's socket was closed, and he is back", BACK_MS, () => bo.returns.includes(3011) && bo.client.state === "connected");
  assert.deepEqual(minji.returns, [], "nobody else's");
});
