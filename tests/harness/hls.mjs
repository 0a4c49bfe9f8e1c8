/**
 * The show as a player's network sees it: playlists by address, read as text. Only what the tests assert is parsed.
 */

/**
 * A media playlist, taken apart.
 *
 * @typedef {object} MediaPlaylist
 * @property {string} url Without directives.
 * @property {string} text
 * @property {number} firstMsn
 * @property {number} nextMsn Number of the media segment that is being made.
 * @property {number} partsOfNext How many parts of it are listed.
 * @property {number} discontinuities How many are listed.
 */

/**
 * The channel's media playlists, or `undefined` while there is no show.
 *
 * @param {import("./server.mjs").Server} server
 * @returns {Promise<{ video: MediaPlaylist, audio: MediaPlaylist } | undefined>}
 */
export async function playlists(server) {
  const master = await get(server.playlistUrl);
  if (master.status !== 200) return undefined;
  const video = uris(master.text).find((uri) => uri.endsWith("video.m3u8"));
  const audio = /URI="([^"]*audio\.m3u8)"/.exec(master.text)?.[1];
  if (!video || !audio) throw new Error(`the multivariant playlist lacks a rendition:\n${master.text}`);
  const [v, a] = await Promise.all([video, audio].map((uri) => mediaPlaylist(new URL(uri, server.playlistUrl).href)));
  return v && a ? { video: v, audio: a } : undefined;
}

/**
 * @param {string} url
 * @returns {Promise<MediaPlaylist | undefined>}
 */
export async function mediaPlaylist(url) {
  const { status, text } = await get(url);
  if (status !== 200) return undefined;
  const firstMsn = Number(/^#EXT-X-MEDIA-SEQUENCE:(\d+)$/m.exec(text)?.[1] ?? Number.NaN);
  if (!Number.isInteger(firstMsn)) throw new Error(`the playlist has no media sequence:\n${text}`);
  const segments = uris(text).length;
  const tail = text.slice(text.lastIndexOf("#EXTINF"));
  return {
    url: url.split("?")[0] ?? url,
    text,
    firstMsn,
    nextMsn: firstMsn + segments,
    partsOfNext: [...(segments === 0 ? text : tail).matchAll(/^#EXT-X-PART:/gm)].length,
    discontinuities: [...text.matchAll(/^#EXT-X-DISCONTINUITY$/gm)].length,
  };
}

/**
 * @param {string} url
 * @returns {Promise<{ status: number, text: string, headers: Headers, ms: number }>}
 */
export async function get(url) {
  const began = performance.now();
  const response = await fetch(url, { signal: AbortSignal.timeout(20_000) });
  const text = await response.text();
  return { status: response.status, text, headers: response.headers, ms: performance.now() - began };
}

/** @param {string} playlist */
function uris(playlist) {
  return playlist.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#"));
}
