/**
 * `make bench-origin`: what a viewer costs the origin, and how fast all who wait for a part have it, beside nginx that serves the
 * same bytes as files, and beside MediaMTX with the same show where the variable MEDIAMTX names its program. One core for the
 * server, one for the viewers and the encoder. WAITING=10000 and SECONDS=20 are what the documentation speaks of. Fails when a
 * promise is broken; keeps everything in artifacts/origin-checks.json.
 */

import { inScene } from "../tests/harness/scene.mjs";
import { atLeast, atMost, bytes, count, median, ms, percent, ratio } from "./chat/part.mjs";
import { conclude } from "./cluster/outcome.mjs";
import { startFanwave, startMediamtx, startNginx, whatViewersLoad } from "./origin/servers.mjs";
import { aloneOnAir, send } from "./origin/viewers.mjs";

/** Requests that wait for the same part. */
const WAITING = Number(process.env.WAITING || 10_000);
const SECONDS = Number(process.env.SECONDS || 20);
const PASSES = 3;

/** Streams that the server takes on a connection of HTTP/2: so many who wait an edge has behind one. */
const STREAMS = 100;
/** Who fetches parts as well would measure how fast a core moves bytes, at full size: a tenth of them tells the same. */
const VIEWERS = Math.ceil(WAITING / 10);
/** Connections that ask for the same files as fast as they are answered. */
const EAGER = 32;
/** Those who wait ask again after this, as far as a network's way: nothing but the answers is in a wake-up then. */
const PAUSE = "400ms";

const WAKE_MS_MAX = 50;
const NGINX_RATIO_MIN = 0.7;
const MEDIAMTX_RATIO_MIN = 5;

/**
 * @typedef {object} Live
 * @property {string} name
 * @property {import("./origin/viewers.mjs").Seen} seen
 * @property {number} viewers
 * @property {number} alone What the show costs the server without viewers, as a part of a core.
 */

