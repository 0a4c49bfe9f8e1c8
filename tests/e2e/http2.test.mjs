/** HTTP/2: many requests on one connection, in the clear and over TLS, held as they should be, and no way to harm others. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { constants } from "node:http2";
import { Centrifuge } from "centrifuge";
import WebSocket from "ws";
import { audience } from "../harness/audience.mjs";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { makeCertificate } from "../harness/certificate.mjs";
import { fan, guest, send } from "../harness/chat.mjs";
import { ask, floodOfResets, http2 } from "../harness/http2.mjs";
import { get, playlists } from "../harness/hls.mjs";
import { untilPlaying } from "../harness/player.mjs";
import { publish, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until, within } from "../harness/wait.mjs";

/** Viewers behind one connection, such as an edge has. */
const HELD = 40;
/** Far more than a stack takes for an accident. */
const RESETS = 2_000;
/** Connections of readers that take nothing, and what each asks for. */
const STALLED = 20;
const STALLED_STREAMS = 50;

scene("one connection in the clear holds many requests and answers them with the same part", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  const session = await http2(scene, server.url);
  const now = await playlists(server);
  assert.ok(now);
  const path = new URL(now.video.url).pathname;

  const held = await Promise.all(Array.from({ length: HELD }, () => ask(session, `${path}?_HLS_msn=${now.video.nextMsn}&_HLS_part=${now.video.partsOfNext}`)));
  for (const answer of held) {
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body, held[0]?.body);
  }
  const { pathname } = new URL(/URI="([^"]+\.m4s)"/.exec(`${held[0]?.body}`)?.[1] ?? "", now.video.url);
  const part = await ask(session, pathname);
  assert.equal(part.status, 200);
  assert.equal(part.body.length, Number(part.headers["content-length"]));
  const head = await ask(session, pathname, { ":method": "HEAD" });
  assert.deepEqual([head.status, head.headers["content-length"], head.body.length], [200, part.headers["content-length"], 0]);
});

scene("over TLS a browser speaks HTTP/2, and the page plays and chats there", async (scene) => {
  const tls = await makeCertificate(scene.folder);
  const server = await Server.start(scene, { tls });
  await publish(scene, server);
  await underWay(server);
  const url = `https://localhost:${server.tlsPort}`;
  const browser = await startBrowser(scene, ["--ignore-certificate-errors"]);
  const { page } = await openPage(scene, browser, `${url}/`, { name: "secure" });
  await untilPlaying(page);
  const spoken = await page.evaluate(() => performance.getEntriesByType("resource")
    .filter((entry) => entry.name.includes("/live/"))
    .map((entry) => /** @type {PerformanceResourceTiming} */ (entry).nextHopProtocol));
  assert.ok(spoken.length > 0, "the page has asked for playlists and media");
  assert.deepEqual([...new Set(spoken)], ["h2"]);

  // The chat of that page, by the same port: a WebSocket that leaves the HTTP server with its TLS.
  const ca = await readFile(tls.certificate);
  class Trusting extends WebSocket {
    /** @param {string} address @param {string[]} protocols */
    constructor(address, protocols) {
      super(address, protocols, { ca });
    }
  }
  const other = await fan(scene, server, { name: "in the clear" });
  const client = new Centrifuge(`wss://localhost:${server.tlsPort}/connection/websocket`, { websocket: Trusting, token: (await guest(server, "secure")).token });
  scene.after(() => client.disconnect());
  client.connect();
  await within("a fan comes in over TLS", 10_000, client.ready());
  await send(client, server.chatChannel, { id: "1", text: "by wss" });
  await other.hears("by wss");
  await until("the page shows it", 10_000, () => page.getByText("by wss").first().isVisible());
});

scene("a flood of resets ends its own connection and is felt by nobody", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  const crowd = await audience(scene, server);
  assert.equal(await within("the flood is ended", 10_000, floodOfResets(scene, server.httpPort, RESETS)), constants.NGHTTP2_ENHANCE_YOUR_CALM);
  await crowd.unmoved("a flood of resets");
});

scene("readers that open streams and take nothing are felt by nobody", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  await underWay(server);
  const crowd = await audience(scene, server);
  const now = await playlists(server);
  assert.ok(now);
  const segment = new URL(`video/${now.video.firstMsn}.m4s`, now.video.url).pathname;
  let answered = 0;
  for (let i = 0; i < STALLED; i += 1) {
    const session = await http2(scene, server.url, { settings: { initialWindowSize: 0 } });
    for (let j = 0; j < STALLED_STREAMS; j += 1) {
      const request = session.request({ ":path": segment });
      request.on("error", () => {});
      request.once("response", () => { answered += 1; });
      request.end();
    }
  }
  await until("every one of them has its head", 10_000, () => answered === STALLED * STALLED_STREAMS);
  await crowd.unmoved("readers that take nothing");
  assert.equal((await get(server.playlistUrl)).status, 200);
});

scene("a server that stops says so on every connection, and answers what it holds", async (scene) => {
  const server = await Server.start(scene);
  await publish(scene, server);
  const session = await http2(scene, server.url);
  const now = await playlists(server);
  assert.ok(now);
  const parting = new Promise((resolve) => session.once("goaway", resolve));
  const held = ask(session, `${new URL(now.video.url).pathname}?_HLS_msn=${now.video.nextMsn + 1}`);
  await until("the request is held", 10_000, async () => /^fanwave_origin_waiting_requests 1$/m.test((await get(`${server.url}/metrics`)).text));
  await server.stop();
  assert.equal((await held).status, 503);
  assert.equal(await within("the connection was told", 5_000, parting), constants.NGHTTP2_NO_ERROR);
});

scene("a renewed certificate is shown to whoever connects next, and open connections stay", async (scene) => {
  const tls = await makeCertificate(scene.folder);
  const server = await Server.start(scene, { tls });
  const url = `https://localhost:${server.tlsPort}`;
  const shown = async () => {
    const session = await http2(scene, url, { rejectUnauthorized: false });
    const { fingerprint256 } = /** @type {import("node:tls").TLSSocket} */ (session.socket).getPeerCertificate();
    session.destroy();
    return fingerprint256;
  };
  const open = await http2(scene, url, { rejectUnauthorized: false });
  const before = await shown();
  await makeCertificate(scene.folder);
  await until("another certificate is shown", 20_000, async () => (await shown()) !== before);
  assert.equal((await ask(open, "/livez")).status, 200);
});
