/** TLS 1.3 in the server itself: whole handshakes, memory, and fan-out with a record of its own for every fan. */

import { fanwave, withTls } from "../contestants.mjs";
import { Crowd } from "../crowd.mjs";
import { FANS, atLeast, atMost, bytes, count, lossless, median, ms, percent } from "../part.mjs";
import { idleFan } from "./memory.mjs";
import { upgrades } from "./upgrades.mjs";

const ROUNDS = 3;

/** @param {import("../part.mjs").Stage} stage @returns {Promise<import("../part.mjs").Result>} */
export async function play({ scene, tokens, certificate: tls }) {
  const rows = [];
  for (const contestant of withTls) {
    const perCpuS = [];
    // The others are for comparison, and slow.
    for (let round = 0; round < (contestant === fanwave ? ROUNDS : 1); round += 1) {
      const server = await contestant.start(scene, tokens, { tls });
      perCpuS.push(await upgrades(scene, server));
      await server.end();
    }
    const server = await contestant.start(scene, tokens, { tls });
    const fan = await idleFan(scene, server);
    await server.end();
    rows.push({ ...contestant, ...fan, upgradesPerCpuS: median(perCpuS) });
  }
  const server = await fanwave.start(scene, tokens, { tls });
  const crowd = new Crowd(scene, server);
  await crowd.connect(FANS);
  const phases = [];
  for (const load of [{ perSecond: 1, count: 5 }, { perSecond: 10, count: 40 }, { perSecond: 50, count: 200 }]) phases.push({ load, seen: await crowd.publish(load) });
  await server.end();
  const [mine] = /** @type {[typeof rows[0]]} */ (rows);
  return {
    title: "TLS 1.3 in the gateway",
    checks: [
      atLeast("upgrades per server CPU-second, TLS 1.3", mine.upgradesPerCpuS, 6_000),
      atMost("user-space memory per idle, subscribed fan with TLS", mine.user, 3_300, bytes),
      lossless("the lossless lane over TLS", phases.map(({ seen }) => seen)),
    ],
    tables: [
      {
        caption: "Whole handshakes with an ECDSA P-256 certificate, nothing resumed; memory as in the plain case.",
        table: {
          head: ["server", "upgrades per CPU-second", "user-space bytes per fan", "kernel bytes per socket"],
          rows: rows.map((row) => [row.title, count(row.upgradesPerCpuS), count(row.user), count(row.kernel)]),
        },
      },
      {
        caption: "Fanwave's fan-out over TLS to 15,000 fans on one core.",
        table: {
          head: ["messages/s", "deliveries/s", "of what was offered", "per CPU-second", "p50", "p99"],
          rows: phases.map(({ load, seen }) => [load.perSecond, count(seen.steady_per_s), percent(seen.steady_share), count(seen.per_cpu_s), ms(seen.latency.p50), ms(seen.latency.p99)]),
        },
      },
    ],
    raw: { rows, phases },
  };
}
