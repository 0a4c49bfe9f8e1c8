/** What an operator types: help, the reference of keys, and a check that names the line and the nearest name. */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../harness/child.mjs";
import { scene } from "../harness/scene.mjs";
import { binary } from "../harness/server.mjs";

const ANSWER_MS = 5_000;

/** @param {...string} args */
const fanwave = (...args) => run(binary(), args, { deadlineMs: ANSWER_MS });

scene("--help names every command", async () => {
  const { code, stdout } = await fanwave("--help");
  assert.equal(code, 0);
  for (const command of ["serve", "check-config", "config-reference", "openapi", "token"]) assert.match(stdout, new RegExp(`\\b${command}\\b`));
});

scene("check-config takes what config-reference prints", async (scene) => {
  const reference = await fanwave("config-reference");
  assert.equal(reference.code, 0);
  const file = join(scene.folder, "reference.toml");
  await writeFile(file, reference.stdout);
  const checked = await fanwave("check-config", file);
  assert.equal(checked.code, 0, checked.stderr);
});

scene("check-config names the line of an unknown key, and the nearest key there is", async (scene) => {
  const file = join(scene.folder, "bad.toml");
  await writeFile(file, '# One letter is missing below.\n[http]\nlistn = "127.0.0.1:8080"\n');
  const { code, stderr } = await fanwave("check-config", file);
  assert.notEqual(code, 0);
  assert.match(stderr, /bad\.toml:3:/);
  assert.match(stderr, /listn/);
  assert.match(stderr, /did you mean `listen`/);
});

scene("check-config names the line of a value that makes no sense, of a wrong kind, and of broken syntax", async (scene) => {
  const file = join(scene.folder, "bad.toml");
  for (const [text, line] of /** @type {[string, number][]} */ ([
    ['[http]\nlisten = "nowhere"\n', 2],
    ["[http]\nlisten = 8080\n", 2],
    ['[http]\n\nlisten = "127.0.0.1:8080\n', 3],
  ])) {
    await writeFile(file, text);
    const { code, stderr } = await fanwave("check-config", file);
    assert.notEqual(code, 0, text);
    assert.match(stderr, new RegExp(`bad\\.toml:${line}:`), text);
  }
});

scene("a server with a bad configuration does not start, and says why", async (scene) => {
  const file = join(scene.folder, "bad.toml");
  await writeFile(file, "[htpt]\n");
  const { code, stderr } = await fanwave("serve", "--config", file);
  assert.notEqual(code, 0);
  assert.match(stderr, /did you mean `http`/);
});

scene("a file that is not there is named", async (scene) => {
  const { code, stderr } = await fanwave("check-config", join(scene.folder, "none.toml"));
  assert.notEqual(code, 0);
  assert.match(stderr, /none\.toml/);
});
