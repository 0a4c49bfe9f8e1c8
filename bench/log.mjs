/**
 * `make bench-log`: the chat log of servers that share their rooms, in each database: a file, PostgreSQL, Cassandra.
 *
 * A crowd speaks in the rooms of one server over Redis, which records what is said. In the middle the database is taken away for
 * OUTAGE=60 seconds (killed and started again; the file is locked by another process), and then what the crowd had acknowledged
 * is compared with an export of the log. Fails when something is missing or there twice, when fans notice, when the server's
 * memory grows, or when less is recorded a second than the promise. STORES=sqlite plays one; writes artifacts/log-checks.json.
 */

import { join } from "node:path";
import { startRedis } from "../tests/harness/brokers.mjs";
import { Cassandra } from "../tests/harness/cassandra.mjs";
import { run } from "../tests/harness/child.mjs";
import { Load, laneP99 } from "../tests/harness/load.mjs";
import { holdLock } from "../tests/harness/log-lock.mjs";
import { ROOM, startNodes } from "../tests/harness/nodes.mjs";
import { Postgresql } from "../tests/harness/postgresql.mjs";
import { inScene } from "../tests/harness/scene.mjs";
import { until } from "../tests/harness/wait.mjs";
import { atLeast, atMost, bytes, count } from "./chat/part.mjs";
import { conclude } from "./cluster/outcome.mjs";

const OUTAGE_S = Number(process.env.OUTAGE || 60);
const BEFORE_S = Number(process.env.SECONDS || 30);
const AFTER_S = 15;
/**
 * Of each room a server keeps its newest 500 messages, and up to 1 MiB of what it sends (`ROOM_LOG_BYTES` in crates/gateway): until it has both it
 * grows, whatever becomes of the log. So many messages of 200 bytes are more than a mebibyte, as they are sent.
 */
const FULL = 4_000;
/** What is said in a room in a second: most of it by its fans in turn, which is the chat, and the rest by its artist, whose messages all fans must have. */
const ROOM_RATE = 500;
const LOSSLESS_RATE = 2;
/**
 * Fans in each room, who are all in its chat: each says five messages a second, and the next one of somebody waits until the one before is
 * stored. With a fifth of them nobody could say all that is to be said while a disk takes 40 ms for it.
 */
const ROOM_FANS = 100;
/** Each fan says more in a second than one may. */
const CHAT = "commands_per_second = 1000\n";
/** A database has read and compiled its own code by then. */
const WARM_UP_S = 60;
/** How long the log may take to have everything once nothing is said any more. */
const CAUGHT_UP_MS = 480_000;
/** What an export of one room may take. */
const EXPORT_MS = 60_000;
const GROWTH_MAX = 64 * 1024 * 1024;
/** Two seconds are the same when they differ by less than this. */
const MILLIS_APART = 10;
/** What nobody notices: with the database back, there is more to do on this machine than before it was away. */
const UNNOTICED_MS = 100;

/**
 * @typedef {object} Place A database that can be taken away.
 * @property {string} config Of a server that records there.
 * @property {(node: import("../tests/harness/nodes.mjs").Node) => Promise<() => Promise<void>>} take Takes it away, and answers what brings it back.
 */

/** @type {Record<string, { title: string, rate: number, start: (scene: import("../tests/harness/scene.mjs").Scene) => Promise<Place> }>} */
const STORES = {
  sqlite: {
    title: "a file (SQLite)",
    rate: 5_000,
    start: async (scene) => ({
      config: "[store]\nrecord = \"on\"\n",
      take: (node) => holdLock(scene, join(node.dataFolder, "fanwave.db")),
    }),
  },
  postgresql: {
    title: "PostgreSQL",
    rate: 2_000,
    start: async (scene) => {
      const server = await Postgresql.start(scene);
      const config = `[store]\nkind = "postgresql"\nrecord = "on"\n\n${server.address}`;
      return { config, take: () => killed(server) };
    },
  },
  cassandra: {
    title: "Cassandra",
    rate: 5_000,
    start: async (scene) => {
      // A 512 MiB heap, as the tests have it, is full of what was written before a minute is over.
      // On a machine of its own its threads, more than all others together, would not take the processor from whoever serves fans.
      const node = await Cassandra.start(scene, { heapMib: 2048, aside: true });
      return { config: node.config, take: () => killed(node) };
    },
  },
};

/**
 * The p99 of each lane in a stretch of time.
 *
 * @param {import("../tests/harness/load.mjs").Row[]} rows
 * @param {number} from Second.
 * @param {number} to
 */
