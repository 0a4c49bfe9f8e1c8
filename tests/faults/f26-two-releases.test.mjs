/**
 * F26: servers of this release and of the one before are one platform, on the way up and on the way back; and a server alone opens
 * the data folder of the other.
 *
 * In `make test`, which builds one release, what stands for it is `what_another_release_says_is_refused_and_counted` (crates/bus),
 * for every broker.
 */

import assert from "node:assert/strict";
import { startNats, startRedis } from "../harness/brokers.mjs";
import { Crowd, fault, inForm, LONG, startRooms } from "../harness/faults.mjs";
import { ROOM } from "../harness/nodes.mjs";
import { binary } from "../harness/server.mjs";
import { Witness } from "../harness/witness.mjs";

/** The release before takes no more channels. */
const ROOMS = 60;
const EACH_S = inForm({ short: 2, long: 20 });

/** Where the release before is. */
function previous() {
  const path = process.env.FANWAVE_PREVIOUS;
  if (!path) throw new Error("FANWAVE_PREVIOUS is not set: it names the program that `scripts/need previous-release` builds");
  return path;
}

for (const startBroker of LONG ? [startRedis, startNats] : []) {
  fault("F26", `two releases share rooms (${startBroker.name.slice(5)})`, async (scene) => {
    const broker = await startBroker(scene);
    const { nodes, secretFile } = await startRooms(scene, broker, {
      count: 3, rooms: ROOMS, drain: '[drain]\npropagation = "0s"\npercent_per_second = 20\n', binaryOf: (index) => (index < 2 ? previous() : undefined),
    });
    const crowd = await Crowd.arrive(scene, nodes, secretFile, { rooms: ROOMS });
    const [first, second] = nodes;
    assert.ok(first && second);
    // Up, all of them; then one back again.
    for (const [node, program] of /** @type {const} */ ([[first, binary()], [second, binary()], [first, previous()]])) {
      await node.drain();
      node.binary = program;
      await node.start();
      await crowd.allBack();
      await crowd.goOn(EACH_S);
    }
    const unreadable = await Promise.all(nodes.map((node) => node.metric("fanwave_engine_unreadable_total")));
    const { account } = await crowd.clean();
    return { unreadable, ...account };
  });
}

if (LONG) {
  fault("F26", "two releases open one data folder (a server alone)", async (scene) => {
    const { nodes } = await startRooms(scene, { engine: "" }, { count: 1, rooms: 0, binaryOf: () => previous() });
    const [node] = nodes;
    assert.ok(node);
    let held = 0;
    for (const program of [previous(), binary(), previous()]) {
      if (node.binary !== program) {
        await node.drain();
        node.binary = program;
        await node.start();
      }
      const witness = await Witness.follow(scene, node, `room:${ROOM}`, { user: `visitor-${held}`, role: "staff" });
      const said = await witness.say(`message-${held}`);
      held += 1;
      assert.ok(said.ok && said.offset === held, JSON.stringify(said));
      const { all } = await witness.history();
      assert.deepEqual(all.map(({ id }) => id), Array.from({ length: held }, (_, index) => `message-${index}`));
      witness.client.disconnect();
    }
    return { releases: 3, held };
  });
}