const { live, waits, theirs, still, mediamtxVersion } = await inScene("bench-origin", async (scene) => {
  const fanwave = await startFanwave(scene);
  const alone = await aloneOnAir(fanwave, SECONDS);
  /** @type {(name: string, viewers: number, args: string[], url?: string) => Promise<Live>} */
  const meet = async (name, viewers, args, url = fanwave.playlistUrl) => {
    const crowd = [url, "--viewers", `${viewers}`, "--connect-rate", "2000", "--duration", `${SECONDS}s`, ...args];
    return { name, viewers, alone, seen: await send(scene, fanwave, crowd) };
  };
  const http1 = () => meet("HTTP/1.1, a connection for each playlist", VIEWERS, ["--http", "1"]);
  const tls = () => meet("HTTP/2 over TLS, a connection for each viewer", VIEWERS, ["--http", "2", "--ca", fanwave.tls.certificate], fanwave.tls.playlistUrl);
  // Each in turn with MediaMTX, so that both have the same minutes of the machine.
  const mediamtx = { http1: await mediamtxCrowds(scene, { overTls: false }), tls: await mediamtxCrowds(scene, { overTls: true }) };
  const ours = nobody();
  const theirs = nobody();
  for (let pass = 0; pass < PASSES; pass += 1) {
    for (const [name, meetOurs] of /** @type {const} */ ([["http1", http1], ["tls", tls]])) {
      ours[name].push(await meetOurs());
      const meetTheirs = mediamtx[name]?.meet;
      if (meetTheirs) theirs[name].push(await meetTheirs());
    }
  }
  await mediamtx.http1?.end();
  await mediamtx.tls?.end();
  const live = {
    http1: mostMemory(ours.http1),
    tls: mostMemory(ours.tls),
    http2: await meet("HTTP/2, a connection for each viewer", VIEWERS, ["--http", "2"]),
    shared: await meet(`HTTP/2, ${STREAMS / 2} viewers to a connection`, VIEWERS, ["--http", "2", "--viewers-per-connection", `${STREAMS / 2}`]),
  };
  const waiting = ["--playlists-only", "--pictures-only"];
  const waits = [
    await meet(`HTTP/2, ${STREAMS} to a connection`, WAITING, ["--http", "2", "--viewers-per-connection", `${STREAMS}`, "--pause", PAUSE, ...waiting]),
    await meet(`the same, asking again at once`, WAITING, ["--http", "2", "--viewers-per-connection", `${STREAMS}`, ...waiting]),
    await meet("HTTP/1.1, a connection each", WAITING, ["--http", "1", "--pause", PAUSE, ...waiting]),
  ];

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
  mostMemory(theirs.http1);
  mostMemory(theirs.tls);
  return { live, waits, theirs, still, mediamtxVersion: mediamtx.http1?.version };
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
/** @param {Live[]} runs */
const usual = (runs) => median(runs.map(perCore));
/** The run that is the median. @param {Live[]} runs @returns {Live[]} */
const middle = (runs) => runs.filter((run) => perCore(run) === usual(runs)).slice(0, 1);
const ours = [...middle(live.http1), live.http2, ...middle(live.tls), live.shared];
const others = [theirs.http1, theirs.tls].flatMap(middle);
const compared = [live.http1, live.tls, theirs.http1, theirs.tls].filter((runs) => runs.length > 0);
/** @param {"http1" | "tls"} over */
const toMediamtx = (over) => median(theirs[over].map((run, pass) => perCore(/** @type {Live} */ (live[over][pass])) / perCore(run)));
const [shared] = waits;
if (!shared) throw new Error("nothing was measured");
const failures = [...compared.flat(), live.http2, live.shared, ...waits, ...still].flatMap(({ seen }) => Object.entries(seen.report.failures));

const checks = [
  atMost(`p99 of ${count(shared.seen.report.waiters)} who waited for a part, ${shared.name}: from the part until it was handed to their connections`, shared.seen.handedOnMs ?? NaN, WAKE_MS_MAX, ms),
  atMost("the same, from the first who had it until the last byte", shared.seen.report.wake_ms.p99, WAKE_MS_MAX, ms),
  atLeast("requests per CPU-second against nginx, HTTP/1.1", toNginx("1"), NGINX_RATIO_MIN, ratio),
  atLeast("requests per CPU-second against nginx, HTTP/2", toNginx("2"), NGINX_RATIO_MIN, ratio),
  ...(mediamtxVersion ? [
    atLeast("viewers per core against MediaMTX, HTTP/2 over TLS as browsers have it", toMediamtx("tls"), MEDIAMTX_RATIO_MIN, ratio),
    atLeast("viewers per core against MediaMTX, HTTP/1.1", toMediamtx("http1"), MEDIAMTX_RATIO_MIN, ratio),
  ] : []),
  atMost("requests that were not answered as they should", failures.reduce((sum, [, times]) => sum + Number(times), 0), 0, count),
];

await conclude("origin", {
  title: "What a viewer costs",
  command: "make bench-origin",
  checks,
  figures: [
    ["a viewer", "follows pictures (1 Mbit/s) and sound in parts of 1 s, as hls.js does: four requests a second"],
    ...compared.map((runs) => [`viewers per core in each pass, ${runs[0]?.name}`, runs.map((run) => count(perCore(run))).join(", ")]),
    ...compared.map((runs) => [`the show itself, without viewers, ${runs[0]?.name}`, `${percent(runs[0]?.alone ?? NaN)} of a core`]),
    ["requests per CPU-second, HTTP/1.1", `Fanwave ${count(perCpuS("1", "Fanwave"))}, nginx ${count(perCpuS("1", "nginx"))}`],
    ["requests per CPU-second, HTTP/2", `Fanwave ${count(perCpuS("2", "Fanwave"))}, nginx ${count(perCpuS("2", "nginx"))}`],
  ],
  table: {
    head: ["crowd", "connected by", "answers a CPU-second", "viewers per core", "memory each", "handed on: p99", "had by all: p50", "p99", "at most", "the viewers' core", "stalls"],
    rows: [...ours, ...others, ...waits].map((run) => {
      const { report, memory, serverCpuS, handedOnMs } = run.seen;
      const busy = `${Math.round((100 * report.generator_cpu_s) / report.seconds)} %`;
      const crowd = waits.includes(run) ? `${count(run.viewers)} who wait` : `${count(run.viewers)} viewers`;
      return [crowd, run.name, count(report.answers / serverCpuS), waits.includes(run) ? "" : count(perCore(run)), bytes(memory / run.viewers),
        handedOnMs === undefined ? "" : ms(handedOnMs), ms(report.wake_ms.p50), ms(report.wake_ms.p99), ms(report.wake_ms.max), busy, report.stalls];
    }),
  },
}, {
  whole: WAITING >= 10_000 && SECONDS >= 20,
  raw: { live, waits, theirs, still },
  page: {
    path: "docs/origin.md",
    names: ["origin"],
    introduction: `# The origin: measured

Generated by \`make bench-origin\` when it is played at its full size; change \`bench/\`, not this page. The server has one core; the
viewers (\`fanwave viewers\`, one thread) and the encoder share the other. Loopback charges the receiver's share of TCP to the
sender. Viewers per core are viewers divided by the processor time that the server took per second, the show itself included; nothing was
saturated for it. Each is measured in turn with MediaMTX, ${PASSES} times, all of them on the air; the median of the ratios counts. What the show costs without viewers is told beside them. Memory is the server's own (RssAnon), at most, without the kernel's sockets.

A wake-up has two halves, each measured where it can be seen. *Handed on* is the server's own measure
(\`fanwave_origin_wake_seconds\`): from when the part was listed until the answer of each who waited had been handed to its
connection. *Had by all* is the viewers' measure, and they do not know when the part was there: from the first of all who waited until
each of the others had the last byte of its playlist. Those who wait ask for the pictures' playlist alone and all for the same part. They ask
again ${PAUSE} after an answer, as far as a player's way through a network, so that their next requests are not in the
wake-up of the others; in the row that says so they ask at once, and are. Over HTTP/1.1, 10,000 who wait are 10,000 connections and as
many writes to them, of which each is a call of the kernel's. Behind an edge, or with a player's own HTTP/2, connections are shared.

nginx serves the very bytes as files, playlists packed beforehand (\`gzip_static\`), by one process with
\`open_file_cache\`, over HTTP/1.1 with \`sendfile\` and over HTTP/2 without, where it is faster so; both are asked for the same four addresses over and over by ${EAGER} connections, in turn, and the ratios are
medians of ${PASSES} passes. ${mediamtxVersion ? `MediaMTX is \`${mediamtxVersion}\`, with the same encoder, part target and segments; it speaks HTTP/2 over TLS alone.` : "MediaMTX was not measured: MEDIAMTX=PATH names its program."}
`,
  },
});

/**
 * MediaMTX with the same show, where there is one, and the same viewers as often as they are wanted.
 *
 * @param {import("../tests/harness/scene.mjs").Scene} scene
 * @param {{ overTls: boolean }} how
 */
async function mediamtxCrowds(scene, how) {
  const mediamtx = await startMediamtx(scene, how);
  if (!mediamtx) return undefined;
  const alone = await aloneOnAir(mediamtx, SECONDS);
  const crowd = [mediamtx.playlistUrl, "--viewers", `${VIEWERS}`, "--connect-rate", "500", "--duration", `${SECONDS}s`,
    ...(how.overTls ? ["--http", "2", "--ca", mediamtx.certificate] : ["--http", "1"])];
  const name = `MediaMTX ${mediamtx.version}, ${how.overTls ? "HTTP/2 over TLS" : "HTTP/1.1"}`;
  return {
    version: mediamtx.version,
    /** @type {() => Promise<Live>} */
    meet: async () => ({ name, viewers: VIEWERS, alone, seen: await send(scene, mediamtx, crowd) }),
    end: () => mediamtx.encoder.kill(),
  };
}

/** @returns {{ http1: Live[], tls: Live[] }} */
function nobody() {
  return { http1: [], tls: [] };
}

/**
 * Memory that a crowd has left is used by the next: what one takes is seen with the first.
 *
 * @param {Live[]} runs
 */
function mostMemory(runs) {
  const memory = Math.max(...runs.map(({ seen }) => seen.memory));
  for (const { seen } of runs) seen.memory = memory;
  return runs;
}
