/**
 * `make c100k`: 100,000 fans in one room, on as many nodes as this machine's limit of descriptors asks for, over one broker:
 * Redis, or what ENGINE says (nats, kafka).
 *
 * 1. Everybody comes; one lossless message a second and 300 messages of chatter a second, for MINUTES.
 * 2. One node is killed: its fans come back on the others. It is started again.
 * 3. All nodes are restarted, one after the other, as an orchestrator does.
 * 4. All nodes are killed at once, and started again.
 *
 * FANS=20000 plays it smaller. The fans share the machine with the nodes: every figure has both ends in it. Fails when a promise is
 * broken; writes artifacts/c100k.json and c100k-checks.json (of another engine than Redis c100k-nats.json and so on), and the load's own page.
 */

import { startKafka, startNats, startRedis } from "../tests/harness/brokers.mjs";
import { Load, laneP99 } from "../tests/harness/load.mjs";
import { FANS_PER_NODE_MAX, ROOM, startNodes } from "../tests/harness/nodes.mjs";
import { inScene } from "../tests/harness/scene.mjs";
import { socketBytes } from "./chat/kernel.mjs";
import { atMost, bytes, count, ms, percent, seconds } from "./chat/part.mjs";
import { conclude } from "./cluster/outcome.mjs";

/** @type {Record<string, typeof startRedis>} */
const ENGINES = { redis: startRedis, nats: startNats, kafka: startKafka };
const ENGINE = process.env.ENGINE || "redis";
const startBroker = ENGINES[ENGINE];
if (!startBroker) throw new Error(`ENGINE=${ENGINE}: there are ${Object.keys(ENGINES).join(", ")}`);
/** What is promised of Redis, and of the others. */
const WHOLE_FANS = ENGINE === "redis" ? 100_000 : 20_000;
const FANS = Number(process.env.FANS || WHOLE_FANS);
const MINUTES = Number(process.env.MINUTES || 5);
/** One more than what holds everybody, so that the fans of one that is killed have somewhere to go. */
const NODES = Math.max(3, Math.ceil(FANS / FANS_PER_NODE_MAX) + 1);
const CONNECTS_PER_S = 4_000;
const ROOM_RATE = 1;
const CHAT_RATE = 300;
/** From one fault to the next. */
const CALM_S = 60;
const NAME = ENGINE === "redis" ? "c100k" : `c100k-${ENGINE}`;
/** Of a node's fans a second. Where there are few nodes, one may have most of all fans. */
const DRAIN_PERCENT = NODES > 3 ? 5 : 2;
const DRAIN = `[drain]\npropagation = "2s"\npercent_per_second = ${DRAIN_PERCENT}\n`;

const result = await inScene(NAME, async (scene) => {
  const kernelBefore = await socketBytes();
  const broker = await startBroker(scene);
  const { nodes, secretFile } = await startNodes(scene, broker, { count: NODES, drain: DRAIN });
  const addresses = nodes.map((node) => node.address).join(",");
  const ramp = Math.ceil(FANS / CONNECTS_PER_S);
  // A rolling restart: propagation, then everybody of a node at its pace, then its start.
  const rolling = NODES * (10 + 100 / DRAIN_PERCENT);
  const steady = MINUTES * 60;
  // Half of the calm after each fault, and what a stampede may take until everybody is back.
  const duration = steady + CALM_S + rolling + CALM_S + 60 + Math.ceil(FANS / 1_000);
  const load = new Load(scene, NAME, [
    addresses, "--secret-file", secretFile, "--room", ROOM, "--fans", `${FANS}`, "--connect-rate", `${CONNECTS_PER_S}`, "--room-rate", `${ROOM_RATE}`,
    "--chat-rate", `${CHAT_RATE}`, "--duration", `${duration}s`,
  ]);
  await load.until(({ connected }) => connected >= FANS);
  const came = load.second;
  const countersBefore = await broker.counters();
  await load.until(({ second }) => second >= came + 10);
  const resident = await Promise.all(nodes.map((node) => node.resident()));
  const kernel = (await socketBytes()) - kernelBefore;
  await load.until(({ second }) => second >= came + steady);
  const countersAfter = await broker.counters();

  const [victim] = /** @type {[import("../tests/harness/nodes.mjs").Node]} */ (nodes);
  const killed = load.second;
  await victim.kill();
  await load.until(({ second }) => second >= killed + CALM_S / 2);
  await victim.start();
  await load.until(({ second }) => second >= killed + CALM_S);

  const rolled = load.second;
  for (const node of nodes) {
    await node.drain();
    await node.start();
  }
  const rolledTo = load.second;
  await load.until(({ second }) => second >= rolledTo + CALM_S / 2);

  const stampede = load.second;
  await Promise.all(nodes.map((node) => node.kill()));
  await Promise.all(nodes.map((node) => node.start()));
  const report = await load.report();
  return { report, ramp, came, steady, killed, rolled, rolledTo, stampede, resident, kernel, broker: { before: countersBefore, after: countersAfter } };
});

