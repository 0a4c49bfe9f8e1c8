/**
 * F4: a server is told to stop, and is killed while it moves its fans. The same for a server alone:
 * `a_kill_in_the_middle_of_a_drain_loses_nothing_that_was_acknowledged` (crates/fanwave/tests/draining.rs).
 */

import assert from "node:assert/strict";
import { startRedis } from "../harness/brokers.mjs";
import { Crowd, PATIENCE_MS, closesWith, fault, rowsBetween, startRooms } from "../harness/faults.mjs";
import { until } from "../harness/wait.mjs";

fault("F4", "a server is killed while it moves its fans", async (scene) => {
  const broker = await startRedis(scene);
  const { nodes, secretFile } = await startRooms(scene, broker, { count: 3, drain: '[drain]\npropagation = "0s"\npercent_per_second = 5\n' });
  const crowd = await Crowd.arrive(scene, nodes, secretFile);
  const [victim] = nodes;
  assert.ok(victim);
  const before = crowd.load.second;
  victim.child.signal("SIGTERM");
  await until("some fans have been moved", PATIENCE_MS, async () => ((await victim.metric("fanwave_gateway_moved_total")) ?? 0) >= 10);
  await victim.kill();
  await crowd.goOn(1);
  await victim.start();
  await crowd.allBack();
  const { report, account } = await crowd.clean();
  const rows = rowsBetween(report, before);
  const [moved, cut] = [closesWith(rows, 3001), closesWith(rows, 1006)];
  assert.ok(moved > 0 && cut > 0, `some were moved (${moved}), the others cut off (${cut})`);
  return { moved, cut, ...account };
});
