/**
 * `make soak`: a show is on the air for MINUTES=30, and everybody looks closely. PART=judge or PART=players: only that.
 *
 * judge: `fanwave judge` looks for 10 minutes at a show in one quality, at a ladder of four, at a show whose encoder is lost
 * again and again, and at one that ends; no rule may be found broken.
 *
 * players: hls.js and shaka-player, each on a page of another site, play the ladder and change between its qualities every
 * 20 s. They may not wait, and have to stay where the playlist tells them to be once they have had a minute to get there.
 *
 * Writes artifacts/soak.json, artifacts/soak-latency.svg and a report of the judge for each show.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openPage, startBrowser } from "../tests/harness/browser.mjs";
import { chooseQuality, qualities, report, servePlayer } from "../tests/harness/bare-page.mjs";
import { run } from "../tests/harness/child.mjs";
import { percentile } from "../tests/harness/glass.mjs";
import { get, playlists } from "../tests/harness/hls.mjs";
import { countStalls, stalls, untilPlaying } from "../tests/harness/player.mjs";
import { publish, startEncoder, underWay } from "../tests/harness/publisher.mjs";
import { artifactsFolder, inScene } from "../tests/harness/scene.mjs";
import { Server, binary } from "../tests/harness/server.mjs";
import { until } from "../tests/harness/wait.mjs";
import { latencyChart } from "./chart.mjs";
import { machine } from "./machine.mjs";

const minutes = Number(process.env.MINUTES ?? 30);
if (!(minutes > 0)) throw new Error(`MINUTES must be a number above zero, not ${process.env.MINUTES}`);
const only = process.env.PART;
if (only && only !== "judge" && only !== "players") throw new Error(`PART must be judge or players, not ${only}`);

/** What the publisher sends is the fourth. */
const LADDER = '[ladder]\nrungs = ["240p 400k", "180p 250k", "144p 150k"]\nrungs_max = 3\n';
/** So long does the judge look at each show. */
const JUDGE_MINUTES = Math.min(10, minutes);
const SWITCH_EVERY_MS = 20_000;
const SAMPLE_EVERY_MS = 1_000;
const REPORT_EVERY_MS = 60_000;
/** A player that begins further behind than it should plays a little faster until it is there: so long is not counted. */
const SETTLES_S = Math.min(60, (minutes * 60) / 2);
/** How much older than in the median the picture may be in the worst hundredth of the time. */
const SPREAD_MAX_S = 0.5;
/** An encoder is away for so long, twice during the judge's time. */
const AWAY_MS = 8_000;

const artifacts = artifactsFolder();
/** @param {number} ms */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * @param {string} name
 * @param {string} url
 * @param {number} seconds
 */
async function judge(name, url, seconds) {
  const html = join(artifacts, `soak-judge-${name}.html`);
  const json = join(artifacts, `soak-judge-${name}.json`);
  const judged = await run(binary(), ["judge", url, "--for", `${Math.round(seconds)}s`, "--html", html, "--json", json],
    { deadlineMs: seconds * 1000 + 60_000 });
  const found = judged.code === 0 ? "nothing" : `code ${judged.code}`;
  console.log(`judge, ${name}: ${found}${judged.code === 0 ? "" : `\n${judged.stdout}${judged.stderr}`}`);
  return { what: `judge finds nothing: ${name}`, seen: found, kept: judged.code === 0 };
}

/** @type {Record<string, () => Promise<{ what: string, seen: string, kept: boolean }[]>>} */
const shows = {
  "one quality": () => inScene("soak single", async (scene) => {
    const server = await Server.start(scene);
    await publish(scene, server);
    await underWay(server);
    return [await judge("single", server.playlistUrl, JUDGE_MINUTES * 60)];
  }),
  "encoder lost": () => inScene("soak lost", async (scene) => {
    const server = await Server.start(scene);
    const first = await publish(scene, server);
    await underWay(server);
    await first.kill();
    await pause(AWAY_MS);
    let encoder = startEncoder(scene, server, { name: "encoder-again" });
    await underWay(server, 5);
    const judged = judge("lost", server.playlistUrl, JUDGE_MINUTES * 60);
    for (const round of [1, 2]) {
      await pause((JUDGE_MINUTES * 60_000) / 3 - AWAY_MS);
      await encoder.kill();
      await pause(AWAY_MS);
      encoder = startEncoder(scene, server, { name: `encoder-again-${round}` });
    }
    return [await judged];
  }),
  "the end": () => inScene("soak end", async (scene) => {
    const server = await Server.start(scene, { reconnectWindow: "10s" });
    const encoder = await publish(scene, server);
    await underWay(server);
    const judged = judge("end", server.playlistUrl, JUDGE_MINUTES * 60);
    await pause(JUDGE_MINUTES * 60_000 - 60_000);
    // The channel's own playlist goes with the show; those of its renditions stay for whoever is still watching.
    const last = await playlists(server);
    if (!last) throw new Error("the show ended by itself");
    await encoder.kill();
    await until("the show has ended", 60_000, async () => (await get(last.video.url)).text.includes("#EXT-X-ENDLIST"));
    return [await judge("ended-video", last.video.url, 60), await judge("ended-audio", last.audio.url, 60), await judged];
  }),
};

