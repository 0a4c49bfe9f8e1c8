/**
 * F2: a server does nothing for a while (SIGSTOP) and goes on. Its fans have given it up by then, when its pings stayed away, and
 * are elsewhere; what it still holds of them is stale.
 */

import assert from "node:assert/strict";
import { startRedis } from "../harness/brokers.mjs";
import { Crowd, PATIENCE_MS, fault, inForm, startRooms } from "../harness/faults.mjs";
import { until, within } from "../harness/wait.mjs";

const STOPPED_S = inForm({ short: 0, long: 30 });
/** A fan gives up 7 s after it heard its server last. */
const PINGS = 'ping_interval = "5s"\npong_timeout = "4s"\n';

fault("F2", "a server is stopped and goes on", async (scene) => {
  const broker = await startRedis(scene);
  const { nodes, secretFile } = await startRooms(scene, broker, { count: 3, more: PINGS });
  const crowd = await Crowd.arrive(scene, nodes, secretFile, { args: ["--ping-delay", "2s"] });
  const [stopped] = nodes;
  assert.ok(stopped);
  const before = crowd.load.second;
  stopped.pause();
  await within("its fans give it up", PATIENCE_MS, crowd.load.until(({ connected }) => connected < crowd.fans));
  await crowd.allBack();
  await crowd.load.until(({ second }) => second >= before + STOPPED_S);
  const away = crowd.load.second - before;
  stopped.resume();
  // Nobody is there any more: what it holds are sessions that have gone on elsewhere.
  await until("stale sessions are ended", PATIENCE_MS, async () => (await stopped.metric("fanwave_gateway_connections")) === 0);
  await crowd.goOn(2);
  const { account } = await crowd.clean();
  return { stopped_s: away, ...account };
});
