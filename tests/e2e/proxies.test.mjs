/**
 * An app's own back end decides who connects, what they follow and what they say: it says yes, no and something else; it is slow, dies
 * and comes back; and a thousand fans come to it at once.
 */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { Centrifuge } from "centrifuge";
import WebSocket from "ws";
import { fan, send } from "../harness/chat.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { newSecret } from "../harness/tokens.mjs";
import { until, within } from "../harness/wait.mjs";

/** How long something may take on a machine that has other things to do. */
const DONE_MS = 30_000;

/** Fans who come at once. */
const CROWD = 1_000;

/** @typedef {{ status?: number, body?: object }} Said `undefined` in its place: nothing is ever said. */

/**
 * A back end, and a server that asks it.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {Record<string, (question: any) => Said | undefined>} hooks By name: `connect`, `subscribe`, `publish`.
 * @param {string} [extra] Further keys of `[proxy]`.
 */
async function withBackEnd(scene, hooks, extra = "") {
  const secret = newSecret();
  const secretFile = join(scene.folder, "proxy-secret");
  await writeFile(secretFile, secret, { mode: 0o600 });
  /** @type {{ hook: string, question: any }[]} */
  const asked = [];
  const backEnd = createServer((request, response) => {
    /** @type {Buffer[]} */
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const body = Buffer.concat(parts).toString("utf8");
      const [, seconds, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(request.headers["fanwave-signature"])) ?? [];
      const isOurs = mac === createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex");
      const hook = (request.url ?? "").slice(1);
      const question = JSON.parse(body);
      asked.push({ hook, question });
      const said = isOurs ? hooks[hook]?.(question) : { status: 401 };
      if (!said) return;
      response.writeHead(said.status ?? 200, { "content-type": "application/json" });
      response.end(JSON.stringify(said.body ?? {}));
    });
  });
  /** @param {number} port */
  const listen = (port) => new Promise((resolve) => backEnd.listen(port, "127.0.0.1", () => resolve(undefined)));
  await listen(0);
  const { port } = /** @type {import("node:net").AddressInfo} */ (backEnd.address());
  const die = async () => {
    backEnd.closeAllConnections();
    await new Promise((resolve) => backEnd.close(resolve));
  };
  scene.after(die);
  const urls = Object.keys(hooks).map((hook) => `${hook}_url = "http://127.0.0.1:${port}/${hook}"`);
  const config = `[proxy]\nsecret_file = "${secretFile}"\n${urls.join("\n")}\n${extra}`;
  const server = await Server.start(scene, { sendRate: "unlimited", shownPerSecond: 0, extra: config });
  /** @param {string} hook */
  const metric = async (hook) => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    /** @param {string} outcome */
    const count = (outcome) => Number(new RegExp(`^fanwave_proxy_questions_total\\{hook="${hook}",outcome="${outcome}"\\} (\\d+)`, "m").exec(text)?.[1]);
    const open = Number(new RegExp(`^fanwave_proxy_open\\{hook="${hook}"\\} (\\d+)`, "m").exec(text)?.[1]);
    return { answered: count("answered"), failed: count("failed"), notAsked: count("not_asked"), open };
  };
  return { server, asked, die, live: () => listen(port), metric };
}

/**
 * Somebody who shows the app's own session.
 *
 * @param {import("../harness/scene.mjs").Scene} scene @param {Server} server @param {string} token
 */
function user(scene, server, token) {
  const client = new Centrifuge(`ws://127.0.0.1:${server.httpPort}/connection/websocket`, {
    websocket: WebSocket, token, data: { page: "watch" }, timeout: DONE_MS, minReconnectDelay: 100, maxReconnectDelay: 1_000,
  });
  scene.after(() => client.disconnect());
  return client;
}

/** @param {Promise<unknown>} promise @returns {Promise<{ code: number, message: string }>} */
const refusal = (promise) => promise.then(() => assert.fail("it was let in"), (error) => error);

