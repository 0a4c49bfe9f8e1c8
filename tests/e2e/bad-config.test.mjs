/** A configuration with a mistake is never taken for another one: check-config says what is wrong, and on which line (B12). */

import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../harness/child.mjs";
import { scene } from "../harness/scene.mjs";
import { binary } from "../harness/server.mjs";

const ANSWER_MS = 5_000;

/** Ruined files. Each is a process of its own. */
const RUINED = 150;

/** @param {...string} args */
const fanwave = (...args) => run(binary(), args, { deadlineMs: ANSWER_MS });

scene("B12: a secret that everybody can read is refused, with its line", async (scene) => {
  const [secret, config] = [join(scene.folder, "secret"), join(scene.folder, "fanwave.toml")];
  await writeFile(secret, "canary-secret-0123456789abcdef-0123456789");
  await writeFile(config, `[log]\nlevel = "info"\n\n[tokens]\nsecret_file = "${secret}"\n`);
  for (const mode of [0o644, 0o640, 0o604, 0o666]) {
    await chmod(secret, mode);
    const { code, stdout, stderr } = await fanwave("check-config", config);
    assert.equal(code, 2, mode.toString(8));
    assert.match(stderr, /5/, "the line");
    assert.match(stderr, /tokens\.secret_file/);
    assert.ok(!`${stdout}${stderr}`.includes("canary-secret"));
  }
  await chmod(secret, 0o600);
  const { code, stderr } = await fanwave("check-config", config);
  assert.equal(code, 0, stderr);
});

scene("B12: whatever a file holds, it is taken or the place of the mistake is named", async (scene) => {
  const { stdout: reference } = await fanwave("config-reference");
  const config = join(scene.folder, "fanwave.toml");
  const random = generator(20_261_128);
  const pick = (/** @type {number} */ below) => Math.floor(random() * below);
  const outcomes = { taken: 0, refused: 0 };
  for (let round = 0; round < RUINED; round += 1) {
    // Keys in use: every second line that sets one is uncommented, some are then ruined.
    const lines = reference.split("\n").filter((line) => /^#? ?[a-z_]+ = |^\[/.test(line)).map((line) => line.replace(/^# ?/, ""));
    for (let ruin = pick(3); ruin >= 0; ruin -= 1) {
      const at = pick(lines.length);
      const line = lines[at] ?? "";
      const ruins = [
        line.replace("=", ""), line.replace(/= .*/, "= -1"), line.replace(/= .*/, `= "${"x".repeat(pick(5_000))}"`), line.replace(/= .*/, "= [[[["),
        line.replace(/= .*/, "= 99999999999999999999"), line.replace(/^([a-z])/, "$1q"), line.replace(/= .*/, '= "\\u0000"'), `${line}\n${line}`,
        String.fromCharCode(pick(0xd000)).repeat(3), line.slice(0, pick(line.length + 1)), "[".repeat(1_000), line.replace(/= .*/, "= 1979-05-27"),
      ];
      lines[at] = ruins[pick(ruins.length)] ?? "";
    }
    await writeFile(config, lines.join("\n"));
    const { code, stderr } = await fanwave("check-config", config);
    assert.ok(code === 0 || code === 2, `round ${round}: code ${code}: ${stderr}`);
    if (code === 2) assert.match(stderr, /fanwave\.toml:\d+|line \d+/, `round ${round}`);
    outcomes[code === 0 ? "taken" : "refused"] += 1;
  }
  assert.ok(outcomes.refused > RUINED / 3, JSON.stringify(outcomes));
});

/**
 * Numbers from 0 to 1, the same for the same seed (mulberry32).
 *
 * @param {number} seed
 */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
