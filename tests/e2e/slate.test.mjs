/** The encoder is away, and fans see the slate meanwhile: the page goes on by itself, there and back. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { run } from "../harness/child.mjs";
import { playlists } from "../harness/hls.mjs";
import { currentTime, untilPlaying } from "../harness/player.mjs";
import { publish, startEncoder, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { binary, Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

/** How long the judge listens, seconds: from before the encoder dies until it is back. */
const JUDGED_S = 40;
/** What each step may take on a busy machine. */
const STEP_MS = 30_000;

scene("a film is shown while the encoder is away, and nothing is wrong with it", async (scene) => {
  const film = join(scene.folder, "back-soon.mp4");
  const made = await run(
    "ffmpeg",
    ["-v", "error", "-f", "lavfi", "-i", "testsrc=size=200x200:rate=25", "-t", "1.5", "-pix_fmt", "yuv420p", film],
    { deadlineMs: 60_000 },
  );
  assert.equal(made.code, 0, made.stderr);
  const server = await Server.start(scene, { extra: `[ladder]\nslate = "${film}"\n`, reconnectWindow: "60s" });
  const encoder = await publish(scene, server);
  await underWay(server, 3);
  const browser = await startBrowser(scene);
  const { page } = await openPage(scene, browser, server.watchUrl, { name: "fan" });
  await untilPlaying(page);
  const judging = run(binary(), ["judge", server.playlistUrl, "--for", `${JUDGED_S}s`], { deadlineMs: JUDGED_S * 4_000 });

  const before = await playlists(server);
  assert.ok(before);
  await encoder.kill();
  /** @param {number} discontinuities */
  const shown = (discontinuities) =>
    until(`three segments behind discontinuity ${discontinuities}`, STEP_MS, async () => {
      const now = await playlists(server);
      const tail = now?.video.text.split("#EXT-X-DISCONTINUITY\n")[discontinuities] ?? "";
      assert.ok(!tail.includes("GAP=YES"), now?.video.text);
      return [...tail.matchAll(/^#EXTINF:/gm)].length >= 3 ? now : undefined;
    });
  const away = await shown(1);
  assert.equal(away?.video.url, before.video.url, "the same stream under the same address");
  const stoodAt = await currentTime(page);
  await until("the slate is on the screen", STEP_MS, async () => (await currentTime(page)) > stoodAt + 3);
  startEncoder(scene, server, { name: "encoder-again" });
  await shown(2);
  const wasAt = await currentTime(page);
  await until("the show is on the screen again", STEP_MS, async () => (await currentTime(page)) > wasAt + 5);

  const judge = await judging;
  assert.equal(judge.code, 0, judge.stdout + judge.stderr);
});
