/** F23: the origin behind a caching edge is killed in the middle of the show, and its twin stands by. */

import assert from "node:assert/strict";
import { fault } from "../harness/faults.mjs";
import { get, mediaPlaylist, playlists } from "../harness/hls.mjs";
import { startCache } from "../harness/nginx.mjs";
import { onAir, sendToAll, underWay } from "../harness/publisher.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

/** The target duration of the show, seconds. */
const TARGET_S = 6;
/** Until what was not there at the kill comes through the edge. */
const BACK_MS = 10_000;
/** How many parts the viewer has to get after the kill. */
const PARTS = 12;

/** A viewer who follows one playlist through the edge, loads each part once, and keeps book of what went back. */
class Viewer {
  sequence = 0;
  /** The end of what was listed, by its date, milliseconds. */
  end = 0;
  parts = 0;
  /** @type {Set<string>} */
  #seen = new Set();

  /** @param {string} url */
  constructor(url) {
    this.url = url;
  }

  /** Asks for the next part, waits for it, and loads what is new. */
  async step() {
    const list = this.next ? await mediaPlaylist(`${this.url}?_HLS_msn=${this.next.msn}&_HLS_part=${this.next.part}`) : await mediaPlaylist(this.url);
    assert.ok(list, "the edge has a playlist");
    assert.ok(list.firstMsn >= this.sequence, `the media sequence went from ${this.sequence} to ${list.firstMsn}`);
    this.sequence = list.firstMsn;
    const end = endOf(list.text);
    assert.ok(end >= this.end, "the show went back");
    this.end = end;
    const all = [...list.text.matchAll(/^#EXT-X-PART:.*URI="([^"]+)"/gm)].map(([, uri]) => uri ?? "");
    const fresh = this.next ? all.filter((uri) => !this.#seen.has(uri)) : all.slice(-1);
    for (const uri of all) this.#seen.add(uri);
    for (const uri of fresh) {
      const response = await get(new URL(uri, this.url).href);
      assert.equal(response.status, 200, uri);
      this.parts += 1;
    }
    assert.ok(this.parts === 0 || fresh.length > 0, "a blocking answer brings a part");
    const hint = /^#EXT-X-PRELOAD-HINT:TYPE=PART,URI="\w+\/(\d+)\.(\d+)\.m4s"/m.exec(list.text);
    assert.ok(hint, list.text);
    this.next = { msn: Number(hint[1]), part: Number(hint[2]) };
  }
}

/**
 * The date at which a playlist ends, milliseconds: the last date, and what lasts after it.
 *
 * @param {string} text
 */
function endOf(text) {
  const at = text.lastIndexOf("#EXT-X-PROGRAM-DATE-TIME:");
  const date = Date.parse(/^#EXT-X-PROGRAM-DATE-TIME:(.*)$/m.exec(text.slice(at))?.[1] ?? "");
  const parts = [...text.slice(at).matchAll(/^#EXT-X-PART:.*DURATION=([\d.]+)/gm)];
  const lasts = parts.reduce((sum, [, seconds]) => sum + Number(seconds), 0);
  return date + lasts * 1_000;
}

fault("F23", "an origin is killed behind a cache", async (scene) => {
  const one = await Server.start(scene, { numbering: "clock", folder: "one" });
  const twin = await Server.start(scene, { numbering: "clock", folder: "twin" });
  const encoder = sendToAll(scene, [one, twin]);
  await Promise.all([one, twin].map((server) => onAir(server, encoder)));
  await Promise.all([one, twin].map((server) => underWay(server, 3)));
  const edge = await startCache(scene, [one, twin]);
  const shown = await playlists(twin);
  assert.ok(shown);
  const behind = (/** @type {string} */ url) => edge + new URL(url).pathname;
  const viewers = [new Viewer(behind(shown.video.url)), new Viewer(behind(shown.audio.url))];
  for (const viewer of viewers) await viewer.step();
  for (const viewer of viewers) await viewer.step();

  const killedAt = performance.now();
  const newest = Math.max(...viewers.map((viewer) => viewer.end));
  // Both wait for their next part when it happens.
  const waiting = viewers.map((viewer) => viewer.step());
  await one.kill();
  /** How old what the edge had in store was, at most, beside what the twin had at that time; seconds. */
  let stale = 0;
  const back = until("the twin's show comes through the edge", BACK_MS, async () => {
    const [now, kept] = await Promise.all([mediaPlaylist(shown.video.url), mediaPlaylist(behind(shown.video.url))]);
    assert.ok(now && kept, "the edge always has something to show");
    stale = Math.max(stale, (endOf(now.text) - endOf(kept.text)) / 1_000);
    return endOf(kept.text) > newest;
  });
  await Promise.all(waiting);
  await back;
  const backAfter = (performance.now() - killedAt) / 1_000;
  assert.ok(stale <= TARGET_S, `the edge showed what was ${stale.toFixed(1)} s old`);
  await Promise.all(viewers.map(async (viewer) => {
    const before = viewer.parts;
    while (viewer.parts < before + PARTS) await viewer.step();
  }));
  return { stale_s: Math.round(stale * 10) / 10, back_after_s: Math.round(backAfter * 10) / 10, parts_after: PARTS };
});
