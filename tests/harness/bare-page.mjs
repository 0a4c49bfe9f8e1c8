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
      player.addEventListener("error", (event) => seen.errors.push(String(event.detail?.code)));
      await player.attach(video);
      player.configure({ streaming: { lowLatencyMode: true } });
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
      const hls = new Hls({ lowLatencyMode: true });
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
