/** Nodes that share their rooms through a broker, each a process with ports of its own on this machine. */

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Child } from "./child.mjs";
import { freePorts } from "./scene.mjs";
import { binary } from "./server.mjs";
import { Hopeless, until } from "./wait.mjs";

/** A loaded machine takes its time to start seven processes. */
const READY_MS = 60_000;

/** How long a node may take to answer a request on a machine that has other things to do. */
const ANSWER_MS = 30_000;

/** Signs the tokens of a run on this machine's loopback; it protects nothing. */
export const SECRET = "known-to-everybody-who-reads-the-benchmark";

/** Of a process's descriptors some are its own: a node that takes more fans than this would let them wait at its door in vain. */
export const FANS_PER_NODE_MAX = 19_000;

/** The room that everybody is in. */
export const ROOM = "arena";

/** One node. It can be killed, stopped and started again in the same place. */
export class Node {
  /** @type {Child[]} */
  #children = [];

  /**
   * @param {import("./scene.mjs").Scene} scene
   * @param {string} name
   * @param {{ http: number, rtmp: number, chat: number }} ports
   */
  constructor(scene, name, ports) {
    this.scene = scene;
    this.name = name;
    this.ports = ports;
    this.address = `127.0.0.1:${ports.chat}`;
    this.url = `http://127.0.0.1:${ports.http}`;
    this.config = join(scene.folder, `${name}.toml`);
    this.dataFolder = join(scene.folder, name);
    /** The program; another release for a test of two. */
    this.binary = binary();
    /** What its program is told first. @type {string[]} */
    this.args = [];
    /** @type {Record<string, string>} */
    this.env = {};
  }

  /** Starts it and waits until it is ready. */
  async start() {
    const child = new Child(this.scene, `${this.name}-${this.#children.length + 1}`, this.binary, [...this.args, "serve", "--config", this.config], { env: this.env });
    this.#children.push(child);
    await until(`${this.name} is ready`, READY_MS, async () => {
      if (!child.running) throw new Hopeless(`${this.name} ended: ${await child.log()}`);
      const ready = await fetch(`${this.url}/readyz`).catch(() => undefined);
      return ready?.ok === true;
    });
  }

  /** The process that runs now, or ran last. */
  get child() {
    const child = this.#children.at(-1);
    if (!child) throw new Error(`${this.name} was never started`);
    return child;
  }

  get pid() {
    return this.child.pid;
  }

  /** Without a warning. */
  async kill() {
    await this.#children.at(-1)?.kill();
  }

  /** It does nothing any more, but its connections stay open. */
  pause() {
    this.child.signal("SIGSTOP");
  }

  resume() {
    this.child.signal("SIGCONT");
  }

  /** As an orchestrator does; whether it ended by itself and well. */
  async drain() {
    const { child } = this;
    child.signal("SIGTERM");
    const { code } = await child.exited;
    if (code !== 0) throw new Error(`${this.name} ended with ${code}`);
  }

  /** Resident memory, bytes. */
  async resident() {
    const status = await readFile(`/proc/${this.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  /** Whether it is ready, and in which words. */
  async readiness() {
    const answer = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS) });
    return { ready: answer.ok, words: (await answer.text()).trim() };
  }

  /**
   * A figure of its metrics, all labels together; `undefined` when it has none of that name.
   *
   * @param {string} name
   */
  async metric(name) {
    const answer = await fetch(`${this.url}/metrics`, { signal: AbortSignal.timeout(ANSWER_MS) });
    const text = await answer.text();
    const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+-]+)`, "gm"))].map((match) => Number(match[1]));
    return values.length > 0 ? values.reduce((sum, value) => sum + value, 0) : undefined;
  }

  /** What it has logged, in all its runs. */
  async log() {
    return (await Promise.all(this.#children.map((child) => child.log()))).join("");
  }
}

/**
 * Writes the nodes' configurations, which differ in their ports, and starts them one after the other.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {{ engine: string }} broker
 * @param {object} options
 * @param {number} options.count
 * @param {number} [options.rooms] So many more than the one: `arena-1` and so on.
 * @param {string} [options.drain] A section of the configuration.
 * @param {string} [options.gateway] More of the section `[gateway]`.
 * @param {string} [options.more] More of the configuration; it begins in the section `[chat]`.
 * @param {(index: number) => string | undefined} [options.engineOf] Of a node that finds the broker at another place.
 * @param {(index: number) => string | undefined} [options.binaryOf] Of a node that is another program.
 * @param {(index: number, program: string) => string[]} [options.argsOf] Arguments that come first, for a program that starts ours.
 * @param {(index: number) => Record<string, string>} [options.envOf]
 * @returns {Promise<{ nodes: Node[], secretFile: string }>}
 */
export async function startNodes(scene, broker, { count, rooms = 0, drain = "", gateway = "", more = "", engineOf, binaryOf, argsOf, envOf }) {
  const secretFile = join(scene.folder, "secret");
  await writeFile(secretFile, SECRET, { mode: 0o600 });
  const ids = [ROOM, ...Array.from({ length: rooms }, (_, index) => `${ROOM}-${index + 1}`)];
  const nodes = [];
  for (let number = 1; number <= count; number += 1) {
    const [http, rtmp, chat] = /** @type {[number, number, number]} */ (await freePorts(3));
    const node = new Node(scene, `node-${number}`, { http, rtmp, chat });
    node.args = argsOf?.(number - 1, node.binary) ?? [];
    node.binary = binaryOf?.(number - 1) ?? node.binary;
    node.env = envOf?.(number - 1) ?? {};
    await writeFile(node.config, `# Written by a test or a benchmark.
[http]
listen = "127.0.0.1:${http}"

[rtmp]
listen = "127.0.0.1:${rtmp}"

${ids.map((id) => `[[channels]]\nid = "${id}"\n`).join("\n")}
[gateway]
listen = ["127.0.0.1:${chat}"]
reactors = 1
${gateway}
[tokens]
secret_file = "${secretFile}"

[data]
dir = "${node.dataFolder}"

${engineOf?.(number - 1) ?? broker.engine}
${drain}
[chat]
connections_max = ${FANS_PER_NODE_MAX}
refill = "0s"

${more}
`);
    await node.start();
    nodes.push(node);
  }
  return { nodes, secretFile };
}
