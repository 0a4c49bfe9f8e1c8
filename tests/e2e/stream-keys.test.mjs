/** Stream keys that the API makes: an encoder publishes with one, is let go when it is revoked, and its key is in no log. */

import assert from "node:assert/strict";
import { ANSWER_MS } from "../harness/chat.mjs";
import { onAir, startEncoder } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { within } from "../harness/wait.mjs";

/** The origin asks every five seconds about whoever publishes. */
const LET_GO_MS = 15_000;

scene("an encoder publishes with a key of the API until that is replaced or revoked", async (scene) => {
  const secret = newSecret();
  const server = await Server.start(scene, { secret, logLevel: "debug", extra: `[accounts]\nregistration = "closed"\n` });
  const staff = sign(secret, { user: "u-1", role: "staff" });
  /** @param {string} method @param {string} path @param {object} [body] */
  const call = async (method, path, body) => {
    const response = await fetch(`${server.url}/api/v1/channels/${CHANNEL}/stream-keys${path}`, {
      method,
      headers: { authorization: `Bearer ${staff}`, "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    assert.ok(response.ok, `${method} ${path}: ${response.status}`);
    return response.status === 204 ? undefined : response.json();
  };

  const stranger = startEncoder(scene, server, { name: "stranger", key: `fsk_${"0".repeat(48)}` });
  const refused = await within("the stranger is told", LET_GO_MS, stranger.exited);
  assert.notEqual(refused.code, 0);

  const first = await call("POST", "", { name: "main desk" });
  const encoder = startEncoder(scene, server, { key: first.key });
  await onAir(server, encoder);
  const second = await call("POST", `/${first.id}/replace`, {});
  const replaced = await within("the replaced key's encoder is let go", LET_GO_MS, encoder.exited);
  assert.notEqual(replaced.code, 0);

  const successor = startEncoder(scene, server, { name: "successor", key: second.key });
  await onAir(server, successor);
  // The key of the configuration is as good as ever, and the channel is taken.
  assert.deepEqual((await call("GET", "")).keys.map((/** @type {{ id: string }} */ key) => key.id), [second.id]);
  await call("DELETE", `/${second.id}`);
  const revoked = await within("the revoked key's encoder is let go", LET_GO_MS, successor.exited);
  assert.notEqual(revoked.code, 0);

  const log = await server.child.log();
  for (const { key } of [first, second]) assert.ok(!log.includes(key), "no key is in the log");
});
