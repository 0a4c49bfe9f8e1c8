/**
 * Every published client that we promise, unmodified, plays every scenario of tests/judges/scenarios.json. JUDGE=npm-sse
 * plays with one of them alone.
 */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { newSecret } from "../harness/tokens.mjs";
import { npmClient } from "../judges/npm-client.mjs";
import { pythonClient } from "../judges/python-client.mjs";
import { SCENARIOS } from "../judges/scenarios.mjs";

/** @typedef {{ id: string, must: string, judges?: string[], because?: string }} Scenario */

/** @type {{ judges: Record<string, string>, scenarios: Scenario[] }} */
const file = JSON.parse(await readFile(new URL("../judges/scenarios.json", import.meta.url), "utf8"));

/** @type {Record<string, (scene: import("../harness/scene.mjs").Scene, port: number) => Promise<import("../judges/client.mjs").Client>>} */
const JUDGES = {
  "npm-websocket-json": (scene, port) => npmClient(scene, port, "websocket-json"),
  "npm-websocket-protobuf": (scene, port) => npmClient(scene, port, "websocket-protobuf"),
  "npm-http-stream": (scene, port) => npmClient(scene, port, "http-stream"),
  "npm-sse": (scene, port) => npmClient(scene, port, "sse"),
  "python-websocket-json": (scene, port) => pythonClient(scene, port, "json"),
  "python-websocket-protobuf": (scene, port) => pythonClient(scene, port, "protobuf"),
};

test("the scenario file and its judges agree", () => {
  assert.deepEqual(Object.keys(JUDGES), Object.keys(file.judges));
  assert.deepEqual(file.scenarios.map(({ id }) => id), Object.keys(SCENARIOS));
  for (const { id, judges, because } of file.scenarios) {
    assert.equal(judges === undefined, because === undefined, `${id} says why some judges are left out`);
    for (const judge of judges ?? []) assert.ok(judge in JUDGES, `${id} names ${judge}`);
  }
});

const only = process.env.JUDGE;
for (const [judge, makeClient] of Object.entries(JUDGES)) {
  if (only && only !== judge) continue;
  for (const { id, must, judges } of file.scenarios) {
    if (judges && !judges.includes(judge)) continue;
    scene(`${judge}: ${id}: ${must}`, async (scene) => {
      const secret = newSecret();
      const server = await Server.start(scene, { secret, sendRate: "unlimited" });
      const play = SCENARIOS[id];
      assert.ok(play, `a scenario called ${id}`);
      await play({ scene, server, secret, client: (port) => makeClient(scene, port) });
    });
  }
}