/** The show in four qualities: judged, and played by both players. */
const ladder = () => inScene("soak ladder", async (scene) => {
  const server = await Server.start(scene, { extra: LADDER });
  await publish(scene, server);
  // The encoders of the lower qualities start at once, and the machine is busy with that.
  await underWay(server, 8);
  const judged = only === "players" ? Promise.resolve([]) : judge("ladder", server.playlistUrl, JUDGE_MINUTES * 60).then((check) => [check]);
  const played = only === "judge" ? [] : await Promise.all((/** @type {const} */ (["hls", "shaka"])).map((name) => play(scene, server, name)));
  return { judged: await judged, played };
});

/**
 * @param {import("../tests/harness/scene.mjs").Scene} scene
 * @param {Server} server
 * @param {"hls" | "shaka"} name
 */
async function play(scene, server, name) {
  const browser = await startBrowser(scene);
  const url = await servePlayer(scene, name, server.playlistUrl);
  const { page } = await openPage(scene, browser, url, { name, viewport: { width: 640, height: 400 } });
  await untilPlaying(page);
  await countStalls(page);
  const all = (await qualities(page)).toSorted((a, b) => a - b);
  const began = performance.now();
  /** @type {{ atS: number, latencyS: number }[]} */
  const samples = [];
  /** @type {Set<number>} */
  const shown = new Set();
  let switches = 0;
  let lastLines = 0;
  for (let at = 0; at < minutes * 60_000; at = performance.now() - began) {
    if (at >= (switches + 1) * SWITCH_EVERY_MS) {
      switches += 1;
      await chooseQuality(page, /** @type {number} */ (all[(switches * 3) % all.length]));
    }
    const { latencyS } = await report(page);
    if (latencyS !== undefined) samples.push({ atS: at / 1000, latencyS });
    const lines = await page.getByTestId("video").evaluate((video) => /** @type {HTMLVideoElement} */ (video).videoHeight);
    if (lines !== lastLines) shown.add(lines);
    lastLines = lines;
    if (Math.floor(at / REPORT_EVERY_MS) !== Math.floor((at - SAMPLE_EVERY_MS) / REPORT_EVERY_MS)) {
      const { waitedAtS, frozen } = await stalls(page);
      console.log(`${name}: ${(at / 60_000).toFixed(0)} min: ${switches} switches, ${waitedAtS.length} waits, ${frozen} freezes, ${latencyS?.toFixed(2)} s behind`);
    }
    await pause(SAMPLE_EVERY_MS - ((performance.now() - began) % SAMPLE_EVERY_MS));
  }
  const { waitedAtS, frozen, longestFrozenMs } = await stalls(page);
  const { errors } = await report(page);
  const latencies = samples.filter(({ atS }) => atS > SETTLES_S).map(({ latencyS }) => latencyS);
  return { name, switches, qualities: all, shown: [...shown], waitedAtS, frozen, longestFrozenMs, errors,
    p50S: percentile(latencies, 0.5), p95S: percentile(latencies, 0.95), p99S: percentile(latencies, 0.99), samples };
}

const [four, ...others] = await Promise.all([ladder(), ...(only === "players" ? [] : Object.values(shows)).map((show) => show())]);
/** What the playlists tell players to keep from their end, and how old the end of a playlist is at most. */
const [targetS, partS] = [3, 1];
/** @type {{ what: string, seen: string, kept: boolean }[]} */
const checks = [
  ...four.judged,
  ...others.flat(),
  ...four.played.flatMap((seen) => [
    { what: `${seen.name} does not wait`, seen: `${seen.waitedAtS.length} waits (at ${seen.waitedAtS.join(", ") || "no time"}), ${seen.frozen} freezes`, kept: seen.waitedAtS.length === 0 && seen.frozen === 0 },
    { what: `${seen.name} meets no error`, seen: seen.errors.join(", ") || "none", kept: seen.errors.length === 0 },
    { what: `${seen.name} shows every quality`, seen: `${seen.switches} switches, ${seen.shown.length} of ${seen.qualities.length}`, kept: seen.qualities.every((lines) => seen.shown.includes(lines)) },
    {
      what: `${seen.name} is where the playlist tells it to be: ${targetS} s before its end, which is up to ${partS} s old`,
      seen: `p50 ${seen.p50S.toFixed(2)} s, p99 ${seen.p99S.toFixed(2)} s`,
      kept: seen.p50S >= targetS && seen.p50S <= targetS + partS && seen.p99S <= seen.p50S + SPREAD_MAX_S,
    },
  ]),
];
await writeFile(join(artifacts, "soak.json"), `${JSON.stringify({ machine: machine(), minutes, checks, played: four.played }, undefined, 2)}\n`);
if (four.played.length > 0) {
  const runs = four.played.map((seen) => ({ ...seen, stallsS: seen.waitedAtS }));
  await writeFile(join(artifacts, "soak-latency.svg"), latencyChart("Seconds behind the encoder while the quality changes every 20 s", runs));
}
for (const { what, seen, kept } of checks) console.log(`${kept ? "PASS" : "FAIL"}  ${what}: ${seen}`);
if (checks.some(({ kept }) => !kept)) process.exitCode = 1;
