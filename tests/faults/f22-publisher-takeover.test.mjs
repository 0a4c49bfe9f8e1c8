/** F22: a second publisher comes with the same key. The channel's policy is obeyed, and only one of them is ever shown. */

import assert from "node:assert/strict";
import { fault } from "../harness/faults.mjs";
import { mediaPlaylist, playlists } from "../harness/hls.mjs";
import { publish, startEncoder, underWay } from "../harness/publisher.mjs";
import { Server } from "../harness/server.mjs";
import { until, within } from "../harness/wait.mjs";

/** Until the one who is turned away knows it. */
const TOLD_MS = 15_000;

/**
 * The show, two segments further.
 *
 * @param {Server} server
 */
async function goesOn(server) {
  const now = await playlists(server);
  assert.ok(now);
  const next = await mediaPlaylist(`${now.video.url}?_HLS_msn=${now.video.nextMsn + 1}`);
  assert.ok(next, "the show goes on under the same address");
  return next;
}

fault("F22", "a second publisher is turned away", async (scene) => {
  const server = await Server.start(scene, { takeover: "refuse" });
  const first = await publish(scene, server);
  await underWay(server, 2);
  const second = startEncoder(scene, server, { name: "second" });
  await within("the second one is turned away", TOLD_MS, second.exited);
  const shown = await goesOn(server);
  assert.ok(first.running, "the first one stays");
  assert.equal(shown.discontinuities, 0);
  return { policy: "refuse", discontinuities: shown.discontinuities };
});

fault("F22", "a second publisher takes the place", async (scene) => {
  const server = await Server.start(scene, { takeover: "replace" });
  const first = await publish(scene, server);
  await underWay(server, 2);
  const second = startEncoder(scene, server, { name: "second" });
  await within("the first one is let go", TOLD_MS, first.exited);
  await until("the second one is shown", TOLD_MS, async () => (await playlists(server))?.video.discontinuities === 1);
  const shown = await goesOn(server);
  assert.ok(second.running, "the second one stays");
  assert.equal(shown.discontinuities, 1);
  return { policy: "replace", discontinuities: shown.discontinuities };
});
