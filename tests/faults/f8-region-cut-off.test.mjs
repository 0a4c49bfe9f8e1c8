/** F8: two regions, and the one without the broker is cut off from it: still one order of messages, and every send is answered. */

import { startNats, startRedis } from "../harness/brokers.mjs";
import { fault, inForm } from "../harness/faults.mjs";
import { cutOff } from "../harness/partition.mjs";

const seconds = inForm({ short: 5, long: 60 });

for (const startBroker of inForm({ short: [startNats], long: [startRedis, startNats] })) {
  fault("F8", `a region is cut off from the broker (${startBroker.name.slice(5)})`, async (scene) => {
    const broker = await startBroker(scene, { doors: 1 });
    return cutOff(scene, broker, { count: 4, cutOff: 2, cuts: [["up", "down"]], seconds });
  });
}
