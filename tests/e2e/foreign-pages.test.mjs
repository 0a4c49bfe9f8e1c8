/** Another site's page cannot open the chat in the name of whoever looks at it, through whichever door (B6). */

import assert from "node:assert/strict";
import { request } from "node:http";
import { guest } from "../harness/chat.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { within } from "../harness/wait.mjs";

const ANSWER_MS = 5_000;

scene("B6: foreign, null and lookalike origins are refused before anything is opened", async (scene) => {
  const server = await Server.start(scene);
  const host = `127.0.0.1:${server.httpPort}`;
  const { token } = await guest(server, "Mina");
  const connect = JSON.stringify({ id: 1, connect: { token } });
  const upgrade = {
    connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
  };
  /** @type {Record<string, { method: string, path: string, headers: Record<string, string>, body?: string, opened: number }>} */
  const doors = {
    websocket: { method: "GET", path: "/connection/websocket", headers: upgrade, opened: 101 },
    http_stream: { method: "POST", path: "/connection/http_stream", headers: {}, body: connect, opened: 200 },
    sse: { method: "GET", path: `/connection/sse?cf_connect=${encodeURIComponent(connect)}`, headers: {}, opened: 200 },
  };
  const foreign = [
    "https://elsewhere.example", "null", "", "file://", `http://${host}.elsewhere.example`, `http://elsewhere${host}`,
    `http://${host}@elsewhere.example`, `http://127.0.0.1:${server.httpPort + 1}`, "http://127.0.0.1", `http://localhost:${server.httpPort}`,
  ];
  for (const [door, { method, path, headers, body, opened }] of Object.entries(doors)) {
    const ask = (/** @type {string} */ origin) => status(scene, { method, host: "127.0.0.1", port: server.httpPort, path, headers: { ...headers, origin } }, body);
    assert.equal(await ask(`http://${host}`), opened, `${door}: the own page`);
    for (const origin of foreign) assert.equal(await ask(origin), 403, `${door}: ${origin}`);
  }
});

/**
 * The status that a request is answered with; what follows is cut.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {import("node:http").RequestOptions} options
 * @param {string | undefined} body
 */
async function status(scene, options, body) {
  const asked = request(options);
  scene.after(() => void asked.destroy());
  const answered = new Promise((resolve, reject) => {
    asked.once("response", (response) => resolve(response.statusCode));
    asked.once("upgrade", (response) => resolve(response.statusCode));
    asked.once("error", reject);
  });
  asked.end(body);
  const code = await within(`${options.path} is answered`, ANSWER_MS, answered);
  asked.destroy();
  return code;
}
