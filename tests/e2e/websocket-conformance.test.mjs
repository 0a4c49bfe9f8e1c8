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
 * Each of the twelve sets of groups 12 and 13 has 18 cases of a thousand messages that differ in their size and in how they are cut: minutes
 * of work, for the judge more than for the server. `make test` plays these of each, `make conformance` all.
 */
const SIZES = process.env.CASES === "all" ? Array.from({ length: 18 }, (_, index) => index + 1) : [1, 5, 8, 11, 16];

/** @param {number} group @param {number} sets */
const compression = (group, sets) => Array.from({ length: sets }, (_, set) => SIZES.map((size) => `${group}.${set + 1}.${size}`)).flat();

/**
 * Groups, and how many cases they have; fewer would mean that the judge did not look. A judge is one thread, and most of
 * the work is its own: two of them share it.
 */
const PARTS = [
  { name: "framing-and-half-of-compression", groups: ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", ...compression(12, 5)], cases: 247 + 54 + 5 * SIZES.length },
  { name: "the-other-half", groups: compression(13, 7), cases: 7 * SIZES.length },
];

/** Far more than all cases take. */
const JUDGE_MS = 600_000;

/** Cases at once: some wait for a time-out of the judge. */
const PARALLEL = "8";

/** @param {string} name */
function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run the tests with \`make test\` or \`make e2e\``);
  return value;
}

scene("what is asked of a WebSocket server, with and without compression, it does", async (scene) => {
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
