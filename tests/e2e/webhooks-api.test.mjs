/**
 * Webhooks that the staff sets through the API: a receiver that fails and recovers, what was given up and is sent again, two servers
 * that tell each thing once, and addresses that nobody may have called.
 */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { startAuthority } from "../harness/authority.mjs";
import { ANSWER_MS, fan, send } from "../harness/chat.mjs";
import { Postgresql } from "../harness/postgresql.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

/** How long something may take to be told, on a machine that has other things to do. */
const TOLD_MS = 30_000;

/** @typedef {{ id: string, state: string, attempts: number, status: number | null, error: string | null, event: any }} Delivery */
/** @typedef {import("../harness/authority.mjs").Question} Question */

/**
 * Asks a server as its staff does.
 *
 * @param {Server} server @param {string} token @param {string} method @param {string} path @param {object} [body] @param {Record<string, string>} [headers]
 */
async function ask(server, token, method, path, body, headers = {}) {
  const response = await fetch(`${server.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body ? { "content-type": "application/json" } : {}), ...headers },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const text = await response.text();
  return { status: response.status, etag: response.headers.get("etag") ?? "", body: text ? JSON.parse(text) : undefined };
}

/**
 * A server with webhooks, and its staff.
 *
 * @param {import("../harness/scene.mjs").Scene} scene @param {string} [extra]
 */
async function withWebhooks(scene, extra = "") {
  const secret = newSecret();
  const config = `[webhooks]\nkind = "sqlite"\nattempts = 2\ntimeout = "2s"\n[outgoing]\nallow = ["127.0.0.1/32"]\n${extra}`;
  const server = await Server.start(scene, { secret, extra: config });
  const token = sign(secret, { user: "crew", role: "staff" });
  /** @type {(method: string, path: string, body?: object, headers?: Record<string, string>) => ReturnType<typeof ask>} */
  const staff = (method, path, body, headers) => ask(server, token, method, path, body, headers);
  return { server, staff, token, secret };
}

/** @param {Question[]} questions */
const told = (questions) => questions.map(({ body }) => JSON.parse(body));

scene("a receiver that fails and recovers has everything once, in order, and what was given up is sent again", async (scene) => {
  const { server, staff } = await withWebhooks(scene);
  let status = 204;
  const receiver = await startAuthority(scene, () => ({ status }));
  const events = ["message.held", "message.deleted", "member.banned", "member.muted", "member.pardoned"];
  const made = await staff("POST", "/webhooks", { url: `${receiver.url}/events?crew=1`, events });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const { webhook: { id }, secret } = made.body;
  /** @param {string} state @returns {Promise<Delivery[]>} */
  const deliveries = async (state) => (await staff("GET", `/webhooks/${id}/deliveries?state=${state}`)).body.deliveries;

  await staff("POST", `/webhooks/${id}/ping`);
  await until("the ping is told", TOLD_MS, async () => receiver.questions.length === 1);
  const act = async (/** @type {string} */ path, body = {}) => {
    const answer = await staff("POST", `/channels/${CHANNEL}${path}`, body);
    assert.ok(answer.status < 300, `${path}: ${JSON.stringify(answer.body)}`);
  };
  await act("/users/u-1/ban");
  await act("/users/u-2/mute");
  await act("/users/u-1/pardon");
  const mina = await fan(scene, server, { name: "Mina" });
  const said = await send(mina.client, server.chatChannel, { id: "m-1", text: "something that should not stay" });
  assert.equal((await staff("DELETE", `/channels/${CHANNEL}/messages/${said.offset}`)).status, 200);
  assert.equal((await staff("PUT", `/channels/${CHANNEL}/settings`, { hold: true })).status, 200);
  await send(mina.client, server.chatChannel, { id: "m-2", text: "is this fine?" });
  await until("all is told", TOLD_MS, async () => receiver.questions.length === 6);
  const first = told(receiver.questions);
  assert.deepEqual(first.map(({ type }) => type).sort(), ["member.banned", "member.muted", "member.pardoned", "message.deleted", "message.held", "ping"]);
  // A room's own lane is told in its order; what waits for moderators has a lane of its own.
  assert.deepEqual(
    first.map(({ type }) => type).filter((type) => type !== "message.held"),
    ["ping", "member.banned", "member.muted", "member.pardoned", "message.deleted"],
  );
  const held = first.find(({ type }) => type === "message.held");
  assert.deepEqual([held.data.text, held.data.user.name, held.data.reason], ["is this fine?", "Mina", "room"]);
  assert.deepEqual(first[1].data.user, "u-1");
  assert.equal(new Set(first.map(({ id }) => id)).size, 6);
  for (const { path, type, signature, body } of receiver.questions) {
    assert.deepEqual([path, type], ["/events?crew=1", "application/json"]);
    const [, seconds, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? [];
    assert.equal(mac, createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex"));
  }

  // It fails: what happens waits, is tried twice, and is given up; what it does not want at all is given up at once.
  status = 500;
  await act("/users/u-3/ban");
  await until("one is dead", TOLD_MS, async () => (await deliveries("dead")).length === 1);
  status = 410;
  await act("/users/u-4/ban");
  await until("another is dead", TOLD_MS, async () => (await deliveries("dead")).length === 2);
  const dead = await deliveries("dead");
  assert.deepEqual(dead.map(({ status, attempts, event }) => [status, attempts, event.data.user]), [[410, 1, "u-4"], [500, 2, "u-3"]]);
  // It comes back, and so does the server, which was killed: the list is there, and is sent again as a whole.
  await server.kill();
  await server.run();
  status = 204;
  const before = receiver.questions.length;
  assert.deepEqual((await staff("POST", `/webhooks/${id}/replay`)).body, { replayed: 2 });
  await until("both are told", TOLD_MS, async () => receiver.questions.length === before + 2);
  assert.deepEqual(told(receiver.questions.slice(before)).map(({ data }) => data.user), ["u-3", "u-4"]);
  await until("none is dead", TOLD_MS, async () => (await deliveries("taken")).length === 8);
  // One alone, whatever has become of it, with the same id; and with another secret.
  const other = (await staff("POST", `/webhooks/${id}/secret`)).body.secret;
  assert.notEqual(other, secret);
  const again = (await deliveries("taken")).find(({ event }) => event.data.user === "u-2");
  assert.ok(again);
  assert.equal((await staff("POST", `/webhooks/${id}/deliveries/${again.id}/replay`)).status, 202);
  await until("it is told again", TOLD_MS, async () => receiver.questions.length === before + 3);
  const { signature, body } = /** @type {Question} */ (receiver.questions.at(-1));
  assert.equal(JSON.parse(body).id, again.event.id);
  const [, seconds, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? [];
  assert.equal(mac, createHmac("sha256", other).update(`${seconds}.${body}`).digest("hex"));
  // Nothing happened twice meanwhile: a server that starts goes on where the one before had read to.
  assert.equal((await deliveries("taken")).length + (await deliveries("waiting")).length, 8);

  const shown = await staff("GET", `/webhooks/${id}`);
  const changed = await staff("PATCH", `/webhooks/${id}`, { enabled: false }, { "if-match": shown.etag });
  assert.deepEqual([changed.status, changed.body.enabled], [200, false]);
  assert.equal((await staff("PATCH", `/webhooks/${id}`, { enabled: true }, { "if-match": shown.etag })).status, 412);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /^fanwave_webhooks_attempts_total\{outcome="taken"\} [1-9]/m);
  const everything = JSON.stringify([shown.body, await deliveries("taken"), await server.child.log()]);
  assert.ok(!everything.includes(secret) && !everything.includes(other), "no secret is told again, or logged");
  assert.ok(!(await server.child.log()).includes("crew=1"), "the address is not in the log");
  assert.equal((await staff("DELETE", `/webhooks/${id}`)).status, 204);
});

scene("a webhook cannot have this machine or its network called, by address, by name, or by redirect", async (scene) => {
  const { server, staff } = await withWebhooks(scene);
  const inside = await startAuthority(scene, () => ({ status: 204 }));
  const { port } = new URL(inside.url);
  // Allowed, and points elsewhere: to what is not.
  const pointing = await startAuthority(scene, () => ({ status: 302, location: `http://127.0.0.2:${port}/` }));
  const forbidden = [
    `http://127.0.0.2:${port}/`, `http://2130706434:${port}/`, `http://[::1]:${port}/`, `http://[::ffff:127.0.0.2]:${port}/`,
    "http://0.0.0.0/", "http://10.0.0.1/", "http://169.254.169.254/latest/meta-data", "http://[fd00::1]/", "http://[64:ff9b::a00:1]/",
  ];
  for (const url of [...forbidden, pointing.url]) {
    const { status, body } = await staff("POST", "/webhooks", { url, events: ["show.live"] });
    assert.equal(status, 201, `${url}: ${JSON.stringify(body)}`);
    await staff("POST", `/webhooks/${body.webhook.id}/ping`);
  }
  const { webhooks } = (await staff("GET", "/webhooks")).body;
  for (const { id, url } of webhooks) {
    /** @type {Delivery | undefined} */
    let dead;
    await until(`${url} is given up`, TOLD_MS, async () => {
      dead = (await staff("GET", `/webhooks/${id}/deliveries?state=dead`)).body.deliveries[0];
      return dead !== undefined;
    });
    if (url.startsWith(pointing.url)) {
      assert.deepEqual([dead?.status, dead?.attempts], [302, 2], "a redirect is an answer, and none that was wanted");
    } else {
      assert.match(String(dead?.error), /^this address is not called/, url);
      assert.equal(dead?.attempts, 1, url);
    }
  }
  assert.equal(inside.questions.length, 0, "nobody inside was asked anything");
  assert.ok(!(await server.child.log()).includes("169.254"));
});