const p99s = (rows, from, to) => ({ lossless: laneP99(rows, "lossless", from, to), lossy: laneP99(rows, "lossy", from, to) });

/** @param {{ kill: () => Promise<void>, run: () => Promise<void> }} server */
async function killed(server) {
  await server.kill();
  return () => server.run();
}

/** @param {keyof typeof STORES} name */
const play = (name) => inScene(`log-${name}`, async (scene) => {
  const store = STORES[name];
  if (!store) throw new Error(`STORES knows ${Object.keys(STORES).join(", ")}, and not ${name}`);
  const rate = Number(process.env.RATE || store.rate);
  const rooms = rate / ROOM_RATE;
  const fans = ROOM_FANS * rooms;
  const warmS = Math.max(WARM_UP_S, FULL / ROOM_RATE);
  const broker = await startRedis(scene);
  const place = await store.start(scene);
  const { nodes, secretFile } = await startNodes(scene, broker, { count: 1, rooms, drain: place.config, more: CHAT });
  const [node] = nodes;
  if (!node) throw new Error("there is one");
  const load = new Load(scene, `log-${name}`, [
    node.address, "--secret-file", secretFile, "--room", ROOM, "--rooms-numbered", `${rooms}`, "--fans", `${fans}`,
    "--room-rate", `${LOSSLESS_RATE}`, "--chat-rate", `${ROOM_RATE - LOSSLESS_RATE}`, "--duration", "15m",
  ]);
  const recorded = async () => (await node.metric("fanwave_recorder_recorded_total")) ?? 0;
  await load.until(({ connected }) => connected >= fans);
  const came = load.second;
  await load.until(({ second }) => second >= came + warmS);
  const [recordedBefore, began, residentBefore] = [await recorded(), performance.now(), await node.resident()];
  await load.until(({ second }) => second >= came + warmS + BEFORE_S);
  const perS = ((await recorded()) - recordedBefore) / ((performance.now() - began) / 1_000);
  const lagBefore = (await node.metric("fanwave_recorder_lag_seconds")) ?? NaN;

  const gone = load.second;
  const bring = await place.take(node);
  await load.until(({ second }) => second >= gone + OUTAGE_S);
  const residentIn = await node.resident();
  const lagIn = (await node.metric("fanwave_recorder_lag_messages")) ?? NaN;
  const wordsIn = (await node.readiness()).words;
  const back = load.second;
  const bringing = performance.now();
  await bring();
  const returned = performance.now();
  let [caughtUpS, residentMost] = [NaN, residentIn];
  const watch = until("the log has caught up", CAUGHT_UP_MS, async () => {
    residentMost = Math.max(residentMost, await node.resident());
    return ((await node.metric("fanwave_recorder_lag_seconds")) ?? NaN) <= 1;
  }).then(() => {
    caughtUpS = (performance.now() - returned) / 1_000;
  });
  await watch;
  const then = load.second;
  await load.until(({ second }) => second >= then + AFTER_S);
  load.end();
  const report = await load.report();
  await until("all is recorded", CAUGHT_UP_MS, async () => ((await node.metric("fanwave_recorder_lag_messages")) ?? NaN) === 0);
  const holes = (await node.metric("fanwave_recorder_holes_total")) ?? NaN;
  await node.drain();
  const log = await exported(node, rooms);
  return {
    title: store.title, rate, rooms, fans, report, perS, lagBefore, lagIn, wordsIn, residentBefore, residentIn, residentMost, caughtUpS, holes, log,
    startedS: (returned - bringing) / 1_000,
    before: p99s(report.seconds, came + warmS, gone),
    during: p99s(report.seconds, gone, back),
    after: p99s(report.seconds, back, then),
  };
});

/**
 * What the log has, as its operator reads it: how many messages, and how many of them are there again.
 *
 * @param {import("../tests/harness/nodes.mjs").Node} node
 * @param {number} rooms
 */
async function exported(node, rooms) {
  let [messages, twice] = [0, 0];
  for (let room = 1; room <= rooms; room += 1) {
    for (const lane of ["room", "chat"]) {
      const { code, stdout, stderr } = await run(node.binary, ["log", "export", `${ROOM}-${room}`, "--lane", lane, "--config", node.config], { deadlineMs: EXPORT_MS });
      if (code !== 0) throw new Error(`the export ended with ${code}: ${stderr}`);
      const seen = new Set();
      for (const line of stdout.split("\n")) {
        if (!line) continue;
        const { user, id, text } = JSON.parse(line);
        if (text === null) continue;
        const key = `${user} ${id}`;
        if (seen.has(key)) twice += 1;
        seen.add(key);
        messages += 1;
      }
    }
  }
  return { messages, twice };
}

