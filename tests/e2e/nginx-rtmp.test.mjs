/** An nginx with its RTMP module pushes on to us what it takes in, and the show is watched here. */

import assert from "node:assert/strict";
import { startNginx } from "../harness/nginx.mjs";
import { onAir, startEncoder, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";

scene("what is published to nginx-rtmp is pushed to us and can be watched", async (scene) => {
  const server = await Server.start(scene, { logLevel: "debug", logFormat: "json" });
  const nginx = await startNginx(scene, `push ${server.rtmpUrl}/${server.streamKey};`);
  const encoder = startEncoder(scene, server, { url: `${nginx.url}/anything` });
  await onAir(server, encoder);
  await underWay(server, 2);
  assert.ok(encoder.running && nginx.child.running);
  assert.ok(!(await server.child.log()).includes(server.streamKey), "no key is in the log");
});
