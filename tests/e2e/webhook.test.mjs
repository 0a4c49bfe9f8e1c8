/** The operator's own server is told what happens to a show and its encoder: signed, in order, until it has it. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startAuthority } from "../harness/authority.mjs";
import { playlists } from "../harness/hls.mjs";
import { publish, startEncoder, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

/** How long a change may take to be told, or a server to go on. */
const TOLD_MS = 30_000;

/** @typedef {{ id: string, type: string, at: number, number: number, channel: string, withheld: number, data: any }} Told */

/**
 * A server that tells a receiver, and what the receiver was told.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {() => number} status How the receiver answers.
 */
async function told(scene, status) {
  const receiver = await startAuthority(scene, () => ({ status: status() }));
  const secret = newSecret();
  const secretFile = join(scene.folder, "webhook-secret");
  await writeFile(secretFile, secret, { mode: 0o600 });
  const staffSecret = newSecret();
  const extra = `[webhook]\nurl = "${receiver.url}/events?crew=1"\nsecret_file = "${secretFile}"\n`;
  const server = await Server.start(scene, { extra, secret: staffSecret });
  const staff = sign(staffSecret, { user: "crew", role: "staff" });
  const events = () => receiver.questions.map(({ body }) => /** @type {Told} */ (JSON.parse(body)));
  /** @param {string} type */
  const heard = (type) => until(`${type} is told`, TOLD_MS, async () => events().find((event) => event.type === type));
  return { server, staff, secret, receiver, events, heard };
}

scene("an encoder that comes, goes and returns is told of, in order, once and signed", async (scene) => {
  const { server, staff, secret, receiver, events, heard } = await told(scene, () => 204);
  const followed = await follow(scene, server, staff);
  const encoder = await publish(scene, server);
  await heard("show.live");
  await encoder.kill();
  await heard("encoder.lost");
  startEncoder(scene, server, { name: "encoder-again" });
  await heard("encoder.back");
  await server.stop();
  await until("the last is told", TOLD_MS, async () => events().filter(({ type }) => type === "publish.stopped").length === 2);

  const all = events();
  assert.deepEqual(
    all.map(({ type }) => type),
    ["publish.started", "show.live", "publish.stopped", "encoder.lost", "publish.started", "encoder.back", "publish.stopped"].concat(
      // A show that stops with its server waits for its encoder.
      all.length > 7 ? ["encoder.lost"] : [],
    ),
  );
  assert.deepEqual(all.map(({ number }) => number), all.map((_, index) => index + 1));
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
  assert.ok(all.every(({ channel, withheld, at }) => channel === CHANNEL && withheld === 0 && Math.abs(at - Date.now()) < 120_000));
  for (const { path, type, signature, body } of receiver.questions) {
    assert.deepEqual([path, type], ["/events?crew=1", "application/json"]);
    const [, seconds, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? [];
    assert.equal(mac, createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex"));
  }
  // Whoever follows the channel is told the same.
  const text = await followed.text;
  const streamed = [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data ?? ""));
  assert.deepEqual(streamed, all);
  const log = await server.child.log();
  assert.ok(!log.includes("crew=1") && !log.includes(secret), "neither the address nor the secret is in the log");
});

scene("a receiver that fails misses nothing, and the show does not notice", async (scene) => {
  let status = 500;
  const { server, receiver, events } = await told(scene, () => status);
  await publish(scene, server);
  await until("it was told in vain three times", TOLD_MS, async () => receiver.questions.length >= 3);
  await underWay(server, 3);
  const shown = await playlists(server);
  assert.ok(shown && !shown.video.text.includes("GAP"), shown?.video.text);
  assert.equal(new Set(events().map(({ id }) => id)).size, 1, "what follows waits");
  status = 200;
  await until("what has waited is told", TOLD_MS, async () => events().some(({ type }) => type === "show.live"));
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /^fanwave_webhook_events_total\{outcome="taken"\} [1-9]/m);
  assert.match(metrics, /^fanwave_webhook_events_total\{outcome="given_up"\} 0$/m);
});

/**
 * Everything that is said to whoever follows the channel, until the server ends it.
 *
 * @param {import("../harness/scene.mjs").Scene} scene @param {Server} server @param {string} staff
 */
async function follow(scene, server, staff) {
  const controller = new AbortController();
  scene.after(async () => controller.abort());
  const url = `${server.url}/api/v1/channels/${CHANNEL}/ingest/events`;
  assert.equal((await fetch(url)).status, 401);
  const response = await fetch(url, { headers: { authorization: `Bearer ${staff}` }, signal: controller.signal });
  assert.deepEqual([response.status, response.headers.get("content-type")], [200, "text/event-stream"]);
  return { text: response.text() };
}
