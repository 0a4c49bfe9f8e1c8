/**
 * `make bench-chat`: Fanwave's chat against the bare cost of sending and against other servers, on this machine. `PART=name` plays
 * one part. Each part prints its promises and keeps everything it measured in artifacts/bench-chat/; a whole run also
 * writes docs/benchmarks.md. Fails when a promise is broken.
 */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { artifactsFolder, inScene } from "../tests/harness/scene.mjs";
import { barChart } from "./chart.mjs";
import { makeCertificate } from "./chat/certificate.mjs";
import { DISTURBED, FANS, disturbance, percent } from "./chat/part.mjs";
import { asMarkdown } from "./chat/report.mjs";
import { makeTokens } from "./chat/tokens.mjs";
import { machine } from "./machine.mjs";

/** In the order in which they are played and reported. */
const PARTS = ["writes", "fanout", "memory", "upgrades", "tls", "small-room", "stalled", "storm"];

/** Fans beyond the room's, in the parts that need some. */
const MORE_FANS = 1_000;

const chosen = process.env.PART ? process.env.PART.split(",") : PARTS;
const unknown = chosen.filter((part) => !PARTS.includes(part));
if (unknown.length > 0) throw new Error(`there is no part called ${unknown.join(", ")}; there are ${PARTS.join(", ")}`);

const folder = join(artifactsFolder(), "bench-chat");
await mkdir(folder, { recursive: true });
const broken = [];
for (const part of chosen) {
  const began = performance.now();
  const { play } = await import(`./chat/parts/${part}.mjs`);
  /** @type {import("./chat/part.mjs").Result} */
  const result = await inScene(`bench-chat-${part}`, async (scene) => {
    const [tokens, certificate] = await Promise.all([makeTokens(scene.folder, FANS + MORE_FANS), makeCertificate(scene.folder)]);
    return play({ scene, tokens, certificate });
  });
  const date = new Date().toISOString();
  await writeFile(join(folder, `${part}.json`), `${JSON.stringify({ part, date, machine: machine(), ...result }, undefined, 2)}\n`);
  for (const chart of result.charts ?? []) await writeFile(join(folder, `${chart.name}.svg`), barChart(chart));
  broken.push(...result.checks.filter((check) => !check.pass));
  show(part, result, performance.now() - began);
}
if (!process.env.PART) await writeFile("docs/benchmarks.md", await asMarkdown(folder, PARTS));
if (broken.length > 0) {
  console.error(`\n${broken.length} promises are broken:`);
  for (const check of broken) console.error(`  ${check.what}: ${check.seen}, not ${check.bar}`);
  process.exitCode = 1;
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
