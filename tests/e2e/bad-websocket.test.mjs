/** WebSocket peers that do not keep to the protocol are closed with its own codes; show and chat do not notice. */

import assert from "node:assert/strict";
import { audience } from "../harness/audience.mjs";
import { guest } from "../harness/chat.mjs";
import { watchMemory } from "../harness/memory.mjs";
import { publish } from "../harness/publisher.mjs";
import { closeFrame, frame, RawPeer, rawWebSocket } from "../harness/raw.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";

const MIB = 1024 * 1024;
const BAD_PEERS = 16;
const FLOOD_BYTES = 8 * MIB;
const CLOSE_MS = 5_000;

/** RFC 6455, section 7.4.1, and the protocol's own "bad request". */
const PROTOCOL_ERROR = 1002;
const INVALID_DATA = 1007;
const TOO_BIG = 1009;
const BAD_REQUEST = 3501;

const CONTINUATION = 0;
const TEXT = 1;
const PING = 9;

/** @type {Record<string, { code: number, commit: (peer: RawPeer, server: Server) => Promise<unknown> }>} */
const ATTACKS = {
  "an unmasked frame": { code: PROTOCOL_ERROR, commit: async (peer) => peer.say(frame('{"id":1,"connect":{}}', { masked: false })) },
  "a reserved bit": { code: PROTOCOL_ERROR, commit: async (peer) => peer.say(frame("{}", { reserved: 4 })) },
  "an unknown opcode": { code: PROTOCOL_ERROR, commit: async (peer) => peer.say(frame("{}", { opcode: 3 })) },
  "a fragmented ping": { code: PROTOCOL_ERROR, commit: async (peer) => peer.say(frame("x", { opcode: PING, fin: false })) },
  "a frame that claims 8 GB": {
    code: TOO_BIG,
    commit: async (peer) => {
      peer.say(frame("", { claim: 8 * 1024 * MIB }));
      await peer.flood(FLOOD_BYTES, () => Buffer.alloc(65_536));
    },
  },
  "fragments without end": {
    code: TOO_BIG,
    commit: async (peer) => {
      peer.say(frame("a".repeat(1_000), { opcode: TEXT, fin: false }));
      await peer.flood(FLOOD_BYTES, () => frame("a".repeat(1_000), { opcode: CONTINUATION, fin: false }));
    },
  },
  "text that is not UTF-8": { code: INVALID_DATA, commit: async (peer) => peer.say(frame(Buffer.from([0x7b, 0xc3, 0x28, 0x7d]))) },
  "text that is not JSON": { code: BAD_REQUEST, commit: async (peer) => peer.say(frame("{not json")) },
  "a command that is none": { code: BAD_REQUEST, commit: async (peer) => peer.say(frame('{"id":1,"conquer":{}}')) },
  "JSON nested without end": { code: BAD_REQUEST, commit: async (peer) => peer.say(frame(`{"id":1,"connect":{"data":${"[".repeat(30_000)}`)) },
  "malformed JSON after connecting": {
    code: BAD_REQUEST,
    commit: async (peer, server) => {
      const { token } = await guest(server, "vandal");
      peer.say(frame(JSON.stringify({ id: 1, connect: { token } })));
      peer.say(frame('{"id":2,"subscribe":{"channel":'));
    },
  },
};

scene("WebSocket: each kind of bad peer is closed with its code, holds at most 1 MiB, and disturbs nobody", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  const crowd = await audience(scene, server);
  await crowd.unmoved("nothing yet");

  for (const [attack, { code, commit }] of Object.entries(ATTACKS)) {
    const memory = await watchMemory(scene, server.pid);
    const peers = await Promise.all(Array.from({ length: BAD_PEERS }, () => rawWebSocket(scene, server)));
    await Promise.all(peers.map((peer) => commit(peer, server)));
    for (const peer of peers) {
      assert.equal((await closeFrame(peer, CLOSE_MS)).code, code, `close code for ${attack}`);
      await peer.untilEnded(CLOSE_MS);
    }
    const grown = (await memory.grown()) / BAD_PEERS;
    assert.ok(grown <= MIB, `each bad peer cost ${Math.round(grown / 1024)} KiB: ${attack}`);
    await crowd.unmoved(attack);
  }
});

scene("WebSocket: an upgrade from another site's page is refused before it happens", async (scene) => {
  const server = await Server.start(scene);
  const peer = await RawPeer.connect(scene, server.httpPort);
  peer.say(
    `GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1:${server.httpPort}\r\nOrigin: https://elsewhere.example\r\nUpgrade: websocket\r\n` +
      "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
  );
  await peer.untilEnded(CLOSE_MS).catch(() => {});
  assert.match(peer.received.toString("latin1"), /^HTTP\/1\.1 403 /);
});
