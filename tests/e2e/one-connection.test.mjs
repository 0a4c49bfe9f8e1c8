/**
 * A viewer's connection of HTTP/1.1 is one like any other: what is asked for on it again and again is answered in a shorter way than the
 * rest, and nobody can tell which way an answer has come.
 */

import assert from "node:assert/strict";
import { playlists } from "../harness/hls.mjs";
import { publish } from "../harness/publisher.mjs";
import { RawPeer } from "../harness/raw.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

/** For an answer, be it one that is held. */
const ANSWER_MS = 20_000;

scene("a viewer's connection answers whatever is asked on it, and always in the same way", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  const { video } = await until("there are playlists", ANSWER_MS, () => playlists(server));
  const path = new URL(video.url).pathname;
  const part = path.replace(/\.m3u8$/, `/${video.nextMsn}.0.m4s`);
  const held = `${path}?_HLS_msn=${video.nextMsn}&_HLS_part=0`;
  const asked = [
    ["a playlist", path, ""],
    ["a playlist that is waited for", held, ""],
    ["a playlist that is packed", path, "Accept-Encoding: gzip\r\n"],
    ["a part", part, ""],
    ["a piece of a part", part, "Range: bytes=10-109\r\n"],
    ["what a part does not have", part, "Range: bytes=100000000-\r\n"],
    ["a bad question", `${path}?_HLS_part=1`, ""],
    ["what has gone", path.replace(/\.m3u8$/, "/100000.m4s"), ""],
  ];
  const short = await RawPeer.connect(scene, server.httpPort);
  const long = await RawPeer.connect(scene, server.httpPort);
  assert.equal((await ask(long, "/livez", "")).status, 200);
  for (const [what, path, fields] of asked) {
    const [first, other] = [await ask(short, path ?? "", fields ?? ""), await ask(long, path ?? "", fields ?? "")];
    assert.equal(first.status, other.status, what);
    assert.deepEqual(first.fields, other.fields, what);
    if (what?.includes("part")) assert.deepEqual(first.body, other.body, what);
  }
  assert.equal((await ask(short, "/livez", "")).status, 200);
  assert.equal((await ask(short, path, "")).status, 200, "a playlist after something else");
  assert.ok(!short.ended && !long.ended);
});

scene("requests of a viewer that come at once, or in pieces, are all answered, and a connection that showed a playlist may chat", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  const { video } = await until("there are playlists", ANSWER_MS, () => playlists(server));
  const path = new URL(video.url).pathname;
  const peer = await RawPeer.connect(scene, server.httpPort);
  const request = `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  peer.say(`${request}${request}GET /livez HTTP/1.1\r\nHost: x\r\n\r\n${request}`);
  for (let i = 0; i < 4; i += 1) assert.equal((await answer(peer)).status, 200);
  const slow = await RawPeer.connect(scene, server.httpPort);
  assert.equal((await ask(slow, path, "")).status, 200);
  for (const byte of request) {
    slow.say(byte);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal((await answer(slow)).status, 200);
  const chats = await RawPeer.connect(scene, server.httpPort);
  assert.equal((await ask(chats, path, "")).status, 200);
  const upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
  assert.equal((await ask(chats, "/connection/websocket", upgrade)).status, 101);
});

/**
 * @param {RawPeer} peer
 * @param {string} path
 * @param {string} fields
 */
function ask(peer, path, fields) {
  peer.say(`GET ${path} HTTP/1.1\r\nHost: x\r\n${fields}\r\n`);
  return answer(peer);
}

/**
 * The next answer on a connection; its fields without those that tell the time or a length that grows.
 *
 * @param {RawPeer} peer
 */
function answer(peer) {
  return until("there is an answer", ANSWER_MS, () => {
    const end = peer.received.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    const [line = "", ...fields] = peer.received.subarray(0, end).toString("latin1").split("\r\n");
    const length = Number(fields.find((field) => field.startsWith("content-length: "))?.slice("content-length: ".length) ?? 0);
    if (peer.received.length < end + 4 + length) return undefined;
    const body = peer.received.subarray(end + 4, end + 4 + length);
    peer.received = peer.received.subarray(end + 4 + length);
    const steady = fields.map((field) => field.replace(/^(date|content-length): .*/, "$1")).sort();
    return { status: Number(line.split(" ")[1]), fields: steady, body };
  });
}
