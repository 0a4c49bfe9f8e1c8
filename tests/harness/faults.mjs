/**
 * What the tests of faults have in common: a crowd in many rooms with an account of every message, kept by `fanwave load`, while
 * something breaks; and the judgement of that account.
 *
 * FANWAVE_FAULTS=long plays everything as large and as long as docs/faults.md says; otherwise the same scripts are short.
 */

import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Load } from "./load.mjs";
import { ROOM, startNodes } from "./nodes.mjs";
import { artifactsFolder, inScene, slug } from "./scene.mjs";
import { until, within } from "./wait.mjs";

/** Whether this is the long form. */
export const LONG = process.env.FANWAVE_FAULTS === "long";

/**
 * The one of two values that belongs to the form that is played.
 *
 * @template T
 * @param {{ short: T, long: T }} values
 * @returns {T}
 */
export const inForm = ({ short, long }) => (LONG ? long : short);

/** Fans, rooms, and messages a second into each room, all in the lossless lane: every one is owed to every fan of its room. */
export const CROWD = inForm({ short: { fans: 300, rooms: 12, rate: 2 }, long: { fans: 5_000, rooms: 200, rate: 2.5 } });

/** A run ends when a test says so; this only ends one that was forgotten. */
const RUN_MAX = "15m";
const RUN_MAX_MS = 900_000;

/** How long a run may take to settle its accounts and write its report: 20 s for stragglers, 10 s for answers. */
const REPORT_MS = 60_000;

/** How long the crowd may take to come. */
const RAMP_MS = 60_000;

/** How long anybody may take to do what takes a moment on an idle machine. */
export const PATIENCE_MS = 30_000;

/**
 * Declares the test of a fault. What it returns is what was measured: one line on the screen, one in artifacts/faults.json.
 *
 * @param {string} fault Its name in docs/faults.md: `F1`.
 * @param {string} title
 * @param {(scene: import("./scene.mjs").Scene) => Promise<Record<string, unknown>>} play
 */
