/** Ctrl-C ends everything that was started, cleanly; a second start goes on where the first one stopped. */

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { fan, send, wholeHistory } from "../harness/chat.mjs";
import { playlists } from "../harness/hls.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

/**
 * The process ids of all descendants.
 *
 * @param {number} pid
 * @returns {Promise<number[]>}
 */
async function descendants(pid) {
  const found = [];
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const children = (await readFile(`/proc/${pid}/task/${thread}/children`, "utf8")).trim();
    for (const child of children.split(" ").filter(Boolean).map(Number)) found.push(child, ...(await descendants(child)));
  }
  return found;
}

/** @param {number} pid */
async function alive(pid) {
  try {
    return !/^State:\s+Z/m.test(await readFile(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

scene("Ctrl-C stops the demo with exit code 0 and leaves no process behind", async (scene) => {
  const server = await Server.start(scene, { demo: true });
  await until("the demo is on the air", 20_000, () => playlists(server));
  const children = await descendants(server.pid);
  assert.ok(children.length > 0, "the demo publisher is a process of the server");
  await server.stop();
  await until("every process of the demo is gone", 2_000, async () => !(await Promise.all(children.map(alive))).some(Boolean));
});

scene("a second start shows yesterday's chat, under the same offsets", async (scene) => {
  const server = await Server.start(scene);
  const yesterday = await fan(scene, server, { name: "Ana" });
  await send(yesterday.client, server.chatChannel, { id: "1", text: "see you tomorrow" });
  await server.stop();
  await server.run();
  const today = await fan(scene, server, { name: "민준" });
  const kept = await wholeHistory(today.subscription);
  assert.deepEqual(kept.map((p) => [p.offset, p.data.text, p.data.name]), [[1, "see you tomorrow", "Ana"]]);
  const next = await send(today.client, server.chatChannel, { id: "2", text: "good morning" });
  assert.equal(next.offset, 2);
  assert.equal(next.epoch, yesterday.first.streamPosition?.epoch);
});
