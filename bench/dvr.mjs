/**
 * `make bench-dvr`: what a channel of five qualities of pictures and one of sound holds in memory when viewers can go back two hours.
 *
 * Two hours do not pass for it: an encoder sends its media at SPEED times its pace, so that what is listed is what would be
 * after two hours, segment by segment and part by part. The lower qualities are the source's pictures handed back as they
 * are by a program in place of an encoder. The last minutes have a usual bitrate, 2.5 Mb/s in each quality, because those are in
 * memory; what is on disk by then has a small one, so that a disk of 4 GB will do. All the while every playlist is asked for over and
 * over, packed and mostly with what has changed alone, as players ask; at the end each is also asked for whole. Fails beyond the product's limit. Writes artifacts/dvr.json.
 */

import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Child, run } from "../tests/harness/child.mjs";
import { get } from "../tests/harness/hls.mjs";
import { residentBytes } from "../tests/harness/memory.mjs";
import { artifactsFolder, inScene } from "../tests/harness/scene.mjs";
import { Server } from "../tests/harness/server.mjs";
import { Hopeless, until } from "../tests/harness/wait.mjs";
import { machine } from "./machine.mjs";

const RESIDENT_MIB_MAX = 300;
const WINDOW_S = 7_200;
/** A minute beyond the window, so that segments leave it; and the minutes at its end that have a usual bitrate. */
const BEYOND_S = 60;
const USUAL_S = 180;
/** How much faster than time. */
const SPEED = Number(process.env.SPEED ?? 30);
const CLIP_S = 10;
/** How often all playlists are asked for. */
const ASK_EVERY_MS = 100;
const RUNGS = ["480p 2500k", "360p 2400k", "240p 2300k", "180p 2200k"];
const FILLED_MS = ((WINDOW_S + BEYOND_S) / SPEED) * 1_000 * 3 + 60_000;

/**
 * A clip whose pictures have so many bits, and the same configuration whatever that is.
 *
 * @param {string} path
 * @param {number} kilobits
 */
async function clip(path, kilobits) {
  const rate = `${kilobits}k`;
  const made = await run("ffmpeg", ["-hide_banner", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30",
    "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", `${CLIP_S}`, "-c:v", "libx264", "-preset", "veryfast", "-level", "3.1",
    "-pix_fmt", "yuv420p", "-g", "60", "-keyint_min", "60", "-sc_threshold", "0", "-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", rate,
    "-x264-params", "nal-hrd=cbr", "-c:a", "aac", "-b:a", "128k", "-ac", "2", "-f", "flv", path], { deadlineMs: 120_000 });
  if (made.code !== 0) throw new Error(made.stderr);
}

