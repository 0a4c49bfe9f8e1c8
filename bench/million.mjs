/**
 * `make million`: 1,000,000 fans in one room on one machine, on as many nodes as its limit of descriptors asks for, over one Redis.
 *
 * Everybody comes and stays; ANNOUNCEMENTS messages of the lossless lane reach every one of them. It says what a fan costs in
 * memory, at the servers, at the other end and in the kernel for both. A machine that has nothing else to do needs about 12 GB
 * and 10 minutes for it. FANS=100000 plays it smaller. Fails when a promise is broken; writes artifacts/million-checks.json, and
 * the load's own pages beside it.
 */

import { readFile } from "node:fs/promises";
import { startRedis } from "../tests/harness/brokers.mjs";
import { Load } from "../tests/harness/load.mjs";
import { FANS_PER_NODE_MAX, ROOM, startNodes } from "../tests/harness/nodes.mjs";
import { inScene } from "../tests/harness/scene.mjs";
import { socketBytes } from "./chat/kernel.mjs";
import { atMost, bytes, count, seconds } from "./chat/part.mjs";
import { conclude } from "./cluster/outcome.mjs";

const FANS = Number(process.env.FANS || 1_000_000);
const NODES = Math.max(2, Math.ceil(FANS / FANS_PER_NODE_MAX));
const ANNOUNCEMENTS = 5;
/** Both ends of a million writes take the two cores about 17 s: an announcement is over long before the next. */
const SECONDS_BETWEEN = 50;
const CONNECTS_PER_S = 4_000;
/** What two cores can answer beside everything else: a million fans in five minutes are 3,300 pings a second. */
const CHAT = "ping_interval = \"5m\"\npong_timeout = \"1m\"\n";
/** Both ends together, the goal for this machine. */
const BYTES_PER_FAN_MAX = 11_000;

/** What is left of the machine's memory, bytes. */
async function available() {
  return Number(/^MemAvailable:\s+(\d+) kB$/m.exec(await readFile("/proc/meminfo", "utf8"))?.[1]) * 1024;
}

const result = await inScene("million", async (scene) => {
  const kernelBefore = await socketBytes();
  const broker = await startRedis(scene);
  const { nodes, secretFile } = await startNodes(scene, broker, { count: NODES, more: CHAT });
  const residents = () => Promise.all(nodes.map((node) => node.resident())).then((all) => all.reduce((sum, one) => sum + one, 0));
  const empty = await residents();
  const load = new Load(scene, "million", [
    nodes.map((node) => node.address).join(","), "--secret-file", secretFile, "--room", ROOM, "--fans", `${FANS}`,
    "--connect-rate", `${CONNECTS_PER_S}`, "--room-rate", `${1 / SECONDS_BETWEEN}`, "--duration", `${ANNOUNCEMENTS * SECONDS_BETWEEN}s`,
  ]);
  const availableBefore = await available();
  await load.until(({ connected }) => connected >= FANS);
  const came = load.second;
  const kernel = (await socketBytes()) - kernelBefore;
  const taken = availableBefore - (await available());
  const full = await residents();
  await load.until(({ second }) => second >= came + SECONDS_BETWEEN);
  const afterOne = await residents();
  const report = await load.report();
  return { report, came, kernel, taken, empty, full, afterOne };
});

const { report } = result;
const { missing, expected, duplicates, reorders, sent } = report.lossless;
const { p50_us, p99_us, max_us } = report.lossless.delivery;
const generator = report.generator.resident_bytes ?? NaN;
const perFan = (result.full - result.empty + generator + result.kernel) / FANS;
const checks = [
  { what: "fans connected and subscribed", bar: count(FANS), seen: count(report.connect.connected), pass: report.connect.connected === FANS },
  { what: "announcements", bar: count(ANNOUNCEMENTS), seen: count(sent), pass: sent === ANNOUNCEMENTS },
  {
    what: "they reach everybody", bar: "all, once, in order", pass: expected === FANS * ANNOUNCEMENTS && missing + duplicates + reorders === 0,
    seen: `${count(missing)} missing, ${count(duplicates)} twice, ${count(reorders)} out of order of ${count(expected)}`,
  },
  atMost("memory per fan, both ends and the kernel", perFan, BYTES_PER_FAN_MAX, bytes),
  atMost("the last of all fans has an announcement", max_us / 1e6, SECONDS_BETWEEN, seconds),
];
await conclude("million", {
  title: `${count(FANS)} fans in one room on one machine`,
  command: "make million",
  checks,
  figures: [
    ["servers, and processes of fans", `${NODES} and ${report.run.workers}`],
    ["everybody is there after", seconds(result.came)],
    ["memory of the servers per fan; per empty server", `${bytes((result.full - result.empty) / FANS)}; ${bytes(result.empty / NODES)}`],
    ["the same after an announcement", bytes((result.afterOne - result.empty) / FANS)],
    ["memory of the generator per fan", bytes(generator / FANS)],
    ["memory of the kernel per fan, both ends", bytes(result.kernel / FANS)],
    ["what the machine's available memory fell by, per fan", bytes(result.taken / FANS)],
    ["announcements: p50, p99, the last fan", [p50_us, p99_us, max_us].map((us) => seconds(us / 1e6)).join(", ")],
    ["processor time of the servers, and of the fans", `${seconds((report.server?.cpu_ms ?? NaN) / 1_000)}, ${seconds(report.generator.cpu_ms / 1_000)}`],
  ],
}, { whole: FANS >= 1_000_000, raw: { ...result, report: undefined } });
