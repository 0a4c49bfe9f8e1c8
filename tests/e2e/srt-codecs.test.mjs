/** What an MPEG transport stream brings beside H.264 and one track of AAC, from a real encoder: HEVC, Opus and languages. */

import assert from "node:assert/strict";
import { ENHANCED, ffmpegNext, startEncoder } from "../harness/publisher.mjs";
import { everyFrame, judged, playable } from "../harness/renditions.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { freeUdpPort } from "../harness/udp.mjs";

/**
 * Starts an encoder that calls by SRT, and waits until each rendition has as much as a player needs.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {{ picture: string, args: string[], sounds?: string[] }} encoder
 * @param {string[]} renditions
 */
async function underWay(scene, encoder, renditions) {
  const port = await freeUdpPort();
  const server = await Server.start(scene, { extra: `[srt]\nlisten = "127.0.0.1:${port}"\n` });
  const url = `srt://127.0.0.1:${port}?streamid=${server.streamKey}`;
  const child = startEncoder(scene, server, { encoder, program: ffmpegNext(), url });
  return playable(server, child, renditions);
}

scene("HEVC and Opus come in by SRT, and every frame of it can be read", async (scene) => {
  const { hevc } = ENHANCED;
  const sound = hevc.args.indexOf("-c:a");
  const encoder = { ...hevc, args: [...hevc.args.slice(0, sound), "-c:a", "libopus", "-b:a", "96k", "-ac", "2"] };
  const { master, lists } = await underWay(scene, encoder, ["video", "audio"]);
  const [video, audio] = /** @type {[typeof lists[0], typeof lists[0]]} */ (lists);
  assert.match(master, /CODECS="hvc1\.1\.6\.L\d+\.[0-9A-F.]+,Opus",RESOLUTION=640x360,/);
  const pictures = await judged(scene, "video", video);
  assert.equal(pictures.stream.codec_name, "hevc");
  everyFrame(pictures, 30);
  const heard = await judged(scene, "audio", audio);
  assert.deepEqual({ codec: heard.stream.codec_name, channels: heard.stream.channels }, { codec: "opus", channels: 2 });
  everyFrame(heard, 50);
});

scene("two commentaries come in by SRT, each with its language", async (scene) => {
  const { twoSounds } = ENHANCED;
  const args = [...twoSounds.args, "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=kor"];
  const { master, lists } = await underWay(scene, { ...twoSounds, args }, ["video", "audio", "audio-2"]);
  const [, audio, second] = /** @type {[typeof lists[0], typeof lists[0], typeof lists[0]]} */ (lists);
  assert.match(master, /^#EXT-X-MEDIA:TYPE=AUDIO,.*LANGUAGE="en",.*URI="[0-9a-f]+\/audio\.m3u8"$/m);
  assert.match(master, /^#EXT-X-MEDIA:TYPE=AUDIO,.*LANGUAGE="ko",.*URI="[0-9a-f]+\/audio-2\.m3u8"$/m);
  for (const [name, list] of /** @type {const} */ ([["audio", audio], ["audio-2", second]])) {
    const heard = await judged(scene, name, list);
    assert.equal(heard.stream.codec_name, "aac");
    everyFrame(heard, 48_000 / 1_024);
  }
});
