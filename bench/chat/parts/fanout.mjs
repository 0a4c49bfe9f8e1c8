/** Ten and fifty messages a second to 15,000 fans on one core: who merges what accrued carries it, who does not collapses. */

import { contestants, fanwave } from "../contestants.mjs";
import { Crowd, PATIENCE_S } from "../crowd.mjs";
import { FANS, atLeast, atMost, count, lossless, median, ms, percent, times } from "../part.mjs";

const ROUNDS = 3;

/** What is offered to one core. Who falls behind at the first has some time to catch up before the second. */
const LOADS = /** @type {const} */ ([{ perSecond: 10, count: 20, graceS: 5 }, { perSecond: 50, count: 200, graceS: 2 }]);

/**
 * For Fanwave alone, to see what a core can take: the others have fallen behind at a third of it, and what they keep unsent
 * would be gigabytes.
 */
const MOST = { perSecond: 200, count: 1_000 };

/** How many times more Fanwave must deliver. */
const LEAD = /** @type {const} */ ([["ws", 15], ["socketio", 10], ["centrifugo", 5]]);

/** @param {import("../part.mjs").Stage} stage @returns {Promise<import("../part.mjs").Result>} */
export async function play({ scene, tokens }) {
  const players = contestants.map((contestant) => ({ contestant, rounds: /** @type {import("../crowd.mjs").Published[][]} */ ([]) }));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { contestant, rounds } of players) {
      const server = await contestant.start(scene, tokens);
      const crowd = new Crowd(scene, server);
      await crowd.connect(FANS);
      const phases = [];
      // Of Fanwave all must arrive, however late; the others need not keep the benchmark waiting.
      for (const load of contestant === fanwave ? [...LOADS, MOST] : LOADS) {
        phases.push(await crowd.publish(contestant === fanwave ? { ...load, graceS: PATIENCE_S } : load));
      }
      rounds.push(phases);
      // A server that fell behind would go on for minutes.
      await Promise.all([crowd.end(), server.end()]);
    }
  }
  /** @param {string} name @param {number} load @param {(phase: import("../crowd.mjs").Published) => number} figure */
  const of = (name, load, figure) => {
    const player = players.find(({ contestant }) => contestant.name === name);
    return median((player?.rounds ?? []).flatMap((phases) => phases[load] ?? []).map(figure));
  };
  const steady = (/** @type {string} */ name) => of(name, 1, (phase) => phase.steady_per_s);
  const most = of("fanwave", LOADS.length, (phase) => phase.steady_per_s);
  const mine = players[0]?.rounds.flat() ?? [];
  return {
    title: "Fan-out on one core: 10 and 50 messages a second to 15,000 fans",
    checks: [
      atLeast("deliveries/s at 50 messages/s, of the 750,000 offered", of("fanwave", 1, (phase) => phase.steady_share), 0.95, percent),
      atMost("p99 at 50 messages/s", of("fanwave", 1, (phase) => phase.latency.p99), 450, ms),
      lossless(`the lossless lane at 10, 50 and ${MOST.perSecond} messages/s`, mine),
      ...LEAD.map(([name, least]) => atLeast(`most deliveries/s on one core, against ${name}`, most / steady(name), least, times)),
    ],
    tables: [...LOADS.map(({ perSecond }, load) => ({
      caption: `${perSecond} messages a second, ${count(perSecond * FANS)} deliveries a second offered; medians of ${ROUNDS} rounds. A server that falls ` +
        "behind answers with whatever it had in its last seconds: its latencies are of the messages that came at all.",
      table: {
        head: ["server", "deliveries/s", "of what was offered", "per CPU-second", "p50", "p99", "core used"],
        rows: players.map(({ contestant: { name, title } }) => [
          title, count(of(name, load, (phase) => phase.steady_per_s)), percent(of(name, load, (phase) => phase.steady_share)), count(of(name, load, (phase) => phase.per_cpu_s)),
          ms(of(name, load, (phase) => phase.latency.p50)), ms(of(name, load, (phase) => phase.latency.p99)),
          percent(of(name, load, (phase) => phase.server_cpu_s / phase.seconds)),
        ]),
      },
    })), {
      caption: `The most deliveries a second: Fanwave's at ${MOST.perSecond} messages a second, ${count(MOST.perSecond * FANS)} offered; of the others, who fall ` +
        "behind at 50 already, what they deliver then. At 50 messages a second the factor cannot be more than what is offered allows, for Fanwave delivers all of it.",
      table: {
        head: ["server", "deliveries/s", "Fanwave's are", "at 50 messages a second"],
        rows: players.map(({ contestant }) => {
          const { name, title } = contestant;
          return contestant === fanwave ? [title, count(most), "", ""] : [title, count(steady(name)), times(most / steady(name)), times(steady("fanwave") / steady(name))];
        }),
      },
    }],
    charts: [{
      name: "fanout", title: "Most deliveries a second to 15,000 fans, one core", unit: "/s",
      bars: players.map(({ contestant: { name, title } }) => ({ name: title, value: name === "fanwave" ? most : steady(name) })),
    }],
    raw: Object.fromEntries(players.map(({ contestant, rounds }) => [contestant.name, rounds])),
  };
}
