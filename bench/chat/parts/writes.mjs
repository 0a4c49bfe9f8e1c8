/**
 * One message a second: every message is a write of its own, so this is what a write costs. All servers hold their 15,000 fans
 * at the same time and take turns with the bare loop, so that whatever the machine does meanwhile meets all alike.
 */

import { contestants, floor } from "../contestants.mjs";
import { Crowd } from "../crowd.mjs";
import { FANS, atLeast, atMost, count, lossless, median, ms, ratio } from "../part.mjs";

const PASSES = 5;
const MESSAGES = 3;

/** @param {import("../part.mjs").Stage} stage @returns {Promise<import("../part.mjs").Result>} */
export async function play({ scene, tokens }) {
  const players = [];
  for (const contestant of [floor, ...contestants]) {
    const crowd = new Crowd(scene, await contestant.start(scene, tokens));
    await crowd.connect(FANS);
    players.push({ contestant, crowd, passes: /** @type {import("../crowd.mjs").Published[]} */ ([]) });
  }
  for (let pass = 0; pass < PASSES; pass += 1) {
    for (const { crowd, passes } of players) passes.push(await crowd.publish({ perSecond: 1, count: MESSAGES }));
  }
  const [bare, fanwave] = /** @type {[typeof players[0], typeof players[0]]} */ (players);
  /** @param {typeof players[0]} player */
  const ofFloor = (player) => median(player.passes.map((pass, i) => pass.per_cpu_s / (bare.passes[i]?.per_cpu_s ?? NaN)));
  /** @param {typeof players[0]} player @param {(pass: import("../crowd.mjs").Published) => number} figure */
  const of = (player, figure) => median(player.passes.map(figure));
  return {
    title: "One frame per write: 1 message a second to 15,000 fans",
    checks: [
      atLeast("writes per server CPU-second, of the bare loop's in the same pass", ofFloor(fanwave), 0.85, ratio),
      atMost("p99 at 1 message/s", of(fanwave, (pass) => pass.latency.p99), 300, ms),
      lossless("1 message/s arrives", fanwave.passes),
    ],
    tables: [{
      caption: `Medians of ${PASSES} passes of ${MESSAGES} messages, in turns.`,
      table: {
        head: ["server", "deliveries per CPU-second", "of the bare loop", "p50", "p99", "bytes per delivery"],
        rows: players.map((player) => [
          player.contestant.title, count(of(player, (pass) => pass.per_cpu_s)), ratio(ofFloor(player)), ms(of(player, (pass) => pass.latency.p50)),
          ms(of(player, (pass) => pass.latency.p99)), count(of(player, (pass) => pass.bytes_per_delivery)),
        ]),
      },
    }],
    charts: [{
      name: "writes", title: "Deliveries per server CPU-second, one frame per write", unit: "",
      bars: players.map((player) => ({ name: player.contestant.title, value: of(player, (pass) => pass.per_cpu_s) })),
    }],
    raw: Object.fromEntries(players.map(({ contestant, passes }) => [contestant.name, passes])),
  };
}
