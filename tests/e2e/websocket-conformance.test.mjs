/**
 * The Autobahn cases for RFC 6455 and RFC 7692, run by `kosoku` from PyPI against our own frame codec and our own reactor. The cases
 * judge by what comes back, so the handler behind them repeats every message; nothing below the handler is different
 * from the server that fans connect to.
 *
 * Groups 1 to 7, 9, 10, 12 and 13. Group 9 sends messages of up to 16 MiB, which no chat should take and the echo alone
 * does; groups 12 and 13 are about compression. No case is counted that the judge did not pass.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { Child, run } from "../harness/child.mjs";
import { freePorts, scene } from "../harness/scene.mjs";
import { Hopeless, until } from "../harness/wait.mjs";
import { connect } from "node:net";

/**
 * Groups, and how many cases they have; fewer would mean that the judge did not look. A judge is one thread, and most of
 * the work is its own: two of them share it.
 */
const PARTS = [
  { name: "framing-and-half-of-compression", groups: ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.*"], cases: 247 + 54 + 90 },
  { name: "the-other-half", groups: ["13.*"], cases: 126 },
];

/** Groups 12 and 13 are a quarter of a million messages: minutes of work, for the judge more than for the server. */
const JUDGE_MS = 600_000;

/** Cases at once: some wait for a time-out of the judge. */
const PARALLEL = "8";

/** @param {string} name */
function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run the tests with \`make test\` or \`make e2e\``);
  return value;
}

scene("every case of groups 1 to 7, 9, 10, 12 and 13 passes", async (scene) => {
  const [port] = /** @type {[number]} */ (await freePorts(1));
  const echo = new Child(scene, "echo", setting("FANWAVE_ECHO_BINARY"), [`127.0.0.1:${port}`]);
  await until("the echo server takes connections", 10_000, async () => {
    if (!echo.running) throw new Hopeless(`the echo server ended: ${await echo.log()}`);
    return new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
  });
  await Promise.all(PARTS.map(async ({ name, groups, cases }) => {
    const report = join(scene.artifacts, `kosoku-${name}`);
    const judged = await run(
      setting("KOSOKU"),
      ["--mode", "fuzzingclient", "--parallelism", PARALLEL, "--outdir", report, ...groups.flatMap((group) => ["--include", group]),
        `ws://127.0.0.1:${port}/connection/websocket`],
      { deadlineMs: JUDGE_MS },
    );
    assert.equal(judged.code, 0, `${judged.stdout}\n${judged.stderr}\nThe report is in ${report}.`);
    assert.match(judged.stdout, new RegExp(`^${cases} cases passed$`, "m"));
  }));
});
