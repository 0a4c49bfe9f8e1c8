/**
 * ffprobe and ffmpeg are the judges of the show's bytes: they read the playlists as any legacy player does, and must
 * decode a stretch of it without one warning, whatever encoder sent it.
 */

import assert from "node:assert/strict";
import { run } from "../harness/child.mjs";
import { get, playlists } from "../harness/hls.mjs";
import { ENCODERS, publish } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

/** How much of the show is decoded, seconds. */
const DECODED_S = 8;

/**
 * @param {import("../harness/server.mjs").Server} server
 * @returns {Promise<Record<string, any>[]>}
 */
async function probe(server) {
  const probed = await run(
    "ffprobe",
    ["-v", "warning", "-show_streams", "-print_format", "json", server.playlistUrl],
    { deadlineMs: 30_000 },
  );
  assert.equal(probed.code, 0, probed.stderr);
  assert.equal(probed.stderr, "", "ffprobe has nothing to remark");
  return JSON.parse(probed.stdout).streams;
}

/** @param {import("../harness/server.mjs").Server} server */
async function decode(server) {
  const decoded = await run(
    "ffmpeg",
    ["-hide_banner", "-nostdin", "-v", "warning", "-xerror", "-i", server.playlistUrl, "-t", String(DECODED_S), "-f", "null", "-"],
    { deadlineMs: 60_000 },
  );
  assert.equal(decoded.stderr, "", "ffmpeg decodes without a warning");
  assert.equal(decoded.code, 0);
}

/**
 * @param {string} name
 * @param {keyof typeof ENCODERS} encoder
 * @param {{ width: number, height: number, rate: string }} picture
 */
function judged(name, encoder, picture) {
  scene(`${name} publishes, and the show decodes without a warning`, async (scene) => {
    const server = await Server.start(scene);
    const child = await publish(scene, server, { encoder: ENCODERS[encoder] });
    await until("a legacy player has enough segments", 40_000, async () => {
      if (!child.running) throw new Error(`the encoder ended: ${await child.log()}`);
      const now = await playlists(server);
      return now && now.video.nextMsn - now.video.firstMsn >= 3;
    });
    const streams = await probe(server);
    const video = streams.find((stream) => stream.codec_type === "video");
    const audio = streams.find((stream) => stream.codec_type === "audio");
    assert.deepEqual(
      { codec: video?.codec_name, width: video?.width, height: video?.height, rate: video?.r_frame_rate },
      { codec: "h264", ...picture },
    );
    assert.equal(audio?.codec_name, "aac");
    await decode(server);
    assert.ok(child.running, `the encoder still publishes: ${await child.log()}`);
  });
}

judged("ffmpeg with its defaults", "ffmpegDefault", { width: 1280, height: 720, rate: "25/1" });
judged("an encoder with OBS's settings", "obs", { width: 1920, height: 1080, rate: "30/1" });

scene("the playlists say what a player needs, compressed and with lifetimes", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  const master = await get(server.playlistUrl);
  assert.match(master.text, /^#EXT-X-STREAM-INF:.*CODECS="avc1\.[0-9A-F]{6},mp4a\.40\.2"/m);
  assert.match(master.text, /RESOLUTION=640x360/);
  assert.match(master.text, /FRAME-RATE=30\.000/);
  const now = await until("some parts are out", 10_000, async () => {
    const lists = await playlists(server);
    return lists && lists.video.nextMsn > lists.video.firstMsn ? lists : undefined;
  });
  for (const { text, url } of [now.video, now.audio]) {
    assert.match(text, /^#EXT-X-SERVER-CONTROL:.*CAN-BLOCK-RELOAD=YES/m);
    assert.match(text, /PART-HOLD-BACK=3\.0/);
    assert.match(text, /^#EXT-X-PART-INF:PART-TARGET=1\.0/m);
    assert.match(text, /^#EXT-X-PRELOAD-HINT:TYPE=PART,URI="/m);
    assert.match(text, /^#EXT-X-RENDITION-REPORT:URI="/m);
    assert.match(text, /^#EXT-X-PROGRAM-DATE-TIME:\d{4}-/m);
    assert.match(text, /^#EXT-X-MAP:URI="/m);
    const { headers } = await get(url);
    assert.equal(headers.get("content-type"), "application/vnd.apple.mpegurl");
    assert.equal(headers.get("content-encoding"), "gzip");
    assert.match(headers.get("cache-control") ?? "", /max-age=\d+/);
  }
});
