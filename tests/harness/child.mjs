/**
 * Child processes: each is owned by one scene, writes its output into a log file of that scene, and is ended by its own
 * process id. A child that outlives its scene is a bug in the test, so taking it down is part of starting it.
 */

import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { within } from "./wait.mjs";

/** How long a child may take to go away after SIGKILL before the machine, not the test, is in trouble. */
const KILL_MS = 5_000;

/**
 * @typedef {object} Exit
 * @property {number | null} code
 * @property {NodeJS.Signals | null} signal
 */

/**
 * Processes of ours that run. Nobody may be left behind, also when a person stops the run in the middle.
 *
 * @type {Set<import("node:child_process").ChildProcess>}
 */
const running = new Set();

process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const [signal, status] of /** @type {const} */ ([["SIGINT", 130], ["SIGTERM", 143]])) {
  process.once(signal, () => process.exit(status));
}

/** A running child process, its log, and its end. */
export class Child {
  /**
   * @param {import("./scene.mjs").Scene} scene
   * @param {string} name Name of the log file, without its ending.
   * @param {string} command
   * @param {string[]} args
   * @param {{ env?: Record<string, string>, cwd?: string, stdin?: "ignore" | "pipe" }} [options]
   */
  constructor(scene, name, command, args, options = {}) {
    this.name = name;
    this.logPath = join(scene.folder, `${name}.log`);
    const log = createWriteStream(this.logPath, { flags: "a" });
    log.write(`$ ${command} ${args.join(" ")}\n`);
    this.process = spawn(command, args, {
      stdio: [options.stdin ?? "ignore", "pipe", "pipe"],
      cwd: options.cwd ?? scene.folder,
      env: { ...process.env, ...options.env },
    });
    const child = this.process;
    running.add(child);
    child.once("close", () => running.delete(child));
    const { stdout, stderr } = this.process;
    if (!stdout || !stderr) throw new Error(`${name} has no pipes`);
    stdout.pipe(log, { end: false });
    stderr.pipe(log, { end: false });
    /** @type {Promise<Exit>} Settles when the process is gone and its output is read. */
    this.exited = new Promise((resolve, reject) => {
      this.process.once("error", reject);
      this.process.once("close", (code, signal) => log.end(() => resolve({ code, signal })));
    });
    // A command that cannot be started is reported by whoever awaits `exited`, not by the whole test process.
    this.exited.catch(() => {});
    scene.after(() => this.kill());
  }

  /** @returns {number} */
  get pid() {
    if (this.process.pid === undefined) throw new Error(`${this.name} was not started`);
    return this.process.pid;
  }

  get running() {
    return this.process.pid !== undefined && this.process.exitCode === null && this.process.signalCode === null;
  }

  /** @param {NodeJS.Signals} name */
  signal(name) {
    process.kill(this.pid, name);
  }

  /** SIGKILL, and gone when this resolves. */
  async kill() {
    if (this.running) this.signal("SIGKILL");
    await within(`${this.name} is gone after SIGKILL`, KILL_MS, this.exited.catch(() => {}));
  }

  /** Everything written to both outputs so far. */
  async log() {
    return readFile(this.logPath, "utf8");
  }
}

/**
 * Runs a command to its end and gives back what it said.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ deadlineMs: number, env?: Record<string, string>, cwd?: string }} options
 * @returns {Promise<{ code: number | null, stdout: string, stderr: string }>}
 */
export async function run(command, args, options) {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  const done = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  try {
    const code = await within(`${command} ends`, options.deadlineMs, done);
    return { code, stdout, stderr };
  } finally {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  }
}
