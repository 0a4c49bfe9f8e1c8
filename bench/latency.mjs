/**
 * `make bench-latency`: how old the picture is that a fan sees, over MINUTES=10, for parts of 1.0 s and of 0.5 s, and how
 * often the player had to wait. Writes artifacts/latency.json and artifacts/latency.svg.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openPage, startBrowser } from "../tests/harness/browser.mjs";
import { percentile, pictureAge } from "../tests/harness/glass.mjs";
import { countStalls, stalls, untilPlaying } from "../tests/harness/player.mjs";
import { underWay } from "../tests/harness/publisher.mjs";
import { artifactsFolder, inScene } from "../tests/harness/scene.mjs";
import { Server } from "../tests/harness/server.mjs";
import { latencyChart } from "./chart.mjs";
import { machine } from "./machine.mjs";

const minutes = Number(process.env.MINUTES ?? 10);
if (!(minutes > 0)) throw new Error(`MINUTES must be a number above zero, not ${process.env.MINUTES}`);

const SAMPLE_EVERY_MS = 1_000;

/** @param {number} partTargetMs */
function measure(partTargetMs) {
  return inScene(`latency ${partTargetMs}`, async (scene) => {
    const server = await Server.start(scene, { demo: true, partTargetMs });
    await underWay(server);
    const browser = await startBrowser(scene);
    const { page } = await openPage(scene, browser, server.watchUrl, { name: "fan" });
    const opened = performance.now();
    await untilPlaying(page);
    const startupS = (performance.now() - opened) / 1000;
    await countStalls(page);
    const began = performance.now();
    /** @type {{ atS: number, latencyS: number }[]} */
    const samples = [];
    for (let n = 0; performance.now() - began < minutes * 60_000; n += 1) {
      const age = await pictureAge(page);
      const atS = (performance.now() - began) / 1000;
      samples.push({ atS, latencyS: age / 1000 });
      const next = began + (n + 1) * SAMPLE_EVERY_MS - performance.now();
      if (next > 0) await new Promise((resolve) => setTimeout(resolve, next));
    }
    const latencies = samples.map((sample) => sample.latencyS);
    const seen = await stalls(page);
    const result = {
      partTargetMs,
      startupS,
      p50S: percentile(latencies, 0.5),
      p95S: percentile(latencies, 0.95),
      maxS: Math.max(...latencies),
      stalls: seen,
      samples,
    };
    console.log(
      `parts of ${partTargetMs} ms over ${minutes} min: p50 ${result.p50S.toFixed(2)} s, p95 ${result.p95S.toFixed(2)} s, ` +
        `max ${result.maxS.toFixed(2)} s, ${seen.waitedAtS.length} waits, ${seen.frozen} freezes, playing after ${startupS.toFixed(1)} s`,
    );
    return result;
  });
}

const runs = [];
for (const partTargetMs of [1_000, 500]) runs.push(await measure(partTargetMs));

const artifacts = artifactsFolder();
await writeFile(join(artifacts, "latency.json"), `${JSON.stringify({ machine: machine(), minutes, runs }, undefined, 2)}\n`);
const title = "Glass-to-glass latency, read from the picture";
await writeFile(
  join(artifacts, "latency.svg"),
  latencyChart(title, runs.map((run) => ({ ...run, stallsS: run.stalls.waitedAtS, name: `parts of ${(run.partTargetMs / 1000).toFixed(1)} s` }))),
);
console.log("written: artifacts/latency.json, artifacts/latency.svg");
