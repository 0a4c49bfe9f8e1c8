/** The encoder dies and comes back within ten seconds: the same stream goes on, and the page with it, by itself. */

import assert from "node:assert/strict";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { playlists } from "../harness/hls.mjs";
import { currentTime, untilDry, untilPlaying } from "../harness/player.mjs";
import { publish, startEncoder, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

/** What the encoder may be away for. */
const AWAY_MS_MAX = 10_000;
/** From the encoder's return to a moving picture: the first part, the player's hold-back, and what the player adds. */
const RESUME_MS = 10_000;

for (const [when, segments] of /** @type {[string, number][]} */ ([["in the middle of the show", 4], ["right after its start", 1]])) {
  scene(`${when}: the page resumes by itself, over exactly one discontinuity`, async (scene) => {
    const server = await Server.start(scene);
    const encoder = await publish(scene, server);
    await underWay(server, segments);
    const browser = await startBrowser(scene);
    const { page } = await openPage(scene, browser, server.watchUrl, { name: "fan" });
    await untilPlaying(page);
    const before = await playlists(server);
    assert.ok(before);
    assert.equal(before.video.discontinuities, 0);

    const diedAt = performance.now();
    await encoder.kill();
    // The hardest moment to come back: everything that was buffered has been played.
    const stoodAt = await untilDry(page, AWAY_MS_MAX);
    startEncoder(scene, server, { name: "encoder-again" });
    const away = performance.now() - diedAt;
    assert.ok(away < AWAY_MS_MAX, `the encoder was away for ${Math.round(away)} ms`);

    await until("the picture moves on", RESUME_MS, async () => (await currentTime(page)) > stoodAt + 1);
    const after = await playlists(server);
    assert.ok(after);
    assert.equal(after.video.url, before.video.url, "the same stream under the same address");
    assert.equal(after.video.discontinuities, 1);
    assert.equal(after.audio.discontinuities, 1);
  });
}
