/** `fanwave viewers`: a crowd that asks as players do gets every part, whatever version of HTTP it speaks. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { makeCertificate } from "../harness/certificate.mjs";
import { run } from "../harness/child.mjs";
import { playlists } from "../harness/hls.mjs";
import { watchMemory } from "../harness/memory.mjs";
import { publish } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { binary, Server } from "../harness/server.mjs";

const VIEWERS = 30;
const SECONDS = 6;

/** A show of so long parts has a hundred versions of each playlist in this time, each of which is compressed. */
const SHORT_PART_MS = 200;
const LONGER_SECONDS = 20;
/** What a server may take for that: its newest media, and what all viewers together need. */
const GROWN_BYTES_MAX = 40 * 1024 * 1024;

/**
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {string[]} args
 * @param {number} [seconds]
 */
async function viewers(scene, args, seconds = SECONDS) {
  const json = join(scene.folder, "viewers.json");
  const { code, stdout, stderr } = await run(binary(), ["viewers", ...args, "--duration", `${seconds}s`, "--json", json], { deadlineMs: 60_000 });
  assert.equal(code, 0, `${stdout}${stderr}`);
  return JSON.parse(await readFile(json, "utf8"));
}

for (const [name, args, connections] of /** @type {[string, string[], number][]} */ ([
  ["HTTP/1.1", ["--http", "1"], 2 * VIEWERS],
  ["HTTP/2", ["--http", "2"], VIEWERS],
  ["HTTP/2 behind an edge", ["--http", "2", "--viewers-per-connection", "15"], VIEWERS / 15],
])) {
  scene(`a crowd over ${name} waits for every part and gets it`, async (scene) => {
    const server = await Server.start(scene);
    await publish(scene, server);
    const report = await viewers(scene, [server.playlistUrl, "--viewers", `${VIEWERS}`, ...args]);
    assert.equal(report.connections, connections);
    assert.deepEqual([report.failures, report.stalls], [{}, 0]);
    // Two renditions, a part of each a second; the first and the last may lie outside.
    assert.ok(report.parts >= VIEWERS * 2 * (SECONDS - 2), `${report.parts} parts`);
    assert.ok(report.waiters > VIEWERS / 2, `${report.waiters} waited for a part`);
  });
}

for (const version of ["1", "2"]) {
  scene(`a crowd over TLS speaks HTTP/${version}, and believes the certificate that it is given and no other`, async (scene) => {
    const tls = await makeCertificate(scene.folder);
    const server = await Server.start(scene, { tls });
    await publish(scene, server);
    const url = `https://127.0.0.1:${server.tlsPort}${new URL(server.playlistUrl).pathname}`;
    const report = await viewers(scene, [url, "--viewers", `${VIEWERS}`, "--http", version, "--ca", tls.certificate]);
    assert.deepEqual([report.failures, report.stalls], [{}, 0]);
    assert.ok(report.parts >= VIEWERS * 2 * (SECONDS - 2), `${report.parts} parts`);
    const { code, stderr } = await run(binary(), ["viewers", url, "--http", version], { deadlineMs: 20_000 });
    assert.equal(code, 1);
    assert.match(stderr, /invalid peer certificate/);
  });
}

scene("a show leaves nothing of its playlists in memory, however many versions of them are asked for", async (scene) => {
  const server = await Server.start(scene, { partTargetMs: SHORT_PART_MS });
  await publish(scene, server);
  const memory = await watchMemory(scene, server.pid);
  const report = await viewers(scene, [server.playlistUrl, "--viewers", "4"], LONGER_SECONDS);
  const versions = report.playlists;
  const grown = await memory.grown();
  assert.deepEqual(report.failures, {});
  assert.ok(versions > 4 * 2 * (1_000 / SHORT_PART_MS) * (LONGER_SECONDS - 4), `${versions} playlists`);
  assert.ok(grown < GROWN_BYTES_MAX, `the server grew by ${grown} bytes`);
});

scene("one file is asked for over and over", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  const now = await playlists(server);
  assert.ok(now);
  const path = new URL(now.video.url).pathname;
  const report = await viewers(scene, [`${server.url}/`, "--viewers", "4", "--again", path]);
  assert.deepEqual(report.failures, {});
  assert.ok(report.answers > 100, `${report.answers} answers`);
  assert.equal(report.again_ms.count >= report.answers, true);
});

scene("a show that is not on is told as such", async (scene) => {
  const server = await Server.start(scene);
  const { code, stderr } = await run(binary(), ["viewers", server.playlistUrl], { deadlineMs: 20_000 });
  assert.equal(code, 1);
  assert.match(stderr, /is answered 404, and a playlist was expected: is the show on\?/);
});
