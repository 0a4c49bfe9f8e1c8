/** A crowd of `fanwave viewers` on a core of its own, and what it cost the server meanwhile. */

import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { Child } from "../../tests/harness/child.mjs";
import { binary } from "../../tests/harness/server.mjs";
import { Hopeless, until, within } from "../../tests/harness/wait.mjs";
import { VIEWERS_CORE, pinned } from "./servers.mjs";

/** How long a crowd may take to come in and to settle. */
const COME_MS = 60_000;
const END_MS = 20_000;

/**
 * @typedef {object} Seen
 * @property {any} report What `fanwave viewers` writes.
 * @property {number} serverCpuS Of the server, while it was measured.
 * @property {number} waitedS For how long of that the server was ready to run and did not.
 * @property {number} memory Bytes of the server's own on top of what it had before, while the crowd was there.
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
  const [from, memory] = [await cpu(server.pid), await ownBytes(server.pid)];
  await within("the crowd is done", durationMs(args) + END_MS, crowd.exited);
  const to = await cpu(server.pid);
  const report = JSON.parse(await readFile(json, "utf8"));
  return { report, serverCpuS: to.ranS - from.ranS, waitedS: to.waitedS - from.waitedS, memory: memory - before };
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
