/**
 * `make bench-playback`: does a browser play an encoder's show for MINUTES=10 without having to wait? Once with ffmpeg's
 * own settings and once with OBS's at 1080p30 (ENCODER=ffmpeg or ENCODER=obs: only that one), each encoding live beside the
 * browser. Writes artifacts/playback.json, and fails when the player waited or its picture stood still.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openPage, startBrowser } from "../tests/harness/browser.mjs";
import { countStalls, currentTime, stalls, untilPlaying } from "../tests/harness/player.mjs";
import { ENCODERS, publish } from "../tests/harness/publisher.mjs";
import { artifactsFolder, inScene } from "../tests/harness/scene.mjs";
import { Server } from "../tests/harness/server.mjs";
import { machine } from "./machine.mjs";

const minutes = Number(process.env.MINUTES ?? 10);
if (!(minutes > 0)) throw new Error(`MINUTES must be a number above zero, not ${process.env.MINUTES}`);

const REPORT_EVERY_MS = 60_000;

/** @type {("ffmpeg" | "obs")[]} */
const encoders = ["ffmpeg", "obs"];
const only = process.env.ENCODER;
const chosen = encoders.filter((name) => !only || name === only);
if (chosen.length === 0) throw new Error(`ENCODER must be ffmpeg or obs, not ${only}`);

/** @param {"ffmpeg" | "obs"} name */
function play(name) {
  return inScene(`playback ${name}`, async (scene) => {
    const server = await Server.start(scene);
    await publish(scene, server, { encoder: ENCODERS[name] });
    const browser = await startBrowser(scene);
    const { page } = await openPage(scene, browser, server.watchUrl, { name: "fan" });
    await untilPlaying(page);
    await countStalls(page);
    const began = performance.now();
    const start = await currentTime(page);
    for (let elapsed = 0; elapsed < minutes * 60_000; elapsed = performance.now() - began) {
      const rest = minutes * 60_000 - elapsed;
      await new Promise((resolve) => setTimeout(resolve, Math.min(rest, REPORT_EVERY_MS)));
      const { waitedAtS, frozen } = await stalls(page);
      const minute = ((performance.now() - began) / 60_000).toFixed(1);
      console.log(`${name}: after ${minute} min: ${waitedAtS.length} waits, ${frozen} freezes`);
    }
    const wallS = (performance.now() - began) / 1000;
    const playedS = (await currentTime(page)) - start;
    return { encoder: name, settings: ENCODERS[name], wallS, playedS, stalls: await stalls(page) };
  });
}

const runs = [];
for (const name of chosen) runs.push(await play(name));

await writeFile(join(artifactsFolder(), "playback.json"), `${JSON.stringify({ machine: machine(), minutes, runs }, undefined, 2)}\n`);
for (const { encoder, wallS, playedS, stalls: { waitedAtS, frozen } } of runs) {
  console.log(`${encoder}: played ${playedS.toFixed(1)} s in ${wallS.toFixed(1)} s, ${waitedAtS.length} waits, ${frozen} freezes`);
  if (waitedAtS.length > 0 || frozen > 0) process.exitCode = 1;
}
console.log("written: artifacts/playback.json");
