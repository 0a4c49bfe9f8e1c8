/** How many WebSockets a server opens in a second of its core. */

import { contestants } from "../contestants.mjs";
import { Crowd } from "../crowd.mjs";
import { FANS, atLeast, count, median } from "../part.mjs";

const ROUNDS = 3;

/** @param {import("../part.mjs").Stage} stage @returns {Promise<import("../part.mjs").Result>} */
export async function play({ scene, tokens }) {
  const rows = contestants.map((contestant) => ({ contestant, perCpuS: /** @type {number[]} */ ([]) }));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { contestant, perCpuS } of rows) {
      const server = await contestant.start(scene, tokens);
      perCpuS.push(await upgrades(scene, server));
      await server.end();
    }
  }
  return {
    title: "Opening WebSockets",
    checks: [atLeast("upgrades per server CPU-second, plain", median(rows[0]?.perCpuS ?? []), 25_000)],
    tables: [{
      caption: `${count(FANS)} connections to a fresh server, up to the open WebSocket; medians of ${ROUNDS}.`,
      table: { head: ["server", "upgrades per CPU-second"], rows: rows.map(({ contestant, perCpuS }) => [contestant.title, count(median(perCpuS))]) },
    }],
    raw: Object.fromEntries(rows.map(({ contestant, perCpuS }) => [contestant.name, perCpuS])),
  };
}

/**
 * @param {import("../../../tests/harness/scene.mjs").Scene} scene
 * @param {import("../contestants.mjs").Running} server
 */
export async function upgrades(scene, server) {
  const crowd = new Crowd(scene, server);
  const connected = await crowd.connect(FANS, { onlyUpgrade: true });
  await crowd.end();
  return FANS / connected.server_cpu_s;
}
