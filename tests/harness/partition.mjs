/** Servers of which some are cut off from the broker, by a network that says nothing about it. */

import assert from "node:assert/strict";
import { Crowd, PATIENCE_MS, readyAndSays, startRooms } from "./faults.mjs";
import { Gate } from "./gate.mjs";
import { ROOM } from "./nodes.mjs";
import { assertOneLog, Witness } from "./witness.mjs";

/** Whoever is at a server that is cut off knows it after so long. */
const TOLD_MS = 5_000;
/** All is as before so long after the network is. */
const HEALED_S = 10;
/** What witnesses say and hear in: a lane that loses nothing, and that no fan of the crowd speaks in. */
const CHANNEL = `room:${ROOM}`;

/**
 * Cuts the first servers of several off, in one direction or both, heals them, and judges it all.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {import("./brokers.mjs").Broker} broker With a door.
 * @param {object} how
 * @param {number} how.count Servers in all.
 * @param {number} how.cutOff How many of them share the network that breaks.
 * @param {("up" | "down")[][]} how.cuts What is shut, one time after the other.
 * @param {number} how.seconds For how long, each time.
 */
export async function cutOff(scene, broker, { count, cutOff, cuts, seconds }) {
  const [door] = broker.doors;
  assert.ok(door, "the broker has a door");
  const gate = await Gate.open(scene, door);
  const { nodes, secretFile } = await startRooms(scene, broker, {
    count, engineOf: (index) => (index < cutOff ? broker.engineBy(door.port) : undefined),
  });
  const [near, far] = [nodes[0], nodes.at(-1)];
  assert.ok(near && far);
  const follow = (/** @type {import("./nodes.mjs").Node} */ node, /** @type {string} */ user) => Witness.follow(scene, node, CHANNEL, { user, role: "staff" });
  const inside = await follow(near, "inside");
  const outside = await follow(far, "outside");
  const crowd = await Crowd.arrive(scene, nodes, secretFile);
  const stops = [inside, outside].map((witness) => witness.keepSaying());
  const told = [];
  const healed = [];
  for (const directions of cuts) {
    const cutAt = performance.now();
    const from = crowd.load.second;
    gate.shut(...directions);
    told.push(Math.round((await inside.notice("paused", cutAt, 2 * TOLD_MS)) - cutAt));
    await readyAndSays(near, /broker/, PATIENCE_MS);
    assert.deepEqual(await far.readiness(), { ready: true, words: "ready" }, "the others are well");
    await crowd.load.until(({ second }) => second >= from + seconds);
    const healedAt = performance.now();
    const back = crowd.load.second;
    gate.reopen();
    await inside.notice("resumed", healedAt, PATIENCE_MS);
    await crowd.flowsAgain();
    healed.push(crowd.load.second - back);
  }
  await Promise.all(stops.map((stop) => stop()));
  // What comes last is heard by both.
  assert.ok((await outside.say("the end")).ok, "all is well again");
  for (const witness of [inside, outside]) await witness.hears("the end");
  const log = await assertOneLog([inside, outside], [inside, outside]);
  for (const witness of [inside, outside]) {
    witness.assertInOrder();
    const heard = witness.heard.filter(({ offset }) => offset !== undefined);
    assert.equal(heard.length, log.held, `${witness.user} heard everything once, or recovered it`);
  }
  assert.ok(inside.said.some(({ ok }) => !ok), "what could not be stored was refused");
  assert.ok(outside.said.every(({ ok }) => ok), "and nothing of the others");
  for (const ms of told) assert.ok(ms <= TOLD_MS, `fans were told after ${told} ms`);
  for (const took of healed) assert.ok(took <= HEALED_S, `all was as before after ${healed} s`);
  const { account } = await crowd.clean();
  return { told_ms: told, healed_s: healed, witnesses: log, ...account };
}
