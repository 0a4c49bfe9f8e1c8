/** Two servers that hear the same encoder serve the same show, byte for byte, and either may be killed. */

import assert from "node:assert/strict";
import { get, playlists } from "../harness/hls.mjs";
import { onAir, sendToAll, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

/** From an encoder's first picture to so many segments of both servers, of 3 s each. */
const UNDER_WAY_MS = 40_000;

/**
 * The whole segments of a playlist: what is said of each, by its address.
 *
 * @param {string} text
 */
function segments(text) {
  const lines = text.split("\n").slice(text.slice(0, text.indexOf("#EXT-X-PROGRAM-DATE-TIME")).split("\n").length - 1);
  /** @type {Map<string, string>} */
  const found = new Map();
  /** @type {string[]} */
  let about = [];
  for (const line of lines) {
    about.push(line);
    if (line !== "" && !line.startsWith("#")) {
      // Parts are listed of the newest segments alone.
      found.set(line, about.filter((tag) => !tag.startsWith("#EXT-X-PART:")).join("\n"));
      about = [];
    }
  }
  return found;
}

/**
 * Compares what two servers serve, and says how many segments both have.
 *
 * @param {Server} one
 * @param {Server} other
 */
async function compare(one, other) {
  const [here, there] = await Promise.all([playlists(one), playlists(other)]);
  assert.ok(here && there);
  let common = 0;
  for (const rendition of /** @type {const} */ (["video", "audio"])) {
    assert.equal(new URL(here[rendition].url).pathname, new URL(there[rendition].url).pathname);
    const theirs = segments(there[rendition].text);
    for (const [uri, about] of segments(here[rendition].text)) {
      const told = theirs.get(uri);
      if (told === undefined) continue;
      common += 1;
      assert.equal(about, told);
      const [a, b] = await Promise.all([here, there].map((list) => bytes(new URL(uri, list[rendition].url).href)));
      assert.ok(a && b && a.equals(b), `${uri} has other bytes`);
    }
  }
  return common;
}

/** @param {string} url */
async function bytes(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(20_000) });
  assert.equal(response.status, 200, url);
  return Buffer.from(await response.arrayBuffer());
}

scene("two servers serve the same of one encoder, and one that was killed joins in again", async (scene) => {
  const one = await Server.start(scene, { numbering: "clock", folder: "one" });
  const other = await Server.start(scene, { numbering: "clock", folder: "other" });
  const encoder = sendToAll(scene, [one, other]);
  await Promise.all([one, other].map((server) => onAir(server, encoder)));
  await Promise.all([one, other].map((server) => underWay(server, 3)));
  assert.ok((await compare(one, other)) >= 4, "both have segments of the same time");

  const before = (await playlists(one))?.video;
  assert.ok(before);
  await one.kill();
  // The show goes on under the same address.
  const name = new URL(before.url).pathname + `?_HLS_msn=${before.nextMsn}`;
  const next = await get(other.url + name);
  assert.equal(next.status, 200);
  assert.match(next.text, new RegExp(`^video/${before.nextMsn}\\.m4s$`, "m"));

  await one.run();
  await until("the killed server serves the show again", UNDER_WAY_MS, async () => {
    const now = (await playlists(one))?.video;
    return now && now.nextMsn - now.firstMsn >= 2;
  });
  const after = (await playlists(one))?.video;
  assert.ok(after && after.firstMsn >= before.nextMsn, "a media sequence never goes back");
  assert.ok((await compare(one, other)) >= 2, "both have segments of the same time again");
});
