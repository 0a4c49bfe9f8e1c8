/** WHIP: an encoder and a browser publish by WebRTC, and what they send is watched to the end. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, PAGE_MS, startBrowser } from "../harness/browser.mjs";
import { run } from "../harness/child.mjs";
import { get, mediaPlaylist, playlists } from "../harness/hls.mjs";
import { countStalls, playOn, stalls, untilPlaying } from "../harness/player.mjs";
import { ENHANCED, ffmpegNext, startEncoder } from "../harness/publisher.mjs";
import { everyFrame, judged, playable } from "../harness/renditions.mjs";
import { scene } from "../harness/scene.mjs";
import { binary, CHANNEL, Server } from "../harness/server.mjs";
import { freeUdpPort } from "../harness/udp.mjs";
import { until, within } from "../harness/wait.mjs";

/** How long an encoder may take to see that it is refused, or the server that it is gone. */
const TOLD_MS = 20_000;

/** How long a browser may take until so much of its show is there: it begins with little bitrate, and asks itself how much there is. */
const UNDER_WAY_MS = 60_000;
/** Segments after which it sends as much as it wants: before, what the playlists announce is soon too little. */
const RAMPED_SEGMENTS = 8;

/** How far from its flash a tone may be: a picture and a packet of sound. */
const TOGETHER_S = 0.06;

/** How long the show is watched. */
const WATCHED_S = 10;

/** How long the judge listens, seconds. */
const JUDGED_S = 30;

/** @param {import("../harness/scene.mjs").Scene} scene @param {Parameters<typeof Server.start>[1]} [options] */
async function startServer(scene, options = {}) {
  const port = await freeUdpPort();
  const extra = `[whip]\nlisten_udp = "127.0.0.1:${port}"\n${options.extra ?? ""}`;
  const server = await Server.start(scene, { ...options, extra });
  return { server, url: `${server.url}/whip/${CHANNEL}` };
}

/** @param {Server} server */
async function sessions(server) {
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/^fanwave_origin_whip_sessions (\d+)$/m.exec(metrics)?.[1]);
}

scene("an encoder publishes by WHIP, every frame of it can be read, and it ends its session", async (scene) => {
  const { server, url } = await startServer(scene, { logLevel: "debug", logFormat: "json" });
  const encoder = { ...ENHANCED.whip, args: [...ENHANCED.whip.args, "-authorization", server.streamKey] };
  const child = startEncoder(scene, server, { encoder, program: ffmpegNext(), url });
  const { master, lists } = await playable(server, child, ["video", "audio"]);
  const [video, audio] = /** @type {[typeof lists[0], typeof lists[0]]} */ (lists);
  assert.match(master, /CODECS="avc1\.42c01e,Opus",RESOLUTION=640x360,FRAME-RATE=30\.000,AUDIO="audio"$/m);
  const pictures = await judged(scene, "video", video);
  assert.equal(pictures.stream.codec_name, "h264");
  everyFrame(pictures, 30);
  const sound = await judged(scene, "audio", audio);
  assert.deepEqual({ codec: sound.stream.codec_name, channels: sound.stream.channels }, { codec: "opus", channels: 2 });
  everyFrame(sound, 50);
  child.signal("SIGTERM");
  await until("the session is over", TOLD_MS, async () => (await sessions(server)) === 0);
  const log = await server.child.log();
  assert.match(log, /the publisher has ended it/);
  assert.ok(!log.includes(server.streamKey), "no key is in the log");
});

