/** F5: the broker is killed, and comes back after a while. No server leaves, no fan is sent away, and nothing is acknowledged falsely. */

import assert from "node:assert/strict";
import { startKafka, startNats, startRedis } from "../harness/brokers.mjs";
import { Crowd, PATIENCE_MS, fault, inForm, readyAndSays, rowsBetween, startRooms } from "../harness/faults.mjs";
import { within } from "../harness/wait.mjs";

const DOWN_S = inForm({ short: 3, long: 20 });
/** All is as before so long after the broker can be used again. */
const CAUGHT_UP_S = 10;
/** How long a server may take to notice. */
const NOTICED_MS = 5_000;

for (const startBroker of inForm({ short: [startRedis, startNats], long: [startRedis, startNats, startKafka] })) {
  fault("F5", `the broker is restarted (${startBroker.name.slice(5)})`, async (scene) => {
    const broker = await startBroker(scene);
    const { nodes, secretFile } = await startRooms(scene, broker, { count: 3 });
    const crowd = await Crowd.arrive(scene, nodes, secretFile);
    const before = crowd.load.second;
    await broker.kill();
    await Promise.all(nodes.map((node) => readyAndSays(node, /broker/, NOTICED_MS)));
    await crowd.goOn(DOWN_S);
    for (const node of nodes) assert.ok((await node.readiness()).ready, `${node.name} stays ready`);
    await broker.start();
    const back = crowd.load.second;
    await crowd.flowsAgain();
    const caughtUp = crowd.load.second - back;
    assert.ok(caughtUp <= CAUGHT_UP_S, `deliveries are as before ${caughtUp} s after the broker is back`);
    await Promise.all(nodes.map((node) => readyAndSays(node, /^ready$/, PATIENCE_MS)));
    const { report, account } = await within("the run ends", 3 * PATIENCE_MS, crowd.clean());
    assert.ok(account.refused > 0, "what could not be stored was refused");
    const closes = rowsBetween(report, before).flatMap((row) => Object.entries(row.closes ?? {}));
    assert.deepEqual(closes, [], "nobody was sent away");
    return { down_s: back - before, caught_up_s: caughtUp, ...account };
  });
}
