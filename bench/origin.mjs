/**
 * `make bench-origin`: what a viewer costs the origin, and how fast all who wait for a part have it, beside nginx that serves the
 * same bytes as files. One core for the server, one for the viewers and the encoder. VIEWERS=10000 and SECONDS=20 are what
 * the documentation speaks of. Fails when a promise is broken; keeps everything in artifacts/origin-checks.json.
 */

import { inScene } from "../tests/harness/scene.mjs";
import { atLeast, atMost, bytes, count, median, ms, ratio } from "./chat/part.mjs";
import { conclude } from "./cluster/outcome.mjs";
import { startFanwave, startNginx, whatViewersLoad } from "./origin/servers.mjs";
import { send } from "./origin/viewers.mjs";

/** Requests that wait at the same time: each viewer has two, one for the pictures and one for the sound. */
const WAITING = Number(process.env.WAITING || 10_000);
const SECONDS = Number(process.env.SECONDS || 20);
const PASSES = 3;

/** Viewers behind one connection of HTTP/2, as an edge has them: 100 streams, the most that the server takes. */
const SHARED = 50;
/** Those whose wake-up is promised: the parts themselves an edge fetches once. */
const WAITERS = `HTTP/2, ${SHARED} viewers per connection, playlists alone`;
/** Connections that ask for the same files as fast as they are answered. */
const EAGER = 32;

const WAKE_MS_MAX = 50;
const NGINX_RATIO_MIN = 0.7;

/**
 * @typedef {object} Live
 * @property {string} name
 * @property {import("./origin/viewers.mjs").Seen} seen
 * @property {number} viewers
 */

const { live, still } = await inScene("bench-origin", async (scene) => {
  const fanwave = await startFanwave(scene);
  const waiting = Math.ceil(WAITING / 2);
  /** @type {Live[]} */
  const live = [];
  for (const [name, args] of /** @type {[string, string[]][]} */ ([
    ["HTTP/1.1, a connection each", ["--http", "1"]],
    ["HTTP/2, a connection per viewer", ["--http", "2"]],
    [`HTTP/2, ${SHARED} viewers per connection`, ["--http", "2", "--viewers-per-connection", `${SHARED}`]],
    [WAITERS, ["--http", "2", "--viewers-per-connection", `${SHARED}`, "--playlists-only"]],
    ["HTTP/1.1, playlists alone", ["--http", "1", "--playlists-only"]],
  ])) {
    // Who fetches parts as well would measure how fast a core moves bytes, at full size: a fifth of them tells the same.
    const viewers = args.includes("--playlists-only") ? waiting : Math.ceil(waiting / 5);
    const crowd = [fanwave.playlistUrl, "--viewers", `${viewers}`, "--connect-rate", "2000", "--duration", `${SECONDS}s`, ...args];
    live.push({ name, viewers, seen: await send(scene, fanwave, crowd) });
  }

  // From here on the show stands still, and everything that is in its playlists stays.
  await fanwave.encoder.kill();
  const paths = await whatViewersLoad(fanwave.playlistUrl);
  const nginx = await startNginx(scene, fanwave.url, paths);
  /** @type {{ version: string, server: string, pass: number, perCpuS: number, seen: import("./origin/viewers.mjs").Seen }[]} */
  const still = [];
  for (let pass = 0; pass < PASSES; pass += 1) {
    for (const version of ["1", "2"]) {
      for (const server of [fanwave, nginx]) {
        const port = version === "2" ? server.http2Port : server.port;
        const seen = await send(scene, server, [
          `http://127.0.0.1:${port}/`, "--viewers", `${EAGER}`, "--http", version, "--duration", `${Math.ceil(SECONDS / 4)}s`,
          ...paths.flatMap((path) => ["--again", path]),
        ]);
        still.push({ version, server: server.name, pass, perCpuS: seen.report.answers / seen.serverCpuS, seen });
      }
    }
  }
  return { live, still };
});

/** @param {string} version @param {string} server */
const perCpuS = (version, server) => median(still.filter((run) => run.version === version && run.server === server).map((run) => run.perCpuS));
/** @param {string} version */
const toNginx = (version) => median(Array.from({ length: PASSES }, (_, pass) => {
  const of = (/** @type {string} */ server) => still.find((run) => run.version === version && run.server === server && run.pass === pass)?.perCpuS ?? NaN;
  return of("Fanwave") / of("nginx");
}));
/** @param {Live} run */
const perCore = ({ viewers, seen }) => viewers / (seen.serverCpuS / seen.report.seconds);
const shared = live.find(({ name }) => name === WAITERS);
if (!shared) throw new Error("nothing was measured");
const failures = [...live, ...still].flatMap(({ seen }) => Object.entries(seen.report.failures));

const checks = [
  atMost(`p99 from the first to the last of ${count(shared.seen.report.waiters)} who waited for a part, ${shared.name}`, shared.seen.report.wake_ms.p99, WAKE_MS_MAX, ms),
  atLeast("requests per CPU-second against nginx, HTTP/1.1", toNginx("1"), NGINX_RATIO_MIN, ratio),
  atLeast("requests per CPU-second against nginx, HTTP/2", toNginx("2"), NGINX_RATIO_MIN, ratio),
  atMost("requests that were not answered as they should", failures.reduce((sum, [, times]) => sum + Number(times), 0), 0, count),
];

await conclude("origin", {
  title: "What a viewer costs",
  command: "make bench-origin",
  checks,
  figures: [
    ["a viewer", "follows pictures (1 Mbit/s) and sound in parts of 1 s: four requests a second"],
    ["requests per CPU-second, HTTP/1.1", `Fanwave ${count(perCpuS("1", "Fanwave"))}, nginx ${count(perCpuS("1", "nginx"))}`],
    ["requests per CPU-second, HTTP/2", `Fanwave ${count(perCpuS("2", "Fanwave"))}, nginx ${count(perCpuS("2", "nginx"))}`],
  ],
  table: {
    head: ["viewers", "connected by", "viewers per core", "memory per viewer", "woken: p50", "p99", "at most", "stalls"],
    rows: live.map((run) => {
      const { report, memory } = run.seen;
      return [count(run.viewers), run.name, count(perCore(run)), bytes(memory / run.viewers), ms(report.wake_ms.p50), ms(report.wake_ms.p99), ms(report.wake_ms.max), report.stalls];
    }),
  },
}, {
  whole: WAITING >= 10_000 && SECONDS >= 20,
  raw: { live, still },
  page: {
    path: "docs/origin.md",
    names: ["origin"],
    introduction: `# The origin: measured

Generated by \`make bench-origin\` when it is played at its full size; change \`bench/\`, not this page. The server has one core; the
viewers (\`fanwave viewers\`, one thread) and the encoder share the other. Loopback charges the receiver's share of TCP to the
sender. Viewers per core are viewers divided by the processor time that the server took per second; nothing was saturated
for it. No server tells when its part was ready: a wake-up is measured from the first of all who waited for a part until
each of them had its playlist, so the time until the first is not in it. "Playlists alone" fetches no parts, as an edge does
for its viewers: 10,000 viewers who all fetch a part at once move a gigabyte, which takes a core most of a second. What wakes 10,000 connections of their own is
10,000 writes, about 10 µs each on such a machine, whoever makes them; behind an edge, which shares connections, it is not.
Memory is the server's own (RssAnon), without the kernel's sockets. nginx serves the very bytes as files, playlists packed
beforehand (\`gzip_static\`), by one process with \`sendfile\` and \`open_file_cache\`; both are asked for the same four
addresses over and over by ${EAGER} connections, in turn, and the ratios are medians of ${PASSES} passes.
`,
  },
});
