/** A thousand fans who stop reading, among 15,000: they must cost neither memory nor the others' time. */

import { watchMemory } from "../../../tests/harness/memory.mjs";
import { fanwave } from "../contestants.mjs";
import { Crowd } from "../crowd.mjs";
import { FANS, atMost, count, lossless, median, ms, percent } from "../part.mjs";

const STALLED = 1_000;
const PHASES = 5;
/** Small, so that whoever stalls falls out of it while the others are watched. */
const ROOM_LOG_KIB = 64;
/** Torn frames and records: a kilobyte for each who stalls. */
const SLACK_BYTES = STALLED * 1024;
/** The stalled fans' receive buffer, so that they are full soon. */
const RECEIVE_BYTES = 4_096;
const LOAD = { perSecond: 50, count: 300 };
/** More than sockets and the window hold together. */
const OVERRUN = { perSecond: 100, count: 500 };

/** @param {import("../part.mjs").Stage} stage @returns {Promise<import("../part.mjs").Result>} */
export async function play({ scene, tokens }) {
  const server = await fanwave.start(scene, tokens, { roomLogKib: ROOM_LOG_KIB });
  const crowd = new Crowd(scene, server);
  await crowd.connect(STALLED, { receiveBytes: RECEIVE_BYTES });
  await crowd.connect(FANS - STALLED);
  // Whatever remembers the newest messages is full before memory is watched.
  await crowd.publish(OVERRUN);
  const without = [];
  // A server that has stored and answered for half a minute has grown a little, whether everybody reads or not.
  const calm = await watchMemory(scene, server.pid);
  for (let phase = 0; phase < PHASES; phase += 1) without.push(await crowd.publish(LOAD));
  const usual = await calm.grown();
  const memory = await watchMemory(scene, server.pid);
  await crowd.stall(STALLED);
  const withStalled = [];
  for (let phase = 0; phase < PHASES; phase += 1) withStalled.push(await crowd.publish(LOAD));
  const overrun = await crowd.publish(OVERRUN);
  const grown = await memory.grown();
  const cut = await cuts(server);
  // What their sockets still hold comes at the pace that the kernel has learned from them: some hear late that they are cut.
  const woken = await crowd.resume(5);
  await server.end();
  const p99 = (/** @type {import("../crowd.mjs").Published[]} */ phases) => median(phases.map((phase) => phase.latency.p99));
  return {
    title: "1,000 of 15,000 fans stop reading",
    checks: [
      atMost(`growth of memory while ${count(STALLED)} fans do not read, beyond what it is when all do (room log ${ROOM_LOG_KIB} KiB and 1 KiB each)`, grown - usual, ROOM_LOG_KIB * 1024 + SLACK_BYTES, (value) => `${count(value / 1024)} KiB`),
      atMost("the others' p99 at 50 messages/s, against before", p99(withStalled) / p99(without) - 1, 0.1, percent),
      lossless("the others miss nothing", [...without, ...withStalled, overrun]),
      {
        what: "who does not read is cut: fallen out of the lossless lane's window, or no answer to a ping before that", bar: count(STALLED),
        seen: `${count(cut.lapped)} and ${count(cut.silent)}`, pass: cut.lapped + cut.silent === STALLED,
      },
    ],
    tables: [{
      caption: `Medians of ${PHASES} phases of ${LOAD.count} messages.`,
      table: {
        head: ["", "deliveries/s", "p50", "p99"],
        rows: [["everybody reads", without], ["1,000 do not", withStalled]].map(([name, phases]) => {
          const all = /** @type {import("../crowd.mjs").Published[]} */ (phases);
          return [`${name}`, count(median(all.map((phase) => phase.steady_per_s))), ms(median(all.map((phase) => phase.latency.p50))), ms(p99(all))];
        }),
      },
    }],
    raw: { without, withStalled, overrun, usual, grown, cut, closed: woken.closed },
  };
}

/**
 * How many fans the server has cut because they had fallen out of a window, and how many because they did not answer a ping.
 *
 * @param {import("../contestants.mjs").Running} server
 */
async function cuts(server) {
  if (!server.metrics) throw new Error(`${server.name} has no metrics`);
  const counted = await (await fetch(server.metrics)).text();
  const of = (/** @type {RegExp} */ metric) => Number(metric.exec(counted)?.[1] ?? 0);
  return {
    lapped: of(/^fanwave_gateway_slow_cuts_total\{reason="lapped"\} (\d+)$/m),
    silent: of(/^fanwave_gateway_closes_total\{code="3012"\} (\d+)$/m),
  };
}
