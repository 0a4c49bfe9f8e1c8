/** F3: every server is restarted, one after the other, as an orchestrator does it. */

import assert from "node:assert/strict";
import { startRedis } from "../harness/brokers.mjs";
import { Crowd, closesWith, fault, inForm, rowsBetween, startRooms } from "../harness/faults.mjs";

/** Of a server's fans, how many are moved in a second. */
const PERCENT = inForm({ short: 33, long: 2 });

fault("F3", "all servers are restarted", async (scene) => {
  const broker = await startRedis(scene);
  const drain = `[drain]\npropagation = "${inForm({ short: "0s", long: "5s" })}"\npercent_per_second = ${PERCENT}\n`;
  const { nodes, secretFile } = await startRooms(scene, broker, { count: 3, drain });
  const crowd = await Crowd.arrive(scene, nodes, secretFile);
  const before = crowd.load.second;
  for (const node of nodes) {
    await node.drain();
    await node.start();
  }
  await crowd.allBack();
  const after = crowd.load.second;
  const { report, account } = await crowd.clean();
  const rows = rowsBetween(report, before, after + 2);
  const most = Math.max(...rows.map((row) => row.connects));
  // At most so many percent of one server's fans, which are fewer than all.
  assert.ok(most <= (crowd.fans * PERCENT) / 100, `${most} of ${crowd.fans} fans came back in one second`);
  assert.equal(closesWith(rows, 1006), 0, "nobody is cut off without a word");
  const moved = closesWith(rows, 3001);
  assert.ok(moved >= crowd.fans, `everybody was moved, ${moved} times in all`);
  return { moved, most_back_in_a_second: most, seconds: after - before, ...account };
});
