/**
 * A token opens the chat to whoever reads it. Server-sent events carry it in the query of a request, and no log, however
 * talkative, may repeat it.
 */

import assert from "node:assert/strict";
import { ANSWER_MS } from "../harness/chat.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";
import { npmClient } from "../judges/npm-client.mjs";

scene("no log has a fan's token, on whichever transport it came", async (scene) => {
  const secret = newSecret();
  const server = await Server.start(scene, { secret, logLevel: "trace" });
  const tokens = [];
  for (const transport of /** @type {const} */ (["sse", "http-stream", "websocket-json"])) {
    const token = sign(secret, { user: `fan-on-${transport}` });
    const client = await npmClient(scene, server.httpPort, transport);
    await client.connect([token]);
    await until(`${transport} connects`, ANSWER_MS, () => client.heard.some(({ kind }) => kind === "connected"));
    tokens.push(token);
  }
  // A request that is refused is where a log would be most tempted.
  const forged = sign(newSecret(), { user: "forger" });
  const connect = encodeURIComponent(JSON.stringify({ id: 1, connect: { token: forged } }));
  await (await fetch(`${server.url}/connection/sse?cf_connect=${connect}`)).text();
  await (await fetch(`${server.url}/connection/sse/nowhere?cf_connect=${connect}`)).text();
  tokens.push(forged);

  const log = await server.child.log();
  assert.match(log, /TRACE/, "the log is as talkative as it gets");
  for (const token of tokens) {
    const [, , signature] = token.split(".");
    assert.ok(signature && !log.includes(signature), "a token is in the log");
  }
});
