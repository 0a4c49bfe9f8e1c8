/**
 * A chat log that is sealed with keys of people: an operator keeps a backup of the log, somebody is forgotten, and the backup
 * is brought back beside the keys of that day. It has everybody else, and nobody finds the one who was forgotten: not through
 * any part of the product, and not in the bytes of any file.
 */

import assert from "node:assert/strict";
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { joinAs } from "../harness/member.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";

const KEY = "canary-api-key-9d02f1b6";
const FAN = "canary-fan-52";
const WORDS = "canary-words-52";
const ASKED_MS = 20_000;

/** @param {Server} server @param {string} method @param {string} path @param {object} [body] */
async function ask(server, method, path, body) {
  const answer = await fetch(`${server.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(ASKED_MS),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text;
}

/** All that the product tells of a room. @param {Server} server */
async function told(server) {
  const lanes = ["chat", "room"].flatMap((lane) => [`/log?lane=${lane}`, `/messages?lane=${lane}`, `/log/export?lane=${lane}`]);
  const paths = [...lanes, "/log/search?text=words", `/log/search?user=${FAN}`, "/audit"];
  return (await Promise.all(paths.map((path) => ask(server, "GET", `/channels/${CHANNEL}${path}`)))).join("\n");
}

/** Which files of a folder have this in them. @param {string} folder @param {string} needle */
async function filesWith(folder, needle) {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const has = await Promise.all(paths.map(async (path) => (await readFile(path)).includes(needle)));
  return paths.filter((_, at) => has[at]).map((path) => path.slice(folder.length + 1));
}

scene("whoever is forgotten is in no backup of a log that is sealed with keys of people", async (scene) => {
  const keys = join(scene.folder, "api-keys");
  await writeFile(keys, `desk publish,moderate,read,tokens,log ${KEY}\n`, { mode: 0o600 });
  const extra = `[store]\nperson_keys = "on"\n[api]\nkeys_file = "${keys}"\n`;
  const server = await Server.start(scene, { sendRate: "unlimited", shownPerSecond: 0, extra });
  const join_ = async (/** @type {string} */ user) => {
    const { token } = JSON.parse(await ask(server, "POST", "/tokens", { user, name: `${user}-name` }));
    return joinAs(scene, server, user, token);
  };
  const fan = await join_(FAN);
  const minji = await join_("minji");
  const said = await fan.say("f1", `${WORDS} of a fan`);
  await minji.say("m1", "other words");
  await ask(server, "POST", `/channels/${CHANNEL}/pins`, { text: `${WORDS} of a fan`, offset: said.offset });
  await ask(server, "POST", `/channels/${CHANNEL}/users/${FAN}/mute`, { seconds: 600 });
  for (const needle of [FAN, WORDS, "minji", "other words"]) assert.ok((await told(server)).includes(needle), needle);
  fan.client.disconnect();
  minji.client.disconnect();
  await server.stop();

  const backup = join(scene.folder, "backup");
  await mkdir(backup);
  await copyFile(join(server.dataFolder, "fanwave.db"), join(backup, "fanwave.db"));
  for (const needle of [FAN, WORDS, "minji", "other words"]) assert.deepEqual(await filesWith(backup, needle), [], needle);
  assert.deepEqual(await filesWith(server.dataFolder, FAN), ["fanwave-keys.db"], "the test finds what it looks for");

  await server.run();
  assert.ok((await told(server)).includes(WORDS));
  const forgotten = JSON.parse(await ask(server, "POST", `/users/${FAN}/forget`));
  assert.ok(forgotten.messages > 0 && forgotten.held === 0, JSON.stringify(forgotten));
  await server.stop();
  for (const needle of [FAN, WORDS]) assert.deepEqual(await filesWith(server.dataFolder, needle), [], needle);

  // The disk fails, and the operator has a backup.
  for (const name of ["fanwave.db", "fanwave.db-wal", "fanwave.db-shm"]) await rm(join(server.dataFolder, name), { force: true });
  await copyFile(join(backup, "fanwave.db"), join(server.dataFolder, "fanwave.db"));
  await server.run();
  const all = await told(server);
  for (const needle of [FAN, WORDS]) assert.ok(!all.includes(needle), needle);
  for (const needle of ["minji", "other words"]) assert.ok(all.includes(needle), needle);
  const back = await join_("minji");
  await back.say("m2", "and the room goes on");
  assert.ok((await told(server)).includes("and the room goes on"));
  assert.ok(!(await server.child.log()).includes(FAN));
});
