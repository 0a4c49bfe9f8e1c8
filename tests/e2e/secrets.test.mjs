/** Secrets are where they have to be and nowhere else: not in logs, metrics, errors, playlists, nor in what a browser passes on (B7). */

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startAuthority } from "../harness/authority.mjs";
import { openPage, startBrowser } from "../harness/browser.mjs";
import * as chat from "../harness/chat-panel.mjs";
import { playlists } from "../harness/hls.mjs";
import { publish, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

const ANSWER_MS = 5_000;

scene("B7: nothing that the server says or writes down has a secret in it", async (scene) => {
  const [secret, hookSecret] = [newSecret(), newSecret()];
  const hookFile = join(scene.folder, "hook-secret");
  await writeFile(hookFile, hookSecret, { mode: 0o600 });
  const receiver = await startAuthority(scene, () => ({ status: 204 }));
  const extra = `[webhook]\nurl = "${receiver.url}/told?key=canary-address-51c2"\nsecret_file = "${hookFile}"\n[recording]\nchannels = ["*"]\n`;
  const server = await Server.start(scene, { secret, extra, logLevel: "trace", logFormat: "json" });
  await publish(scene, server);
  await underWay(server, 2);
  const staff = sign(secret, { user: "crew", role: "staff" });
  const fan = sign(secret, { user: "canary-fan" });
  const forged = sign(newSecret(), { user: "forger", role: "staff" });

  /** @type {string[]} */
  const said = [];
  const ask = async (/** @type {string} */ path, /** @type {RequestInit} */ init = {}) => {
    const response = await fetch(`${server.url}${path}`, { ...init, signal: AbortSignal.timeout(ANSWER_MS) });
    said.push(`answer ${said.length}: ${response.status} ${JSON.stringify([...response.headers])} ${await response.text()}`);
  };
  const json = { "content-type": "application/json" };
  const bearer = (/** @type {string} */ token) => ({ authorization: `Bearer ${token}` });
  for (const token of [staff, fan, forged, `${staff}x`, `${staff} ${staff}`]) {
    await ask("/api/v1/nodes", { headers: bearer(token) });
    await ask("/api/v1/channels/demo/ingest", { headers: bearer(token) });
    // Secrets in places that are not for them, where an error is most tempted to repeat what it did not understand.
    await ask(`/api/v1/channels/demo/messages?token=${token}`);
    await ask(`/api/v1/channels/demo/messages?limit=${token}`);
    await ask(`/api/v1/channels/${token}`);
    await ask("/api/v1/guests", { method: "POST", headers: json, body: JSON.stringify({ name: "", token }) });
    await ask("/api/v1/guests", { method: "POST", headers: json, body: JSON.stringify({ name: 7, token }) });
    await ask("/api/v1/channels/demo/events", {
      method: "POST", headers: { ...json, ...bearer(staff) }, body: JSON.stringify({ id: "a", start: token }),
    });
    await ask(`/connection/sse?cf_connect=${encodeURIComponent(JSON.stringify({ id: 1, connect: { token: `${token}x` } }))}`);
  }
  await ask(`/whip/demo`, { method: "POST", headers: { "content-type": "application/sdp", ...bearer("canary-stream-key-7f3a91x") }, body: "v=0" });
  for (const path of ["/metrics", "/readyz", "/api/v1/channels", "/api/v1/channels/demo/recordings", "/api/v1/openapi.json"]) await ask(path);
  const lists = await playlists(server);
  said.push(JSON.stringify(lists));
  await until("the show was told of", ANSWER_MS, () => receiver.questions.length > 0);
  said.push(...receiver.questions.map(({ body }) => body));

  const browser = await startBrowser(scene);
  const { page } = await openPage(scene, browser, server.watchUrl, {
    name: "fan",
    prepare: async (page) => {
      page.on("request", (request) => said.push(`a browser asks ${request.url()} and refers to ${request.headers()["referer"] ?? "nothing"}`));
    },
  });
  await chat.join(page, "Mina");

  const log = await server.child.log();
  assert.match(log, /"level":"TRACE"/, "the log is as talkative as it gets");
  const canaries = [secret, hookSecret, server.streamKey, "canary-address-51c2", ...[staff, fan, forged].map((token) => token.split(".")[2] ?? "")];
  const everything = [...said, log];
  for (const canary of canaries) {
    assert.ok(canary.length > 15);
    for (const text of everything) {
      const at = text.indexOf(canary);
      assert.equal(at, -1, `a secret: …${text.slice(Math.max(0, at - 120), at + 40)}`);
    }
  }
  assert.ok(said.length > 50 && (await readFile(server.keyPath, "utf8")).includes(server.streamKey));
});