export function fault(fault, title, play) {
  test(`${fault}: ${title}`, async () => {
    const began = performance.now();
    const measured = await inScene(`${fault} ${title}`, play);
    const row = { fault, title, form: LONG ? "long" : "short", took_s: Math.round((performance.now() - began) / 100) / 10, ...measured };
    const figures = Object.entries(measured).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`);
    console.log(`${fault}  ${title}: ${figures.join(", ")} (${row.took_s} s)`);
    // One line a test; scripts/test-faults makes one file of them.
    appendFileSync(join(artifactsFolder(), "faults.jsonl"), `${JSON.stringify(row)}\n`);
  });
}

/**
 * Nodes with all rooms of the crowd.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {{ engine: string }} broker
 * @param {Parameters<typeof startNodes>[2]} options
 */
export const startRooms = (scene, broker, options) => startNodes(scene, broker, { rooms: CROWD.rooms, ...options });

/** The crowd, and where its account stands. */
export class Crowd {
  /**
   * Sends the crowd to these nodes, and waits until all are there and messages go.
   *
   * @param {import("./scene.mjs").Scene} scene
   * @param {import("./nodes.mjs").Node[]} nodes
   * @param {string} secretFile
   * @param {{ fans?: number, rooms?: number, rate?: number, chatRate?: number, args?: string[], connectRate?: number }} [options]
   */
  static async arrive(scene, nodes, secretFile, options = {}) {
    const { fans, rooms, rate } = { ...CROWD, ...options };
    const load = new Load(scene, `${slug(scene.name)}-load`, [
      nodes.map(({ address }) => address).join(","), "--secret-file", secretFile, "--room", ROOM, "--rooms-numbered", `${rooms}`, "--fans", `${fans}`,
      "--connect-rate", `${options.connectRate ?? 1_000}`, "--room-rate", `${rate}`, "--chat-rate", `${options.chatRate ?? 0}`,
      ...(options.args?.includes("--duration") ? [] : ["--duration", RUN_MAX]), ...(options.args ?? []),
    ], () => {});
    await within("the crowd is there", RAMP_MS, load.until(({ connected }) => connected >= fans));
    // One second in which messages go.
    const came = load.second;
    await within("messages go", RAMP_MS, load.until(({ second, delivered }) => second > came && delivered > 0));
    return new Crowd(load, nodes, { fans, rate });
  }

  /**
   * @param {Load} load
   * @param {import("./nodes.mjs").Node[]} nodes
   * @param {{ fans: number, rate: number }} size
   */
  constructor(load, nodes, { fans, rate }) {
    this.load = load;
    this.nodes = nodes;
    this.fans = fans;
    /** Deliveries in a usual second: every fan hears its room. */
    this.usual = fans * rate;
  }

  /**
   * Lets so many seconds of the run go by, as the load itself counts them: the fault lasts for so long.
   *
   * @param {number} seconds
   */
  async goOn(seconds) {
    const from = this.load.second;
    await within(`${seconds} s of the run`, seconds * 1_000 + PATIENCE_MS, this.load.until(({ second }) => second >= from + seconds));
  }

  /** Until so many fans are connected: all of them, unless it is said otherwise. */
  async allBack(share = 1) {
    await within("the fans are back", 2 * RAMP_MS, this.load.until(({ connected }) => connected >= this.fans * share));
  }

  /** Until as much is delivered in a second as when nothing is wrong. */
  async flowsAgain() {
    const from = this.load.second;
    await within("messages flow again", RAMP_MS, this.load.until(({ second, delivered }) => second > from && delivered >= 0.9 * this.usual));
  }

  /**
   * Ends the run, unless it ends by itself, and judges what must be true of every run: the account, and the logs of all nodes.
   *
   * @param {{ early?: boolean }} [options]
   */
  async clean({ early = true } = {}) {
    if (early) {
      await this.allBack();
      this.load.end();
    }
    const report = await within("the load settles and reports", early ? REPORT_MS : RUN_MAX_MS, this.load.report());
    const { sent, accepted, refused, unanswered, missing, duplicates, reorders } = report.lossless;
    const account = { sent, accepted, refused: Object.values(/** @type {Record<string, number>} */ (refused)).reduce((sum, count) => sum + count, 0), unanswered };
    assert.ok(accepted > 0, "something was acknowledged");
    assert.deepEqual({ missing, duplicates, reorders, strays: report.strays }, { missing: 0, duplicates: 0, reorders: 0, strays: 0 }, JSON.stringify(account));
    assert.equal(accepted + account.refused + unanswered, sent, "every send is acknowledged, refused, or told as unknown");
    assert.equal(report.returns.away, 0, "everybody is there at the end");
    for (const node of this.nodes) await assertNoPanic(node);
    return { report, account: { ...account, owed: report.lossless.expected, recovered: report.lossless.recovered } };
  }
}

/** @param {import("./nodes.mjs").Node} node */
export async function assertNoPanic(node) {
  const log = await node.log();
  const panic = /panicked at[^\n]*|broke one of its invariants[^\n]*/.exec(log);
  assert.equal(panic, null, `${node.name}: ${panic?.[0]}`);
}

/**
 * Falls of the crowd that began between two seconds of the run.
 *
 * @param {{ returns: { falls: import("./load.mjs").Fall[] } }} report
 * @param {number} from
 * @param {number} [to]
 */
export function fallsBetween(report, from, to = Infinity) {
  return report.returns.falls.filter(({ at_ms }) => at_ms / 1_000 >= from - 2 && at_ms / 1_000 < to);
}

/**
 * Rows of the run from one second to another.
 *
 * @param {{ seconds: import("./load.mjs").Row[] }} report
 * @param {number} from
 * @param {number} [to]
 */
export function rowsBetween(report, from, to = Infinity) {
  return report.seconds.filter(({ second }) => second > from && second <= to);
}

/**
 * How often connections ended with a code in these rows.
 *
 * @param {import("./load.mjs").Row[]} rows
 * @param {number} code
 */
export const closesWith = (rows, code) => rows.reduce((sum, row) => sum + (row.closes?.[code] ?? 0), 0);

/**
 * Until a node says in `/readyz` what is expected; it has to be ready all the time.
 *
 * @param {import("./nodes.mjs").Node} node
 * @param {RegExp} words
 * @param {number} deadlineMs
 */
export async function readyAndSays(node, words, deadlineMs) {
  return until(`${node.name} is ready and says ${words}`, deadlineMs, async () => {
    const readiness = await node.readiness();
    assert.ok(readiness.ready, `${node.name} stays ready: ${readiness.words}`);
    return words.test(readiness.words);
  });
}
