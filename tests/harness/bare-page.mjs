/**
 * A page of another site with nothing but a video element and a published player: what a fan's browser does when a company
 * embeds the show in pages of its own. It is served from another origin, so all of it goes through CORS.
 */

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** Where each player's browser build lies, and what starts it. */
const PLAYERS = {
  shaka: {
    script: "shaka-player/dist/shaka-player.compiled.js",
    start: `
      shaka.polyfill.installAll();
      const player = new shaka.Player();
      seen.player = player;
      player.addEventListener("error", (event) => seen.errors.push(String(event.detail?.code)));
      await player.attach(video);
      // As for hls.js below. Shaka counts from where the playlist tells players to be, and bears half a second from there by itself.
      const liveSync = { enabled: true, targetLatency: 0.25, targetLatencyTolerance: 0.25, maxPlaybackRate: 1.05 };
      player.configure({ streaming: { lowLatencyMode: true, liveSync } });
      seen.latency = () => (Date.now() - player.getPlayheadTimeAsDate().getTime()) / 1000;
      await player.load(url);
      seen.qualities = () => [...new Set(player.getVariantTracks().map((track) => track.height).filter((lines) => lines > 0))];
      seen.choose = (lines) => {
        player.configure({ abr: { enabled: false } });
        player.selectVariantTrack(player.getVariantTracks().find((track) => track.height === lines));
      };`,
  },
  hls: {
    script: "hls.js/dist/hls.min.js",
    start: `
      // A player that was late once stays so, unless it may play a little faster: our own page allows it as much (docs/embed.md).
      const hls = new Hls({ lowLatencyMode: true, maxLiveSyncPlaybackRate: 1.05 });
      seen.player = hls;
      hls.on(Hls.Events.ERROR, (_, data) => seen.errors.push(data.details));
      seen.latency = () => hls.playingDate ? (Date.now() - hls.playingDate.getTime()) / 1000 : undefined;
      seen.qualities = () => [...new Set(hls.levels.map((level) => level.height).filter((lines) => lines > 0))];
      // What its own choice of quality does: the next segment is of the other quality, and nothing that was loaded is thrown away.
      seen.choose = (lines) => { hls.loadLevel = hls.levels.findIndex((level) => level.height === lines); };
      hls.loadSource(url);
      hls.attachMedia(video);`,
  },
};

/**
 * Serves the page for as long as the scene lasts; gives back its address.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {keyof typeof PLAYERS} name
 * @param {string} playlistUrl
 * @returns {Promise<string>}
 */
export async function servePlayer(scene, name, playlistUrl) {
  const { script, start } = PLAYERS[name];
  const code = await readFile(require.resolve(script));
  const page = `<!doctype html><meta charset="utf-8"><title>${name}</title>
    <video data-testid="video" muted autoplay playsinline style="width: 100%"></video>
    <script src="player.js"></script>
    <script type="module">
      const video = document.querySelector("video");
      const url = ${JSON.stringify(playlistUrl)};
      const seen = { errors: [], latency: () => undefined };
      window.seen = seen;
      try {${start}
      } catch (error) { seen.errors.push(String(error?.code ?? error)); }
    </script>`;
  const server = createServer((request, response) => {
    const body = request.url === "/player.js" ? code : page;
    response.setHeader("content-type", request.url === "/player.js" ? "text/javascript" : "text/html").end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  scene.after(() => new Promise((resolve) => {
    server.close(() => resolve(undefined));
    server.closeAllConnections();
  }));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the page has no port");
  return `http://127.0.0.1:${address.port}/`;
}

/**
 * What the player has reported: its errors, and how far behind the encoder its picture is, in seconds.
 *
 * @param {import("playwright-core").Page} page
 * @returns {Promise<{ errors: string[], latencyS: number | undefined }>}
 */
export function report(page) {
  return page.evaluate(() => {
    const seen = /** @type {any} */ (window).seen;
    return { errors: [...seen.errors], latencyS: seen.latency() };
  });
}

/**
 * An event that a player found among the media: when it happens by the player's clock, and where the playhead was when the
 * player said so.
 *
 * @typedef {{ text: string, timeS: number, expectedS: number, duringS: number | undefined }} Heard
 */

/**
 * Has the page note the events that its player finds among the media, and when their time comes.
 *
 * @param {import("playwright-core").Page} page
 * @param {keyof typeof PLAYERS} name
 */
export async function hearEvents(page, name) {
  await page.evaluate((name) => {
    const { seen, Hls } = /** @type {any} */ (window);
    const { player } = seen;
    const video = /** @type {HTMLVideoElement} */ (document.querySelector("video"));
    /** @type {Map<string, Heard>} */
    const heard = new Map();
    seen.heard = heard;
    /** Where a date is on the player's timeline. */
    const timeOf = (/** @type {number} */ date) =>
      video.currentTime + (date - (name === "hls" ? player.playingDate : player.getPlayheadTimeAsDate()).getTime()) / 1000;
    const found = (/** @type {string} */ text, /** @type {number} */ timeS) => {
      const { id, start } = JSON.parse(text);
      heard.set(id, { text, timeS, expectedS: timeOf(start), duringS: undefined });
    };
    const entered = (/** @type {string} */ text) => {
      const known = heard.get(JSON.parse(text).id);
      if (known) known.duringS ??= video.currentTime;
    };
    if (name === "hls") {
      player.on(Hls.Events.FRAG_PARSING_METADATA, (/** @type {unknown} */ _, /** @type {any} */ data) => {
        for (const { data: tag, pts } of data.samples) {
          // A tag of one frame, TXXX: its text is behind the header of both, the encoding and the description.
          const content = new TextDecoder().decode(tag.subarray(21));
          found(content.slice(content.indexOf("\0") + 1), pts);
        }
      });
      const watch = (/** @type {TextTrack | null} */ track) => {
        if (track?.kind !== "metadata") return;
        track.addEventListener("cuechange", () => {
          for (const cue of track.activeCues ?? []) {
            const { key, data } = /** @type {any} */ (cue).value;
            if (key === "TXXX") entered(data);
          }
        });
      };
      for (const track of video.textTracks) watch(track);
      video.textTracks.addEventListener("addtrack", ({ track }) => watch(track));
    } else {
      // Shaka looks into streams whose manifest announces events, which HLS has no word for.
      player.configure("mediaSource.dispatchAllEmsgBoxes", true);
      const text = (/** @type {any} */ event) => event.payload.key === "TXXX" ? event.payload.data : undefined;
      player.addEventListener("metadataadded", (/** @type {any} */ event) => text(event) && found(text(event), event.startTime));
      player.addEventListener("metadata", (/** @type {any} */ event) => text(event) && entered(text(event)));
    }
  }, name);
}

/**
 * What was heard since, by the ids of the events.
 *
 * @param {import("playwright-core").Page} page
 * @returns {Promise<Map<string, Heard>>}
 */
export async function heardEvents(page) {
  return new Map(await page.evaluate(() => [.../** @type {any} */ (window).seen.heard.entries()]));
}

/**
 * The lines of each quality that the player can choose from.
 *
 * @param {import("playwright-core").Page} page
 * @returns {Promise<number[]>}
 */
export function qualities(page) {
  return page.evaluate(() => /** @type {any} */ (window).seen.qualities());
}

/**
 * Has the player go on in another quality, as it would by itself on another network.
 *
 * @param {import("playwright-core").Page} page
 * @param {number} lines
 */
export async function chooseQuality(page, lines) {
  await page.evaluate((lines) => /** @type {any} */ (window).seen.choose(lines), lines);
}
