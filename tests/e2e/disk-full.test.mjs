/** A full disk: sends are refused in words, nothing is acknowledged that is not held, and space is all it takes to go on. */

import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fan, send, wholeHistory } from "../harness/chat.mjs";
import { fill, smallDisk } from "../harness/disk.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

/** Small enough to fill at once, large enough for the empty database. */
const DISK = "4m";
/** How many sends may still find room in pages that were already allocated. */
const LAST_SENDS_MAX = 1_000;

scene("a full disk refuses sends, loses nothing that was acknowledged, and recovers when space returns", async (scene) => {
  const disk = await smallDisk(scene, DISK);
  const server = await Server.start(scene, { dataFolder: join(disk, "data"), sendRate: "unlimited", shownPerSecond: 0 });
  const speaker = await fan(scene, server, { name: "speaker" });
  const listener = await fan(scene, server, { name: "listener" });
  const ballast = join(disk, "ballast");
  /** @type {Map<string, number>} Offset by id of every message that was acknowledged. */
  const acknowledged = new Map();
  /** @param {number} i */
  const attempt = async (i) => {
    const id = `message-${i}`;
    const { offset } = await send(speaker.client, server.chatChannel, { id, text: `${id} ${"x".repeat(400)}` });
    acknowledged.set(id, offset);
  };

  for (let i = 0; i < 10; i += 1) await attempt(i);
  await fill(ballast);

  // Some may still fit; then one is refused, with an error and not with silence.
  let refused = -1;
  let i = 10;
  for (; i < LAST_SENDS_MAX && refused < 0; i += 1) {
    try {
      await attempt(i);
    } catch (error) {
      const { code } = /** @type {{ code?: number }} */ (error);
      assert.equal(code, 100, `refused with the protocol's temporary internal error: ${JSON.stringify(error)}`);
      refused = i;
    }
  }
  assert.ok(refused >= 0, "a full disk refuses a send");
  await assert.rejects(attempt(refused), "and goes on refusing");

  await rm(ballast);
  await until("sends are taken again", 10_000, () => attempt(refused).then(() => true));
  await attempt(i);

  const kept = await wholeHistory(listener.subscription);
  const ids = kept.map((p) => p.data.id);
  assert.equal(new Set(ids).size, ids.length, "each message once");
  const offsets = new Map(kept.map((p) => [p.data.id, p.offset]));
  for (const [id, offset] of acknowledged) assert.equal(offsets.get(id), offset, `${id} is held under the offset that was acknowledged`);
  assert.deepEqual(kept.map((p) => p.offset), kept.map((_, at) => at + 1), "no offset was burnt");
});
