/** A show in several qualities: all of them are cut alike, and a fan who changes between them sees the show go on. */

import assert from "node:assert/strict";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { run } from "../harness/child.mjs";
import { get, mediaPlaylist } from "../harness/hls.mjs";
import { countStalls, playOn, stalls, untilPlaying } from "../harness/player.mjs";
import { publish, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { watchIn } from "../harness/watch-page.mjs";

const LADDER = '[ladder]\nrungs = ["240p 400k", "144p 150k"]\nrungs_max = 2\n';

/** @param {import("../harness/server.mjs").Server} server */
async function variants(server) {
  const { text } = await get(server.playlistUrl);
  const uris = text.split("\n").filter((line) => /\d+p\.m3u8$|\/video\.m3u8$/.test(line) && !line.startsWith("#"));
  return uris.map((uri) => new URL(uri, server.playlistUrl).href);
}

scene("every quality has the same segments at the same time, and decodes without a warning", async (scene) => {
  const server = await Server.start(scene, { extra: LADDER });
  await publish(scene, server);
  await underWay(server, 3);
  const urls = await variants(server);
  assert.deepEqual(urls.map((url) => url.split("/").pop()), ["video.m3u8", "240p.m3u8", "144p.m3u8"]);
  const lists = await Promise.all(urls.map((url) => mediaPlaylist(`${url}?_HLS_msn=3`)));
  const cuts = lists.map((list) => {
    assert.ok(list);
    const tags = list.text.match(/^#EXT(INF|-X-MEDIA-SEQUENCE|-X-PROGRAM-DATE-TIME):.*$/gm) ?? [];
    // Media sequence, and three segments with their dates; one quality may be a part ahead of another.
    return tags.slice(0, 7);
  });
  assert.equal(cuts[0]?.length, 7);
  assert.deepEqual(cuts[1], cuts[0]);
  assert.deepEqual(cuts[2], cuts[0]);
  for (const url of urls) {
    const played = await run(
      "ffmpeg",
      ["-hide_banner", "-nostdin", "-v", "error", "-xerror", "-i", url, "-frames:v", "60", "-f", "null", "-"],
      { deadlineMs: 60_000 },
    );
    assert.equal(played.stderr, "", url);
    assert.equal(played.code, 0);
  }
});

scene("a fan who chooses another quality sees the show go on", async (scene) => {
  const server = await Server.start(scene, { extra: LADDER });
  await publish(scene, server);
  await underWay(server, 3);
  const browser = await startBrowser(scene);
  const { page } = await openPage(scene, browser, server.watchUrl, { name: "fan" });
  await untilPlaying(page);
  await playOn(page, 3);
  await countStalls(page);
  for (const lines of [240, 144, 360, 144]) {
    await watchIn(page, lines);
    await playOn(page, 3);
  }
  const { waitedAtS, frozen } = await stalls(page);
  assert.deepEqual({ waitedAtS, frozen }, { waitedAtS: [], frozen: 0 });
});