const { report } = result;
/** @type {import("../tests/harness/load.mjs").Row[]} */
const rows = report.seconds;
/** @type {import("../tests/harness/load.mjs").Fall[]} */
const falls = report.returns.falls;
const calm = laneP99(rows, "lossless", result.came + 5, result.killed);
const beside = laneP99(rows, "lossless", result.killed, result.killed + CALM_S / 2);
/** @param {number} from Seconds. @param {number} to */
const fallsWithin = (from, to) => falls.filter((fall) => fall.at_ms / 1_000 >= from - 2 && fall.at_ms / 1_000 < to);
const [kill] = fallsWithin(result.killed, result.rolled);
const [stampede] = fallsWithin(result.stampede, Infinity);
const reconnectsPerS = Math.max(0, ...rows.filter((row) => row.second > result.rolled && row.second <= result.rolledTo + 5).map((row) => row.connects));
const withoutCode = rows.filter((row) => row.second > result.rolled && row.second <= result.rolledTo + 5).reduce((sum, row) => sum + (row.closes?.[1006] ?? 0), 0);
const { missing, expected, duplicates, reorders } = report.lossless;
const checks = [
  { what: "fans in the room", bar: count(FANS), seen: count(report.connect.connected), pass: report.connect.connected === FANS },
  {
    what: "the lossless lane, over everything that happened", bar: "all, once, in order", pass: missing + duplicates + reorders === 0,
    seen: `${count(missing)} missing, ${count(duplicates)} twice, ${count(reorders)} out of order of ${count(expected)}`,
  },
  atMost("p99 of the lossless lane in the usual second", calm.median, 2_500, ms),
  atMost("fans of a node that is killed are back", (kill?.all_back_ms ?? NaN) / 1_000, 30, seconds),
  atMost("p99 meanwhile, against before", beside.median / calm.median - 1, 0.5, percent),
  atMost("reconnects in any second of a rolling restart, of all fans", reconnectsPerS / FANS, 0.03, percent),
  atMost("connections that end without a code in a rolling restart", withoutCode, 0, count),
  atMost("99 % are back after all nodes were killed", (stampede?.nearly_all_back_ms ?? NaN) / 1_000, 120, seconds),
];
const residentBytes = result.resident.reduce((sum, one) => sum + one, 0);
/** @param {string} name @returns {number} What the broker counted in a second while all was calm. */
const brokerPerS = (name) => ((result.broker.after[name] ?? NaN) - (result.broker.before[name] ?? NaN)) / result.steady;
await conclude(NAME, {
  title: `${count(FANS)} fans in one room over ${ENGINE}`,
  command: ENGINE === "redis" ? "make c100k" : `make c100k ENGINE=${ENGINE} FANS=${FANS}`,
  checks,
  figures: [
    ["servers, and processes of fans", `${NODES} and ${report.run.workers}`],
    ["what is said", `${ROOM_RATE} lossless and ${CHAT_RATE} chat messages a second offered, for ${MINUTES} minutes and then through all faults`],
    ["deliveries a second, in the best second", count(report.deliveries.best_second)],
    ["p99 of the lossless lane, in the median and in the worst calm second", `${ms(calm.median)}, ${ms(calm.worst)}`],
    ["p99 of the lossless lane, over everything", ms(report.lossless.delivery.p99_us / 1_000)],
    ["processor time of the servers, and of the fans", `${seconds((report.server?.cpu_ms ?? NaN) / 1_000)}, ${seconds(report.generator.cpu_ms / 1_000)}`],
    ["processor time of the broker, while all is calm", `${ms(brokerPerS("cpu_ms"))} a second`],
    ["memory of the servers per fan, their programs included", bytes(residentBytes / FANS)],
    ["memory of the kernel per fan, both ends", bytes(result.kernel / FANS)],
    ["a killed server's fans, 99 % and all of them back after", `${count(kill?.lost ?? NaN)}: ${seconds((kill?.nearly_all_back_ms ?? NaN) / 1_000)}, ${seconds((kill?.all_back_ms ?? NaN) / 1_000)}`],
    ["all servers killed: fans lost, 99 % back after", `${count(stampede?.lost ?? NaN)}: ${seconds((stampede?.nearly_all_back_ms ?? NaN) / 1_000)}`],
  ],
}, { whole: FANS >= WHOLE_FANS && MINUTES >= 5, raw: { calm, beside, falls, ...result, report: undefined } });
