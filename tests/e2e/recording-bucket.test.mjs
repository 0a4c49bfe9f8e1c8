/**
 * Shows that are kept in a bucket. The S3 server is killed in the middle of one and comes back later: nothing is lost, pictures for
 * whoever seeks included, though the server's own disk is empty afterwards. What is wrong with a bucket is said at the start, in words that say what to do, and no secret
 * is in any of them.
 */

import assert from "node:assert/strict";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { report, servePlayer } from "../harness/bare-page.mjs";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { Bucket } from "../harness/bucket.mjs";
import { run } from "../harness/child.mjs";
import { fill, smallDisk } from "../harness/disk.mjs";
import { get } from "../harness/hls.mjs";
import { untilPlaying } from "../harness/player.mjs";
import { publish, underWay } from "../harness/publisher.mjs";
import { decode, lines, media, recordings } from "../harness/recordings.mjs";
import { scene } from "../harness/scene.mjs";
import { binary, Server } from "../harness/server.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

/** Segments of 2 s before the S3 server is killed, while it is, and after. */
const SEGMENTS = 4;
/** So many segments, and as long again for a busy machine. */
const GOES_ON_MS = 20_000;
/** An upload gives up after its own retries; what failed is tried again after at most half a minute. */
const NOTICED_MS = 60_000;
/** The recording is some half a minute long, and is played at its pace. */
const PLAYED_MS = 90_000;
const CHECKED_MS = 20_000;

const PICTURES = `
[thumbnails]
channels = ["*"]
interval = "2s"
`;

/**
 * The pictures of a recording: how many there are, once every sheet of them has been fetched and is one.
 *
 * @param {Server} server
 * @param {{ id: string }} recording
 */
