/** SRT: an encoder calls with MPEG-TS, in each form of the stream id, also over a network that loses packets. */

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../harness/child.mjs";
import { playlists } from "../harness/hls.mjs";
import { onAir, startEncoder, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { freeUdpPort } from "../harness/udp.mjs";
import { until, within } from "../harness/wait.mjs";

const TOLD_MS = 20_000;

/**
 * A network that loses every n-th datagram on its way there.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {number} target
 * @param {number} nth
 */
async function lossyNetwork(scene, target, nth) {
  const near = createSocket("udp4");
  const far = createSocket("udp4");
  let caller = 0;
  let count = 0;
  let lost = 0;
  near.on("message", (datagram, from) => {
    caller = from.port;
    count += 1;
    if (count % nth === 0) lost += 1;
    else far.send(datagram, target, "127.0.0.1");
  });
  far.on("message", (datagram) => near.send(datagram, caller, "127.0.0.1"));
  await Promise.all([near, far].map((socket) => new Promise((resolve) => socket.bind(0, "127.0.0.1", () => resolve(undefined)))));
  scene.after(() => { near.close(); far.close(); });
  return { port: near.address().port, get lost() { return lost; } };
}

/** @param {Server} server */
async function probe(server) {
  const probed = await run("ffprobe", ["-v", "warning", "-show_streams", "-print_format", "json", server.playlistUrl], { deadlineMs: 30_000 });
  assert.equal(probed.code, 0, probed.stderr);
  /** @type {Record<string, any>[]} */
  const streams = JSON.parse(probed.stdout).streams;
  // The sound is there twice: beside the pictures, and as a variant of its own.
  return [...new Set(streams.map((stream) => `${stream.codec_name} ${stream.r_frame_rate}`))].toSorted();
}

for (const [form, streamId] of /** @type {[string, (key: string) => string][]} */ ([
  ["of the guidelines", (key) => `#!::r=${CHANNEL},m=publish,u=${key}`],
  ["that other servers have", (key) => `publish:${key}`],
])) {
  scene(`a show comes in by SRT, with a stream id in the form ${form}`, async (scene) => {
    const port = await freeUdpPort();
    const server = await Server.start(scene, {
      logLevel: "debug",
      logFormat: "json",
      extra: `[srt]\nlisten = "127.0.0.1:${port}"\n`,
    });
    const encoder = startEncoder(scene, server, { url: `srt://127.0.0.1:${port}?streamid=${streamId(server.streamKey)}` });
    await onAir(server, encoder);
    await underWay(server, 3);
    assert.deepEqual(await probe(server), ["aac 0/0", "h264 30/1"]);
    assert.ok(encoder.running);
    assert.ok(!(await server.child.log()).includes(server.streamKey), "no key is in the log");
  });
}

scene("packets that are lost between an encoder and us come again, encrypted or not", async (scene) => {
  const port = await freeUdpPort();
  const passphrase = "canary-passphrase-4e";
  const file = join(scene.folder, "passphrase");
  await writeFile(file, `${passphrase}\n`, { mode: 0o600 });
  const server = await Server.start(scene, {
    logLevel: "debug",
    logFormat: "json",
    extra: `[srt]\nlisten = "127.0.0.1:${port}"\nlatency = "1s"\npassphrase_file = "${file}"\n`,
  });
  const network = await lossyNetwork(scene, port, 25);
  const stranger = startEncoder(scene, server, { name: "stranger", url: `srt://127.0.0.1:${port}?streamid=${server.streamKey}` });
  const { code } = await within("an encoder without the passphrase gives up", TOLD_MS, stranger.exited);
  assert.notEqual(code, 0);
  const url = `srt://127.0.0.1:${network.port}?streamid=${server.streamKey}&passphrase=${passphrase}&pbkeylen=16`;
  const encoder = startEncoder(scene, server, { url });
  await onAir(server, encoder);
  await underWay(server, 4);
  assert.ok(network.lost > 0);
  assert.equal((await playlists(server))?.video.discontinuities, 0, "nothing is missing in the show");
  await encoder.kill();
  await until("what was missing is counted", TOLD_MS, async () => {
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    return Number(/^fanwave_origin_srt_packets_missing_total (\d+)$/m.exec(metrics)?.[1]) > 0;
  });
  assert.ok(!(await server.child.log()).includes(passphrase), "no passphrase is in the log");
});

scene("a wrong key is refused before any media is sent", async (scene) => {
  const port = await freeUdpPort();
  const server = await Server.start(scene, {
    logLevel: "debug",
    logFormat: "json",
    extra: `[srt]\nlisten = "127.0.0.1:${port}"\n`,
  });
  const wrong = "canary-wrong-key-52c8";
  const encoder = startEncoder(scene, server, { url: `srt://127.0.0.1:${port}?streamid=${wrong}` });
  const { code } = await within("the encoder gives up", TOLD_MS, encoder.exited);
  assert.notEqual(code, 0, "ffmpeg was refused");
  const log = await server.child.log();
  assert.match(log, /unknown stream key/);
  assert.ok(!log.includes(wrong), "the wrong key is not in the log");
});
