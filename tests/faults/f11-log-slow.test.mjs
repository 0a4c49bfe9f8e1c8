/**
 * F11: the log takes 2 s for every write of one server. What it acknowledges is held, late or not; the fans of the other servers
 * notice nothing.
 */

import assert from "node:assert/strict";
import { startNats, startRedis } from "../harness/brokers.mjs";
import { Crowd, fault, inForm, rowsBetween, startRooms } from "../harness/faults.mjs";
import { Gate } from "../harness/gate.mjs";
import { laneP99 } from "../harness/load.mjs";
import { ROOM } from "../harness/nodes.mjs";
import { assertOneLog, Witness } from "../harness/witness.mjs";

const SLOW_S = inForm({ short: 3, long: 60 });
const WRITE_MS = 2_000;

for (const startBroker of inForm({ short: [startRedis], long: [startRedis, startNats] })) {
  fault("F11", `the log takes 2 s for a write of one server (${startBroker.name.slice(5)})`, async (scene) => {
    const broker = await startBroker(scene, { doors: 1 });
    const [door] = broker.doors;
    assert.ok(door);
    const gate = await Gate.open(scene, door);
    const { nodes, secretFile } = await startRooms(scene, broker, { count: 3, engineOf: (index) => (index === 0 ? broker.engineBy(door.port) : undefined) });
    const [slow, ...well] = nodes;
    const fast = well[0];
    assert.ok(slow && fast);
    // The crowd is where all is well; who speaks where it is not are witnesses.
    const crowd = await Crowd.arrive(scene, well, secretFile);
    const speaker = await Witness.follow(scene, slow, `room:${ROOM}`, { user: "slow", role: "staff" });
    const listener = await Witness.follow(scene, fast, `room:${ROOM}`, { user: "listener", role: "staff" });
    const calm = crowd.load.second;
    await crowd.goOn(SLOW_S);
    const from = crowd.load.second;
    gate.delay(WRITE_MS);
    const stop = speaker.keepSaying();
    await crowd.goOn(SLOW_S);
    const to = crowd.load.second;
    await stop();
    gate.delay(0);
    assert.ok((await speaker.say("the end")).ok, "all is well again");
    await listener.hears("the end");
    const log = await assertOneLog([speaker, listener], [speaker, listener]);
    listener.assertInOrder();
    const { report, account } = await crowd.clean();
    assert.equal(account.refused, 0, "nothing of the others was refused");
    const [before, during] = [laneP99(report.seconds, "lossless", calm, from), laneP99(report.seconds, "lossless", from, to)];
    assert.ok(rowsBetween(report, from, to).every((row) => row.deliveries >= 0.5 * crowd.usual), "the others hear their rooms in every second");
    return { p99_before_ms: before.median, p99_meanwhile_ms: during.median, slowest_ms: Math.max(...speaker.said.map(({ ms }) => ms)), witnesses: log, ...account };
  });
}
