/**
 * The chat log in PostgreSQL, over TLS and with a password: the database is killed, and then the server is, in the middle
 * of a chat. Sends are refused in words meanwhile, and every acknowledged message is there once.
 */

import assert from "node:assert/strict";
import { fan, send, wholeHistory } from "../harness/chat.mjs";
import { run } from "../harness/child.mjs";
import { ledgerSender } from "../harness/ledger.mjs";
import { PASSWORD, Postgresql } from "../harness/postgresql.mjs";
import { binary, CHANNEL, Server } from "../harness/server.mjs";
import { scene } from "../harness/scene.mjs";
import { until } from "../harness/wait.mjs";

/** From the moment that what was killed is there again. */
const BACK_MS = 20_000;
/** How long it may take until a send that is on its way is refused. */
const REFUSED_MS = 30_000;
/** Acknowledged in each act. */
const ACT = 200;

/** @param {Server} server */
async function readiness(server) {
  const answer = await fetch(`${server.url}/readyz`);
  return `${answer.status} ${(await answer.text()).trim()}`;
}

scene("the chat log in PostgreSQL outlives a killed database and a killed server, to the last acknowledged message", async (scene) => {
  const database = await Postgresql.start(scene);
  const server = await Server.start(scene, { sendRate: "unlimited", shownPerSecond: 0, logLevel: "debug", extra: database.config });
  const speaker = await fan(scene, server, { name: "ledger", channel: server.roomChannel });
  const ledger = ledgerSender(speaker.client, server.chatChannel);
  scene.after(() => ledger.stop());
  await until("messages are acknowledged", BACK_MS, () => ledger.acknowledged.size >= ACT);
  assert.equal(await readiness(server), "200 ready");

  await database.kill();
  const probe = await fan(scene, server, { name: "probe" });
  await until("a send is refused", REFUSED_MS, () =>
    send(probe.client, server.chatChannel, { id: "probe", text: "probe" }).then(() => false, (error) => {
      assert.equal(error.code, 100, `refused with the protocol's temporary internal error: ${JSON.stringify(error)}`);
      return true;
    }));
  // Also where a commit was under way, of which nobody knows yet whether it was done.
  assert.equal(await readiness(server), "200 ready, but the chat log cannot be written: messages are refused until it can");

  await database.run();
  const refused = ledger.acknowledged.size;
  await until("chat is acknowledged again", BACK_MS, () => ledger.acknowledged.size >= refused + ACT);
  assert.equal(await readiness(server), "200 ready");
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /^fanwave_log_failures_total [1-9]/m);
  assert.match(metrics, /^fanwave_log_transaction_seconds_count [1-9]/m);

  await server.kill();
  await server.run();
  const again = ledger.acknowledged.size;
  await until("chat is acknowledged by the next server", BACK_MS, () => ledger.acknowledged.size >= again + ACT);
  await ledger.stop();

  const judge = await fan(scene, server, { name: "judge" });
  const kept = await wholeHistory(judge.subscription);
  const ids = kept.map((p) => p.data.id);
  assert.equal(new Set(ids).size, ids.length, "each message once");
  const offsets = new Map(kept.map((p) => [p.data.id, p.offset]));
  for (const [id, offset] of ledger.acknowledged) assert.equal(offsets.get(id), offset, `${id} is held under the offset that was acknowledged`);
  assert.deepEqual(kept.map((p) => p.offset), kept.map((_, at) => at + 1), "no hole and no repeat");

  // An operator works on the same log while the server runs.
  const fanwave = async (/** @type {string[]} */ ...args) => {
    const { code, stdout, stderr } = await run(binary(), ["log", ...args, "--config", server.configPath], { deadlineMs: 20_000 });
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const exported = (await fanwave("export", CHANNEL)).trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(exported.map((line) => line.id), ids, "the export is the history");
  const first = (await fanwave("search", CHANNEL, "LEDGER-0", "--by", speaker.user)).trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(first.map((line) => line.id), ["ledger-0"]);
  await fanwave("hold", CHANNEL);
  assert.match(await fanwave("holds"), new RegExp(`^${CHANNEL} since 20`));
  await fanwave("release", CHANNEL);
  assert.match(await fanwave("forget", speaker.user), /^\d+ messages are gone/);
  assert.ok(!(await fanwave("export", CHANNEL)).includes(speaker.user), "who was forgotten is in no export");

  assert.ok(!(await server.child.log()).includes(PASSWORD), "the password is in no log");
});
