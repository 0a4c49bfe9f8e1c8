/**
 * Players that we did not write, each on a page of another site or without a browser at all: they have to play the show
 * from what the playlists say, the low-latency way where they know it and the legacy way where they do not.
 */

import assert from "node:assert/strict";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { report, servePlayer } from "../harness/bare-page.mjs";
import { run } from "../harness/child.mjs";
import { countStalls, playOn, stalls, untilPlaying } from "../harness/player.mjs";
import { publish, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";

/** Pictures that the players without a browser have to show; the show has 30 a second. */
const PICTURES = 150;

for (const player of /** @type {const} */ (["hls", "shaka"])) {
  scene(`${player} plays the show part by part on another site's page`, async (scene) => {
    const server = await Server.start(scene);
    await publish(scene, server);
    await underWay(server);
    const browser = await startBrowser(scene);
    const url = await servePlayer(scene, player, server.playlistUrl);
    /** @type {string[]} */
    const asked = [];
    const { page } = await openPage(scene, browser, url, {
      name: player,
      prepare: async (page) => {
        page.on("request", (request) => asked.push(request.url()));
      },
    });
    await untilPlaying(page);
    await countStalls(page);
    await playOn(page, 15);
    const { errors } = await report(page);
    const { waitedAtS, frozen } = await stalls(page);
    assert.deepEqual({ errors, waitedAtS, frozen }, { errors: [], waitedAtS: [], frozen: 0 });
    assert.ok(asked.some((url) => /[?&]_HLS_msn=\d+&_HLS_part=\d+/.test(url)), "it waits for parts in the playlist");
    assert.ok(asked.some((url) => /\/\d+\.\d+\.m4s$/.test(url)), "it loads parts");
  });
}

scene("GStreamer plays the show as any legacy player does", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  await underWay(server);
  const played = await run(
    "gst-launch-1.0",
    ["-e", "uridecodebin3", `uri=${server.playlistUrl}`, "caps=video/x-raw", "!", "videoconvert", "!",
      "fakesink", `num-buffers=${PICTURES}`, "sync=true"],
    { deadlineMs: 60_000 },
  );
  assert.equal(played.code, 0, played.stderr);
  assert.doesNotMatch(`${played.stdout}${played.stderr}`, /\b(ERROR|WARN)/i);
});

scene("ffmpeg plays the show as any legacy player does", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  await underWay(server);
  const played = await run(
    "ffmpeg",
    ["-hide_banner", "-nostdin", "-v", "error", "-xerror", "-i", server.playlistUrl,
      "-map", "0:v", "-frames:v", `${PICTURES}`, "-f", "null", "-", "-map", "0:a", "-t", "5", "-f", "null", "-"],
    { deadlineMs: 60_000 },
  );
  assert.equal(played.stderr, "");
  assert.equal(played.code, 0);
});
