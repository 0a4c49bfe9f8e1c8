/**
 * A server is stopped as a supervisor does it (SIGTERM): unmodified npm clients are moved, a few at a time, and come back
 * to the server that takes over behind the same address.
 */

import assert from "node:assert/strict";
import { fan, send } from "../harness/chat.mjs";
import { movableProxy } from "../harness/proxy.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until, within } from "../harness/wait.mjs";

/** Ten a second, which is the slowest for so few: two seconds to look at. */
const FANS = 20;
const MOVED_MS = 20_000;
const SECRET = "the-same-secret-on-every-server-makes-tokens-good-on-each";

/** @typedef {{ code: number, reason: string, at: number }} Move */

scene("SIGTERM moves unmodified clients to another server, in their turn", async (scene) => {
  const drain = '[drain]\npropagation = "0s"\n';
  const leaving = await Server.start(scene, { secret: SECRET, extra: drain });
  const taking = await Server.start(scene, { secret: SECRET, folder: "taking" });
  const proxy = await movableProxy(scene, leaving.httpPort);
  /** @type {(Awaited<ReturnType<typeof fan>> & { moves: Move[] })[]} */
  const fans = [];
  for (let n = 0; n < FANS; n += 1) {
    const joined = await fan(scene, leaving, { name: `fan ${n}`, port: proxy.port });
    /** @type {Move[]} */
    const moves = [];
    joined.client.on("connecting", ({ code, reason }) => moves.push({ code, reason, at: performance.now() }));
    joined.client.on("disconnected", ({ code, reason }) => moves.push({ code, reason, at: performance.now() }));
    fans.push({ ...joined, moves });
  }
  await send(fans[0].client, leaving.chatChannel, { id: "1", text: "before" });
  for (const { hears } of fans) await hears("before");

  proxy.target = taking.httpPort;
  leaving.child.signal("SIGTERM");
  await until("everybody was sent away", MOVED_MS, () => fans.every(({ moves }) => moves.length > 0));
  for (const { moves } of fans) {
    assert.equal(moves[0]?.code, 3001);
    assert.match(moves[0]?.reason ?? "", /^shutdown; after=\d+$/);
  }
  const at = fans.map(({ moves }) => moves[0]?.at ?? 0).sort((a, b) => a - b);
  assert.ok((at.at(-1) ?? 0) - (at[0] ?? 0) > 1_000, `not all at once: ${at.map(Math.round)}`);
  const exit = await within("the server ends by itself", MOVED_MS, leaving.child.exited);
  assert.equal(exit.code, 0);

  for (const { client } of fans) await client.ready(MOVED_MS);
  const last = fans.at(-1);
  assert.ok(last);
  await last.subscription.ready(MOVED_MS);
  await send(last.client, taking.chatChannel, { id: "2", text: "after" });
  for (const { hears } of fans) await hears("after");
  for (const { moves } of fans) assert.ok(moves.every(({ code }) => code < 3500), "nobody was told to stay away");
});
