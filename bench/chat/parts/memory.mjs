/** What a fan costs who is in the room, has had a message, and is quiet now: the server's memory, and the kernel's beside it. */

import { contestants } from "../contestants.mjs";
import { Crowd } from "../crowd.mjs";
import { socketBytes } from "../kernel.mjs";
import { FANS, atMost, bytes, count, lossless } from "../part.mjs";

const QUIET_S = 3;

/** They come first and are not counted: what a process makes and loads once, for anybody, is not a fan's. */
const FIRST = 200;

/** @param {import("../part.mjs").Stage} stage @returns {Promise<import("../part.mjs").Result>} */
export async function play({ scene, tokens }) {
  const rows = [];
  const phases = [];
  for (const contestant of contestants) {
    const server = await contestant.start(scene, tokens);
    const fan = await idleFan(scene, server);
    phases.push(fan.told);
    rows.push({ ...contestant, ...fan });
    await server.end();
  }
  const [fanwave] = /** @type {[typeof rows[0]]} */ (rows);
  return {
    title: "Memory of an idle fan in the room",
    checks: [
      atMost("user-space memory per idle, subscribed fan", fanwave.user, 256, bytes),
      lossless("each fan has had a message", phases.slice(0, 1)),
    ],
    tables: [{
      caption: `Growth of the server's resident memory over ${count(FANS)} fans who are in the room and have had messages, after the first ${FIRST}; ` +
        "beside it the kernel's objects per socket end. Joins per CPU-second are of the whole way into the room, tokens and subscriptions included where there are any.",
      table: {
        head: ["server", "user-space bytes per fan", "kernel bytes per socket", "joins per CPU-second"],
        rows: rows.map((row) => [row.title, count(row.user), count(row.kernel), count(row.joinsPerCpuS)]),
      },
    }],
    charts: [{ name: "memory", title: "User-space bytes per idle fan", unit: " B", bars: rows.map((row) => ({ name: row.title, value: row.user })) }],
    raw: { rows },
  };
}

/**
 * @param {import("../../../tests/harness/scene.mjs").Scene} scene
 * @param {import("../contestants.mjs").Running} server
 */
export async function idleFan(scene, server) {
  const crowd = new Crowd(scene, server);
  await crowd.connect(FIRST);
  await crowd.publish({ perSecond: 1, count: 2 });
  const empty = await socketBytes();
  const joined = await crowd.connect(FANS);
  const told = await crowd.publish({ perSecond: 1, count: 2 });
  const quiet = await crowd.idle(QUIET_S);
  const kernel = (await socketBytes()) - empty;
  await crowd.end();
  return {
    user: (quiet.resident_after - joined.resident_before) / FANS,
    // Both ends of every connection are on this machine.
    kernel: kernel / FANS / 2,
    joinsPerCpuS: FANS / joined.server_cpu_s,
    told,
  };
}
