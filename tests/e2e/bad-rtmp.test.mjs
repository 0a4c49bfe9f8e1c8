/** RTMP peers that do not keep to the protocol are cut off, hold next to nothing, and the show does not notice. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { audience } from "../harness/audience.mjs";
import { watchMemory } from "../harness/memory.mjs";
import { publish, startEncoder } from "../harness/publisher.mjs";
import { RawPeer } from "../harness/raw.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until, within } from "../harness/wait.mjs";

const MIB = 1024 * 1024;
/** So many at once, each allowed one MiB; below what one address may open, or the server would not even listen to them. */
const BAD_PEERS = 12;
/** What each bad peer tries to make the server hold. */
const FLOOD_BYTES = 8 * MIB;
/** The server's own patience with a peer that says nothing, and then some. */
const CUT_OFF_MS = 20_000;

/**
 * C0 and C1 of the simple handshake (RTMP 1.0, section 5.2).
 */
const hello = () => Buffer.concat([Buffer.from([3]), Buffer.alloc(8), randomBytes(1528)]);

/**
 * One message in one type 0 chunk whose header may claim another length.
 *
 * @param {number} type
 * @param {Uint8Array} body
 * @param {{ chunkStream?: number, claim?: number, stream?: number }} [options]
 */
function message(type, body, options = {}) {
  const head = Buffer.alloc(12);
  head[0] = options.chunkStream ?? 2;
  head.writeUIntBE(options.claim ?? body.length, 4, 3);
  head[7] = type;
  head.writeUInt32LE(options.stream ?? 0, 8);
  return Buffer.concat([head, body]);
}

/** @param {RawPeer} peer */
async function shakeHands(peer) {
  peer.say(hello());
  await until("the server's half of the handshake", 5_000, () => peer.received.length >= 1 + 1536 + 1536);
  peer.say(peer.received.subarray(1, 1 + 1536));
}

/** @param {number} size */
const setChunkSize = (size) => {
  const body = Buffer.alloc(4);
  body.writeUInt32BE(size);
  return message(1, body);
};

/**
 * An AMF0 `connect` whose argument is an object in an object in an object...
 *
 * @param {number} depth
 */
function nestedConnect(depth) {
  const name = Buffer.concat([Buffer.from([2, 0, 7]), Buffer.from("connect"), Buffer.from([0]), Buffer.alloc(8)]);
  const level = Buffer.from([3, 0, 1, 0x61]);
  return Buffer.concat([name, ...Array.from({ length: depth }, () => level)]);
}

/** @type {Record<string, (peer: RawPeer) => Promise<unknown>>} */
const ATTACKS = {
  "random bytes": (peer) => peer.flood(FLOOD_BYTES, () => randomBytes(65_536)),
  "a truncated handshake": async (peer) => peer.say(hello().subarray(0, 700)),
  "silence": async () => {},
  "an absurd chunk size and an endless message": async (peer) => {
    await shakeHands(peer);
    peer.say(setChunkSize(0x7fffffff));
    peer.say(message(20, Buffer.alloc(0), { chunkStream: 3, claim: 0xffffff }));
    await peer.flood(FLOOD_BYTES, () => Buffer.alloc(65_536));
  },
  "a chunk size of zero": async (peer) => {
    await shakeHands(peer);
    peer.say(setChunkSize(0));
    await peer.flood(FLOOD_BYTES, () => message(20, Buffer.alloc(128), { chunkStream: 3, claim: 0xffffff }));
  },
  "half a message on each of many chunk streams": async (peer) => {
    await shakeHands(peer);
    let stream = 3;
    await peer.flood(FLOOD_BYTES, () => {
      stream = stream >= 63 ? 3 : stream + 1;
      return message(9, Buffer.alloc(128), { chunkStream: stream, claim: 0xfffff0 });
    });
  },
  "objects nested without end": async (peer) => {
    await shakeHands(peer);
    const body = nestedConnect(15_000);
    peer.say(setChunkSize(65_536));
    peer.say(message(20, body, { chunkStream: 3 }));
  },
};

scene("RTMP: each kind of bad peer is cut off, holds at most 1 MiB, and disturbs nobody", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  const crowd = await audience(scene, server);
  await crowd.unmoved("nothing yet");
  for (const [attack, commit] of Object.entries(ATTACKS)) {
    const memory = await watchMemory(scene, server.pid);
    const peers = await Promise.all(Array.from({ length: BAD_PEERS }, () => RawPeer.connect(scene, server.rtmpPort)));
    await Promise.all(peers.map(commit));
    await crowd.unmoved(attack);
    await Promise.all(peers.map((peer) => peer.untilEnded(CUT_OFF_MS)));
    await crowd.unmoved(`after ${attack}`);
    const grown = (await memory.grown()) / BAD_PEERS;
    assert.ok(grown <= MIB, `each bad peer cost ${Math.round(grown / 1024)} KiB: ${attack}`);
  }
});

scene("RTMP: a wrong stream key is refused in the protocol's own words, and no key is in the log", async (scene) => {
  const server = await Server.start(scene, { logLevel: "debug", logFormat: "json" });
  const wrong = "canary-wrong-key-52c8";
  const encoder = startEncoder(scene, server, { name: "stranger", key: wrong });
  const { code } = await within("the encoder gives up", 15_000, encoder.exited);
  assert.notEqual(code, 0, "ffmpeg was refused");
  const log = await server.child.log();
  assert.match(log, /127\.0\.0\.1:\d+/, "the peer's address is in the log");
  assert.ok(!log.includes(wrong), "the wrong key is not in the log");
  assert.ok(!log.includes(server.streamKey), "the right key is not in the log");
});

scene("RTMP: a second publisher on a live key is refused, and the first one goes on", async (scene) => {
  const server = await Server.start(scene, { logLevel: "debug", logFormat: "json" });
  const first = await publish(scene, server);
  const crowd = await audience(scene, server);
  const second = startEncoder(scene, server, { name: "second" });
  const { code } = await within("the second encoder gives up", 15_000, second.exited);
  assert.notEqual(code, 0, "ffmpeg was refused");
  await crowd.unmoved("a second publisher");
  assert.ok(first.running, "the first encoder still publishes");
  assert.ok(!(await server.child.log()).includes(server.streamKey), "no key is in the log");
});
