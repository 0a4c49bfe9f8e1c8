/** RTMP over TLS: an encoder publishes to rtmps://, whoever speaks no TLS there is cut off, and a renewed certificate is shown. */

import assert from "node:assert/strict";
import { connect } from "node:tls";
import { makeCertificate } from "../harness/certificate.mjs";
import { onAir, startEncoder } from "../harness/publisher.mjs";
import { RawPeer } from "../harness/raw.mjs";
import { freePorts, scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

const CUT_OFF_MS = 15_000;
/** The files are looked at every five seconds. */
const RENEWED_MS = 20_000;

/**
 * Which certificate is shown at a port.
 *
 * @param {number} port
 * @returns {Promise<string>}
 */
function shown(port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.once("error", reject);
  });
}

scene("an encoder publishes over TLS", async (scene) => {
  const { certificate, key } = await makeCertificate(scene.folder);
  const [port] = /** @type {[number]} */ (await freePorts(1));
  const server = await Server.start(scene, {
    rtmp: `tls_listen = "127.0.0.1:${port}"\ntls_certificate = "${certificate}"\ntls_key = "${key}"\n`,
  });
  const stranger = await RawPeer.connect(scene, port);
  stranger.say(Buffer.concat([Buffer.from([3]), Buffer.alloc(1536)]));
  const encoder = startEncoder(scene, server, { url: `rtmps://127.0.0.1:${port}/live/${server.streamKey}` });
  await onAir(server, encoder);
  assert.ok(encoder.running);
  await stranger.untilEnded(CUT_OFF_MS);

  const before = await shown(port);
  await makeCertificate(scene.folder);
  await until("another certificate is shown", RENEWED_MS, async () => (await shown(port)) !== before);
  assert.ok(encoder.running, "who is there stays");
});