async function pictures(server, { id }) {
  const track = `${server.url}/vod/${id}/thumbnails.vtt`;
  const { status, text } = await get(track);
  assert.equal(status, 200, text);
  const files = [...text.matchAll(/\n(\S+)#xywh=\d+,\d+,160,90\n/g)].map(([, file]) => file ?? "");
  for (const file of new Set(files)) {
    const sheet = new URL(file, track).href;
    const probed = await run("ffprobe", ["-v", "error", "-show_entries", "stream=codec_name,width", "-of", "csv=p=0", sheet], { deadlineMs: CHECKED_MS });
    const [codec, width] = probed.stdout.trim().split(",");
    assert.deepEqual([codec, Number(width) % 160], ["mjpeg", 0], `${sheet}: ${probed.stdout}${probed.stderr}`);
  }
  return files.length;
}

/**
 * @param {Server} server
 * @param {string} name
 */
async function metric(server, name) {
  const { text } = await get(`${server.url}/metrics`);
  const line = text.split("\n").find((line) => line.startsWith(`${name} `));
  if (!line) throw new Error(`there is no ${name} in the metrics:\n${text}`);
  return Number(line.slice(name.length + 1));
}

/** @param {Server} server */
const readiness = async (server) => (await get(`${server.url}/readyz`)).text;

/** @param {Server} server */
const waiting = (server) => metric(server, "fanwave_origin_storage_upload_waiting_files");

/**
 * Returns the recording that is on, once it has so many segments.
 *
 * @param {Server} server
 * @param {number} segments
 */
const recorded = (server, segments) => until("the show is recorded", GOES_ON_MS, async () => {
  const [first] = await recordings(server);
  if (!first) return undefined;
  const { status, text } = await get(new URL("video.m3u8", server.url + first.playlist).href);
  return status === 200 && media(text.split("\n")).length >= segments ? first : undefined;
});

/**
 * No secret of the bucket is in any log, answer or file of the scene but the one that it was given in.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {Bucket} bucket
 * @param {string[]} texts
 */
async function keepsSecrets(scene, bucket, texts) {
  const logs = (await readdir(scene.folder)).filter((name) => name.endsWith(".log") && !name.startsWith("s3-"));
  assert.ok(logs.length > 0);
  for (const name of logs) texts.push(await readFile(join(scene.folder, name), "utf8"));
  for (const text of texts) {
    for (const secret of [bucket.secretKey, bucket.accessKey, "X-Amz-", "Signature="]) assert.ok(!text.includes(secret), `${secret} is in ${text}`);
  }
}

scene("a show outlives the S3 server's absence, and then the server's own disk", async (scene) => {
  const bucket = await Bucket.start(scene);
  const secret = newSecret();
  const server = await Server.start(scene, { extra: bucket.recorded() + PICTURES, secret, logLevel: "debug" });
  const encoder = await publish(scene, server);
  await underWay(server, 2);
  const growing = await recorded(server, SEGMENTS);
  await until("something is in the bucket", GOES_ON_MS, async () => (await bucket.files()).length >= SEGMENTS);
  assert.equal(await readiness(server), "ready\n");

  await bucket.kill();
  await until("it is told that recordings do not get there", NOTICED_MS, async () => /recordings do not get to their bucket/.test(await readiness(server)));
  assert.match(await server.child.log(), /recordings cannot be uploaded to the bucket.*see to the bucket/);
  assert.equal(await metric(server, "fanwave_origin_storage_upload_failing"), 1);
  const without = media(await lines(server, growing, "video")).length;
  await recorded(server, without + SEGMENTS);
  assert.ok((await waiting(server)) > SEGMENTS);
  const during = media(await lines(server, growing, "video"));
  for (const line of during) assert.equal((await get(new URL(line, server.url + growing.playlist).href)).status, 200, line);
  const shown = await get(`${server.url}/live/demo/thumbnails.vtt`);
  assert.match(shown.text, /#xywh=0,0,160,90\n/);

  await bucket.run();
  await until("uploads go on", NOTICED_MS, async () => (await readiness(server)) === "ready\n");
  await recorded(server, during.length + 2);
  await encoder.kill();
  await server.stop();
  const dataFolder = server.dataFolder;
  const left = server.child;
  await server.run();
  await until("everything is in the bucket", NOTICED_MS, async () => (await waiting(server)) === 0);
  await server.stop();
  assert.match(await left.log(), /recordings are uploaded to the bucket again/);

  // Another disk: what is played now comes from the bucket alone.
  await rm(join(dataFolder, "media"), { recursive: true });
  await server.run();
  const [recording, ...others] = await until("the recording is found", GOES_ON_MS, async () => {
    const found = await recordings(server);
    return found.length > 0 ? found : undefined;
  });
  assert.ok(recording);
  assert.deepEqual([recording.id, recording.ended, others.length], [growing.id, true, 0]);
  const playlists = [await lines(server, recording, "index"), await lines(server, recording, "video"), await lines(server, recording, "audio")];
  for (const playlist of playlists.slice(1)) {
    assert.ok(playlist.includes("#EXT-X-PLAYLIST-TYPE:VOD") && !playlist.includes("#EXT-X-GAP"), "nothing is lost");
    assert.equal(playlist.at(-1), "#EXT-X-ENDLIST");
  }
  assert.deepEqual(media(playlists[1] ?? []).slice(0, during.length), during, "the same files under the same addresses");
  const url = server.url + recording.playlist;
  const seconds = (recording.to - recording.from) / 1_000;
  const decoded = await decode(url);
  assert.ok(Math.abs(decoded - seconds) < 0.5, `${decoded} s of ${seconds} s are decoded`);
  const probed = await run("ffprobe", ["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", url], { deadlineMs: CHECKED_MS });
  assert.match(probed.stdout, /h264[\s\S]*aac/);
  // One each two seconds, but for those that a busy machine did not come to.
  const seekable = await pictures(server, recording);
  assert.ok(seekable > seconds / 4, `${seekable} pictures of ${seconds} s`);
  assert.deepEqual(await readdir(join(dataFolder, "media")), [], "nothing is fetched to stay");

  const browser = await startBrowser(scene);
  const { page } = await openPage(scene, browser, await servePlayer(scene, "hls", url), { name: "viewer" });
  await untilPlaying(page);
  const length = await until("it is played to its end", PLAYED_MS, () => page.evaluate(() => {
    const video = document.querySelector("video");
    return video?.ended ? video.duration : undefined;
  }));
  assert.ok(Math.abs(length - seconds) < 0.5, `the browser plays ${length} s of ${seconds} s`);
  assert.deepEqual((await report(page)).errors, []);

  await keepsSecrets(scene, bucket, playlists.flat());
  const staff = { authorization: `Bearer ${sign(secret, { user: "crew", role: "staff" })}` };
  const gone = await fetch(`${server.url}/api/v1/recordings/${recording.id}`, { method: "DELETE", headers: staff });
  assert.equal(gone.status, 204);
  assert.deepEqual(await bucket.files(), [], "what is deleted is gone from the bucket");
});

scene("a full bucket delays recordings, and space is all it takes", async (scene) => {
  const disk = await smallDisk(scene, "24m");
  const bucket = await Bucket.start(scene, { folder: join(disk, "s3") });
  const server = await Server.start(scene, { extra: bucket.recorded() });
  await publish(scene, server);
  await underWay(server, 2);
  const growing = await recorded(server, 2);
  const ballast = join(disk, "ballast");
  await fill(ballast);
  await until("it is told", NOTICED_MS, async () => /recordings do not get to their bucket/.test(await readiness(server)));
  const before = media(await lines(server, growing, "video")).length;
  await recorded(server, before + 2);
  await rm(ballast);
  await until("uploads go on", NOTICED_MS, async () => (await readiness(server)) === "ready\n");
  assert.ok(!(await lines(server, growing, "video")).includes("#EXT-X-GAP"));
  await keepsSecrets(scene, bucket, []);
});

scene("what is wrong with a bucket is said at the start, and by check-config --connect", async (scene) => {
  const bucket = await Bucket.start(scene);
  const server = await Server.start(scene, { extra: bucket.recorded() });
  await server.stop();
  const config = await readFile(server.configPath, "utf8");
  const texts = [];
  const wrong = join(scene.folder, "s3-wrong");
  await writeFile(wrong, "canary-secret-key-that-is-wrong\n", { mode: 0o600 });
  /** @type {[string, string, RegExp][]} */
  const mistakes = [
    ["s3://shows/", "s3://nowhere/", /NoSuchBucket\. Create the bucket/],
    [bucket.secretPath, wrong, /SignatureDoesNotMatch\. The secret key is not that of this access key: mend s3\.secret_key_file/],
    [bucket.accessKey, "somebody-else", /does not know this access key: mend s3\.access_key/],
    ["[s3]", '[s3]\nregion = "eu-west-9"', /of another region: mend s3\.region/],
  ];
  const path = join(scene.folder, "mistaken.toml");
  for (const [right, mistaken, words] of mistakes) {
    await writeFile(path, config.replace(right, mistaken));
    for (const args of [["check-config", path, "--connect"], ["serve", "--config", path]]) {
      const { code, stdout, stderr } = await run(binary(), args, { deadlineMs: CHECKED_MS });
      assert.equal(code, 1, stdout + stderr);
      assert.match(stderr, words);
      texts.push(stdout, stderr);
    }
  }
  await writeFile(path, config);
  const fine = await run(binary(), ["check-config", path, "--connect"], { deadlineMs: CHECKED_MS });
  assert.deepEqual([fine.code, fine.stderr], [0, ""]);
  assert.match(fine.stdout, /can be written, read, listed and deleted from/);
  // One that is away is said, and waited for: the show does not depend on it.
  await bucket.kill();
  const away = await run(binary(), ["check-config", path, "--connect"], { deadlineMs: CHECKED_MS });
  assert.equal(away.code, 1);
  assert.match(away.stderr, /s3\.endpoint/);
  await server.run();
  assert.match(await server.child.log(), /the bucket cannot be used yet.*s3\.endpoint/);
  assert.equal((await get(`${server.url}/vod/demo.unknown/index.m3u8`)).status, 503);
  await bucket.run();
  await until("what there is can be read", NOTICED_MS, async () => (await get(`${server.url}/vod/demo.unknown/index.m3u8`)).status === 404);
  await keepsSecrets(scene, bucket, [...texts, away.stderr]);
});
