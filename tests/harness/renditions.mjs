/** What every rendition of a show has to be, whatever it came in: ffprobe counts each frame, and ffmpeg decodes it all. */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./child.mjs";
import { get, mediaPlaylist } from "./hls.mjs";
import { Hopeless, until } from "./wait.mjs";

/** How many segments a player that knows no parts needs before it starts (rfc8216bis, section 6.3.3). */
const SEGMENTS = 3;

/** How long an encoder of any kind may take until so much of its show is there, on a busy machine. */
const UNDER_WAY_MS = 60_000;

/**
 * Waits until each rendition has as much as a player needs.
 *
 * @param {import("./server.mjs").Server} server
 * @param {import("./child.mjs").Child} encoder
 * @param {string[]} renditions
 */
export function playable(server, encoder, renditions) {
  return until(`the show has run for ${SEGMENTS} segments`, UNDER_WAY_MS, async () => {
    if (!encoder.running) throw new Hopeless(`the encoder ended: ${await encoder.log()}`);
    const master = await get(server.playlistUrl);
    if (master.status !== 200) return undefined;
    const folder = /^([0-9a-f]+)\/\w+\.m3u8$/m.exec(master.text)?.[1];
    assert.ok(folder, master.text);
    const lists = await Promise.all(renditions.map((name) => mediaPlaylist(new URL(`${folder}/${name}.m3u8`, server.playlistUrl).href)));
    const all = lists.flatMap((list) => list ?? []);
    return all.length === renditions.length && all.every((list) => list.nextMsn - list.firstMsn >= SEGMENTS) ? { master: master.text, lists: all } : undefined;
  });
}

/**
 * What ffprobe finds in everything that a playlist lists now, and how long that is by the playlist's own word; ffmpeg decodes
 * all of it without a warning.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {string} name
 * @param {import("./hls.mjs").MediaPlaylist} list
 */
export async function judged(scene, name, list) {
  const copy = join(scene.folder, `${name}.m3u8`);
  const absolute = list.text
    .replaceAll(/^#EXT-X-(PART|PART-INF|PRELOAD-HINT|RENDITION-REPORT|SERVER-CONTROL|SKIP):.*\n/gm, "")
    .replaceAll(/URI="([^"]+)"/g, (_, uri) => `URI="${new URL(uri, list.url).href}"`)
    .replaceAll(/^[^#\n].*$/gm, (uri) => new URL(uri, list.url).href);
  await writeFile(copy, `${absolute}#EXT-X-ENDLIST\n`);
  const input = ["-v", "warning", "-protocol_whitelist", "file,http,tcp"];
  const probed = await run("ffprobe", [...input, "-count_packets", "-show_streams", "-print_format", "json", copy], { deadlineMs: 60_000 });
  assert.deepEqual({ code: probed.code, said: probed.stderr }, { code: 0, said: "" }, `ffprobe reads the ${name}`);
  const decoded = await run("ffmpeg", ["-hide_banner", "-nostdin", ...input, "-xerror", "-i", copy, "-f", "null", "-"], { deadlineMs: 60_000 });
  assert.deepEqual({ code: decoded.code, said: decoded.stderr }, { code: 0, said: "" }, `ffmpeg decodes the ${name}`);
  const seconds = [...list.text.matchAll(/^#EXTINF:([0-9.]+),$/gm)].reduce((sum, [, s]) => sum + Number(s), 0);
  const [stream, ...others] = JSON.parse(probed.stdout).streams;
  assert.deepEqual(others, [], "one track a file");
  return { stream, frames: Number(stream.nb_read_packets), seconds };
}

/** @param {{ frames: number, seconds: number }} found @param {number} perSecond */
export function everyFrame(found, perSecond) {
  assert.equal(found.frames, Math.round(found.seconds * perSecond), `${found.frames} frames in ${found.seconds} s`);
}
