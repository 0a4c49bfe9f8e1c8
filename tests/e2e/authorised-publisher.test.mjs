/** Somebody else decides who may publish: an operator's own server, asked in its own form or in that of nginx-rtmp. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startAuthority } from "../harness/authority.mjs";
import { startNginx } from "../harness/nginx.mjs";
import { onAir, startEncoder } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { until, within } from "../harness/wait.mjs";

const TOLD_MS = 15_000;
const SECRET = "canary-signing-secret-91c2";

scene("the operator's server names the channel, its questions are signed, and it is told of the end", async (scene) => {
  const authority = await startAuthority(scene, ({ body }) => {
    const { key, arguments: token } = JSON.parse(body);
    return key === "ana" && token === "token=canary-5d"
      ? { status: 200, body: JSON.stringify({ channel: CHANNEL }) }
      : { status: 403, body: JSON.stringify({ reason: "Doors open at eight." }) };
  });
  const secretFile = join(scene.folder, "signing");
  await writeFile(secretFile, `${SECRET}\n`, { mode: 0o600 });
  const server = await Server.start(scene, {
    logLevel: "debug",
    logFormat: "json",
    extra: `[authorise]\nurl = "${authority.url}/may?from=canary-url"\nsecret_file = "${secretFile}"\n`,
  });

  const stranger = startEncoder(scene, server, { name: "stranger", key: "ana?token=canary-6e" });
  const refused = await within("the stranger is told", TOLD_MS, stranger.exited);
  assert.notEqual(refused.code, 0);
  assert.match(await stranger.log(), /Doors open at eight\./);

  const encoder = startEncoder(scene, server, { key: "ana?token=canary-5d" });
  await onAir(server, encoder);
  await encoder.kill();
  await until("the end is told", TOLD_MS, () => authority.questions.length === 3);
  const actions = authority.questions.map(({ body }) => JSON.parse(body));
  assert.deepEqual(actions.map(({ action, key, protocol, app, address }) => [action, key, protocol, app, address]), [
    ["publish", "ana", "rtmp", "live", "127.0.0.1"],
    ["publish", "ana", "rtmp", "live", "127.0.0.1"],
    ["done", "ana", "rtmp", "live", "127.0.0.1"],
  ]);
  assert.equal(actions[1].connection, actions[2].connection);
  for (const { path, type, signature, body } of authority.questions) {
    assert.equal(path, "/may?from=canary-url");
    assert.equal(type, "application/json");
    const [, time, hex] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? [];
    assert.ok(Math.abs(Number(time) - Date.now() / 1_000) < 300, "signed now");
    assert.equal(hex, createHmac("sha256", SECRET).update(`${time}.${body}`).digest("hex"));
  }
  const log = await server.child.log();
  for (const canary of ["canary-5d", "canary-6e", "canary-url", SECRET]) {
    assert.ok(!log.includes(canary), `${canary} is not in the log`);
  }
});

scene("nginx-rtmp's form is what nginx-rtmp itself sends", async (scene) => {
  const authority = await startAuthority(scene, () => ({ status: 200 }));
  const nginx = await startNginx(scene, `
      on_publish ${authority.url}/nginx;
      on_publish_done ${authority.url}/nginx;`);
  const server = await Server.start(scene, {
    extra: `[authorise]\nurl = "${authority.url}/fanwave"\nform = "nginx-rtmp"\n`,
  });
  const name = `${CHANNEL}?user=ana%20b&pass=x`;
  /** @param {string} path */
  const asked = (path) => authority.questions.filter((question) => question.path === path).map(({ body }) => body);

  const theirs = startEncoder(scene, server, { name: "to-nginx", url: `${nginx.url}/${name}` });
  await until("nginx has asked", TOLD_MS, () => asked("/nginx").length === 1);
  await theirs.kill();
  await until("nginx has told", TOLD_MS, () => asked("/nginx").length === 2);

  const ours = startEncoder(scene, server, { key: name });
  await onAir(server, ours);
  await ours.kill();
  await until("we have told", TOLD_MS, () => asked("/fanwave").length === 2);

  /** Addresses and numbers differ, and nginx-rtmp cuts flashver at 31 bytes; everything else is the same to the byte. */
  const same = (/** @type {string} */ body) => body
    .replace(/(flashver=FMLE\/3\.0)[^&]*/, "$1")
    .replace(/clientid=\d+/, "clientid=N")
    .replace(/tcurl=rtmp:\/\/127\.0\.0\.1:\d+\/(stage|live)/, "tcurl=T")
    .replace(/^app=(stage|live)/, "app=A");
  assert.deepEqual(asked("/fanwave").map(same), asked("/nginx").map(same));
  assert.match(asked("/fanwave")[0] ?? "", new RegExp(`&call=publish&name=${CHANNEL}&type=live&user=ana%20b&pass=x$`));
});

scene("an authoriser that answers with another name moves the publisher there", async (scene) => {
  const authority = await startAuthority(scene, () => ({ status: 302, location: CHANNEL }));
  const server = await Server.start(scene, {
    extra: `[authorise]\nurl = "${authority.url}"\nform = "nginx-rtmp"\nstream_keys = "asked"\n`,
  });
  const encoder = startEncoder(scene, server, { key: "whatever" });
  await onAir(server, encoder);
});

scene("without an answer nobody is let in, and the encoder is told to try again", async (scene) => {
  const authority = await startAuthority(scene, () => ({ status: 503 }));
  const server = await Server.start(scene, { extra: `[authorise]\nurl = "${authority.url}"\n` });
  const encoder = startEncoder(scene, server, { key: "ana" });
  await within("the encoder is told", TOLD_MS, encoder.exited);
  assert.match(await encoder.log(), /cannot be checked now: try again/);
  // The stream key is enough, whoever is away.
  const crew = startEncoder(scene, server, { name: "crew" });
  await onAir(server, crew);
});
