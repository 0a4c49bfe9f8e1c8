/** Two regions with the same rooms, Seoul before Paris, each behind a door that the test can shut. */

import { startRedis } from "./brokers.mjs";
import { Gate } from "./gate.mjs";
import { freePorts } from "./scene.mjs";
import { Server } from "./server.mjs";
import { newSecret, sign } from "./tokens.mjs";
import { until } from "./wait.mjs";

const KNOWN_MS = 25_000;

/**
 * Starts both, and waits until they know of each other.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @returns {Promise<{ seoul: Server, paris: Server, doors: [Gate, Gate] }>} The doors in the order of the servers: fans come by them.
 */
export async function twoRegions(scene) {
  const broker = await startRedis(scene);
  const secret = newSecret();
  const [seoulPort, parisPort, seoulDoor, parisDoor] = /** @type {[number, number, number, number]} */ (await freePorts(4));
  const ranked = `ranked = ["seoul=http://127.0.0.1:${seoulDoor}", "paris=http://127.0.0.1:${parisDoor}"]\n`;
  const region = (/** @type {string} */ here, /** @type {number} */ httpPort) =>
    Server.start(scene, {
      folder: here, httpPort, secret, sendRate: "unlimited", shownPerSecond: 0,
      extra: `${broker.engine}\n[regions]\nhere = "${here}"\n${ranked}\n[drain]\npropagation = "0s"\n`,
    });
  const seoul = await region("seoul", seoulPort);
  const paris = await region("paris", parisPort);
  // Each server tells the other in which region it is.
  const headers = { authorization: `Bearer ${sign(secret, { user: "ops", role: "staff" })}` };
  await until("the regions know of each other", KNOWN_MS, async () => {
    const { nodes } = await (await fetch(`${paris.url}/api/v1/nodes`, { headers })).json();
    return nodes.map((/** @type {{ region: string }} */ node) => node.region).sort().join() === "paris,seoul";
  });
  const doors = [await Gate.open(scene, { port: seoulDoor, target: seoulPort }), await Gate.open(scene, { port: parisDoor, target: parisPort })];
  return { seoul, paris, doors: /** @type {[Gate, Gate]} */ (doors) };
}
