/** Playlist requests that no player should make are answered at once, and hold nothing. */

import assert from "node:assert/strict";
import { audience } from "../harness/audience.mjs";
import { get, playlists } from "../harness/hls.mjs";
import { publish } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";

/** "At once": well below a part, so it cannot have been held for one. */
const AT_ONCE_MS = 500;
/** How many ask at the same time; a request that were held would show in the next test's time. */
const REQUESTS = 50;

scene("playlist: requests from the far future and without sense are refused at once", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  const crowd = await audience(scene, server);
  const now = await playlists(server);
  assert.ok(now);
  const { url, nextMsn } = now.video;

  /** @type {Record<string, number>} */
  const expected = {
    [`_HLS_msn=${nextMsn + 1_000}`]: 400,
    [`_HLS_msn=${nextMsn + 1_000}&_HLS_part=0`]: 400,
    [`_HLS_msn=${nextMsn}&_HLS_part=1000`]: 400,
    "_HLS_msn=18446744073709551616": 400,
    "_HLS_part=0": 400,
    "_HLS_msn=-1": 400,
    "_HLS_msn=soon": 400,
    "_HLS_msn=0&_HLS_part=-1": 400,
  };
  for (const [query, status] of Object.entries(expected)) {
    const answers = await Promise.all(Array.from({ length: REQUESTS }, () => get(`${url}?${query}`)));
    for (const answer of answers) assert.equal(answer.status, status, query);
    const slowest = Math.max(...answers.map((answer) => answer.ms));
    assert.ok(slowest < AT_ONCE_MS, `${query} took ${Math.round(slowest)} ms`);
  }
  await crowd.unmoved("senseless playlist requests");
});

scene("playlist: what does not exist is not found", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  const now = await playlists(server);
  assert.ok(now);
  for (const path of ["video/999999.m4s", "video/999999.0.m4s", "video/../../../etc/passwd", "video/%2e%2e%2f%2e%2e%2fetc/passwd", "sound.m3u8"]) {
    assert.equal((await get(new URL(path, now.video.url).href)).status, 404, path);
  }
  assert.equal((await get(`${server.url}/live/nowhere/master.m3u8`)).status, 404);
});
