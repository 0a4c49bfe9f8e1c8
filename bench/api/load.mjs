/** Requests as fast as they are answered, by wrk on a core of its own: what is asked, how many answers came, and what they cost. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../tests/harness/child.mjs";
import { KEY, ROOM, cpuS, waitedS } from "./servers.mjs";

const LOAD_CORE = 1;
/** Each asks again when it is answered, and keeps its connection. */
export const CONNECTIONS = 64;
/** Beyond the time that is measured. */
const END_MS = 10_000;
/** So many users speak, in turn. */
export const SPEAKERS = 1_000;

/** Older pages end at one of these places, by chance: the window of the newest messages does not reach there. */
export const OLD_PAGES = { from: 100, to: 5_000 };
/** As many messages as there have to be so that those pages are outside of it. */
export const FILLED = OLD_PAGES.to + 1_000;

/**
 * What wrk is told, in Lua. Requests that never change are made once.
 *
 * @typedef {"tokens" | "publish" | "newest" | "older"} Operation
 */

/** @type {Record<Operation, { title: string, script: (name: string) => string }>} */
export const OPERATIONS = {
  tokens: {
    title: "a token is issued",
    script: () => post("/tokens", `'{"user":"u-42","name":"Mina","rooms":["${ROOM}"],"ttl_seconds":600}'`, false),
  },
  publish: {
    title: "a message is published",
    // No id comes twice in a run of the benchmark.
    script: (name) => post(`/channels/${ROOM}/publish`,
      `'{"id":"${name}-' .. n .. '","text":"the encore is the song that everybody came for","sender":{"user":"u-' .. (n % ${SPEAKERS}) .. '","name":"Mina"}}'`, true),
  },
  newest: {
    title: "the newest 50 messages are read",
    script: () => get(`"/api/v1/channels/${ROOM}/messages?lane=chat&limit=50"`, false),
  },
  older: {
    title: "50 older messages are read",
    script: () => get(`"/api/v1/channels/${ROOM}/messages?lane=chat&limit=50&before=" .. math.random(${OLD_PAGES.from}, ${OLD_PAGES.to})`, true),
  },
};

/** @param {string} path @param {string} body @param {boolean} changes */
function post(path, body, changes) {
  const head = `wrk.method = "POST"\nwrk.headers["authorization"] = "Bearer ${KEY}"\nwrk.headers["content-type"] = "application/json"\n`;
  return `${head}${request(`"/api/v1${path}"`, body, changes)}`;
}

/** @param {string} path @param {boolean} changes */
function get(path, changes) {
  return request(path, "nil", changes);
}

/** @param {string} path @param {string} body @param {boolean} changes */
function request(path, body, changes) {
  return changes
    ? `local n = 0\nrequest = function() n = n + 1; return wrk.format(nil, ${path}, nil, ${body}) end\n`
    : `wrk.path = ${path}\nwrk.body = ${body}\n`;
}

/** At the end, wrk says how it went in one line of JSON. */
const DONE = `done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('\\nSUMMARY {"answers":%d,"seconds":%.6f,"refused":%d,"failed":%d,"p50Ms":%.3f,"p99Ms":%.3f}\\n',
    summary.requests, summary.duration / 1e6, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
`;

/**
 * @typedef {object} Round
 * @property {number} answers With a status below 400.
 * @property {number} seconds
 * @property {number} refused Answers with another.
 * @property {number} failed Connections that failed, and answers that never came.
 * @property {number} p50Ms
 * @property {number} p99Ms
 * @property {number} cpu_s Of the server.
 * @property {number} server_wait_s For how long the server was ready to run and did not.
 */

let runs = 0;

/**
 * @param {import("../../tests/harness/scene.mjs").Scene} scene
 * @param {import("./servers.mjs").Running} server
 * @param {Operation} operation
 * @param {number} seconds
 * @returns {Promise<Round>}
 */
export async function load(scene, server, operation, seconds) {
  runs += 1;
  const script = join(scene.folder, `load-${runs}.lua`);
  await writeFile(script, `${OPERATIONS[operation].script(`r${runs}`)}${DONE}`);
  const [cpu, waited] = [await cpuS(server.pid), await waitedS(server.pid)];
  const args = ["--threads", "1", "--connections", `${CONNECTIONS}`, "--duration", `${seconds}s`, "--timeout", "5s", "--script", script];
  const { code, stdout, stderr } = await run("taskset", ["--cpu-list", `${LOAD_CORE}`, "wrk", ...args, server.url], { deadlineMs: seconds * 1_000 + END_MS });
  const summary = /^SUMMARY (.*)$/m.exec(stdout)?.[1];
  if (code !== 0 || !summary) throw new Error(`wrk failed with ${code}: ${stdout}${stderr}`);
  const { answers, refused, ...seen } = JSON.parse(summary);
  return { ...seen, answers: answers - refused, refused, cpu_s: (await cpuS(server.pid)) - cpu, server_wait_s: (await waitedS(server.pid)) - waited };
}
