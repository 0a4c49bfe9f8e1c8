/** The servers that are asked, each on the same core and with the same key, secret, room and durability. */

import { createHmac } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Child } from "../../tests/harness/child.mjs";
import { freePorts } from "../../tests/harness/scene.mjs";
import { binary } from "../../tests/harness/server.mjs";
import { Hopeless, until } from "../../tests/harness/wait.mjs";

/** The servers have this core to themselves; only one of them is asked at a time. */
const SERVER_CORE = 0;
const READY_MS = 20_000;
const ANSWER_MS = 5_000;
/** Of the kernel's clock for processor time; the same on every Linux that Node.js runs on. */
const TICKS_PER_S = 100;

export const ROOM = "demo";
export const KEY = "bench-api-key-0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const SECRET = "bench-api-secret-of-64-bytes-0123456789abcdef0123456789abcdef012";

const NESTJS = fileURLToPath(new URL("../peers/nestjs/dist/main.js", import.meta.url));
const FIBER = fileURLToPath(new URL("../../.tools/peers/fiber", import.meta.url));

/**
 * @typedef {object} Running
 * @property {string} name
 * @property {number} pid
 * @property {string} url Of its API.
 */

/**
 * @param {import("../../tests/harness/scene.mjs").Scene} scene
 * @param {string} name
 * @param {number} port
 * @param {string[]} command
 * @returns {Promise<Running>}
 */
async function launch(scene, name, port, command) {
  const env = { FANWAVE_KEY: KEY, FANWAVE_SECRET: SECRET, NODE_ENV: "production" };
  const child = new Child(scene, name.replaceAll(" ", "-").toLowerCase(), "taskset", ["--cpu-list", `${SERVER_CORE}`, ...command], { env });
  const url = `http://127.0.0.1:${port}/api/v1`;
  await until(`${name} is ready`, READY_MS, async () => {
    if (!child.running) throw new Hopeless(`${name} ended: ${await child.log()}`);
    return (await fetch(`${url}/channels/${ROOM}/messages`, { signal: AbortSignal.timeout(ANSWER_MS) })).ok;
  });
  return { name, pid: child.pid, url };
}

/** @param {import("../../tests/harness/scene.mjs").Scene} scene */
async function fanwave(scene) {
  const [http, rtmp] = /** @type {[number, number]} */ (await freePorts(2));
  const [config, keys, secret] = ["fanwave.toml", "api-keys", "token-secret"].map((name) => join(scene.folder, name));
  await writeFile(/** @type {string} */ (keys), `bench publish,tokens ${KEY}\n`, { mode: 0o600 });
  await writeFile(/** @type {string} */ (secret), SECRET, { mode: 0o600 });
  await writeFile(/** @type {string} */ (config), `# Written by make bench-api.
[http]
listen = "127.0.0.1:${http}"

[rtmp]
listen = "127.0.0.1:${rtmp}"

[[channels]]
id = "${ROOM}"

[api]
keys_file = "${keys}"

[tokens]
secret_file = "${secret}"

[data]
dir = "${join(scene.folder, "data")}"
`);
  return launch(scene, "Fanwave", http, [binary(), "serve", "--config", /** @type {string} */ (config)]);
}

/**
 * @param {import("../../tests/harness/scene.mjs").Scene} scene
 * @param {string} name
 * @param {string[]} command
 */
async function peer(scene, name, command) {
  const [port] = /** @type {[number]} */ (await freePorts(1));
  return launch(scene, name, port, [...command, `${port}`, join(scene.folder, `${name.replaceAll(" ", "-").toLowerCase()}.db`)]);
}

/**
 * All of them, Fanwave first.
 *
 * @param {import("../../tests/harness/scene.mjs").Scene} scene
 */
export async function startServers(scene) {
  return [await fanwave(scene), await peer(scene, "NestJS", [process.execPath, NESTJS]), await peer(scene, "Go Fiber", [FIBER])];
}

/**
 * What a server answers to one request, as JSON.
 *
 * @param {Running} server
 * @param {string} path
 * @param {object} [body]
 */
export async function ask(server, path, body) {
  const response = await fetch(`${server.url}${path}`, {
    headers: { authorization: `Bearer ${KEY}`, ...(body ? { "content-type": "application/json" } : {}) },
    ...(body ? { method: "POST", body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  return { status: response.status, body: /** @type {any} */ (await response.json()) };
}

/**
 * What a token says, if it is signed with the secret.
 *
 * @param {string} token
 * @returns {any}
 */
export function claims(token) {
  const [header, payload, signature] = token.split(".");
  const signed = createHmac("sha256", SECRET).update(`${header}.${payload}`).digest("base64url");
  if (signed !== signature) throw new Error("the token is not signed with the secret");
  return JSON.parse(Buffer.from(payload ?? "", "base64url").toString());
}

/**
 * Processor time of a process, of all threads and children that it has or had, in seconds.
 *
 * @param {number} pid
 */
export async function cpuS(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // Behind the name, which may have anything in it: utime, stime, cutime and cstime are the fields 14 to 17.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 15).map(Number);
  return fields.reduce((sum, ticks) => sum + ticks, 0) / TICKS_PER_S;
}

/**
 * For how long its threads were ready to run and did not, in seconds.
 *
 * @param {number} pid
 */
export async function waitedS(pid) {
  let waited = 0;
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, "utf8").catch(() => "0 0");
    waited += Number(text.split(" ")[1]);
  }
  return waited / 1e9;
}
