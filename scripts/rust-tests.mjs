#!/usr/bin/env node
/**
 * Every Rust test of the workspace. `cargo test` runs one test program after the other; most of their time passes while they wait
 * for a broker, a database or a deadline, so two run at a time here, and each says what it says once it has ended.
 */

import { spawn, spawnSync } from "node:child_process";
import { cpus } from "node:os";
import { dirname, relative } from "node:path";
import { createInterface } from "node:readline";

const AT_ONCE = 2;
/** The longest begin first: none of them is left over for the end. */
const LONGEST = ["fanwave_bus", "fanwave_origin", "fanwave_store", "broken_servers", "two_servers", "load_servers"];

/** @typedef {{ name: string, title: string, folder: string, path: string }} Program */

/**
 * Builds the test programs, and answers which they are.
 *
 * @returns {Promise<Program[]>}
 */
async function build() {
  const cargo = spawn("cargo", ["test", "--workspace", "--locked", "--no-run", "--message-format=json-render-diagnostics"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => cargo.once("close", resolve));
  const programs = [];
  for await (const line of createInterface({ input: cargo.stdout })) {
    const said = JSON.parse(line);
    if (said.reason !== "compiler-artifact" || !said.profile.test || said.executable === null) continue;
    const folder = dirname(said.manifest_path);
    programs.push({ name: said.target.name, title: relative(process.cwd(), said.target.src_path), folder, path: said.executable });
  }
  if ((await ended) !== 0) process.exit(1);
  const place = (/** @type {Program} */ { name }) => (LONGEST.includes(name) ? LONGEST.indexOf(name) : LONGEST.length);
  return programs.sort((one, other) => place(one) - place(other));
}

/** Lines of a failure that are told once more at the end. */
const FAILURE_LINES_MAX = 60;

/**
 * Runs one, in the folder in which cargo would.
 *
 * @param {Program} program
 * @returns {Promise<string | null>} what its failed tests have said, or null when all have passed
 */
async function play({ title, folder, path }) {
  const began = performance.now();
  // Most of its tests wait, too.
  const env = { ...process.env, CARGO_MANIFEST_DIR: folder, RUST_TEST_THREADS: String(cpus().length + 1) };
  const child = spawn(path, [], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  /** @type {Buffer[]} */
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece) => said.push(piece));
  const [code, signal] = await new Promise((resolve) => child.once("close", (...end) => resolve(end)));
  const text = Buffer.concat(said).toString();
  process.stdout.write(`\n     Running ${title}: ${((performance.now() - began) / 1000).toFixed(1)} s\n${text}`);
  if (code === 0) return null;
  const failures = text.slice(Math.max(0, text.indexOf("\nfailures:\n"))).trim().split("\n").slice(0, FAILURE_LINES_MAX);
  return `${title} failed (${signal ?? `exit ${code}`})\n${failures.join("\n")}`;
}

const waiting = await build();
if (waiting.length === 0) throw new Error("cargo has built no test program");
/** @type {string[]} */
const failed = [];
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (let program = waiting.shift(); program !== undefined; program = waiting.shift()) {
    const failure = await play(program);
    if (failure !== null) failed.push(failure);
  }
}));
const examples = spawnSync("cargo", ["test", "--workspace", "--locked", "--doc"], { stdio: "inherit" });
if (examples.status !== 0) failed.push("the examples in the documentation");
for (const failure of failed) console.log(`\nfailed: ${failure}`);
process.exitCode = failed.length === 0 ? 0 : 1;
