/** What is small on its way and huge when it is unpacked is not unpacked, or not further than what is taken unpacked (B3). */

import assert from "node:assert/strict";
import { constants, deflateRawSync, gzipSync } from "node:zlib";
import { watchMemory } from "../harness/memory.mjs";
import { closeFrame, frame, rawWebSocket } from "../harness/raw.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";

const MIB = 1024 * 1024;
const BOMB_BYTES = 32 * MIB;
const PEERS = 16;
const CLOSE_MS = 5_000;

/** RFC 6455, section 7.4.1. */
const TOO_BIG = 1009;

scene("B3: a compressed message is closed on where it is longer than one may be", async (scene) => {
  const server = await Server.start(scene);
  // RFC 7692, section 7.2.1: the last four bytes of the flush are left out.
  const packed = deflateRawSync(Buffer.alloc(BOMB_BYTES, "a"), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
  assert.ok(packed.length < 64 * 1024, `${packed.length} bytes fit a frame`);
  const memory = await watchMemory(scene, server.pid);
  const peers = await Promise.all(Array.from({ length: PEERS }, () => rawWebSocket(scene, server, "permessage-deflate")));
  for (const peer of peers) peer.say(frame(packed, { reserved: 4 }));
  for (const peer of peers) assert.equal((await closeFrame(peer, CLOSE_MS)).code, TOO_BIG);
  const grown = (await memory.grown()) / PEERS;
  assert.ok(grown <= MIB, `each bomb cost ${Math.round(grown / 1024)} KiB`);
});

scene("B3: a packed body of the API is refused as it is", async (scene) => {
  const server = await Server.start(scene);
  const memory = await watchMemory(scene, server.pid);
  const bomb = gzipSync(Buffer.alloc(BOMB_BYTES, " "));
  for (const coding of ["gzip", "deflate", "br", "gzip, gzip"]) {
    const response = await fetch(`${server.url}/api/v1/guests`, {
      method: "POST", headers: { "content-type": "application/json", "content-encoding": coding }, body: bomb, signal: AbortSignal.timeout(CLOSE_MS),
    });
    assert.deepEqual([response.status, (await response.json()).code], [415, "body_encoded"], coding);
  }
  const small = gzipSync(JSON.stringify({ name: "Mina" }));
  const unsaid = await fetch(`${server.url}/api/v1/guests`, {
    method: "POST", headers: { "content-type": "application/json" }, body: small, signal: AbortSignal.timeout(CLOSE_MS),
  });
  assert.deepEqual([unsaid.status, (await unsaid.json()).code], [400, "malformed_body"]);
  const grown = await memory.grown();
  assert.ok(grown <= 4 * MIB, `the server grew by ${Math.round(grown / 1024)} KiB`);
});
