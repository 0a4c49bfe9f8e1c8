/**
 * `make bench-broker`: what Redis has to do for a room, from 1,000 to FANS=100,000 fans in it.
 *
 * The same nodes, the same talk (one lossless message and 300 of chatter a second), more and more fans: what Redis is asked,
 * sends and computes in a second must stay what it was, and so falls with every fan per delivered message. Fails when it
 * does not; writes artifacts/broker-load.json.
 */

import { startRedis } from "../tests/harness/brokers.mjs";
import { Load } from "../tests/harness/load.mjs";
import { FANS_PER_NODE_MAX, ROOM, startNodes } from "../tests/harness/nodes.mjs";
import { inScene } from "../tests/harness/scene.mjs";
import { atMost, count, times } from "./chat/part.mjs";
import { conclude } from "./cluster/outcome.mjs";

const FANS = Number(process.env.FANS || 100_000);
const STEPS = [1_000, 10_000, 30_000, 100_000].filter((fans) => fans <= FANS);
const NODES = Math.max(2, Math.ceil(FANS / FANS_PER_NODE_MAX));
const CONNECTS_PER_S = 4_000;
const WARM_S = 5;
const MEASURED_S = 30;
/** Noise of a busy machine, beside which nothing grows. */
const GROWTH_MAX = 1.2;

/** @typedef {{ fans: number, deliveriesPerS: number, commandsPerS: number, bytesPerS: number, cpuMsPerS: number, missing: number }} Step */

const steps = await inScene("broker-load", async (scene) => {
  const broker = await startRedis(scene);
  const { nodes, secretFile } = await startNodes(scene, broker, { count: NODES });
  /** @type {Step[]} */
  const steps = [];
  for (const fans of STEPS) {
    const load = new Load(scene, `broker-load-${fans}`, [
      nodes.map((node) => node.address).join(","), "--secret-file", secretFile, "--room", ROOM, "--fans", `${fans}`, "--connect-rate", `${CONNECTS_PER_S}`,
      "--room-rate", "1", "--chat-rate", "300", "--duration", `${WARM_S + MEASURED_S + 10}s`,
    ]);
    await load.until(({ connected }) => connected >= fans);
    const came = load.second;
    await load.until(({ second }) => second >= came + WARM_S);
    const [before, from] = [await broker.counters(), performance.now()];
    await load.until(({ second }) => second >= came + WARM_S + MEASURED_S);
    const [after, to] = [await broker.counters(), performance.now()];
    const report = await load.report();
    /** @param {string} name */
    const perS = (name) => (((after[name] ?? NaN) - (before[name] ?? NaN)) / (to - from)) * 1_000;
    /** @type {import("../tests/harness/load.mjs").Row[]} */
    const rows = report.seconds;
    const measured = rows.filter((row) => row.second > came + WARM_S && row.second <= came + WARM_S + MEASURED_S);
    steps.push({
      fans,
      deliveriesPerS: measured.reduce((sum, row) => sum + row.deliveries, 0) / measured.length,
      commandsPerS: perS("total_commands_processed"),
      bytesPerS: perS("total_net_input_bytes") + perS("total_net_output_bytes"),
      cpuMsPerS: perS("cpu_ms"),
      missing: report.lossless.missing,
    });
  }
  return steps;
});

const [first] = steps;
const last = steps.at(-1);
if (!first || !last) throw new Error("FANS is below the first step, 1,000");
const checks = [
  atMost(`commands a second with ${count(last.fans)} fans, against ${count(first.fans)}`, last.commandsPerS / first.commandsPerS, GROWTH_MAX, times),
  atMost("bytes a second", last.bytesPerS / first.bytesPerS, GROWTH_MAX, times),
  atMost("messages of the lossless lane that anybody misses", steps.reduce((sum, step) => sum + step.missing, 0), 0, count),
];
await conclude("broker-load", {
  title: "What Redis has to do for a room",
  command: "make bench-broker",
  checks,
  figures: [
    ["servers", `${NODES}, the same for every step`],
    ["what is said", "1 lossless and 300 chat messages a second offered"],
  ],
  table: {
    head: ["fans", "delivered/s", "commands/s", "kB/s", "CPU ms/s", "commands per 1,000 delivered"],
    rows: steps.map((step) => [
      count(step.fans), count(step.deliveriesPerS), count(step.commandsPerS), count(step.bytesPerS / 1_000), step.cpuMsPerS.toFixed(1),
      ((step.commandsPerS / step.deliveriesPerS) * 1_000).toFixed(2),
    ]),
  },
}, { whole: FANS >= 100_000, raw: { steps } });
