/** A crowd of `fanwave viewers` on a core of its own, and what it cost the server meanwhile. */

import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { get } from "../../tests/harness/hls.mjs";
import { Child } from "../../tests/harness/child.mjs";
import { binary } from "../../tests/harness/server.mjs";
import { Hopeless, until, within } from "../../tests/harness/wait.mjs";
import { VIEWERS_CORE, pinned } from "./servers.mjs";

/** How long a crowd may take to come in and to settle. */
const COME_MS = 60_000;
const END_MS = 20_000;
/** How often the server's memory is looked at. */
const LOOK_MS = 250;

/**
 * @typedef {object} Seen
 * @property {any} report What `fanwave viewers` writes.
 * @property {number} serverCpuS Of the server, while it was measured.
 * @property {number} waitedS For how long of that the server was ready to run and did not.
 * @property {number} memory Bytes of the server's own on top of what it had before, while the crowd was there.
 * @property {number | undefined} handedOnMs Of Fanwave: by when 99 of 100 who waited for a part had their answer handed to their connections.
 */

let crowds = 0;

/**
 * @param {import("../../tests/harness/scene.mjs").Scene} scene
 * @param {import("./servers.mjs").Running} server
 * @param {string[]} args
 * @returns {Promise<Seen>}
 */
export async function send(scene, server, args) {
  crowds += 1;
  const json = join(scene.folder, `crowd-${crowds}.json`);
  const before = await ownBytes(server.pid);
  const crowd = new Child(scene, `crowd-${crowds}`, ...pinned(VIEWERS_CORE, [binary(), "viewers", ...args, "--json", json]));
  await until("the crowd is there", COME_MS, async () => {
    const log = await crowd.log();
    if (!crowd.running) throw new Hopeless(`the crowd ended: ${log}`);
    return /^(all are connected|not all came in time.*)$/m.test(log);
  });
  const wakesFrom = await wakes(server);
  const from = await cpu(server.pid);
  let most = await ownBytes(server.pid);
  const looks = setInterval(() => void ownBytes(server.pid).then((bytes) => { most = Math.max(most, bytes); }), LOOK_MS);
  await within("the crowd is done", durationMs(args) + END_MS, crowd.exited).finally(() => clearInterval(looks));
  const to = await cpu(server.pid);
  const handedOnMs = p99Ms(wakesFrom, await wakes(server));
  const report = JSON.parse(await readFile(json, "utf8"));
  return { report, serverCpuS: to.ranS - from.ranS, waitedS: to.waitedS - from.waitedS, memory: most - before, handedOnMs };
}

/**
 * What a show costs its server without viewers: processor time, as a part of a core.
 *
 * @param {import("./servers.mjs").Running} server
 * @param {number} seconds For how long it is looked at.
 */
export async function aloneOnAir(server, seconds) {
  const from = await cpu(server.pid);
  await setTimeout(seconds * 1_000);
  return ((await cpu(server.pid)).ranS - from.ranS) / seconds;
}

/** @param {string[]} args */
function durationMs(args) {
  return Number.parseInt(args[args.indexOf("--duration") + 1] ?? "20", 10) * 1_000;
}

/**
 * Processor time of all threads of a process, and how long they were kept waiting for a processor.
 *
 * @param {number} pid
 */
async function cpu(pid) {
  let ran = 0;
  let waited = 0;
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const [own, queued] = (await readFile(`/proc/${pid}/task/${thread}/schedstat`, "utf8")).split(" ").map(Number);
    ran += own ?? 0;
    waited += queued ?? 0;
  }
  return { ranS: ran / 1e9, waitedS: waited / 1e9 };
}

/** @param {number} pid */
async function ownBytes(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}

/**
 * What Fanwave counts of those who waited: how many were answered within so many seconds.
 *
 * @param {import("./servers.mjs").Running} server
 * @returns {Promise<[number, number][]>}
 */
async function wakes(server) {
  if (server.name !== "Fanwave") return [];
  const { text } = await get(`http://127.0.0.1:${server.port}/metrics`);
  return [...text.matchAll(/^fanwave_origin_wake_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm)]
    .map(([, bound, times]) => [bound === "+Inf" ? Number.POSITIVE_INFINITY : Number(bound), Number(times)]);
}

/**
 * The bound under which 99 of 100 are that came between two looks, by rule of three between two bounds.
 *
 * @param {[number, number][]} from
 * @param {[number, number][]} to
 */
function p99Ms(from, to) {
  const grown = to.map(([bound, times], place) => ({ bound, times: times - (from[place]?.[1] ?? 0) }));
  const rank = (grown.at(-1)?.times ?? 0) * 0.99;
  const place = grown.findIndex(({ times }) => times >= rank);
  const [below, above] = [grown[place - 1] ?? { bound: 0, times: 0 }, grown[place]];
  if (!above || rank === 0) return undefined;
  return 1_000 * (below.bound + ((above.bound - below.bound) * (rank - below.times)) / (above.times - below.times));
}
