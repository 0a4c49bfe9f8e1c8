/**
 * `make bench-chat`: Fanwave's chat against the bare cost of sending and against other servers, on this machine. `PART=name` plays
 * one part. Each part prints its promises and keeps everything it measured in artifacts/bench-chat/; a whole run also
 * writes docs/benchmarks.md. Fails when a promise is broken.
 */

import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { artifactsFolder, inScene } from "../tests/harness/scene.mjs";
import { makeCertificate } from "../tests/harness/certificate.mjs";
import { within } from "../tests/harness/wait.mjs";
import { barChart } from "./chart.mjs";
import { DISTURBED, FANS, disturbance, percent } from "./chat/part.mjs";
import { asMarkdown } from "./chat/report.mjs";
import { makeTokens } from "./chat/tokens.mjs";
import { machine } from "./machine.mjs";

/** In the order in which they are played and reported. */
const PARTS = ["writes", "fanout", "memory", "upgrades", "tls", "small-room", "stalled", "storm"];

/** Fans beyond the room's, in the parts that need some. */
const MORE_FANS = 1_000;

/** A part takes one to five minutes; on a machine that others use as well, longer. */
const PART_MS_MAX = 8 * 60_000;

const chosen = process.env.PART ? process.env.PART.split(",") : PARTS;
const unknown = chosen.filter((part) => !PARTS.includes(part));
if (unknown.length > 0) throw new Error(`there is no part called ${unknown.join(", ")}; there are ${PARTS.join(", ")}`);

const folder = join(artifactsFolder(), "bench-chat");
await mkdir(folder, { recursive: true });
/** @type {import("./chat/part.mjs").Check[]} */
const broken = [];
for (const part of chosen) {
  const began = performance.now();
  const kept = join(folder, `${part}.json`);
  await rm(kept, { force: true });
  try {
    const result = await measure(part);
    await writeFile(kept, `${JSON.stringify({ part, date: new Date().toISOString(), machine: machine(), ...result }, undefined, 2)}\n`);
    for (const chart of result.charts ?? []) await writeFile(join(folder, `${chart.name}.svg`), barChart(chart));
    broken.push(...result.checks.filter((check) => !check.pass));
    show(part, result, performance.now() - began);
  } catch (error) {
    // The other parts are worth their time all the same.
    console.error(`\n== ${part} could not be measured:`, error);
    broken.push({ what: part, bar: "measured", seen: "an error", pass: false });
  }
}
if (!process.env.PART) await writeFile("docs/benchmarks.md", await asMarkdown(folder, PARTS));
if (broken.length > 0) {
  console.error(`\n${broken.length} promises are broken:`);
  for (const check of broken) console.error(`  ${check.what}: ${check.seen}, not ${check.bar}`);
  process.exitCode = 1;
}

/**
 * Plays a part in a scene of its own.
 *
 * @param {string} part
 * @returns {Promise<import("./chat/part.mjs").Result>}
 */
async function measure(part) {
  const { play } = await import(`./chat/parts/${part}.mjs`);
  return inScene(`bench-chat-${part}`, async (scene) => {
    const [tokens, certificate] = await Promise.all([makeTokens(scene.folder, FANS + MORE_FANS), makeCertificate(scene.folder)]);
    return within(`the part ${part} ends`, PART_MS_MAX, play({ scene, tokens, certificate }));
  });
}

/**
 * @param {string} part
 * @param {import("./chat/part.mjs").Result} result
 * @param {number} ms
 */
function show(part, result, ms) {
  console.log(`\n== ${part}: ${result.title} (${Math.round(ms / 1_000)} s)`);
  for (const { caption, table } of result.tables) {
    console.log(`\n${caption}`);
    console.table(table.rows.map((row) => Object.fromEntries(table.head.map((name, i) => [name || " ", row[i]]))));
  }
  const waited = disturbance(result.raw);
  if (waited > DISTURBED) console.log(`The machine was busy: the servers waited for their core for ${percent(waited)} of the time. Times mean little, ratios and CPU-seconds hold.`);
  for (const check of result.checks) console.log(`${check.pass ? "PASS" : "FAIL"}  ${check.what}: ${check.seen} (${check.bar})`);
}
