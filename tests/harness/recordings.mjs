/** What a person does with recordings: list, read their playlists, decode them. */

import assert from "node:assert/strict";
import { run } from "./child.mjs";
import { get } from "./hls.mjs";
import { CHANNEL } from "./server.mjs";

/** ffmpeg reads at any pace. */
const DECODED_MS = 60_000;

/**
 * @typedef {{ id: string, playlist: string, from: number, to: number, bytes: number, ended: boolean, clip: boolean }} Recording
 * @param {import("./server.mjs").Server} server
 * @returns {Promise<Recording[]>}
 */
export async function recordings(server) {
  const { text } = await get(`${server.url}/api/v1/channels/${CHANNEL}/recordings`);
  return JSON.parse(text).recordings;
}

/**
 * The lines of a recording's playlist.
 *
 * @param {import("./server.mjs").Server} server
 * @param {Recording} recording
 * @param {string} name
 */
export async function lines(server, recording, name) {
  const { status, text } = await get(new URL(`${name}.m3u8`, server.url + recording.playlist).href);
  assert.equal(status, 200, text);
  return text.trimEnd().split("\n");
}

/** @param {string[]} playlist */
export const media = (playlist) => playlist.filter((line) => line.endsWith(".m4s"));

/**
 * Decodes a playlist to its end; gives back how many seconds that were.
 *
 * @param {string} url
 */
export async function decode(url) {
  const decoded = await run(
    "ffmpeg",
    ["-hide_banner", "-nostdin", "-v", "warning", "-xerror", "-i", url, "-map", "0:v:0", "-map", "0:a:0", "-f", "null", "-progress", "pipe:1", "-"],
    { deadlineMs: DECODED_MS },
  );
  assert.equal(decoded.stderr, "", "ffmpeg decodes it without a warning");
  assert.equal(decoded.code, 0);
  const times = [...decoded.stdout.matchAll(/^out_time_us=(\d+)$/gm)];
  return Number(times.at(-1)?.[1] ?? Number.NaN) / 1e6;
}
