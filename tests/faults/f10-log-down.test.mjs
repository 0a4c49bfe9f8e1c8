/**
 * F10: the log does not answer. What is sent waits in a queue that has its bound, and is then refused in words; nothing is
 * acknowledged that is not held. Over a broker, which hangs; and for a server alone, whose database another process has locked.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { startKafka, startNats, startRedis } from "../harness/brokers.mjs";
import { Crowd, fault, inForm, startRooms } from "../harness/faults.mjs";
import { holdLock } from "../harness/log-lock.mjs";
import { ROOM } from "../harness/nodes.mjs";
import { assertOneLog, Witness } from "../harness/witness.mjs";

const DOWN_S = inForm({ short: 4, long: 60 });
/** After so long every send has its answer, whatever becomes of the log. */
const ANSWERED_MS = 12_000;
/** What a server may grow by while its log is down: its queues, full. */
const GROWTH_MAX = 64 * 1024 * 1024;

/**
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {{ engine: string }} broker
 * @param {number} count
 * @param {(node: import("../harness/nodes.mjs").Node) => Promise<() => Promise<void> | void>} stop Takes the log away, and answers what brings it back.
 */
async function play(scene, broker, count, stop) {
  const { nodes, secretFile } = await startRooms(scene, broker, { count });
  const [node] = nodes;
  assert.ok(node);
  const crowd = await Crowd.arrive(scene, nodes, secretFile);
  const witness = await Witness.follow(scene, node, `room:${ROOM}`, { user: "speaker", role: "staff" });
  assert.ok((await witness.say("before")).ok);
  const before = await node.resident();
  const from = crowd.load.second;
  const start = await stop(node);
  const refused = await witness.say("meanwhile");
  assert.ok(!refused.ok && refused.code === 100 && refused.temporary, `refused for now: ${JSON.stringify(refused)}`);
  assert.ok(refused.ms <= ANSWERED_MS, `a send was answered after ${refused.ms} ms`);
  await crowd.load.until(({ second }) => second >= from + DOWN_S);
  const grown = (await node.resident()) - before;
  assert.ok(grown <= GROWTH_MAX, `the server has grown by ${grown} bytes`);
  await start();
  await crowd.flowsAgain();
  // Sent again under the same id, it is one message, whatever became of the first attempt.
  const again = await witness.say("meanwhile");
  assert.ok(again.ok, JSON.stringify(again));
  // An acknowledgement may come before the message itself does.
  await witness.hears("meanwhile");
  const log = await assertOneLog([witness], [witness]);
  assert.equal(log.held, 2);
  const { report, account } = await crowd.clean();
  assert.deepEqual(Object.keys(report.closes), [], "nobody was sent away");
  return { refused_after_ms: refused.ms, grown_mib: Math.round(grown / 1024 / 1024), ...account };
}

for (const startBroker of inForm({ short: [startRedis], long: [startRedis, startNats, startKafka] })) {
  fault("F10", `the log does not answer (${startBroker.name.slice(5)})`, async (scene) => {
    const broker = await startBroker(scene);
    return play(scene, broker, 2, async () => {
      broker.pause();
      return () => broker.resume();
    });
  });
}

fault("F10", "the log does not answer (a server alone)", (scene) =>
  play(scene, { engine: "" }, 1, (node) => holdLock(scene, join(node.dataFolder, "fanwave.db"))));
