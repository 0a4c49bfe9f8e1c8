/**
 * F16: strangers take all descriptors that a server has left. Its fans notice nothing, and when descriptors are free again, new ones
 * come in. That each door gets over it alone is in crates/fanwave/tests/descriptors.rs.
 */

import assert from "node:assert/strict";
import { connect } from "node:net";
import { startRedis } from "../harness/brokers.mjs";
import { Crowd, fault, inForm, PATIENCE_MS, startRooms } from "../harness/faults.mjs";
import { ROOM } from "../harness/nodes.mjs";
import { until } from "../harness/wait.mjs";
import { Witness } from "../harness/witness.mjs";

/** More than the crowd's share takes, its senders among them, and less than with the strangers. */
const DESCRIPTORS = inForm({ short: 260, long: 2_900 });
const FULL_S = inForm({ short: 2, long: 30 });

fault("F16", "a server has no descriptors left", async (scene) => {
  const broker = await startRedis(scene);
  const { nodes, secretFile } = await startRooms(scene, broker, {
    count: 2, binaryOf: (index) => (index === 0 ? "prlimit" : undefined), argsOf: (index, program) => (index === 0 ? [`--nofile=${DESCRIPTORS}`, program] : []),
  });
  const [full, other] = nodes;
  assert.ok(full && other);
  const crowd = await Crowd.arrive(scene, nodes, secretFile);
  /** @type {import("node:net").Socket[]} */
  const strangers = [];
  await until("the door cannot open any more", PATIENCE_MS, async () => {
    // So many at a time, until the log says so: none of them says a word.
    for (let n = 0; n < 20; n += 1) strangers.push(connect(full.ports.chat, "127.0.0.1").on("error", () => {}));
    return /could be accepted/.test(await full.log());
  });
  scene.after(() => strangers.forEach((stranger) => stranger.destroy()));
  await crowd.goOn(FULL_S);
  for (const stranger of strangers) stranger.destroy();
  const late = await Witness.follow(scene, full, `room:${ROOM}`, { user: "late", role: "staff" });
  assert.ok((await late.say("here")).ok, "who comes when some are free is let in");
  const { report, account } = await crowd.clean();
  assert.equal(account.refused + account.unanswered, 0, "everything was taken");
  assert.deepEqual(report.closes, {}, "nobody was cut off");
  return { strangers: strangers.length, ...account };
});
