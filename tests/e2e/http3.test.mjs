/** HTTP/3: a browser is told of it, speaks it, and plays the show over it; a server that stops lets nobody hang. */

import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { get as httpsGet } from "node:https";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { makeCertificate } from "../harness/certificate.mjs";
import { get, playlists } from "../harness/hls.mjs";
import { untilPlaying } from "../harness/player.mjs";
import { publish, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until, within } from "../harness/wait.mjs";

const ANSWER_MS = 10_000;

/**
 * A browser that takes the certificate for QUIC too, and one answer over TCP for the offer of HTTP/3.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {Server} server
 * @param {string} certificate
 */
async function browserOfHttp3(scene, server, certificate) {
  const { publicKey } = new X509Certificate(await readFile(certificate));
  const pin = createHash("sha256").update(publicKey.export({ type: "spki", format: "der" })).digest("base64");
  return startBrowser(scene, [
    `--ignore-certificate-errors-spki-list=${pin}`, "--enable-quic", "--host-resolver-rules=MAP fanwave.test 127.0.0.1", `--origin-to-force-quic-on=fanwave.test:${server.tlsPort}`,
  ]);
}

/** @param {import("playwright-core").Page} page */
function protocols(page) {
  return page.evaluate(() => performance.getEntriesByType("resource")
    .filter((entry) => entry.name.includes("/live/"))
    .map((entry) => /** @type {PerformanceResourceTiming} */ (entry).nextHopProtocol));
}

scene("a browser plays the show over HTTP/3, which answers over TLS offer", async (scene) => {
  const tls = await makeCertificate(scene.folder);
  const server = await Server.start(scene, { tls, http3: true });
  await publish(scene, server);
  await underWay(server);
  const ca = await readFile(tls.certificate);
  const offered = await within("an answer over TLS", ANSWER_MS, new Promise((resolve, reject) => {
    httpsGet(`https://localhost:${server.tlsPort}/live/demo/master.m3u8`, { ca }, (response) => {
      response.resume();
      resolve(response.headers["alt-svc"]);
    }).on("error", reject);
  }));
  assert.equal(offered, `h3=":${server.tlsPort}"; ma=86400`);

  const browser = await browserOfHttp3(scene, server, tls.certificate);
  const { page } = await openPage(scene, browser, `https://fanwave.test:${server.tlsPort}/`, { name: "http3" });
  await untilPlaying(page);
  const spoken = await protocols(page);
  assert.ok(spoken.length > 0, "the page has asked for playlists and media");
  assert.deepEqual([...new Set(spoken)], ["h3"]);

  // What a request is answered is the same by every version, to the byte.
  const now = await playlists(server);
  assert.ok(now);
  const { pathname } = new URL(/#EXT-X-MAP:URI="([^"]+)"/.exec(now.video.text)?.[1] ?? "", now.video.url);
  const init = await page.evaluate(async (path) => {
    const response = await fetch(path);
    const { headers } = response;
    return { bytes: [...new Uint8Array(await response.arrayBuffer())], type: headers.get("content-type"), length: headers.get("content-length"), date: headers.get("date") };
  }, pathname);
  const plain = Buffer.from(await (await fetch(`${server.url}${pathname}`)).arrayBuffer());
  assert.deepEqual(Buffer.from(init.bytes), plain);
  assert.deepEqual([init.type, init.length], ["video/mp4", `${plain.length}`]);
  assert.ok(Math.abs(Date.parse(init.date ?? "") - Date.now()) < 60_000, `${init.date}`);
  const answers = await page.evaluate(async () => {
    const json = { "content-type": "application/json" };
    const [head, guest, nothing] = await Promise.all([
      fetch("/live/demo/master.m3u8", { method: "HEAD" }),
      fetch("/api/v1/guests", { method: "POST", headers: json, body: JSON.stringify({ name: "over HTTP/3" }) }),
      fetch("/live/demo/nothing/video.m3u8"),
    ]);
    return { head: [head.status, (await head.text()).length], guest: guest.status, nothing: nothing.status };
  });
  assert.deepEqual(answers.head, [200, 0]);
  assert.ok(answers.guest >= 200 && answers.guest < 300, `a body is read: ${answers.guest}`);
  assert.equal(answers.nothing, 404);
});

scene("a server that stops answers what it holds over HTTP/3, and ends in time", async (scene) => {
  const tls = await makeCertificate(scene.folder);
  const server = await Server.start(scene, { tls, http3: true });
  await publish(scene, server);
  await underWay(server);
  const browser = await browserOfHttp3(scene, server, tls.certificate);
  const { page } = await openPage(scene, browser, `https://fanwave.test:${server.tlsPort}/`, { name: "stopping" });
  await untilPlaying(page);
  const waiting = async () => Number(/^fanwave_origin_waiting_requests (\d+)$/m.exec((await get(`${server.url}/metrics`)).text)?.[1]);
  await until("its player waits for a part", ANSWER_MS, async () => (await waiting()) > 0);
  await server.stop();
});
