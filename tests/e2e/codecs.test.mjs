/**
 * What enhanced RTMP brings, from a real encoder to real players: HEVC, AV1, Opus and several audio tracks. ffprobe counts
 * every frame, ffmpeg decodes without one warning, and Chromium plays what it can.
 */

import assert from "node:assert/strict";
import { openPage, PAGE_MS, startBrowser } from "../harness/browser.mjs";
import { countStalls, playOn, stalls, untilPlaying } from "../harness/player.mjs";
import { ENHANCED, ffmpegNext, startEncoder } from "../harness/publisher.mjs";
import { everyFrame, judged, playable } from "../harness/renditions.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { Hopeless, until, within } from "../harness/wait.mjs";

/** How long an encoder whose keyframes are no good may go on: the target duration, and its own start. */
const REFUSED_MS = 30_000;

/** How long the show is watched. */
const WATCHED_S = 8;

/**
 * Starts an encoder, and waits until each rendition has as much as a player needs.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {keyof typeof ENHANCED} encoder
 * @param {string[]} renditions
 */
async function underWay(scene, encoder, renditions) {
  const server = await Server.start(scene);
  const child = startEncoder(scene, server, { encoder: ENHANCED[encoder], program: ffmpegNext() });
  return { server, child, ...await playable(server, child, renditions) };
}

