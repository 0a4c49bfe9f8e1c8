/**
 * `make bench-idle`: how long the release binary takes from its start until it is ready, and how much memory it holds
 * with nobody there. Fails beyond the product's limits. Writes artifacts/idle.json.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { residentBytes } from "../tests/harness/memory.mjs";
import { percentile } from "../tests/harness/glass.mjs";
import { artifactsFolder, inScene } from "../tests/harness/scene.mjs";
import { Server } from "../tests/harness/server.mjs";
import { machine } from "./machine.mjs";

const STARTS = 10;
const START_MS_MAX = 1_000;
const IDLE_MIB_MAX = 60;
/** Long enough for everything that is set up after the first answer. */
const IDLE_AFTER_MS = 3_000;

const { startsMs, idleMib } = await inScene("idle", async (scene) => {
  /** @type {number[]} */
  const startsMs = [];
  const server = await Server.start(scene);
  for (let i = 0; i < STARTS; i += 1) {
    await server.stop();
    const began = performance.now();
    await server.run();
    startsMs.push(Math.round(performance.now() - began));
  }
  await new Promise((resolve) => setTimeout(resolve, IDLE_AFTER_MS));
  return { startsMs, idleMib: (await residentBytes(server.pid)) / 1024 ** 2 };
});

const worstMs = Math.max(...startsMs);
console.log(`start to ready: median ${percentile(startsMs, 0.5)} ms, worst ${worstMs} ms of ${STARTS} (limit ${START_MS_MAX} ms)`);
console.log(`idle memory: ${idleMib.toFixed(1)} MiB resident (limit ${IDLE_MIB_MAX} MiB)`);
await writeFile(join(artifactsFolder(), "idle.json"), `${JSON.stringify({ machine: machine(), startsMs, idleMib }, undefined, 2)}\n`);
if (worstMs > START_MS_MAX || idleMib > IDLE_MIB_MAX) process.exitCode = 1;