scene("the back end says who somebody is, what they follow, and what becomes of what they say", async (scene) => {
  const { server, asked } = await withBackEnd(scene, {
    connect: ({ token }) => {
      if (token === "session-of-mina") return { body: { allow: true, user: { id: "u-7", name: "Mina", badge: "VIP" }, channels: [`chat:${CHANNEL}`] } };
      if (token === "session-of-nobody") return { body: { allow: false, reason: "your session is over" } };
      return { body: { allow: true } };
    },
    subscribe: ({ user, channel }) => ({ body: user.name === "Jin" && channel.startsWith("room:") ? { allow: false, reason: "for members" } : { allow: true } }),
    publish: ({ text }) => {
      if (text.includes("buy")) return { body: { allow: false, reason: "no advertising" } };
      if (text.includes("darn")) return { body: { allow: true, text: text.replace("darn", "d***") } };
      if (text.includes("hm")) return { body: { allow: true, hold: true } };
      return { body: { allow: true } };
    },
  });
  const mina = user(scene, server, "session-of-mina");
  /** @type {any[]} */
  const heard = [];
  mina.on("publication", ({ channel, data, info }) => heard.push({ channel, user: info?.user, ...data }));
  const connected = new Promise((resolve) => mina.once("connected", resolve));
  mina.connect();
  await within("Mina is connected", DONE_MS, connected);
  assert.deepEqual(asked[0], { hook: "connect", question: { token: "session-of-mina", data: { page: "watch" }, stays: null } });
  // In the order in which they are said, however long each is thought about.
  const said = ["one", "two darn", "three", "four"].map((text, n) => send(mina, server.chatChannel, { id: `m-${n}`, text }));
  const offsets = (await Promise.all(said)).map(({ offset }) => offset);
  assert.deepEqual(offsets, [...offsets].sort((one, two) => one - two));
  await until("all of it is heard", DONE_MS, async () => heard.length === 4);
  assert.deepEqual(heard.map(({ text }) => text), ["one", "two d***", "three", "four"]);
  assert.deepEqual([heard[0].user, heard[0].name, heard[0].badge], ["u-7", "Mina", "VIP"]);
  assert.deepEqual(asked.filter(({ hook }) => hook === "publish").map(({ question }) => question.text), ["one", "two darn", "three", "four"]);
  const advert = await refusal(send(mina, server.chatChannel, { id: "m-5", text: "buy this" }));
  assert.deepEqual([advert.code, advert.message], [103, "no advertising"]);
  await send(mina, server.chatChannel, { id: "m-6", text: "hm" });
  await send(mina, server.chatChannel, { id: "m-7", text: "last" });
  await until("what follows is heard", DONE_MS, async () => heard.at(-1).text === "last");
  assert.ok(!heard.some(({ text }) => text === "hm"), "it waits for a moderator");

  const nobody = user(scene, server, "session-of-nobody");
  const ended = new Promise((resolve) => nobody.once("disconnected", resolve));
  nobody.connect();
  const { code, reason } = await within("nobody is sent away", DONE_MS, ended);
  assert.deepEqual([code, reason], [103, "your session is over"]);

  // A guest of ours comes in by the token beside them, and is let into the one lane only.
  const jin = await fan(scene, server, { name: "Jin" });
  const room = jin.client.newSubscription(server.roomChannel);
  const unsubscribed = new Promise((resolve) => room.once("unsubscribed", resolve));
  room.subscribe();
  const refused = await within("Jin is refused", DONE_MS, unsubscribed);
  assert.deepEqual([refused.code, refused.reason], [103, "for members"]);
  const log = await server.child.log();
  assert.ok(!log.includes("session-of-"), "no session is in the log");
});

