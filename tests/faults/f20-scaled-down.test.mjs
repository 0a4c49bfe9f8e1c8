/** F20: an autoscaler takes a server away in the middle of the show. */

import assert from "node:assert/strict";
import { startNats } from "../harness/brokers.mjs";
import { Crowd, closesWith, fault, inForm, rowsBetween, startRooms } from "../harness/faults.mjs";

/** Of the server's fans, how many are moved in a second. */
const PERCENT = inForm({ short: 20, long: 2 });

fault("F20", "a server is taken away", async (scene) => {
  const broker = await startNats(scene);
  const drain = `[drain]\npropagation = "${inForm({ short: "0s", long: "5s" })}"\npercent_per_second = ${PERCENT}\n`;
  const { nodes, secretFile } = await startRooms(scene, broker, { count: 3, drain });
  const crowd = await Crowd.arrive(scene, nodes, secretFile);
  const before = crowd.load.second;
  await nodes.at(-1)?.drain();
  await crowd.allBack();
  const { report, account } = await crowd.clean();
  const rows = rowsBetween(report, before);
  const most = Math.max(...rows.map((row) => row.connects));
  assert.ok(most <= (crowd.fans * PERCENT) / 100, `${most} of ${crowd.fans} fans came back in one second`);
  assert.equal(closesWith(rows, 1006), 0, "nobody is cut off without a word");
  const moved = closesWith(rows, 3001);
  assert.ok(moved >= Math.floor(crowd.fans / 3), `all fans of the server were moved: ${moved}`);
  return { moved, most_back_in_a_second: most, ...account };
});
