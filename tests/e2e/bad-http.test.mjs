/**
 * Strangers who speak HTTP badly or slowly are refused or cut off, and nobody else feels it: heads and bodies that drip, requests that
 * two servers could read in two ways, heads of a megabyte. (A flood of resets is in http2.test.mjs.)
 */

import assert from "node:assert/strict";
import { audience } from "../harness/audience.mjs";
import { get } from "../harness/hls.mjs";
import { publish } from "../harness/publisher.mjs";
import { RawPeer } from "../harness/raw.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

/** Connections that say a byte now and then. */
const DRIPPING = 100;
/** `http.header_wait` is 10 s; the rest is for a busy machine. */
const CUT_MS = 25_000;
const DRIP_EVERY_MS = 500;
/** For an answer that is not held. */
const ANSWER_MS = 10_000;
const MEGABYTE = 1 << 20;

/** What a smuggler would like to be taken for a request of somebody else. */
const SMUGGLED = "GET /livez HTTP/1.1\r\nHost: smuggled\r\n\r\n";

scene("heads and bodies that drip are cut off in time, and felt by nobody", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  const crowd = await audience(scene, server);
  const begins = [
    "GET /livez HTTP/1.1\r\nHost: x\r\nX: ",
    "POST /api/v1/guests HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n ",
    "POST /api/v1/guests HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nea60\r\n ",
  ];
  const peers = await Promise.all(Array.from({ length: DRIPPING }, async (_, i) => {
    const peer = await RawPeer.connect(scene, server.httpPort);
    peer.say(begins[i % begins.length] ?? "");
    return peer;
  }));
  const drip = setInterval(() => peers.forEach((peer) => peer.say(" ")), DRIP_EVERY_MS);
  scene.after(() => clearInterval(drip));
  await crowd.unmoved("connections that drip");
  await until("all of them are cut off", CUT_MS, () => peers.every((peer) => peer.ended));
  for (const [i, peer] of peers.entries()) {
    const answered = statuses(peer);
    assert.ok(answered.every((status) => status >= 400 && status < 500), `${begins[i % begins.length]}: ${answered}`);
  }
  await crowd.unmoved("connections that dripped");
});

scene("a request that could be read in two ways is refused, and nothing behind it is read", async (scene) => {
  const server = await Server.start(scene);
  const post = "POST /api/v1/guests HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
  for (const pair of [
    `${post}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    `${post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    `${post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}${SMUGGLED}`,
    `${post}Content-Length: 2, 3\r\n\r\n{}${SMUGGLED}`,
    `${post}Content-Length: +2\r\n\r\n{}${SMUGGLED}`,
    `${post}Content-Length: -1\r\n\r\n{}${SMUGGLED}`,
    `${post}Transfer-Encoding: identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    `${post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    `${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    `${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    `${post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    `${post}X: a\r\n Transfer-Encoding: chunked\r\n\r\n${SMUGGLED}`,
    `${post}Transfer-Encoding: chunked\r\n\r\n0x5\r\n{}\r\n0\r\n\r\n${SMUGGLED}`,
    `${post}Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n${SMUGGLED}`,
    `POST /api/v1/guests HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    `GET /livez HTTP/1.1\r\nHost: x\rX: y\r\n\r\n${SMUGGLED}`,
    `GET /livez HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n${SMUGGLED}`,
    `GET /livez HTTP/1.1\r\n\r\n${SMUGGLED}`,
    `GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n${SMUGGLED}`,
  ]) {
    const peer = await RawPeer.connect(scene, server.httpPort);
    peer.say(pair);
    await peer.untilEnded(ANSWER_MS);
    const answered = statuses(peer);
    assert.ok(answered.length <= 1 && answered.every((status) => status >= 400 && status < 500), `${JSON.stringify(pair)} is answered ${answered}`);
  }
  // A body that belongs to its request is not another request, and the connection goes on.
  const peer = await RawPeer.connect(scene, server.httpPort);
  peer.say(`GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  await peer.untilEnded(ANSWER_MS);
  assert.equal(statuses(peer).length, 2);
});

scene("heads of a megabyte are refused, whatever they are made of", async (scene) => {
  const server = await Server.start(scene);
  const many = Array.from({ length: 60_000 }, (_, i) => `X${i}: yyyyyyyy\r\n`).join("");
  for (const head of [
    `GET /livez HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(MEGABYTE)}\r\n\r\n`,
    `GET /livez HTTP/1.1\r\nHost: x\r\n${many}\r\n`,
    `GET /${"y".repeat(MEGABYTE)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  ]) {
    const peer = await RawPeer.connect(scene, server.httpPort);
    peer.say(head);
    await peer.untilEnded(ANSWER_MS);
    // A reset can overtake the refusal.
    assert.ok(statuses(peer).every((status) => status === 431), `${head.slice(0, 60)} is answered ${statuses(peer)}`);
  }
  assert.equal((await get(`${server.url}/livez`)).status, 200);
});

/**
 * How a peer was answered.
 *
 * @param {RawPeer} peer
 */
function statuses(peer) {
  return [...peer.received.toString("latin1").matchAll(/^HTTP\/1\.[01] (\d{3}) /gm)].map(([, status]) => Number(status));
}
