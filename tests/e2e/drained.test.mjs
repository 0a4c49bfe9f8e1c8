/**
 * A server is stopped as a supervisor does it (SIGTERM): unmodified npm clients are moved, a few at a time, and come back
 * to the server that takes over behind the same address. The watch page comes back when its turn is.
 */

import assert from "node:assert/strict";
import { openPage, startBrowser } from "../harness/browser.mjs";
import * as chat from "../harness/chat-panel.mjs";
import { fan, send } from "../harness/chat.mjs";
import { movableProxy } from "../harness/proxy.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { tapSocket } from "../harness/socket-tap.mjs";
import { until, within } from "../harness/wait.mjs";

/** Ten a second, which is the slowest for so few: two seconds to look at. */
const FANS = 20;
const MOVED_MS = 20_000;
/** Who is told to come back before the page is, one a second: its turn is later than any client would come by itself. */
const AHEAD = 3;
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

scene("the watch page waits for its return slot, and chats on at the other server", async (scene) => {
  const drain = '[drain]\npropagation = "0s"\n';
  // A server gives slots as far apart as it would take fans itself: here a second.
  const leaving = await Server.start(scene, { secret: SECRET, extra: `${drain}\n[gateway]\naccepts_per_second = 1\n` });
  const taking = await Server.start(scene, { secret: SECRET, folder: "taking" });
  const proxy = await movableProxy(scene, leaving.httpPort);
  for (let n = 0; n < AHEAD; n += 1) await fan(scene, leaving, { name: `fan ${n}`, port: proxy.port });
  const browser = await startBrowser(scene);
  /** @type {Awaited<ReturnType<typeof tapSocket>> | undefined} */
  let tap;
  const { page } = await openPage(scene, browser, `http://127.0.0.1:${proxy.port}/`, {
    name: "fan", prepare: async (opening) => {
      tap = await tapSocket(opening);
    },
  });
  await chat.say(page, "before");
  await chat.confirmed(page, "before");
  const before = tap?.opened.length ?? 0;

  proxy.target = taking.httpPort;
  leaving.child.signal("SIGTERM");
  const exit = await within("the server ends by itself", MOVED_MS, leaving.child.exited);
  assert.equal(exit.code, 0);
  await until("the page has connected again", MOVED_MS, () => (tap?.opened.length ?? 0) > before);
  const move = tap?.closed.find(({ code }) => code === 3001);
  const after = Number(/^shutdown; after=(\d+)$/.exec(move?.reason ?? "")?.[1]);
  assert.ok(after >= 1_000, `a slot that tells: ${move?.reason}`);
  const waited = (tap?.opened[before] ?? 0) - (move?.at ?? 0);
  assert.ok(waited >= after, `told to wait ${after} ms, came after ${waited} ms`);
  await chat.say(page, "after");
  await chat.confirmed(page, "after");
});
