/**
 * F6: a Redis Cluster moves a slot that is in use to another server, and then loses a primary, whose replica takes over. Rooms are
 * heard again soon, and what was acknowledged is there.
 */

import assert from "node:assert/strict";
import { Crowd, fault, inForm, PATIENCE_MS, startRooms } from "../harness/faults.mjs";
import { moveSlot, startRedisCluster, usedSlot } from "../harness/redis-cluster.mjs";
import { until } from "../harness/wait.mjs";

/** All rooms are heard so long after the cluster is whole again. */
const HEARD_S = 5;
const MORE_S = inForm({ short: 1, long: 30 });

fault("F6", "a slot moves, and a primary fails (Redis Cluster)", async (scene) => {
  const cluster = await startRedisCluster(scene);
  const { nodes, secretFile } = await startRooms(scene, cluster, { count: 2 });
  const crowd = await Crowd.arrive(scene, nodes, secretFile);
  const [first, second] = cluster.primaries;
  assert.ok(first && second);

  await moveSlot(cluster.servers, second, first, await usedSlot(second));
  const moved = crowd.load.second;
  await crowd.flowsAgain();
  const afterMove = crowd.load.second - moved;
  assert.ok(afterMove <= HEARD_S, `all rooms are heard ${afterMove} s after a slot has moved`);
  await crowd.goOn(MORE_S);

  await first.child.kill();
  const heirs = cluster.servers.filter((server) => !cluster.primaries.includes(server));
  await until("a replica has taken over", PATIENCE_MS, async () => (await Promise.all(heirs.map((heir) => heir.isPrimary()))).some((is) => is));
  await until("the cluster is whole", PATIENCE_MS, async () => (await second.ask("CLUSTER INFO")).includes("cluster_state:ok"));
  const whole = crowd.load.second;
  await crowd.flowsAgain();
  const afterFailover = crowd.load.second - whole;
  assert.ok(afterFailover <= HEARD_S, `all rooms are heard ${afterFailover} s after the failover`);
  await crowd.goOn(MORE_S);
  const { account } = await crowd.clean();
  return { heard_after_move_s: afterMove, heard_after_failover_s: afterFailover, ...account };
});