scene("a back end that is slow, dies and comes back holds up nobody whom it need not be asked about", async (scene) => {
  let slow = false;
  const { server, asked, die, live, metric } = await withBackEnd(
    scene,
    { publish: ({ text }) => (slow && text.startsWith("slow") ? undefined : { body: { allow: true } }) },
    `publish_timeout = "1s"\n`,
  );
  const mina = await fan(scene, server, { name: "Mina" });
  const jin = await fan(scene, server, { name: "Jin" });
  slow = true;
  const waits = refusal(send(mina.client, server.chatChannel, { id: "s-1", text: "slow one" }));
  await until("it is asked", DONE_MS, async () => asked.some(({ question }) => question.text === "slow one"));
  await send(jin.client, server.chatChannel, { id: "j-1", text: "meanwhile" });
  await mina.hears("meanwhile");
  assert.equal((await waits).code, 100, "temporary: to be sent again");
  slow = false;
  await send(mina.client, server.chatChannel, { id: "s-1", text: "slow one" });
  await jin.hears("slow one");

  await die();
  const before = await metric("publish");
  for (let n = 0; n < 12; n += 1) assert.equal((await refusal(send(jin.client, server.chatChannel, { id: `d-${n}`, text: "dead" }))).code, 100);
  const after = await metric("publish");
  assert.equal(after.open, 1, "it is left alone");
  assert.ok(after.notAsked - before.notAsked >= 5, JSON.stringify({ before, after }));
  const history = await jin.subscription.history({ limit: 10 });
  assert.equal(history.publications.length, 2, "reading goes on");
  await live();
  await until("it is tried, and asked again", DONE_MS, () =>
    send(jin.client, server.chatChannel, { id: "back", text: "back" }).then(() => true, () => false));
  await mina.hears("back");
  assert.equal((await metric("publish")).open, 0);
  const log = await server.child.log();
  assert.match(log, /the back end does not answer/);
  assert.match(log, /the back end answers again/);
});

scene("where a hook says so, what nobody answers is let through", async (scene) => {
  const { server, die, metric } = await withBackEnd(
    scene,
    { connect: () => ({ status: 500 }), subscribe: () => ({ body: { allow: "perhaps" } }), publish: () => ({ status: 302 }) },
    ["connect", "subscribe", "publish"].map((hook) => `${hook}_on_failure = "allow"`).join("\n"),
  );
  const mina = await fan(scene, server, { name: "Mina" });
  await send(mina.client, server.chatChannel, { id: "m-1", text: "hello" });
  await mina.hears("hello");
  await die();
  const jin = await fan(scene, server, { name: "Jin" });
  await send(jin.client, server.chatChannel, { id: "j-1", text: "hello, too" });
  await mina.hears("hello, too");
  for (const hook of ["connect", "subscribe", "publish"]) assert.ok((await metric(hook)).failed >= 2, hook);
});

scene("a thousand fans who come at once are asked about, and are all there", async (scene) => {
  const { server, asked, metric } = await withBackEnd(
    scene,
    { connect: ({ token }) => ({ body: { allow: true, user: { id: token, name: "Fan" } } }) },
    `connect_timeout = "10s"\n`,
  );
  /** @type {WebSocket[]} */
  const sockets = [];
  scene.after(async () => sockets.forEach((socket) => socket.terminate()));
  const connected = await within("all are connected", DONE_MS, Promise.all(Array.from({ length: CROWD }, (_, n) => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.httpPort}/connection/websocket`);
    sockets.push(socket);
    return new Promise((resolve, reject) => {
      socket.on("open", () => socket.send(JSON.stringify({ id: 1, connect: { token: `u-${n}` } })));
      socket.once("message", (data) => resolve(JSON.parse(String(data))));
      socket.on("error", reject);
    });
  })));
  assert.equal(connected.filter((reply) => reply.connect).length, CROWD, JSON.stringify(connected.find((reply) => !reply.connect)));
  assert.equal(new Set(asked.map(({ question }) => question.token)).size, CROWD);
  const { answered, failed } = await metric("connect");
  assert.deepEqual([answered, failed], [CROWD, 0]);
});
