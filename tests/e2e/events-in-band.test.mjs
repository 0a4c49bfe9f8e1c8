/**
 * What the staff announces is among the media, too: players that we did not write find it there at its time, in the show
 * and in its recording, and those that look for nothing play on.
 */

import assert from "node:assert/strict";
import { hearEvents, heardEvents, report, servePlayer } from "../harness/bare-page.mjs";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { Child, run } from "../harness/child.mjs";
import { get, playlists } from "../harness/hls.mjs";
import { untilPlaying } from "../harness/player.mjs";
import { publish, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

/** Until the playhead is past an event that lies some seconds ahead. */
const HEARD_MS = 30_000;
/**
 * So far behind the encoder a player is made to be, that what has happened, and is packaged, is still ahead of it; and that shaka, which takes its
 * playhead for no later than the end of what it knows of, knows where it is.
 */
const BEHIND_S = 6;
/** How far a player's own clock may be from the playlists' dates: a picture. */
const APART_S = 0.034;
/** How late a player may say that an event's time has come: browsers look for cues four times a second. */
const LATE_S = 0.75;

/**
 * @param {Server} server
 * @param {string} secret
 * @param {object} event
 */
async function announce(server, secret, event) {
  const response = await fetch(`${server.url}/api/v1/channels/demo/events`, {
    method: "POST", headers: { authorization: `Bearer ${sign(secret, { user: "crew", role: "staff" })}`, "content-type": "application/json" },
    body: JSON.stringify(event), signal: AbortSignal.timeout(5_000),
  });
  assert.equal(response.status, 201, await response.text());
}

/**
 * Holds the picture until it is behind enough.
 *
 * @param {import("playwright-core").Page} page
 */
async function fallBehind(page) {
  const video = page.locator("video");
  await video.evaluate((video) => /** @type {HTMLVideoElement} */ (video).pause());
  await until("the player is behind", HEARD_MS, async () => ((await report(page)).latencyS ?? 0) >= BEHIND_S);
  await video.evaluate((video) => /** @type {HTMLVideoElement} */ (video).play());
}

for (const player of /** @type {const} */ (["hls", "shaka"])) {
  scene(`${player} finds announced events among the media at their times`, async (scene) => {
    const secret = newSecret();
    const server = await Server.start(scene, { secret });
    await publish(scene, server);
    await underWay(server);
    const browser = await startBrowser(scene);
    const url = await servePlayer(scene, player, server.playlistUrl);
    const { page } = await openPage(scene, browser, url, { name: player });
    await untilPlaying(page);
    await hearEvents(page, player);
    await fallBehind(page);
    const now = Date.now();
    const ahead = {
      id: "ahead", class: "org.example.song", start: now + 3_000, duration_ms: 1_500, attributes: { "X-LEVEL": 7, "X-TITLE": "Encore \\ é" },
    };
    // Packaged already, and not played yet by anybody.
    const late = { id: "late", start: now - 1_500 };
    await announce(server, secret, ahead);
    await announce(server, secret, late);
    const heard = await until("the player is past both events", HEARD_MS, async () => {
      const heard = await heardEvents(page);
      const missed = [ahead.id, late.id].filter((id) => heard.get(id)?.duringS === undefined);
      if (missed.length > 0) throw new Error(`not past ${missed.join(" and ")}: ${JSON.stringify({ heard: [...heard], ...await report(page) })}`);
      return heard;
    });
    for (const event of [ahead, late]) {
      const { text, timeS, expectedS, duringS = Number.NaN } = heard.get(event.id) ?? assert.fail(`${event.id} was not heard`);
      assert.deepEqual(JSON.parse(text), event, "it says what was announced");
      assert.ok(Math.abs(timeS - expectedS) < APART_S, `${event.id} is at ${timeS}, the playlists say ${expectedS}`);
      assert.ok(duringS >= timeS && duringS < timeS + LATE_S, `${event.id} of ${timeS} was told at ${duringS}`);
    }
    assert.deepEqual((await report(page)).errors, []);
  });
}

scene("a channel that is sound alone has its events in the sound", async (scene) => {
  const secret = newSecret();
  const server = await Server.start(scene, { secret });
  new Child(scene, "encoder", "ffmpeg", ["-hide_banner", "-nostdin", "-loglevel", "warning", "-re", "-f", "lavfi", "-i",
    "sine=frequency=440:sample_rate=44100", "-c:a", "aac", "-b:a", "96k", "-f", "flv", `${server.rtmpUrl}/${server.streamKey}`]);
  await until("the show is on the air", HEARD_MS, async () => (await get(server.playlistUrl)).status === 200);
  const browser = await startBrowser(scene);
  const url = await servePlayer(scene, "hls", server.playlistUrl);
  const { page } = await openPage(scene, browser, url, { name: "hls" });
  await untilPlaying(page);
  await hearEvents(page, "hls");
  await announce(server, secret, { id: "ahead", start: Date.now() + 2_000 });
  const { timeS, expectedS } = await until("the player has found it", HEARD_MS, async () => (await heardEvents(page)).get("ahead"));
  assert.ok(Math.abs(timeS - expectedS) < APART_S, `it is at ${timeS}, the playlists say ${expectedS}`);
});

scene("players without a browser play a show and its recording with events among the media", async (scene) => {
  const secret = newSecret();
  const server = await Server.start(scene, { secret, reconnectWindow: "1s", extra: "[recording]\nchannels = [\"*\"]\n" });
  const encoder = await publish(scene, server);
  await underWay(server, 1);
  for (const second of [1, 2, 3]) await announce(server, secret, { id: `song-${second}`, start: Date.now() + second * 1_000 });
  const played = await run(
    "ffmpeg",
    ["-hide_banner", "-nostdin", "-v", "error", "-xerror", "-i", server.playlistUrl, "-map", "0", "-t", "6", "-f", "null", "-"],
    { deadlineMs: HEARD_MS },
  );
  assert.deepEqual([played.stderr, played.code], ["", 0]);
  const shown = await playlists(server) ?? assert.fail("the show is on");
  const media = shown.video.text.split("\n").filter((line) => /^[^#].*\.m4s$/.test(line));
  const boxes = await Promise.all(media.map((uri) => events(new URL(uri, shown.video.url).href)));
  assert.deepEqual(boxes.flat(), ["song-1", "song-2", "song-3"]);

  await encoder.kill();
  const recording = await until("the recording is over", HEARD_MS, async () => {
    const response = await fetch(`${server.url}/api/v1/channels/demo/recordings`);
    const [first] = (await response.json()).recordings;
    return first?.ended ? first : undefined;
  });
  const probed = await run(
    "ffprobe",
    ["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", server.url + recording.playlist],
    { deadlineMs: HEARD_MS },
  );
  assert.deepEqual([probed.stderr, probed.code], ["", 0]);
  assert.deepEqual([...new Set(probed.stdout.match(/\w+/g))].sort(), ["aac", "h264"], "no track of something else");
  const recorded = await fetch(new URL("video.m3u8", server.url + recording.playlist));
  // What was missing when the encoder was gone has no media.
  const kept = (await recorded.text()).replace(/#EXT-X-GAP\n.*\n.*\n/g, "").split("\n").filter((line) => line.endsWith(".m4s"));
  const found = await Promise.all(kept.map((uri) => events(new URL(uri, recorded.url).href)));
  assert.deepEqual(found.flat(), ["song-1", "song-2", "song-3"], "the files of the show are those of its recording");
});

/**
 * The ids of the events in a segment, in its order.
 *
 * @param {string} url
 * @returns {Promise<string[]>}
 */
async function events(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  assert.equal(response.status, 200, url);
  const bytes = Buffer.from(await response.arrayBuffer());
  const found = [];
  for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at)) {
    const box = bytes.subarray(at, at + bytes.readUInt32BE(at));
    if (box.toString("latin1", 4, 8) !== "emsg") continue;
    assert.ok(box.includes("https://aomedia.org/emsg/ID3\0"));
    found.push(JSON.parse(box.toString("utf8", box.indexOf("{"))).id);
  }
  return found;
}
