/** Playlist requests that no player should make are answered at once, and hold nothing. */

import assert from "node:assert/strict";
import { constants } from "node:http2";
import { audience } from "../harness/audience.mjs";
import { get, playlists } from "../harness/hls.mjs";
import { http2 } from "../harness/http2.mjs";
import { publish } from "../harness/publisher.mjs";
import { RawPeer } from "../harness/raw.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

/** "At once": well below a part, so it cannot have been held for one. */
const AT_ONCE_MS = 500;
/** Who asks, and is gone before the answer. */
const GONE = 40;
/** For an answer that is not held. */
const ANSWER_MS = 10_000;
/** How many ask at the same time; a request that were held would show in the next test's time. */
const REQUESTS = 50;

scene("playlist: requests from the far future and without sense are refused at once", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  const crowd = await audience(scene, server);
  const now = await playlists(server);
  assert.ok(now);
  const { url, nextMsn } = now.video;

  /** @type {Record<string, number>} */
  const expected = {
    [`_HLS_msn=${nextMsn + 1_000}`]: 400,
    [`_HLS_msn=${nextMsn + 1_000}&_HLS_part=0`]: 400,
    [`_HLS_msn=${nextMsn}&_HLS_part=1000`]: 400,
    "_HLS_msn=18446744073709551616": 400,
    "_HLS_part=0": 400,
    "_HLS_msn=-1": 400,
    "_HLS_msn=soon": 400,
    "_HLS_msn=0&_HLS_part=-1": 400,
  };
  for (const [query, status] of Object.entries(expected)) {
    const answers = await Promise.all(Array.from({ length: REQUESTS }, () => get(`${url}?${query}`)));
    for (const answer of answers) assert.equal(answer.status, status, query);
    const slowest = Math.max(...answers.map((answer) => answer.ms));
    assert.ok(slowest < AT_ONCE_MS, `${query} took ${Math.round(slowest)} ms`);
  }
  await crowd.unmoved("senseless playlist requests");
});

scene("playlist: what does not exist is not found", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  const now = await playlists(server);
  assert.ok(now);
  for (const path of ["video/999999.m4s", "video/999999.0.m4s", "sound.m3u8"]) {
    assert.equal((await get(new URL(path, now.video.url).href)).status, 404, path);
  }
  assert.equal((await get(`${server.url}/live/nowhere/master.m3u8`)).status, 404);
});

scene("playlist: no address leads out of its stream, however it is written", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  const now = await playlists(server);
  assert.ok(now);
  const folder = new URL(".", now.video.url).pathname;
  const part = /URI="([^"]+\.m4s)"/.exec(now.video.text)?.[1] ?? "";
  assert.equal((await get(`${server.url}${folder}${part}`)).status, 200);
  const [channel, stream] = folder.split("/").slice(2);
  // Said byte for byte: clients would resolve some of them by themselves.
  for (const path of [
    `${folder}video/../../../../../etc/passwd`,
    `${folder}video/../${part}`,
    `${folder}./${part}`,
    `${folder}/${part}`,
    `${folder}video/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd`,
    `${folder}video/..%2f..%2f..%2f..%2fetc%2fpasswd`,
    `${folder}video/..%5c..%5cetc%5cpasswd`,
    `${folder}video/%252e%252e%252fetc`,
    `${folder}video/%00.m4s`,
    `${folder}video/${"0".repeat(4_000)}.m4s`,
    `/live/${channel}/../${channel}/${stream}/${part}`,
    `/live/%2e%2e/${channel}/${stream}/${part}`,
    `/live/other/${stream}/${part}`,
    `/live/${channel}/${stream}x/${part}`,
    `/live/${channel}//${part}`,
    // Of another stream, a name that the first one had: what a replayed address is.
    `/live/${channel}/0/${part}`,
  ]) {
    const peer = await RawPeer.connect(scene, server.httpPort);
    peer.say(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    await peer.untilEnded(ANSWER_MS);
    assert.match(peer.received.toString("latin1"), /^HTTP\/1\.1 40[04] /, path);
  }
});

scene("playlist: whoever asks and goes away leaves nothing behind that waits", async (scene) => {
  const server = await Server.start(scene);
  const encoder = await publish(scene, server);
  // The show stands still for the 6 s that an encoder may send nothing, and what is asked for comes after that.
  encoder.process.kill("SIGSTOP");
  const ahead = await playlists(server);
  assert.ok(ahead);
  const path = `${new URL(ahead.video.url).pathname}?_HLS_msn=${ahead.video.nextMsn + 1}`;
  const waiting = async () => Number(/^fanwave_origin_waiting_requests (\d+)$/m.exec((await get(`${server.url}/metrics`)).text)?.[1]);

  const session = await http2(scene, server.url);
  const streams = Array.from({ length: GONE }, () => session.request({ ":path": path }).on("error", () => {}));
  const peers = await Promise.all(Array.from({ length: GONE }, async () => {
    const peer = await RawPeer.connect(scene, server.httpPort);
    peer.say(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    return peer;
  }));
  await until("all of them wait", ANSWER_MS, async () => (await waiting()) === 2 * GONE);
  for (const stream of streams.slice(1)) stream.close(constants.NGHTTP2_CANCEL);
  await until("streams that are taken back do not wait", ANSWER_MS, async () => (await waiting()) === GONE + 1);
  session.destroy();
  for (const peer of peers) peer.socket.destroy();
  await until("nobody waits", ANSWER_MS, async () => (await waiting()) === 0);
});
