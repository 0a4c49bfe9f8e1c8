/**
 * The server calls nobody whom a stranger names (B9): it calls the addresses of its configuration, and follows no redirect from
 * there, to wherever it leads. What a token says of keys (`jku`, `x5u`) is not even read.
 */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startAuthority } from "../harness/authority.mjs";
import { publish, startEncoder } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { newSecret } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

const ASKED_MS = 20_000;

scene("B9: no redirect of a webhook, an authoriser or a key set is followed, and no address in a token", async (scene) => {
  const trap = await startAuthority(scene, () => ({ status: 200, body: "{}" }));
  let status = 300;
  const lure = await startAuthority(scene, ({ path }) => {
    // Every kind of redirect in turn.
    status = status === 308 ? 301 : status + 1;
    return { status, location: `${trap.url}${path}` };
  });
  const asked = (/** @type {string} */ path, times = 1) =>
    until(`${path} is asked`, ASKED_MS, () => lure.questions.filter((question) => question.path === path).length >= times);
  const secretFile = join(scene.folder, "shared-secret");
  const secret = newSecret();
  await writeFile(secretFile, secret, { mode: 0o600 });
  const shared = `secret_file = "${secretFile}"`;
  const server = await Server.start(scene, {
    extra: `[webhook]\nurl = "${lure.url}/webhook"\n${shared}\n[authorise]\nurl = "${lure.url}/authorise"\n${shared}\n` +
      `[tokens]\njwks_url = "${lure.url}/keys"\n${shared}\n`,
  });
  await asked("/keys");
  const stranger = startEncoder(scene, server, { name: "stranger", key: "stranger" });
  await asked("/authorise");
  assert.notEqual((await stranger.exited).code, 0, "a redirect is no yes");
  await publish(scene, server);
  // Every kind of redirect, while it tries to tell the first event again.
  await asked("/webhook", 3);

  const encode = (/** @type {object} */ value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const seconds = Math.floor(Date.now() / 1_000);
  const claims = encode({ sub: "crew", name: "crew", role: "staff", iat: seconds, exp: seconds + 600 });
  for (const name of ["jku", "x5u"]) {
    const body = `${encode({ alg: "RS256", typ: "JWT", kid: "theirs", [name]: `${trap.url}/keys` })}.${claims}`;
    const token = `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
    const response = await fetch(`${server.url}/api/v1/nodes`, { headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(5_000) });
    assert.equal(response.status, 401, name);
  }
  await server.stop();
  assert.deepEqual(trap.questions, []);
});
