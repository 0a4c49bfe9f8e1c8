/**
 * An installation that keeps its own accounts: from the one-time token of the console to somebody who is thrown out of the chat,
 * through the real binary, and over a restart.
 */

import assert from "node:assert/strict";
import { Centrifuge } from "centrifuge";
import WebSocket from "ws";
import { startRedis } from "../harness/brokers.mjs";
import { ANSWER_MS, send } from "../harness/chat.mjs";
import { run } from "../harness/child.mjs";
import { Postgresql } from "../harness/postgresql.mjs";
import { scene } from "../harness/scene.mjs";
import { Server, binary } from "../harness/server.mjs";
import { newSecret } from "../harness/tokens.mjs";
import { until, within } from "../harness/wait.mjs";

const PASSWORD = "correct horse battery";
/** A database that was killed takes connections again within this, on a busy machine. */
const BACK_MS = 30_000;
/** Whoever is thrown out is out of every open socket within this. */
const THROWN_OUT_MS = 1_000;

/** An API key that is revoked is believed for a second more by other servers; so much later it is not, on a busy machine. */
const REVOKED_MS = 3_000;

/**
 * @param {Server} server
 * @param {string} method
 * @param {string} path
 * @param {{ session?: string, body?: object }} [options]
 */
async function call(server, method, path, { session, body } = {}) {
  const response = await fetch(`${server.url}/api/v1${path}`, {
    method,
    headers: { ...(session ? { authorization: `Bearer ${session}` } : {}), ...(body ? { "content-type": "application/json" } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const text = await response.text();
  return { status: response.status, answer: text ? JSON.parse(text) : undefined };
}

/** @param {Server} server @param {string} login @returns {Promise<string>} */
async function logIn(server, login) {
  const { status, answer } = await call(server, "POST", "/sessions", { body: { login, password: PASSWORD } });
  assert.equal(status, 201, JSON.stringify(answer));
  return answer.session;
}

/**
 * A socket that gets its tokens from a session, as a page does.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {Server} server
 * @param {string} session
 */
async function chatter(scene, server, session) {
  const client = new Centrifuge(`ws://127.0.0.1:${server.httpPort}/connection/websocket`, {
    websocket: WebSocket,
    timeout: ANSWER_MS,
    minReconnectDelay: 100,
    maxReconnectDelay: 1_000,
    getToken: async () => {
      const { status, answer } = await call(server, "POST", "/session/token", { session });
      // Who has no session any more has no business here: the client gives up.
      if (status === 401) throw new Centrifuge.UnauthorizedError("the session has ended");
      assert.equal(status, 201, JSON.stringify(answer));
      return answer.token;
    },
  });
  scene.after(() => client.disconnect());
  const connected = new Promise((resolve) => client.once("connected", resolve));
  client.connect();
  await within("the account is connected", ANSWER_MS, connected);
  return client;
}

scene("accounts: the first member of staff, fans who register, log in, chat and are thrown out, over a restart", async (scene) => {
  const server = await Server.start(scene, { extra: '[accounts]\nregistration = "open"\n' });
  const token = (await run(binary(), ["setup-token", "--config", server.configPath], { deadlineMs: ANSWER_MS })).stdout.trim();
  const setup = { token, login: "boss", password: PASSWORD, name: "Boss" };
  assert.equal((await call(server, "POST", "/setup", { body: setup })).status, 201);
  assert.equal((await call(server, "POST", "/setup", { body: { ...setup, login: "other" } })).status, 403, "the token was used");
  const again = await run(binary(), ["setup-token", "--config", server.configPath], { deadlineMs: ANSWER_MS });
  assert.match(again.stderr, /there is a member of staff already/);

  const made = await call(server, "POST", "/accounts", { body: { login: "mina@example.com", password: PASSWORD, name: "미나" } });
  assert.equal(made.status, 201, JSON.stringify(made.answer));
  const session = await logIn(server, "Mina@Example.com");

  // What is kept outlives the server, however it ends.
  await server.kill();
  await server.run();
  const client = await chatter(scene, server, session);
  const said = await send(client, server.chatChannel, { id: "m-1", text: "안녕" });
  assert.equal(said.duplicate, false);

  const staff = await logIn(server, "boss");
  const disconnected = new Promise((resolve) => client.once("disconnected", resolve));
  const { status } = await call(server, "PATCH", `/accounts/${made.answer.id}`, { session: staff, body: { suspended: true } });
  assert.equal(status, 200);
  await within("the socket is closed", THROWN_OUT_MS, disconnected);
  assert.equal((await call(server, "POST", "/session/token", { session })).status, 401);
  assert.equal((await call(server, "POST", "/sessions", { body: { login: "mina@example.com", password: PASSWORD } })).status, 403);

  const { answer } = await call(server, "GET", "/audit", { session: staff });
  assert.deepEqual(answer.entries.map((/** @type {any} */ entry) => entry.action), ["account.suspended", "account.made", "staff.first"]);

  const log = await server.child.log();
  for (const secret of [PASSWORD, token, session, staff]) assert.ok(!log.includes(secret), "a secret is in the log");
  await until("nobody is left in the chat", ANSWER_MS, async () => (await (await fetch(`${server.url}/metrics`)).text()).includes("fanwave_gateway_connections 0"));
});

scene("two servers over PostgreSQL and Redis have the same accounts: who is suspended at one is out of the other at once", async (scene) => {
  const [database, redis] = [await Postgresql.start(scene), await startRedis(scene)];
  const secret = newSecret();
  const extra = `[accounts]\nregistration = "open"\nkind = "postgresql"\n\n${database.address}\n${redis.engine}\n`;
  const first = await Server.start(scene, { secret, extra, folder: "first" });
  const second = await Server.start(scene, { secret, extra, folder: "second" });
  const token = (await run(binary(), ["setup-token", "--config", first.configPath], { deadlineMs: ANSWER_MS })).stdout.trim();
  // Of many who come with the one token at once, through both servers, one has it.
  const setups = await Promise.all([first, second, first, second].map((server, n) =>
    call(server, "POST", "/setup", { body: { token, login: `boss-${n}`, password: PASSWORD, name: "Boss" } })));
  assert.deepEqual(setups.map(({ status }) => status).sort(), [201, 403, 403, 403]);
  const boss = setups.find(({ status }) => status === 201)?.answer.login;

  const made = await call(first, "POST", "/accounts", { body: { login: "mina", password: PASSWORD, name: "미나" } });
  assert.equal(made.status, 201, JSON.stringify(made.answer));
  assert.equal((await call(second, "POST", "/accounts", { body: { login: "MINA", password: PASSWORD, name: "미나" } })).status, 409);
  const session = await logIn(second, "mina");
  const client = await chatter(scene, second, session);
  const disconnected = new Promise((resolve) => client.once("disconnected", resolve));
  const staff = await logIn(first, boss);
  const { status } = await call(first, "PATCH", `/accounts/${made.answer.id}`, { session: staff, body: { suspended: true } });
  assert.equal(status, 200);
  await within("the socket at the other server is closed", THROWN_OUT_MS, disconnected);
  assert.equal((await call(second, "GET", "/session", { session })).status, 401);

  // An API key that was made at one server is good at the other, and no more once it is revoked.
  const keyed = await call(first, "POST", "/api-keys", { session: staff, body: { name: "shop", scopes: ["tokens"] } });
  assert.equal(keyed.status, 201, JSON.stringify(keyed.answer));
  const { id, key } = keyed.answer;
  const useKey = () => call(second, "POST", "/tokens", { session: key, body: { user: "u-1", name: "Ari" } });
  assert.equal((await useKey()).status, 201);
  assert.equal((await call(first, "DELETE", `/api-keys/${id}`, { session: staff })).status, 204);
  await until("the key is good for nothing at the other server", REVOKED_MS, async () => (await useKey()).status === 401);
  for (const server of [first, second]) assert.ok(!(await server.child.log()).includes(key), "no key is in the log");

  // Without its database there are no accounts for a while, and everybody is told so; then they are all there.
  await database.kill();
  await until("the database is missed", ANSWER_MS, async () => (await call(second, "GET", "/session", { session: staff })).status === 503);
  await database.run();
  await until("the database is back", BACK_MS, async () => (await call(second, "GET", "/session", { session: staff })).status === 200);
});
