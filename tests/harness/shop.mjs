/**
 * The shop that both examples of a back end are, in its language and framework: it owns its users and who moderates, and Fanwave
 * carries its chat. The story is the same for both.
 */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Centrifuge } from "centrifuge";
import WebSocket from "ws";
import { ANSWER_MS, send } from "./chat.mjs";
import { Child } from "./child.mjs";
import { freePorts } from "./scene.mjs";
import { Server } from "./server.mjs";
import { Hopeless, until, within } from "./wait.mjs";

/** A runtime, a framework and its modules, on a machine that has other things to do. */
const READY_MS = 60_000;

const KEY = "canary-api-key-of-the-shop";

/**
 * Users chat, and are suspended and reinstated by the shop's moderators.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {string} name
 * @param {[string, string[]]} command That starts it, as its README does.
 * @param {{ scopes: string, tokens?: (shopUrl: string) => string }} fanwave What the shop's key is for, and the server's section of tokens.
 */
export async function playShop(scene, name, [program, args], { scopes, tokens = () => "" }) {
  const keys = join(scene.folder, "api-keys");
  await writeFile(keys, `shop ${scopes} ${KEY}\n`, { mode: 0o600 });
  const [port, httpPort] = /** @type {[number, number]} */ (await freePorts(2));
  const url = `http://127.0.0.1:${port}`;
  const env = { PORT: `${port}`, FANWAVE_URL: `http://127.0.0.1:${httpPort}`, FANWAVE_KEY: KEY, MODERATORS: "kim" };
  const app = new Child(scene, name, program, args, { env });

  /**
   * @param {string} method
   * @param {string} path
   * @param {{ session?: string, body?: object }} [options]
   */
  const ask = async (method, path, { session, body } = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { ...(body ? { "content-type": "application/json" } : {}), ...(session ? { authorization: `Bearer ${session}` } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    return { status: response.status, body: await response.json() };
  };
  await until("the back end listens", READY_MS, async () => {
    if (!app.running) throw new Hopeless(`the back end ended: ${await app.log()}`);
    return (await ask("POST", "/chat/token")).status === 401;
  });
  const server = await Server.start(scene, { httpPort, extra: `[api]\nkeys_file = "${keys}"\n${tokens(url)}` });

  /** @param {string} name */
  const arrive = async (name) => {
    const account = { name, password: `${name} likes lightsticks` };
    const { body: user } = await ask("POST", "/accounts", { body: account });
    const { body } = await ask("POST", "/accounts/sessions", { body: account });
    return { id: /** @type {string} */ (user.id), session: /** @type {string} */ (body.session) };
  };

  /** @param {string} session */
  const connect = async (session) => {
    const client = new Centrifuge(`ws://127.0.0.1:${server.httpPort}/connection/websocket`, {
      websocket: WebSocket,
      timeout: ANSWER_MS,
      getToken: async () => (await ask("POST", "/chat/token", { session })).body.token,
    });
    scene.after(() => client.disconnect());
    /** @type {any[]} */
    const heard = [];
    // The rooms are in the token: the server has subscribed the client to them.
    client.on("publication", ({ channel, data }) => heard.push({ channel, ...data }));
    const connected = new Promise((resolve) => client.once("connected", resolve));
    const closed = new Promise((resolve) => client.once("disconnected", ({ code }) => resolve(code)));
    client.connect();
    await within("the client is connected", ANSWER_MS, connected);
    return { client, heard, closed };
  };

  const [ana, minji, kim] = [await arrive("ana"), await arrive("minji"), await arrive("kim")];
  const [anaThere, minjiThere] = [await connect(ana.session), await connect(minji.session)];
  await send(anaThere.client, server.chatChannel, { id: "m1", text: "hello from the shop" });
  const heard = await until("minji hears ana", ANSWER_MS, () => minjiThere.heard.find(({ text }) => text === "hello from the shop"));
  assert.equal(heard.name, "ana");

  const order = { session: ana.session, body: { id: "4711", item: "a lightstick" } };
  assert.deepEqual((await ask("POST", "/orders", order)).body, { toldAt: 1, again: false });
  assert.deepEqual((await ask("POST", "/orders", order)).body, { toldAt: 1, again: true });
  await until("the order is told", ANSWER_MS, () => minjiThere.heard.find(({ text }) => text === "ana has bought a lightstick"));
  const nothing = await ask("POST", "/orders", { session: ana.session, body: { id: "", item: "nothing" } });
  assert.equal(nothing.status, 400, JSON.stringify(nothing.body));
  const refused = await ask("POST", "/orders", { session: ana.session, body: { id: "\u0000", item: "a lightstick" } });
  assert.equal(refused.body.code, "malformed_body", `Fanwave's refusal is passed on: ${JSON.stringify(refused.body)}`);

  assert.equal((await ask("POST", `/suspensions/${ana.id}`, { session: minji.session })).status, 403);
  const suspended = await ask("POST", `/suspensions/${ana.id}`, { session: kim.session });
  assert.equal(suspended.status, 201, JSON.stringify(suspended.body));
  assert.equal(await within("ana is out", ANSWER_MS, anaThere.closed), 3507);
  assert.equal((await ask("POST", "/chat/token", { session: ana.session })).status, 403);
  await until("everybody sees who did it", ANSWER_MS, () => minjiThere.heard.find(({ type, name }) => type === "banned" && name === "kim"));

  const reinstated = await ask("DELETE", `/suspensions/${ana.id}`, { session: kim.session });
  assert.equal(reinstated.status, 200, JSON.stringify(reinstated.body));
  const back = await connect(ana.session);
  await send(back.client, server.chatChannel, { id: "m2", text: "I am back" });
  await until("minji hears ana again", ANSWER_MS, () => minjiThere.heard.find(({ text }) => text === "I am back"));
  assert.ok(!(await server.child.log()).includes(KEY), "a key is in no log");
}
