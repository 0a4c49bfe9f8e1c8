/** A small room beside the mega-room, on the same core: it must not wait for the other's rounds. */

import { SMALL_ROOM, fanwave } from "../contestants.mjs";
import { Crowd } from "../crowd.mjs";
import { FANS, atMost, count, lossless, ms } from "../part.mjs";

const SMALL = 100;
const SECONDS = 15;

/** @param {import("../part.mjs").Stage} stage @returns {Promise<import("../part.mjs").Result>} */
export async function play({ scene, tokens }) {
  const server = await fanwave.start(scene, tokens);
  const mega = new Crowd(scene, server);
  const small = new Crowd(scene, server, { channel: SMALL_ROOM, room: 1, ahead: true });
  await mega.connect(FANS);
  await small.connect(SMALL);
  const alone = await small.publish({ perSecond: 5, count: 25 });
  const [beside, loud] = await Promise.all([
    small.publish({ perSecond: 5, count: 5 * SECONDS }),
    mega.publish({ perSecond: 50, count: 50 * SECONDS }),
  ]);
  await server.end();
  return {
    title: "A room of 100 on the core of the mega-room",
    checks: [
      atMost("p99 in a room of 100 while 15,000 fans get 50 messages/s from the same core", beside.latency.p99, 50, ms),
      lossless("both rooms", [beside, loud]),
    ],
    tables: [{
      caption: `${SECONDS} seconds; 5 messages a second in the small room.`,
      table: {
        head: ["room", "deliveries/s", "p50", "p99", "worst"],
        rows: [
          ["100 fans, alone", count(alone.steady_per_s), ms(alone.latency.p50), ms(alone.latency.p99), ms(alone.latency.most)],
          ["100 fans, beside the mega-room", count(beside.steady_per_s), ms(beside.latency.p50), ms(beside.latency.p99), ms(beside.latency.most)],
          ["15,000 fans", count(loud.steady_per_s), ms(loud.latency.p50), ms(loud.latency.p99), ms(loud.latency.most)],
        ],
      },
    }],
    raw: { alone, beside, loud },
  };
}
