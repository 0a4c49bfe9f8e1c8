/**
 * ffprobe and ffmpeg are the judges of the show's bytes: they read the playlists as any legacy player does, and must
 * decode a stretch of it without one warning, whatever encoder sent it.
 */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../harness/child.mjs";
import { get, playlists } from "../harness/hls.mjs";
import { ENCODERS, publish, startEncoder } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { Hopeless, until, within } from "../harness/wait.mjs";

/** How many segments a player that knows no parts needs before it starts (rfc8216bis, section 6.3.3). */
const SEGMENTS = 3;

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

/**
 * Decodes everything that the playlists list now, through a copy of them that ends.
 *
 * A copy, because ffmpeg reads a live playlist's initialisation section again after each reload and then remarks that
 * it has it already ("Found duplicated MOOV Atom"), with the output of its own HLS muxer too.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {{ video: import("../harness/hls.mjs").MediaPlaylist, audio: import("../harness/hls.mjs").MediaPlaylist }} lists
 */
async function decode(scene, lists) {
  for (const [name, list] of Object.entries(lists)) {
    const copy = join(scene.folder, `${name}.m3u8`);
    const absolute = list.text
      .replaceAll(/^#EXT-X-(PART|PART-INF|PRELOAD-HINT|RENDITION-REPORT|SERVER-CONTROL|SKIP):.*\n/gm, "")
      .replaceAll(/URI="([^"]+)"/g, (_, uri) => `URI="${new URL(uri, list.url).href}"`)
      .replaceAll(/^[^#\n].*$/gm, (uri) => new URL(uri, list.url).href);
    await writeFile(copy, `${absolute}#EXT-X-ENDLIST\n`);
    const decoded = await run(
      "ffmpeg",
      ["-hide_banner", "-nostdin", "-v", "warning", "-xerror", "-protocol_whitelist", "file,http,tcp", "-i", copy, "-f", "null", "-"],
      { deadlineMs: 60_000 },
    );
    assert.equal(decoded.stderr, "", `ffmpeg decodes the ${name} without a warning`);
    assert.equal(decoded.code, 0);
  }
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
    const lists = await until("a legacy player has enough segments", 60_000, async () => {
      if (!child.running) throw new Hopeless(`the encoder ended: ${await child.log()}`);
      const now = await playlists(server);
      return now && now.video.nextMsn - now.video.firstMsn >= SEGMENTS ? now : undefined;
    });
    const streams = await probe(server);
    const video = streams.find((stream) => stream.codec_type === "video");
    const audio = streams.find((stream) => stream.codec_type === "audio");
    assert.deepEqual(
      { codec: video?.codec_name, width: video?.width, height: video?.height, rate: video?.r_frame_rate },
      { codec: "h264", ...picture },
    );
    assert.equal(audio?.codec_name, "aac");
    await decode(scene, lists);
    assert.ok(child.running, `the encoder still publishes: ${await child.log()}`);
  });
}

judged("ffmpeg", "ffmpeg", { width: 1280, height: 720, rate: "25/1" });
judged("an encoder with OBS's settings", "obs", { width: 1920, height: 1080, rate: "30/1" });

for (const [name, encoder, words] of /** @type {[string, keyof typeof ENCODERS, RegExp][]} */ ([
  ["codecs that no browser plays", "ffmpegOldCodecs", /Server error: unsupported codec/],
  ["a keyframe interval that is too long", "ffmpegLongInterval", /Server error: the keyframe interval is longer than/],
])) {
  scene(`${name}: refused in words that the encoder shows`, async (scene) => {
    const server = await Server.start(scene);
    const child = startEncoder(scene, server, { encoder: ENCODERS[encoder] });
    await within("the encoder is told", 20_000, child.exited);
    assert.match(await child.log(), words);
  });
}

scene("the playlists say what a player needs, compressed and with lifetimes", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  const master = await get(server.playlistUrl);
  assert.match(master.text, /^#EXT-X-STREAM-INF:.*CODECS="avc1\.[0-9a-f]{6},mp4a\.40\.2"/m);
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
