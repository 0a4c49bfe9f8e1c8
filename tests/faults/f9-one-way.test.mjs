/** F9: between one server and the broker, only one direction is lost: first what the broker says, then what the server says. */

import { startKafka, startNats, startRedis } from "../harness/brokers.mjs";
import { fault, inForm } from "../harness/faults.mjs";
import { cutOff } from "../harness/partition.mjs";

const seconds = inForm({ short: 3, long: 30 });

for (const startBroker of inForm({ short: [startRedis], long: [startRedis, startNats, startKafka] })) {
  fault("F9", `one direction between a server and the broker is lost (${startBroker.name.slice(5)})`, async (scene) => {
    const broker = await startBroker(scene, { doors: 1 });
    return cutOff(scene, broker, { count: 3, cutOff: 1, cuts: [["down"], ["up"]], seconds });
  });
}
