/**
 * `make bench-ingest`: CHANNELS=50 encoders publish CHANNEL_MBPS=4 Mb/s each over RTMP into one server for SECONDS=60, and
 * nothing is encoded again. How much of a core does the server need for it, how much memory, and does every channel keep
 * coming? The server has one core to itself; the encoders, which only read a file that was encoded before, have the others.
 * Writes artifacts/ingest.json, and fails beyond the product's limits.
 */

import { readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { Child, run } from "../tests/harness/child.mjs";
import { residentBytes } from "../tests/harness/memory.mjs";
import { artifactsFolder, inScene } from "../tests/harness/scene.mjs";
import { Server } from "../tests/harness/server.mjs";
import { until } from "../tests/harness/wait.mjs";
import { machine } from "./machine.mjs";

/**
 * @param {string} name
 * @param {number} usual
 */
function number(name, usual) {
  const value = Number(process.env[name] ?? usual);
  if (!(value > 0)) throw new Error(`${name} must be a number above zero, not ${process.env[name]}`);
  return value;
}

const channels = number("CHANNELS", 50);
const megabits = number("CHANNEL_MBPS", 4);
const seconds = number("SECONDS", 60);

/** All channels on the air, the windows full: so long until what is measured is the usual. */
const SETTLE_MS = 70_000;
/** The share of one core that the channels may take. */
const CORES_MAX = 1;
const TICKS_PER_SECOND = 100;

/** @param {number} i */
const key = (i) => `bench-ingest-key-${String(i).padStart(3, "0")}`;
/** @param {number} i */
const id = (i) => `stage-${i}`;

/** @param {number} pid Processor time since its start, seconds. */
async function cpuSeconds(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name of the process may hold spaces; what follows its closing bracket does not.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

const measured = await inScene("ingest", async (scene) => {
  const clip = join(scene.folder, "clip.flv");
  console.log(`encoding 20 s at ${megabits} Mb/s ...`);
  const rate = `${megabits - 0.128}M`;
  const encoded = await run("ffmpeg", ["-hide_banner", "-nostdin", "-loglevel", "error",
    "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30,noise=alls=20:allf=t", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
    "-t", "20", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "60", "-keyint_min", "60", "-sc_threshold", "0",
    "-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", rate, "-x264-params", "nal-hrd=cbr",
    "-c:a", "aac", "-b:a", "128k", "-ac", "2", clip], { deadlineMs: 120_000 });
  if (encoded.code !== 0) throw new Error(`ffmpeg could not encode: ${encoded.stderr}`);

  /** @param {number} i */
  const keyFile = (i) => join(scene.folder, `key-${i}`);
  for (let i = 0; i < channels; i += 1) await writeFile(keyFile(i), key(i), { mode: 0o600 });
  const tables = Array.from({ length: channels }, (_, i) => `[[channels]]\nid = "${id(i)}"\ntitle = "Stage ${i}"\nstream_key_file = "${keyFile(i)}"\n`);
  const server = await Server.start(scene, { rtmp: `connections_per_address = ${channels + 1}\n`, extra: tables.join("\n"), logLevel: "warn" });
  const serverCore = cpus().length - 1;
  const pinned = await run("taskset", ["--all-tasks", "--cpu-list", "--pid", `${serverCore}`, `${server.pid}`], { deadlineMs: 5_000 });
  if (pinned.code !== 0) throw new Error(`the server could not be given a core of its own: ${pinned.stderr}`);
  const others = serverCore === 0 ? "0" : `0-${serverCore - 1}`;
  /** @param {number} i */
  const encoder = (i) => new Child(scene, `encoder-${i}`, "taskset", ["--cpu-list", others,
    "ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "warning", "-re", "-stream_loop", "-1", "-i", clip,
    "-c", "copy", "-f", "flv", `${server.rtmpUrl}/${key(i)}`]);
  const encoders = Array.from({ length: channels }, (_, i) => encoder(i));
  const live = async () => {
    const { channels: all } = /** @type {{ channels: { id: string, live: boolean }[] }} */ (await (await fetch(`${server.url}/api/v1/channels`)).json());
    return all.filter((channel) => channel.live).length;
  };
  await until(`${channels} channels are on the air`, 60_000, async () => (await live()) >= channels);
  console.log(`${channels} channels are on the air; waiting ${SETTLE_MS / 1000} s until their windows are full ...`);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const [cpuBefore, began] = [await cpuSeconds(server.pid), performance.now()];
  for (let passed = 0; passed < seconds; passed = (performance.now() - began) / 1000) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(10, seconds - passed) * 1000));
    console.log(`${Math.round((performance.now() - began) / 1000)} s: ${await live()} channels live`);
  }
  const wall = (performance.now() - began) / 1000;
  const cores = ((await cpuSeconds(server.pid)) - cpuBefore) / wall;
  const received = Number(/^origin_rtmp_received_bytes_total (\d+)$/m.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1]);
  return {
    cores,
    wall,
    memoryMib: (await residentBytes(server.pid)) / 1024 ** 2,
    live: await live(),
    ended: encoders.filter((encoder) => !encoder.running).length,
    receivedMib: received / 1024 ** 2,
  };
});

/** @type {[string, string, boolean][]} */
const checks = [
  ["channels live at the end", `${measured.live} of ${channels}`, measured.live === channels],
  ["encoders that were let go", `${measured.ended}`, measured.ended === 0],
  ["cores that the server needs", `${measured.cores.toFixed(3)} (<= ${CORES_MAX})`, measured.cores <= CORES_MAX],
];
console.log(`\n${channels} channels of ${megabits} Mb/s for ${measured.wall.toFixed(0)} s: ` +
  `${(measured.cores / channels * 100).toFixed(2)} % of a core and ${(measured.memoryMib / channels).toFixed(1)} MiB each`);
for (const [what, seen, kept] of checks) console.log(`${kept ? "PASS" : "FAIL"}  ${what}: ${seen}`);
await writeFile(join(artifactsFolder(), "ingest.json"), `${JSON.stringify({ machine: machine(), channels, megabits, measured, checks }, undefined, 2)}\n`);
if (checks.some(([, , kept]) => !kept)) process.exitCode = 1;