scene("HEVC and AAC are published, and every frame of it can be read", async (scene) => {
  const { master, lists } = await underWay(scene, "hevc", ["video", "audio"]);
  const [video, audio] = /** @type {[typeof lists[0], typeof lists[0]]} */ (lists);
  assert.match(master, /^#EXT-X-STREAM-INF:.*CODECS="hvc1\.1\.6\.L\d+\.[0-9A-F.]+,mp4a\.40\.2",RESOLUTION=640x360,FRAME-RATE=30\.000,AUDIO="audio"$/m);
  const pictures = await judged(scene, "video", video);
  assert.deepEqual({ codec: pictures.stream.codec_name, tag: pictures.stream.codec_tag_string, width: pictures.stream.width }, { codec: "hevc", tag: "hvc1", width: 640 });
  everyFrame(pictures, 30);
  const sound = await judged(scene, "audio", audio);
  assert.equal(sound.stream.codec_name, "aac");
  everyFrame(sound, 48_000 / 1_024);
});

scene("HEVC with keyframes at which no player can begin: refused in words that the encoder shows", async (scene) => {
  const server = await Server.start(scene);
  const child = startEncoder(scene, server, { encoder: ENHANCED.hevcOpenGroups, program: ffmpegNext() });
  await within("the encoder is told", REFUSED_MS, child.exited);
  assert.match(await child.log(), /Server error: keyframes of open groups/);
});

scene("AV1 and Opus are published, can be read, and play on the watch page", async (scene) => {
  const { server, master, lists, child } = await underWay(scene, "av1", ["video", "audio"]);
  const [video, audio] = /** @type {[typeof lists[0], typeof lists[0]]} */ (lists);
  // The encoder says no picture rate: it is counted.
  assert.match(master, /^#EXT-X-STREAM-INF:.*CODECS="av01\.0\.\d\dM\.08,Opus",RESOLUTION=640x360,FRAME-RATE=30\.000,AUDIO="audio"$/m);
  const pictures = await judged(scene, "video", video);
  assert.deepEqual({ codec: pictures.stream.codec_name, width: pictures.stream.width }, { codec: "av1", width: 640 });
  everyFrame(pictures, 30);
  const sound = await judged(scene, "audio", audio);
  assert.deepEqual({ codec: sound.stream.codec_name, channels: sound.stream.channels }, { codec: "opus", channels: 2 });
  everyFrame(sound, 50);

  const browser = await startBrowser(scene);
  const { page, console } = await openPage(scene, browser, server.watchUrl, { name: "av1" });
  await untilPlaying(page);
  await countStalls(page);
  await playOn(page, WATCHED_S);
  const seen = await stalls(page);
  assert.deepEqual({ waitedAtS: seen.waitedAtS, frozen: seen.frozen }, { waitedAtS: [], frozen: 0 }, `${JSON.stringify(seen)} ${await child.log()}`);
  const decoded = await page.getByTestId("video").evaluate((element) => {
    const video = /** @type {HTMLVideoElement & { webkitAudioDecodedByteCount: number }} */ (element);
    return { width: video.videoWidth, frames: video.getVideoPlaybackQuality().totalVideoFrames, sound: video.webkitAudioDecodedByteCount };
  });
  assert.equal(decoded.width, 640);
  assert.ok(decoded.frames > WATCHED_S * 20 && decoded.sound > 0, JSON.stringify(decoded));
  assert.deepEqual(console.filter((line) => /^(error|uncaught)/.test(line)), [], "nothing in the browser's console");
});

scene("two audio tracks are published, can be read, and a viewer changes from one to the other", async (scene) => {
  const { server, master, lists } = await underWay(scene, "twoSounds", ["video", "audio", "audio-2"]);
  const [video, audio, second] = /** @type {[typeof lists[0], typeof lists[0], typeof lists[0]]} */ (lists);
  assert.match(master, /^#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="[0-9a-f]+\/audio\.m3u8"$/m);
  assert.match(master, /^#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio 2",DEFAULT=NO,AUTOSELECT=NO,CHANNELS="2",URI="[0-9a-f]+\/audio-2\.m3u8"$/m);
  const pictures = await judged(scene, "video", video);
  assert.equal(pictures.stream.codec_name, "h264");
  everyFrame(pictures, 30);
  for (const [name, list] of /** @type {const} */ ([["audio", audio], ["audio-2", second]])) {
    assert.match(list.text, /^#EXT-X-RENDITION-REPORT:URI="video\.m3u8"/m);
    const sound = await judged(scene, name, list);
    assert.equal(sound.stream.codec_name, "aac");
    everyFrame(sound, 48_000 / 1_024);
    const init = await fetch(new URL(`${name}/init-0.mp4`, list.url));
    assert.deepEqual([init.status, init.headers.get("content-type")], [200, "audio/mp4"]);
  }

  const browser = await startBrowser(scene);
  const { page } = await openPage(scene, browser, server.watchUrl, { name: "two-sounds" });
  await untilPlaying(page);
  await page.evaluate(chooseSecondSound, server.playlistUrl);
  /** @returns {Promise<{ names: string[], loaded: string[], errors: string[], at: number, sound: number }>} */
  const player = () => page.evaluate(() => /** @type {any} */ (window).ownPlayer());
  const heard = await until("the second track is loaded and heard", PAGE_MS, async () => {
    const now = await player();
    if (now.errors.length > 0) throw new Hopeless(now.errors.join(", "));
    return now.loaded.some((url) => url.includes("/audio-2/")) && now.at > 2 && now.sound > 0 ? now : undefined;
  });
  assert.deepEqual(heard.names, ["Audio", "Audio 2"]);
});

scene("sound alone is a show too", async (scene) => {
  const { master, lists } = await underWay(scene, "soundAlone", ["audio"]);
  const [audio] = /** @type {[typeof lists[0]]} */ (lists);
  assert.match(master, /^#EXT-X-STREAM-INF:BANDWIDTH=\d+,AVERAGE-BANDWIDTH=\d+,CODECS="mp4a\.40\.2"\n[0-9a-f]+\/audio\.m3u8\n$/m);
  assert.doesNotMatch(master, /EXT-X-MEDIA:|RESOLUTION/);
  const sound = await judged(scene, "audio", audio);
  assert.equal(sound.stream.codec_name, "aac");
  everyFrame(sound, 48_000 / 1_024);
});

/**
 * Runs inside the watch page: plays the show a second time in a video element of its own, with the page's own hls.js, and
 * chooses the second audio track.
 *
 * @param {string} playlistUrl
 */
async function chooseSecondSound(playlistUrl) {
  const script = performance.getEntriesByType("resource").map((entry) => entry.name).find((name) => /\/assets\/hls[^/]*\.js$/.test(name));
  if (!script) throw new Error("the page has loaded no hls.js");
  const { default: Hls } = await import(script);
  const video = document.body.appendChild(document.createElement("video"));
  video.muted = true;
  const hls = new Hls({ lowLatencyMode: true });
  /** @type {string[]} */
  const loaded = [];
  /** @type {string[]} */
  const errors = [];
  hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, () => (hls.audioTrack = 1));
  hls.on(Hls.Events.FRAG_BUFFERED, (/** @type {any} */ _, /** @type {any} */ data) => loaded.push(data.frag.url));
  hls.on(Hls.Events.ERROR, (/** @type {any} */ _, /** @type {any} */ data) => data.fatal && errors.push(data.details));
  hls.loadSource(playlistUrl);
  hls.attachMedia(video);
  hls.on(Hls.Events.MANIFEST_PARSED, () => video.play());
  let began = -1;
  Object.assign(window, {
    ownPlayer: () => {
      const at = video.currentTime;
      if (began < 0 && at > 0) began = at;
      return {
        names: hls.audioTracks.map((/** @type {any} */ track) => track.name),
        loaded,
        errors,
        at: began < 0 ? 0 : at - began,
        sound: /** @type {any} */ (video).webkitAudioDecodedByteCount,
      };
    },
  });
}