const result = await inScene("dvr", async (scene) => {
  const echo = join(scene.folder, "echo");
  await writeFile(echo, "#!/bin/sh\nexec cat\n");
  await chmod(echo, 0o755);
  const [small, usual, list] = ["small.flv", "usual.flv", "list.txt"].map((name) => join(scene.folder, name));
  if (!small || !usual || !list) throw new Error("three names");
  await clip(small, 150);
  await clip(usual, 2_500);
  const times = (/** @type {string} */ path, /** @type {number} */ seconds) => `file '${path}'\n`.repeat(Math.ceil(seconds / CLIP_S));
  await writeFile(list, times(small, WINDOW_S + BEYOND_S - USUAL_S) + times(usual, USUAL_S));
  const extra = `[dvr]\nwindow = "2h"\n\n[ladder]\nrungs = ${JSON.stringify(RUNGS)}\nrungs_max = ${RUNGS.length}\nprogram = "${echo}"\n`;
  const server = await Server.start(scene, { extra });
  const idleMib = (await residentBytes(server.pid)) / 1024 ** 2;
  const encoder = new Child(scene, "encoder", "ffmpeg", ["-hide_banner", "-nostdin", "-v", "warning", "-readrate", `${SPEED}`,
    "-f", "concat", "-safe", "0", "-i", list, "-c", "copy", "-f", "flv", `${server.rtmpUrl}/${server.streamKey}`]);
  const master = await until("the show is on", 20_000, async () => {
    const { status, text } = await get(server.playlistUrl);
    return status === 200 && (text.match(/^#EXT-X-STREAM-INF/gm) ?? []).length > RUNGS.length ? text : undefined;
  });
  const uris = [...new Set([...master.matchAll(/^[^#].*m3u8$/gm)].map(([uri]) => new URL(uri, server.playlistUrl).href))];
  const video = uris.find((uri) => uri.endsWith("/video.m3u8"));
  if (!video) throw new Error(master);
  let mostMib = 0;
  const look = async () => {
    mostMib = Math.max(mostMib, (await residentBytes(server.pid)) / 1024 ** 2);
  };
  let asked = 0;
  let watching = true;
  const watch = (async () => {
    const take = async (/** @type {string} */ url) => {
      await (await fetch(url)).arrayBuffer();
      asked += 1;
    };
    while (watching) {
      for (const uri of uris) await take(`${uri}?_HLS_skip=YES`);
      await take(uris[asked % uris.length] ?? video);
      // Three parts come in this time: nobody asks more often, and the server is to have a processor left for the show.
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
  })();
  // It is waited for below; until then, nobody is to be ended by it.
  watch.catch(() => {});
  await until("the window is full", FILLED_MS, async () => {
    await look();
    const { text } = await get(video);
    const first = Number(/^#EXT-X-MEDIA-SEQUENCE:(\d+)$/m.exec(text)?.[1]);
    if (first === 1 && !encoder.running) throw new Hopeless(`the encoder ended: ${await encoder.log()}`);
    return first > 1;
  });
  await until("all is sent", FILLED_MS, async () => {
    await look();
    return !encoder.running;
  });
  watching = false;
  await watch;
  const listed = [];
  for (const uri of uris) {
    const { text } = await get(uri);
    const seconds = [...text.matchAll(/^#EXTINF:([\d.]+),$/gm)].reduce((sum, [, length]) => sum + Number(length), 0);
    const gaps = (text.match(/^#EXT-X-GAP$/gm) ?? []).length;
    listed.push({ uri: uri.split("/").at(-1), segments: (text.match(/^#EXTINF/gm) ?? []).length, seconds: Math.round(seconds), gaps, bytes: text.length });
    await get(`${uri}?_HLS_skip=YES`);
  }
  await look();
  const residentMib = (await residentBytes(server.pid)) / 1024 ** 2;
  const { text } = await get(`${server.url}/metrics`);
  const stored = Number(/^fanwave_origin_storage_written_bytes_total (\d+)/m.exec(text)?.[1]);
  return { idleMib, residentMib, mostMib, listed, asked, storedMib: stored / 1024 ** 2 };
});

const { idleMib, residentMib, mostMib, listed, asked, storedMib } = result;
for (const one of listed) console.log(`${one.uri}: ${one.segments} segments, ${one.seconds} s, ${one.gaps} gaps, a playlist of ${one.bytes} bytes`);
console.log(`${asked} playlists were asked for meanwhile`);
console.log(`on disk: ${storedMib.toFixed(0)} MiB written`);
console.log(`memory: ${idleMib.toFixed(1)} MiB before the show, ${residentMib.toFixed(1)} MiB with the window full, ${mostMib.toFixed(1)} MiB at most (limit ${RESIDENT_MIB_MAX} MiB)`);
await writeFile(join(artifactsFolder(), "dvr.json"), `${JSON.stringify({ machine: machine(), speed: SPEED, ...result }, undefined, 2)}\n`);
const complete = listed.every(({ seconds, gaps }) => seconds >= WINDOW_S - 10 && gaps === 0);
if (!complete) console.error("the window is not whole: try a lower SPEED");
if (mostMib > RESIDENT_MIB_MAX || !complete) process.exitCode = 1;
