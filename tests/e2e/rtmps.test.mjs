/** RTMP over TLS: an encoder publishes to rtmps://, and whoever speaks no TLS there is cut off. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { run } from "../harness/child.mjs";
import { onAir, startEncoder } from "../harness/publisher.mjs";
import { RawPeer } from "../harness/raw.mjs";
import { freePorts, scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";

const CUT_OFF_MS = 15_000;

scene("an encoder publishes over TLS", async (scene) => {
  const [certificate, key] = [join(scene.folder, "cert.pem"), join(scene.folder, "key.pem")];
  const made = await run("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
    "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
  { deadlineMs: 15_000 });
  assert.equal(made.code, 0, made.stderr);
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
});