/**
 * That fans have what they read as soon as before, as far as they notice.
 *
 * @param {string} what
 * @param {{ median: number }} before
 * @param {{ median: number }} then
 */
const unnoticed = (what, before, then) => ({
  what: `${what} (median of the seconds' p99)`, bar: `within ${UNNOTICED_MS} ms of ${before.median.toFixed(1)} ms`,
  seen: `${then.median.toFixed(1)} ms`, pass: then.median <= before.median + UNNOTICED_MS,
});

const names = (process.env.STORES || Object.keys(STORES).join(" ")).split(/[ ,]+/);
const results = [];
for (const name of names) results.push(await play(name));

const checks = results.flatMap(({ title, rate, report, perS, before, during, after, residentBefore, residentMost, log, holes }) => {
  const { missing, duplicates, reorders, unanswered } = report.lossless;
  const accepted = report.lossless.accepted + report.lossy.accepted;
  // What was not answered at the end of the run may have been taken.
  const open = unanswered + report.lossy.sent - report.lossy.accepted;
  return [
    atLeast(`${title}: recorded a second`, perS, 0.98 * rate),
    {
      what: `${title}: fans notice nothing while it is away (median of the seconds' p99)`, bar: `within 20 % or ${MILLIS_APART} ms of ${before.lossless.median.toFixed(1)} ms`,
      seen: `${during.lossless.median.toFixed(1)} ms`, pass: during.lossless.median <= Math.max(1.2 * before.lossless.median, before.lossless.median + MILLIS_APART),
    },
    unnoticed(`${title}: what must not be lost, while the log catches up`, before.lossless, after.lossless),
    unnoticed(`${title}: the shown chat, while the log catches up`, before.lossy, after.lossy),
    atMost(`${title}: what the server grows by`, residentMost - residentBefore, GROWTH_MAX, bytes),
    {
      what: `${title}: the log has what was acknowledged`, bar: open ? `${count(accepted)} to ${count(accepted + open)}` : count(accepted),
      seen: count(log.messages), pass: log.messages >= accepted && log.messages <= accepted + open,
    },
    atMost(`${title}: messages that it has twice`, log.twice, 0),
    atMost(`${title}: offsets that the broker had let go of`, holes, 0),
    atMost(`${title}: messages that fans missed, or saw twice or out of order`, missing + duplicates + reorders, 0),
  ];
});
await conclude("log", {
  title: "The chat log of servers that share their rooms",
  command: "make bench-log",
  checks,
  figures: [
    ["what is said", `messages of 200 bytes, ${ROOM_RATE} a second in each of as many rooms as that takes: ${ROOM_RATE - LOSSLESS_RATE} by its ${ROOM_FANS} fans in turn, ${LOSSLESS_RATE} in the lossless lane; one server over Redis, which syncs each append`],
    ["how long each is away", `${OUTAGE_S} s: PostgreSQL and Cassandra are killed and started again, the file is locked by another process`],
    ["how Cassandra is set", "one node with a heap of 2 GiB, which has a write on its disk before it acknowledges it; all else as it comes. It gives way (nice 10), because its threads are more than all others and would have most of the processor while it starts and the log catches up"],
  ],
  table: {
    head: ["database", "said/s", "recorded/s", "lossless, p99 before, ms", "while away", "while catching up", "shown chat, p99 before, ms", "while catching up", "behind when it is back", "caught up after, s", "server, MiB"],
    rows: results.map(({ title, rate, perS, before, during, after, lagIn, caughtUpS, residentBefore, residentMost }) => [
      title, count(rate), count(perS), before.lossless.median.toFixed(1), during.lossless.median.toFixed(1), after.lossless.median.toFixed(1), before.lossy.median.toFixed(1),
      after.lossy.median.toFixed(1), count(lagIn), caughtUpS.toFixed(1),
      `${Math.round(residentBefore / 2 ** 20)} to ${Math.round(residentMost / 2 ** 20)}`,
    ]),
  },
}, {
  whole: OUTAGE_S >= 60 && BEFORE_S >= 30 && names.length === Object.keys(STORES).length && !process.env.RATE,
  raw: { results: results.map((result) => ({ ...result, report: undefined })) },
  page: {
    path: "docs/log.md",
    names: ["log"],
    introduction: `# The chat log: measured

Generated by \`make bench-log\` when it is played whole; change \`bench/\`, not this page. [store.md](store.md) says what a database
promises. The server, Redis, the database and all fans share one machine.
`,
  },
});
