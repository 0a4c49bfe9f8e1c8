/** `fanwave load` beside servers, and what its report says of a stretch of time. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Child } from "./child.mjs";
import { binary } from "./server.mjs";

/**
 * @typedef {{ second: number, connected: number, lossless_p99_us: number, lossy_p99_us: number, connects: number, closes?: Record<string, number>, deliveries: number }} Row
 * @typedef {{ at_ms: number, fans: number, lost: number, nearly_all_back_ms?: number, all_back_ms?: number }} Fall
 */

/** A run of `fanwave load`, and where it is in it. */
export class Load {
  /** @type {(line: string, ofSecond: boolean) => void} */
  #tell;

  /**
   * @param {import("./scene.mjs").Scene} scene
   * @param {string} name
   * @param {string[]} args
   * @param {(line: string, ofSecond: boolean) => void} [tell] Who is shown its lines.
   */
  constructor(scene, name, args, tell = (line, ofSecond) => (ofSecond && this.second % 10 !== 0 ? undefined : console.log(line))) {
    this.#tell = tell;
    this.json = join(scene.artifacts, `${name}.json`);
    this.html = join(scene.artifacts, `${name}.html`);
    this.child = new Child(scene, name, binary(), ["load", ...args, "--json", this.json, "--html", this.html]);
    /** Seconds since the beginning of its ramp. */
    this.second = 0;
    /** Fans connected at the end of that second. */
    this.connected = 0;
    /** Messages that reached fans in it. */
    this.delivered = 0;
    /** @type {Set<() => void>} */
    this.watchers = new Set();
    const { stdout } = this.child.process;
    if (!stdout) throw new Error("the load has no output");
    createInterface({ input: stdout }).on("line", (line) => this.#read(line));
  }

  /** @param {string} line */
  #read(line) {
    const row = /^\s*(\d+) s\s+(\d+) connected.*?(\d+)\/s delivered/.exec(line);
    if (row) {
      this.second = Number(row[1]);
      this.connected = Number(row[2]);
      this.delivered = Number(row[3]);
    }
    this.#tell(line, row !== null);
    for (const watcher of this.watchers) watcher();
  }

  /**
   * Until something is true of it, or its end.
   *
   * @param {(load: Load) => boolean} holds
   */
  async until(holds) {
    /** @type {(() => void) | undefined} */
    let watcher;
    const held = new Promise((resolve) => {
      watcher = () => holds(this) && resolve(true);
      this.watchers.add(watcher);
      watcher();
    });
    const ended = this.child.exited.then(({ code }) => Promise.reject(new Error(`the load ended (${code}) too soon`)));
    try {
      await Promise.race([held, ended]);
    } finally {
      if (watcher) this.watchers.delete(watcher);
    }
  }

  /** Ends the sending: the accounts are settled, and the report is written. */
  end() {
    if (this.child.running) this.child.signal("SIGINT");
  }

  /** Until its end: the report. */
  async report() {
    const { code } = await this.child.exited;
    if (code !== 0 && code !== 1 && code !== 3) throw new Error(`the load ended with ${code}: ${await this.child.log()}`);
    return JSON.parse(await readFile(this.json, "utf8"));
  }
}

/**
 * The worst second's p99 and the median of the seconds' p99s in a lane, milliseconds.
 *
 * @param {Row[]} rows
 * @param {"lossless" | "lossy"} lane
 * @param {number} from Second.
 * @param {number} to
 */
export function laneP99(rows, lane, from, to) {
  const within = rows.filter(({ second }) => second > from && second <= to);
  const seen = within.map((row) => row[`${lane}_p99_us`] / 1_000).filter((p99) => p99 > 0);
  seen.sort((a, b) => a - b);
  return { median: seen[Math.floor(seen.length / 2)] ?? NaN, worst: seen.at(-1) ?? NaN };
}
