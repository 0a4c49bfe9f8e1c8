/** A disk that is full of something else: it is told, the show goes on, and space is all it takes for it to be kept again. */

import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fill, smallDisk } from "../harness/disk.mjs";
import { get, playlists } from "../harness/hls.mjs";
import { publish, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

/** Room for the empty chat log and some minutes of a small show. */
const DISK = "32m";
/** A segment is stored within a moment of its end, which comes every 2 s. */
const NOTICED_MS = 15_000;
/** So many segments of 2 s, and as long again for a busy machine. */
const GOES_ON_MS = 20_000;
/** How far the show has to go on while nothing can be stored. */
const SEGMENTS_WITHOUT = 4;

/**
 * @param {Server} server
 * @param {string} name
 */
async function metric(server, name) {
  const { text } = await get(`${server.url}/metrics`);
  const line = text.split("\n").find((line) => line.startsWith(`${name} `));
  if (!line) throw new Error(`there is no ${name} in the metrics:\n${text}`);
  return Number(line.slice(name.length + 1));
}

scene("a full disk shortens what viewers can go back to, and nothing else", async (scene) => {
  const disk = await smallDisk(scene, DISK);
  const server = await Server.start(scene, { dataFolder: join(disk, "data") });
  const readiness = async () => (await get(`${server.url}/readyz`)).text;
  const stored = () => metric(server, "fanwave_origin_storage_segments_total");
  await publish(scene, server);
  await underWay(server, 3);
  await until("segments are stored", NOTICED_MS, async () => (await stored()) >= 4);
  assert.equal(await readiness(), "ready\n");

  const ballast = join(disk, "ballast");
  await fill(ballast);
  await until("it is told that media cannot be stored", NOTICED_MS, async () => /media cannot be stored/.test(await readiness()));
  assert.match(await server.child.log(), /segments cannot be stored.*free space/);
  assert.equal(await metric(server, "fanwave_origin_storage_failing"), 1);
  const before = await playlists(server);
  assert.ok(before);
  const far = before.video.nextMsn + SEGMENTS_WITHOUT;
  const during = await until("the show goes on", GOES_ON_MS, async () => {
    const now = await playlists(server);
    return now && now.video.nextMsn >= far ? now : undefined;
  });
  assert.equal(during.video.url, before.video.url, "the same stream");
  for (const uri of during.video.text.split("\n").filter((line) => line.endsWith(".m4s"))) {
    const answer = await get(new URL(uri, during.video.url).href);
    assert.equal(answer.status, 200, `${uri} is listed, and so it is there`);
  }

  await rm(ballast);
  await until("media is stored again", NOTICED_MS, async () => (await readiness()) === "ready\n");
  const count = await stored();
  await until("and goes on to be", NOTICED_MS, async () => (await stored()) >= count + 2);
  assert.match(await server.child.log(), /segments are stored again/);
});
