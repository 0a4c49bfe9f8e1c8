/**
 * The crowd of fans (bench/rig): a process of its own on a core of its own, told what to do by lines of JSON. What it can be
 * told, and what it answers, is in bench/rig/src/crowd/command.rs.
 */

import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { within } from "../../tests/harness/wait.mjs";

/** The core of everything that is not the server. */
const CROWD_CORE = 1;

const RIG = fileURLToPath(new URL("../rig/target/release/", import.meta.url));

/** @param {"crowd" | "floor"} program */
export function rig(program) {
  return join(RIG, program);
}

/**
 * @typedef {object} Latency Milliseconds.
 * @property {number} p50
 * @property {number} p90
 * @property {number} p99
 * @property {number} p999
 * @property {number} most
 */

/**
 * @typedef {object} Cost
 * @property {number} server_cpu_s
 * @property {number} server_wait_s
 * @property {number} crowd_cpu_s
 * @property {number} seconds
 * @property {number} resident_before
 * @property {number} resident_after
 */

/** @typedef {Cost & { came: number, ready: number, failed: Record<string, number> }} Connected */
/** @typedef {Cost & { ready: number, closed: Record<string, number> }} Others */
/** @typedef {{ dropped: number, back: number, failed: Record<string, number>, back_after: Latency, last_back_s: number, latency: Latency }} Returned */

/**
 * @typedef {Cost & {
 *   sent: number, refused: number, late_ms: number, readers: number, expected: number, received: number, steady_per_s: number,
 *   steady_share: number, per_cpu_s: number, out_of_order: number, duplicates: number, strangers: number, skipped: number,
 *   bytes_per_delivery: number, reads: number, closed: Record<string, number>, latency: Latency, returned: Returned | null,
 * }} Published
 */

/**
 * Crowds that run: none is left behind, also when a person stops the benchmark in the middle.
 *
 * @type {Set<import("node:child_process").ChildProcess>}
 */
const running = new Set();
process.once("exit", () => {
  for (const crowd of running) crowd.kill("SIGKILL");
});

/** Fans of one server. */
export class Crowd {
  /** @type {import("node:child_process").ChildProcessByStdio<import("node:stream").Writable, import("node:stream").Readable, import("node:stream").Readable>} */
  #process;
  /** @type {((line: string) => void)[]} */
  #waiting = [];
  /** @type {Promise<never>} */
  #ended;
  /** @type {() => Promise<void>} */
  #end;

  /**
   * @param {import("../../tests/harness/scene.mjs").Scene} scene
   * @param {import("./contestants.mjs").Running} server
   * @param {{ channel?: string, room?: number, ahead?: boolean }} [options] `ahead`: a small crowd that measures beside a large one
   *   must not wait for the core.
   */
  constructor(scene, server, options = {}) {
    const args = [
      "--cpu-list", `${CROWD_CORE}`, ...(options.ahead ? ["nice", "-n", "-5"] : []), rig("crowd"), "--server-pid", `${server.pid}`,
      ...server.crowd, "--room", `${options.room ?? 0}`, ...(options.channel ? ["--channel", options.channel] : []),
    ];
    this.#process = spawn("taskset", args, { stdio: ["pipe", "pipe", "pipe"] });
    const log = createWriteStream(join(scene.folder, `crowd-${server.name}-${options.room ?? 0}.log`), { flags: "a" });
    this.#process.stderr.pipe(log);
    createInterface({ input: this.#process.stdout }).on("line", (line) => this.#waiting.shift()?.(line));
    const gone = new Promise((resolve) => this.#process.once("close", resolve));
    this.#ended = gone.then((code) => Promise.reject(new Error(`the crowd of ${server.name} ended (${code}): see ${log.path}`)));
    // Told to whoever waits for an answer.
    this.#ended.catch(() => {});
    running.add(this.#process);
    this.#end = async () => {
      this.#process.kill("SIGKILL");
      await gone;
      running.delete(this.#process);
    };
    scene.after(() => this.#end());
  }

  /** All its fans are gone. */
  async end() {
    await this.#end();
  }

  /**
   * @param {object} command
   * @param {number} deadlineS
   * @returns {Promise<any>}
   */
  async #ask(command, deadlineS) {
    const answer = new Promise((resolve) => this.#waiting.push(resolve));
    this.#process.stdin.write(`${JSON.stringify(command)}\n`);
    const line = await within(`the crowd does ${JSON.stringify(command)}`, deadlineS * 1_000, Promise.race([answer, this.#ended]));
    return JSON.parse(line);
  }

  /**
   * So many more fans come; fails unless all are in.
   *
   * @param {number} count
   * @param {{ inFlight?: number, onlyUpgrade?: boolean, receiveBytes?: number }} [options]
   * @returns {Promise<Connected>}
   */
  async connect(count, { inFlight = 256, onlyUpgrade = false, receiveBytes } = {}) {
    const command = { do: "connect", count, in_flight: inFlight, only_upgrade: onlyUpgrade, receive_bytes: receiveBytes, deadline_s: 60 };
    const connected = await this.#ask(command, 70);
    if (connected.came < count) throw new Error(`only ${connected.came} fans came in: ${JSON.stringify(connected)}`);
    return connected;
  }

  /**
   * @param {{ perSecond: number, count: number, graceS?: number, bytes?: number, drop?: number }} options
   * @returns {Promise<Published>}
   */
  async publish({ perSecond, count, graceS = PATIENCE_S, bytes = MESSAGE_BYTES, drop = 0 }) {
    const command = { do: "publish", per_second: perSecond, count, bytes, grace_s: graceS, drop };
    return this.#ask(command, count / perSecond + graceS + 20);
  }

  /** @param {number} seconds @returns {Promise<Others>} */
  async idle(seconds) {
    return this.#ask({ do: "idle", seconds }, seconds + 20);
  }

  /** @param {number} count @returns {Promise<Others>} */
  async stall(count) {
    return this.#ask({ do: "stall", count }, 20);
  }

  /** @param {number} seconds @returns {Promise<Others>} */
  async resume(seconds) {
    return this.#ask({ do: "resume", seconds }, seconds + 20);
  }
}

/** How long a phase waits for what is still on its way; one that has everything ends at once. */
export const PATIENCE_S = 10;

/** The size of every message that is compared. */
export const MESSAGE_BYTES = 200;