scene("a tone is heard when its flash is seen, though RTP counts both from anywhere", async (scene) => {
  const { server, url } = await startServer(scene);
  const encoder = { ...ENHANCED.whipFlashes, args: [...ENHANCED.whipFlashes.args, "-authorization", server.streamKey] };
  const child = startEncoder(scene, server, { encoder, program: ffmpegNext(), url });
  await playable(server, child, ["video", "audio"]);
  const copy = join(scene.folder, "copy.mkv");
  const copied = await run(ffmpegNext(), ["-hide_banner", "-nostdin", "-loglevel", "error", "-i", server.playlistUrl,
    "-map", "0:v:0", "-map", "0:a:0", "-c", "copy", "-t", "5", copy], { deadlineMs: 60_000 });
  assert.equal(copied.code, 0, copied.stderr);
  /** @param {string[]} filter @param {RegExp} found */
  const times = async (filter, found) => {
    const { stderr } = await run(ffmpegNext(), ["-hide_banner", "-nostdin", "-i", copy, ...filter, "-f", "null", "-"], { deadlineMs: 60_000 });
    return [...stderr.matchAll(found)].map(([, s]) => Number(s));
  };
  const flashes = await times(["-vf", "blackdetect=d=0.05:pix_th=0.3", "-an"], /black_end:([0-9.]+)/g);
  const tones = await times(["-af", "silencedetect=noise=-30dB:d=0.05", "-vn"], /silence_end: ([0-9.]+)/g);
  assert.ok(flashes.length >= 4 && tones.length >= 4, `flashes at ${flashes.join(", ")}, tones at ${tones.join(", ")}`);
  for (const flash of flashes.slice(0, 4)) {
    assert.ok(tones.some((tone) => Math.abs(tone - flash) <= TOGETHER_S), `a flash at ${flash}, tones at ${tones.join(", ")}`);
  }
});

scene("a wrong key is refused before any media is sent", async (scene) => {
  const { server, url } = await startServer(scene, { logLevel: "debug", logFormat: "json" });
  const wrong = "canary-wrong-key-52c8";
  const encoder = { ...ENHANCED.whip, args: [...ENHANCED.whip.args, "-authorization", wrong] };
  const child = startEncoder(scene, server, { encoder, program: ffmpegNext(), url });
  const { code } = await within("the encoder gives up", TOLD_MS, child.exited);
  assert.notEqual(code, 0);
  const log = await server.child.log();
  assert.match(log, /unknown stream key/);
  assert.ok(!log.includes(wrong), "the wrong key is not in the log");
});

