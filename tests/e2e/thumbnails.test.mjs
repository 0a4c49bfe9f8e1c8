/**
 * Small pictures for whoever seeks: a player that we did not write finds them in a recording, and each is the picture that the
 * player shows at that time.
 */

import assert from "node:assert/strict";
import { report, servePlayer } from "../harness/bare-page.mjs";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { get } from "../harness/hls.mjs";
import { untilPlaying } from "../harness/player.mjs";
import { publish } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

const MADE_MS = 30_000;
const OVER_MS = 20_000;

/** How much the values of two pictures may differ in the mean, of 255: one was made small by an encoder, the other by a browser. */
const APART = 14;

const CONFIG = `
[recording]
channels = ["*"]

[thumbnails]
channels = ["*"]
interval = "2s"
`;

scene("shaka shows the picture of a time from a recording's sheets", async (scene) => {
  const server = await Server.start(scene, { extra: CONFIG, reconnectWindow: "1s" });
  const encoder = await publish(scene, server);
  const live = `${server.url}/live/demo/thumbnails.vtt`;
  const track = await until("the show has five pictures", MADE_MS, async () => {
    const { status, text } = await get(live);
    assert.equal(status, 200, text);
    return text.split(" --> ").length > 5 ? text : undefined;
  });
  assert.match(track, /^WEBVTT\n\nNOTE times count from \d{4}-\d\d-\d\dT/);
  const newest = /\n(\S+\/thumbnails\/at-\d+\.jpg)#xywh=0,0,160,90\n$/.exec(track)?.[1] ?? assert.fail(track);
  const picture = await fetch(new URL(newest, live));
  assert.deepEqual([picture.status, picture.headers.get("content-type")], [200, "image/jpeg"]);

  await encoder.kill();
  const recording = await until("the recording is over, and its last sheet is stored", OVER_MS, async () => {
    const { text } = await get(`${server.url}/api/v1/channels/demo/recordings`);
    const [first] = JSON.parse(text).recordings;
    if (!first?.ended) return undefined;
    const { status } = await get(new URL("thumbnails.vtt", server.url + first.playlist).href);
    return status === 200 ? first : undefined;
  });
  const browser = await startBrowser(scene);
  const url = await servePlayer(scene, "shaka", server.url + recording.playlist);
  const { page } = await openPage(scene, browser, url, { name: "shaka" });
  await untilPlaying(page);
  const vtt = new URL("thumbnails.vtt", server.url + recording.playlist).href;
  const seen = await page.evaluate(look, { vtt, times: [0.5, 5] });
  for (const { found, apart, other } of seen) {
    assert.deepEqual([found.width, found.height, found.sprite], [160, 90, true]);
    assert.ok(apart < APART, `the picture of ${found.startTime} is ${apart} apart from what is shown then`);
    assert.ok(other > 1.3 * apart, `and ${other} from what is shown two seconds later`);
  }
  assert.deepEqual((await report(page)).errors, []);
});

/**
 * Runs in the page: what the player finds for each time, and how far it is in the mean from what it shows at the picture's own time and
 * two seconds later.
 *
 * @param {{ vtt: string, times: number[] }} wanted
 */
async function look({ vtt, times }) {
  const { player } = /** @type {any} */ (window).seen;
  const video = /** @type {HTMLVideoElement} */ (document.querySelector("video"));
  video.pause();
  const track = await player.addThumbnailsTrack(vtt, "text/vtt");
  const canvas = new OffscreenCanvas(160, 90);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.imageSmoothingQuality = "high";
  const pixels = (/** @type {() => void} */ draw) => {
    draw();
    return context.getImageData(0, 0, 160, 90).data;
  };
  const shown = async (/** @type {number} */ time) => {
    await new Promise((resolve) => {
      video.onseeked = resolve;
      video.currentTime = time;
    });
    return pixels(() => context.drawImage(video, 0, 0, 160, 90));
  };
  const apart = (/** @type {Uint8ClampedArray} */ a, /** @type {Uint8ClampedArray} */ b) =>
    a.reduce((sum, value, index) => sum + Math.abs(value - (b[index] ?? 0)), 0) / a.length;
  const seen = [];
  for (const time of times) {
    const found = await player.getThumbnails(track.id, time);
    const image = new Image();
    image.crossOrigin = "anonymous";
    image.src = found.uris[0].split("#")[0];
    await image.decode();
    const { positionX: x, positionY: y, width, height } = found;
    const small = pixels(() => context.drawImage(image, x, y, width, height, 0, 0, 160, 90));
    const own = apart(small, await shown(found.startTime + 0.01));
    const other = apart(small, await shown(found.startTime + 2.01));
    seen.push({ found: { width, height, sprite: found.sprite, startTime: found.startTime }, apart: own, other });
  }
  return seen;
}
