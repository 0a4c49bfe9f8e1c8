/** 15,000 fans lose their connections in the same instant and come back as the client libraries do; 1,000 others stay. */

import { fanwave } from "../contestants.mjs";
import { Crowd } from "../crowd.mjs";
import { FANS, atMost, count, lossless, ms, seconds, sum } from "../part.mjs";

const STAYING = 1_000;

/** @param {import("../part.mjs").Stage} stage @returns {Promise<import("../part.mjs").Result>} */
export async function play({ scene, tokens }) {
  const server = await fanwave.start(scene, tokens, { paced: true });
  const crowd = new Crowd(scene, server);
  await crowd.connect(FANS + STAYING);
  const before = await crowd.publish({ perSecond: 10, count: 50 });
  const storm = await crowd.publish({ perSecond: 10, count: 200, drop: FANS });
  await server.end();
  const returned = storm.returned;
  if (!returned) throw new Error("the crowd does not say who came back");
  const lost = sum(Object.values(storm.closed));
  return {
    title: "15,000 fans come back at once",
    checks: [
      { what: "fans back in the room", bar: count(FANS), seen: count(returned.back), pass: returned.back === FANS },
      atMost("the last one is back after the drop", returned.last_back_s, 15, seconds),
      lossless("the lossless lane, what was missed included", [storm]),
      { what: "connections of others lost", bar: "0", seen: count(lost), pass: lost === 0 },
      atMost("p99 of the fans who stayed, at most what it was with everybody there", storm.latency.p99, before.latency.p99 * 1.1, ms),
    ],
    tables: [{
      caption: "10 messages a second go on all the while.",
      table: {
        head: ["", "p50", "p99", "worst"],
        rows: [
          ["delivery before, 16,000 fans", ms(before.latency.p50), ms(before.latency.p99), ms(before.latency.most)],
          ["delivery during the storm, 1,000 who stayed", ms(storm.latency.p50), ms(storm.latency.p99), ms(storm.latency.most)],
          ["back in the room after the drop", ms(returned.back_after.p50), ms(returned.back_after.p99), ms(returned.back_after.most)],
        ],
      },
    }],
    raw: { before, storm },
  };
}
