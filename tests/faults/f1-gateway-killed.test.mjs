/** F1: one of three servers is killed; its fans come back on the others and recover. */

import assert from "node:assert/strict";
import { startKafka, startNats, startRedis } from "../harness/brokers.mjs";
import { Crowd, closesWith, fallsBetween, fault, inForm, rowsBetween, startRooms } from "../harness/faults.mjs";

/** 99 % of the fans are connected again after so long. */
const BACK_MS = 15_000;
const AFTER_S = inForm({ short: 2, long: 30 });

for (const startBroker of inForm({ short: [startRedis], long: [startRedis, startNats, startKafka] })) {
  fault("F1", `a server is killed (${startBroker.name.slice(5)})`, async (scene) => {
    const broker = await startBroker(scene);
    const { nodes, secretFile } = await startRooms(scene, broker, { count: 3 });
    const crowd = await Crowd.arrive(scene, nodes, secretFile);
    const killed = crowd.load.second;
    await nodes[0]?.kill();
    await crowd.load.until(({ connected }) => connected < crowd.fans);
    await crowd.allBack();
    await crowd.goOn(AFTER_S);
    const { report, account } = await crowd.clean();
    const [fall, ...more] = fallsBetween(report, killed);
    assert.ok(fall, "a third of the fans lost their server");
    assert.equal(more.length, 0, "and nobody else anything");
    assert.ok((fall.nearly_all_back_ms ?? Infinity) <= BACK_MS, `99 % back after ${fall.nearly_all_back_ms} ms`);
    const lost = closesWith(rowsBetween(report, killed), 1006);
    return { lost, nearly_all_back_ms: fall.nearly_all_back_ms, all_back_ms: fall.all_back_ms, ...account };
  });
}
