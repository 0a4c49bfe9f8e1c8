/** A show is announced, started and stopped: everybody sees it, and the encoder that was let in for it is let go, at whichever server. */

import assert from "node:assert/strict";
import { ANSWER_MS } from "../harness/chat.mjs";
import { Postgresql } from "../harness/postgresql.mjs";
import { onAir, startEncoder } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until, within } from "../harness/wait.mjs";

/** The origin asks every five seconds about whoever publishes. */
const LET_GO_MS = 15_000;
/** What one server has decided, another shows within two seconds; more, on a machine that has other things to do. */
const SEEN_MS = 10_000;
const HOUR_MS = 3_600_000;

scene("a show that is stopped at one server is over at the other, with the encoder that was let in for it", async (scene) => {
  const secret = newSecret();
  const database = await Postgresql.start(scene);
  const extra = `[accounts]\nregistration = "closed"\nkind = "postgresql"\n${database.address}`;
  const [stage, office] = await Promise.all(["stage", "office"].map((folder) => Server.start(scene, { secret, extra, folder })));
  assert.ok(stage && office);
  const staff = sign(secret, { user: "u-1", role: "staff" });
  /** @param {string} method @param {string} path @param {object} [body] */
  const call = async (method, path, body) => {
    const response = await fetch(`${office.url}/api/v1/channels/${CHANNEL}${path}`, {
      method,
      headers: { authorization: `Bearer ${staff}`, "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.clone().text()}`);
    return response.json();
  };
  /** @param {Server} server What a guest is shown. */
  const shown = async (server) => {
    const response = await fetch(`${server.url}/api/v1/channels/${CHANNEL}`, { signal: AbortSignal.timeout(ANSWER_MS) });
    const { show, next_show: next, live } = await response.json();
    return { show: show?.id, next: next?.id, live };
  };

  const starts_at = Date.now() + HOUR_MS;
  const show = await call("POST", "/shows", { title: "Late show", artist: "Mina", starts_at, ends_at: starts_at + HOUR_MS });
  // At once where it was decided, and soon elsewhere.
  assert.deepEqual(await shown(office), { show: undefined, next: show.id, live: false });
  await until("the other server has it, too", SEEN_MS, async () => (await shown(stage)).next === show.id);

  const { key } = await call("POST", "/stream-keys", { name: "stage", show: show.id });
  const encoder = startEncoder(scene, stage, { key });
  await onAir(stage, encoder);
  await call("POST", `/shows/${show.id}/start`);
  await until("the show is on", SEEN_MS, async () => (await shown(stage)).show === show.id);
  assert.equal((await shown(stage)).live, true);

  await call("POST", `/shows/${show.id}/stop`);
  assert.deepEqual(await shown(office), { show: undefined, next: undefined, live: false });
  const stopped = await within("the encoder is let go", LET_GO_MS, encoder.exited);
  assert.notEqual(stopped.code, 0);
  const late = startEncoder(scene, stage, { name: "late", key });
  const refused = await within("the key is good for nothing", LET_GO_MS, late.exited);
  assert.notEqual(refused.code, 0);
  await until("the show is over", SEEN_MS, async () => (await shown(stage)).show === undefined);
});
