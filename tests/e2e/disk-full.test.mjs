/** A full disk: sends are refused in words, nothing is acknowledged that is not held, and space is all it takes to go on. */

import assert from "node:assert/strict";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { fan, send, wholeHistory } from "../harness/chat.mjs";
import { run } from "../harness/child.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

/** Small enough to fill at once, large enough for the empty database. */
const DISK = "4m";
/** How many sends may still find room in pages that were already allocated. */
const LAST_SENDS_MAX = 1_000;

/**
 * A file system of its own, so that filling it harms nothing else.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 */
async function smallDisk(scene) {
  const folder = join(scene.folder, "disk");
  const args = ["-t", "tmpfs", "-o", `size=${DISK}`, "fanwave-test", folder];
  if (process.getuid?.() !== 0) {
    throw new Error(`this test mounts a small file system, which takes root: run as root, or allow \`mount ${args.join(" ")}\``);
  }
  await mkdir(folder);
  const mounted = await run("mount", args, { deadlineMs: 5_000 });
  if (mounted.code !== 0) throw new Error(`mount ${args.join(" ")} failed: ${mounted.stderr}`);
  scene.after(async () => {
    const gone = await run("umount", [folder], { deadlineMs: 5_000 });
    if (gone.code !== 0) throw new Error(`umount ${folder} failed: ${gone.stderr}`);
  });
  return folder;
}

/**
 * Writes until not one more byte fits.
 *
 * @param {string} path
 */
async function fill(path) {
  const file = await open(path, "a");
  try {
    for (const size of [65_536, 4_096, 1]) {
      const block = Buffer.alloc(size);
      for (;;) {
        try {
          await file.write(block);
        } catch (error) {
          if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ENOSPC") throw error;
          break;
        }
      }
    }
  } finally {
    await file.close();
  }
}

scene("a full disk refuses sends, loses nothing that was acknowledged, and recovers when space returns", async (scene) => {
  const disk = await smallDisk(scene);
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