scene("a page publishes by WHIP, and another plays it without a stall", async (scene) => {
  const { server, url } = await startServer(scene);
  const browser = await startBrowser(scene);
  const studio = await openPage(scene, browser, `${server.url}/livez`, { name: "studio" });
  const session = await studio.page.evaluate(publish, { url, key: server.streamKey });
  assert.equal(session.status, 201, session.text);
  const list = await until("the show has run for three segments", UNDER_WAY_MS, async () => {
    const now = await playlists(server);
    return now && now.video.nextMsn - now.video.firstMsn >= 3 ? now.video : undefined;
  });
  // A keyframe comes when it is asked for: segments are not longer than that takes.
  const lengths = [...list.text.matchAll(/^#EXTINF:([0-9.]+),$/gm)].map(([, s]) => Number(s));
  assert.ok(lengths.every((s) => s <= 4), `segments of ${lengths.join(", ")} s`);

  const watch = await openPage(scene, browser, server.watchUrl, { name: "watch" });
  await untilPlaying(watch.page);
  await countStalls(watch.page);
  await playOn(watch.page, WATCHED_S);
  const seen = await stalls(watch.page);
  assert.deepEqual({ waitedAtS: seen.waitedAtS, frozen: seen.frozen }, { waitedAtS: [], frozen: 0 }, JSON.stringify(seen));
  const decoded = await watch.page.getByTestId("video").evaluate((element) => {
    const video = /** @type {HTMLVideoElement & { webkitAudioDecodedByteCount: number }} */ (element);
    return { width: video.videoWidth, frames: video.getVideoPlaybackQuality().totalVideoFrames, sound: video.webkitAudioDecodedByteCount };
  });
  assert.ok(decoded.width > 0 && decoded.frames > WATCHED_S * 10 && decoded.sound > 0, JSON.stringify(decoded));

  assert.equal(await studio.page.evaluate(hangUp, session.location), 200);
  await until("the session is over", PAGE_MS, async () => (await sessions(server)) === 0);
});

scene("a page's Opus is heard as AAC as well, and nothing is wrong with either", async (scene) => {
  const { server, url } = await startServer(scene, { extra: '[ladder]\naac = "128k"\n' });
  const browser = await startBrowser(scene);
  const studio = await openPage(scene, browser, `${server.url}/livez`, { name: "studio" });
  const session = await studio.page.evaluate(publish, { url, key: server.streamKey });
  assert.equal(session.status, 201, session.text);
  const folder = await until("the browser sends as much as it wants", UNDER_WAY_MS, async () => {
    const now = await playlists(server);
    return now && now.video.nextMsn - now.video.firstMsn >= RAMPED_SEGMENTS ? new URL(".", now.video.url) : undefined;
  });
  const judge = await run(binary(), ["judge", server.playlistUrl, "--for", `${JUDGED_S}s`], { deadlineMs: JUDGED_S * 4_000 });
  assert.equal(judge.code, 0, judge.stdout + judge.stderr);
  const master = await get(server.playlistUrl);
  assert.match(master.text, /^#EXT-X-STREAM-INF:.*CODECS="avc1\.[0-9a-f]{6},Opus",.*AUDIO="audio"$/m);
  assert.match(master.text, /^#EXT-X-STREAM-INF:.*CODECS="avc1\.[0-9a-f]{6},mp4a\.40\.2",.*AUDIO="audio-2"$/m);
  for (const [name, codec] of /** @type {const} */ ([["audio", "opus"], ["audio-aac", "aac"]])) {
    const list = await mediaPlaylist(new URL(`${name}.m3u8`, folder).href);
    assert.ok(list);
    const sound = await judged(scene, name, list);
    assert.equal(sound.stream.codec_name, codec);
    everyFrame(sound, 48_000 / (codec === "aac" ? 1_024 : 960));
  }
  const watch = await openPage(scene, browser, server.watchUrl, { name: "watch" });
  await untilPlaying(watch.page);
  await countStalls(watch.page);
  await playOn(watch.page, WATCHED_S);
  const seen = await stalls(watch.page);
  assert.deepEqual({ waitedAtS: seen.waitedAtS, frozen: seen.frozen }, { waitedAtS: [], frozen: 0 }, JSON.stringify(seen));
  assert.equal(await studio.page.evaluate(hangUp, session.location), 200);
});

/**
 * Runs inside a page: publishes a canvas that moves and a tone, with nothing but what browsers have.
 *
 * @param {{ url: string, key: string }} where
 */
async function publish({ url, key }) {
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
  document.body.append(canvas);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  let n = 0;
  setInterval(() => {
    n += 1;
    context.fillStyle = `hsl(${n % 360} 80% 40%)`;
    context.fillRect(0, 0, 640, 360);
    context.fillStyle = "white";
    context.fillRect((n * 7) % 640, 120, 80, 120);
    context.font = "60px sans-serif";
    context.fillText(String(n), 40, 90);
  }, 33);
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const speaker = audio.createMediaStreamDestination();
  tone.connect(speaker);
  tone.start();
  const stream = canvas.captureStream(30);
  for (const track of speaker.stream.getAudioTracks()) stream.addTrack(track);

  const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  for (const track of stream.getTracks()) {
    const transceiver = peer.addTransceiver(track, { direction: "sendonly", streams: [stream] });
    if (track.kind === "video") {
      const codecs = RTCRtpSender.getCapabilities("video")?.codecs ?? [];
      transceiver.setCodecPreferences(codecs.filter((codec) => codec.mimeType === "video/H264"));
    }
  }
  await peer.setLocalDescription(await peer.createOffer());
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/sdp", Authorization: `Bearer ${key}` },
    body: peer.localDescription?.sdp ?? "",
  });
  const text = await answer.text();
  if (answer.status === 201) await peer.setRemoteDescription({ type: "answer", sdp: text });
  Object.assign(window, { peer, audio });
  return { status: answer.status, text, location: new URL(answer.headers.get("Location") ?? "", url).href };
}

/**
 * Runs inside a page: ends the session.
 *
 * @param {string} location
 */
async function hangUp(location) {
  const { status } = await fetch(location, { method: "DELETE" });
  /** @type {any} */ (window).peer.close();
  return status;
}
