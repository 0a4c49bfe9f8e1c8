/** F7: one server is cut off from the broker, and no reset tells anybody. Its fans are told; afterwards all is as before. */

import { startKafka, startNats, startRedis } from "../harness/brokers.mjs";
import { fault, inForm } from "../harness/faults.mjs";
import { cutOff } from "../harness/partition.mjs";

const seconds = inForm({ short: 5, long: 60 });

for (const startBroker of inForm({ short: [startRedis], long: [startRedis, startNats, startKafka] })) {
  fault("F7", `one server is cut off from the broker (${startBroker.name.slice(5)})`, async (scene) => {
    const broker = await startBroker(scene, { doors: 1 });
    return cutOff(scene, broker, { count: 3, cutOff: 1, cuts: [["up", "down"]], seconds });
  });
}