scene("two servers of one PostgreSQL tell each thing once, and one goes on for the other", async (scene) => {
  const database = await Postgresql.start(scene);
  const secret = newSecret();
  const extra = `[webhooks]\nkind = "postgresql"\n[outgoing]\nallow = ["127.0.0.1/32"]\n${database.config}`;
  const [first, second] = await Promise.all(["first", "second"].map((folder) => Server.start(scene, { folder, secret, extra })));
  assert.ok(first && second);
  const token = sign(secret, { user: "crew", role: "staff" });
  const receiver = await startAuthority(scene, () => ({ status: 204 }));
  const made = await ask(first, token, "POST", "/webhooks", { url: receiver.url, events: ["member.banned"], channel: CHANNEL });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const list = await ask(second, token, "GET", "/webhooks");
  assert.equal(list.body.webhooks[0].id, made.body.webhook.id);
  const ping = () => ask(second, token, "POST", `/webhooks/${made.body.webhook.id}/ping`);
  for (let n = 0; n < 10; n += 1) assert.equal((await ping()).status, 202);
  await until("all are told", TOLD_MS, async () => receiver.questions.length >= 10);
  await first.kill();
  await ping();
  await until("the other goes on", TOLD_MS, async () => receiver.questions.length >= 11);
  assert.equal(new Set(told(receiver.questions).map(({ id }) => id)).size, 11, "each once");
  assert.equal(receiver.questions.length, 11);
});
