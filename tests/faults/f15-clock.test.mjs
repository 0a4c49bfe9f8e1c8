/**
 * F15: the clock of one of two servers is set an hour ahead, then an hour back, while they run. Nothing of a room leaps with it:
 * messages, copies, mutes and tokens.
 */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startRedis } from "../harness/brokers.mjs";
import { Crowd, fault, inForm, PATIENCE_MS, startRooms } from "../harness/faults.mjs";
import { ROOM, SECRET } from "../harness/nodes.mjs";
import { sign } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";
import { assertOneLog, Witness } from "../harness/witness.mjs";

const HOUR_S = 3_600;
const STAY_S = inForm({ short: 1, long: 30 });
/** A send takes a tick and a write; one that waits for a deadline an hour away does not end. */
const SAID_MS = 5_000;

/** What makes a process believe in another wall clock, which a file sets; its monotonic clock stays what it is. */
function clockFrom(/** @type {string} */ file) {
  const library = process.env.FANWAVE_FAKETIME;
  if (!library) throw new Error("FANWAVE_FAKETIME is not set: it names libfaketimeMT.so.1, which `scripts/need faketime` installs");
  return { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" };
}

fault("F15", "a server's clock is set an hour ahead and an hour back", async (scene) => {
  const file = join(scene.folder, "clock");
  await writeFile(file, "+0\n");
  const broker = await startRedis(scene);
  const { nodes, secretFile } = await startRooms(scene, broker, { count: 2, envOf: (index) => (index === 0 ? clockFrom(file) : {}) });
  const [leaping, steady] = nodes;
  assert.ok(leaping && steady);
  const crowd = await Crowd.arrive(scene, nodes, secretFile);
  const channel = `room:${ROOM}`;
  const speaker = await Witness.follow(scene, leaping, channel, { user: "speaker", role: "staff" });
  const elsewhere = await Witness.follow(scene, steady, channel, { user: "speaker", role: "staff" });
  // Its token ends before the hour does that the clock leaps.
  const brief = await Witness.follow(scene, leaping, `chat:${ROOM}`, { user: "brief", token: sign(SECRET, { user: "brief", seconds: HOUR_S / 2 }) });
  const loud = await Witness.follow(scene, leaping, `chat:${ROOM}`, { user: "loud" });
  const moderator = await Witness.follow(scene, leaping, channel, { user: "moderator", role: "moderator" });
  await moderator.client.rpc("mute", { room: ROOM, user: "loud", seconds: 600 });

  const steps = { ahead: HOUR_S, back: -HOUR_S, right: 0 };
  for (const [name, seconds] of Object.entries(steps)) {
    await writeFile(file, `${seconds < 0 ? seconds : `+${seconds}`}\n`);
    await crowd.goOn(STAY_S);
    const said = await speaker.say(name);
    assert.ok(said.ok && said.ms <= SAID_MS, `${name}: ${JSON.stringify(said)}`);
    const copy = await elsewhere.say(name);
    assert.ok(copy.ok && copy.duplicate && copy.offset === said.offset, `${name}: a copy is known for one: ${JSON.stringify(copy)}`);
    assert.ok((await brief.say(`${name}-brief`)).ok, `${name}: who came with a token of half an hour goes on`);
    const muted = await loud.say(`${name}-loud`);
    assert.ok(!muted.ok && muted.code === 103, `${name}: who is muted for ten minutes is: ${JSON.stringify(muted)}`);
    // A token is judged by the time that has really passed.
    await Witness.follow(scene, leaping, channel, { user: `${name}-good`, token: sign(SECRET, { user: `${name}-good`, seconds: 60 }) });
    await assert.rejects(Witness.follow(scene, leaping, channel, { user: "late", token: sign(SECRET, { user: "late", seconds: -60 }) }), /disconnected|109/);
    // And so is a mute: one of a second ends.
    const user = `${name}-hasty`;
    const hasty = await Witness.follow(scene, leaping, `chat:${ROOM}`, { user });
    await moderator.client.rpc("mute", { room: ROOM, user, seconds: 1 });
    await until("a short mute ends", PATIENCE_MS, async () => (await hasty.say(`${name}-hasty`)).ok);
  }
  assert.match(await leaping.log(), /clock was set/, "the operator is told");
  for (const witness of [speaker, elsewhere, brief, loud, moderator]) {
    assert.deepEqual(witness.ends, [], `${witness.user} stayed`);
    witness.assertInOrder();
  }
  const log = await assertOneLog([speaker, elsewhere], [speaker, elsewhere]);
  const { report, account } = await crowd.clean();
  assert.equal(account.refused + account.unanswered, 0, "everything was taken");
  assert.deepEqual(report.closes, {}, "and nobody was sent away");
  return { leaps_s: Object.values(steps), witnesses: log, ...account };
});
