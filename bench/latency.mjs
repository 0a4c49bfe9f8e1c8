/**
 * `make bench-latency`: how old the picture is that a fan sees, over MINUTES=10 each, for shows that come in by RTMP, SRT and
 * WHIP, with parts of 1.0 s and of 0.5 s, and how often the player had to wait. INGEST=srt: only that way in. Writes
 * artifacts/latency.json and artifacts/latency-INGEST.svg, and fails beyond the product's limits.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openPage, startBrowser } from "../tests/harness/browser.mjs";
import { startClockEncoder } from "../tests/harness/clock-encoder.mjs";
import { percentile, pictureAge } from "../tests/harness/glass.mjs";
import { countStalls, stalls, untilPlaying } from "../tests/harness/player.mjs";
import { ffmpegNext, onAir, underWay } from "../tests/harness/publisher.mjs";
import { artifactsFolder, inScene } from "../tests/harness/scene.mjs";
import { CHANNEL, Server } from "../tests/harness/server.mjs";
import { freeUdpPort } from "../tests/harness/udp.mjs";
import { latencyChart } from "./chart.mjs";
import { machine } from "./machine.mjs";

const minutes = Number(process.env.MINUTES ?? 10);
if (!(minutes > 0)) throw new Error(`MINUTES must be a number above zero, not ${process.env.MINUTES}`);

const SAMPLE_EVERY_MS = 1_000;
/** The limits, seconds: of the median for each part target, and of the worst hundredth beyond that. */
const P50_MAX_S = /** @type {Record<number, number>} */ ({ 500: 2.7, 1_000: 4.2 });
const P99_BEYOND_S = 0.5;

/**
 * What each way in needs of the server's settings, and what an encoder is told.
 *
 * @type {Record<string, { settings: (port: number) => string, output: (server: Server, port: number) => string[], program?: () => string }>}
 */
const WAYS = {
  rtmp: {
    settings: () => "",
    output: (server) => ["-c:a", "aac", "-f", "flv", `${server.rtmpUrl}/${server.streamKey}`],
  },
  srt: {
    settings: (port) => `[srt]\nlisten = "127.0.0.1:${port}"\n`,
    output: (server, port) => ["-c:a", "aac", "-f", "mpegts", "-flush_packets", "1", `srt://127.0.0.1:${port}?streamid=${server.streamKey}`],
  },
  whip: {
    settings: (port) => `[whip]\nlisten_udp = "127.0.0.1:${port}"\n`,
    output: (server) => ["-c:a", "libopus", "-f", "whip", "-authorization", server.streamKey, `${server.url}/whip/${CHANNEL}`],
    program: ffmpegNext,
  },
};
const only = process.env.INGEST;
if (only && !WAYS[only]) throw new Error(`INGEST must be one of ${Object.keys(WAYS).join(", ")}, not ${only}`);

/**
 * @param {string} ingest
 * @param {number} partTargetMs
 */
function measure(ingest, partTargetMs) {
  return inScene(`latency ${ingest} ${partTargetMs}`, async (scene) => {
    const way = /** @type {typeof WAYS[string]} */ (WAYS[ingest]);
    const port = await freeUdpPort();
    const server = await Server.start(scene, { partTargetMs, extra: way.settings(port) });
    const encoder = startClockEncoder(scene, way.output(server, port), way.program?.());
    await onAir(server, encoder);
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
    const [p50S, p95S, p99S] = /** @type {[number, number, number]} */ ([0.5, 0.95, 0.99].map((share) => percentile(latencies, share)));
    const p50Max = /** @type {number} */ (P50_MAX_S[partTargetMs]);
    const kept = p50S <= p50Max && p99S <= p50Max + P99_BEYOND_S && seen.waitedAtS.length === 0 && seen.frozen === 0;
    console.log(
      `${kept ? "PASS" : "FAIL"}  ${ingest}, parts of ${partTargetMs} ms, ${minutes} min: p50 ${p50S.toFixed(2)} s (<= ${p50Max}), ` +
        `p99 ${p99S.toFixed(2)} s (<= ${(p50Max + P99_BEYOND_S).toFixed(1)}), max ${Math.max(...latencies).toFixed(2)} s, ` +
        `${seen.waitedAtS.length} waits, ${seen.frozen} freezes, playing after ${startupS.toFixed(1)} s`,
    );
    return { ingest, partTargetMs, startupS, p50S, p95S, p99S, maxS: Math.max(...latencies), stalls: seen, samples, kept };
  });
}

const artifacts = artifactsFolder();
const runs = [];
for (const ingest of only ? [only] : Object.keys(WAYS)) {
  const both = [await measure(ingest, 1_000), await measure(ingest, 500)];
  runs.push(...both);
  const chart = latencyChart(
    `Glass-to-glass latency, read from the picture; ${ingest.toUpperCase()} in`,
    both.map((run) => ({ ...run, stallsS: run.stalls.waitedAtS, name: `parts of ${(run.partTargetMs / 1000).toFixed(1)} s` })),
  );
  await writeFile(join(artifacts, `latency-${ingest}.svg`), chart);
}
await writeFile(join(artifacts, "latency.json"), `${JSON.stringify({ machine: machine(), minutes, runs }, undefined, 2)}\n`);
console.log("written: artifacts/latency.json, and a chart of each way in");
if (runs.some((run) => !run.kept)) process.exitCode = 1;
