/** A cluster on this machine: a broker, and nodes that share their rooms through it, each a process with ports of its own. */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { Child } from "../../tests/harness/child.mjs";
import { freePorts } from "../../tests/harness/scene.mjs";
import { binary } from "../../tests/harness/server.mjs";
import { Hopeless, until } from "../../tests/harness/wait.mjs";

/** A loaded machine takes its time to start seven processes. */
const READY_MS = 60_000;

/** Signs the tokens of a run on this machine's loopback; it protects nothing. */
const SECRET = "known-to-everybody-who-reads-the-benchmark";

/** Of a process's descriptors some are its own: a node that takes more fans than this would let them wait at its door in vain. */
export const FANS_PER_NODE_MAX = 19_000;

/** The room that everybody is in. */
export const ROOM = "arena";

/**
 * @typedef {object} Broker
 * @property {string} engine The nodes' configuration.
 * @property {Child} child
 * @property {() => Promise<Record<string, number>>} counters What the broker itself has counted.
 */

/**
 * Starts a Redis that stores every append before it is acknowledged.
 *
 * @param {import("../../tests/harness/scene.mjs").Scene} scene
 * @returns {Promise<Broker>}
 */
export async function startRedis(scene) {
  const [port] = /** @type {[number]} */ (await freePorts(1));
  const folder = join(scene.folder, "redis");
  await mkdir(folder, { recursive: true });
  const child = new Child(scene, "redis", "redis-server", [
    "--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes", "--appendfsync", "always", "--save", "",
  ]);
  await until("Redis listens", READY_MS, async () => {
    if (!child.running) throw new Hopeless(`Redis ended: ${await child.log()}`);
    return answers(port);
  });
  const engine = `[engine]\nkind = "redis"\n\n[redis]\nservers = ["redis://127.0.0.1:${port}"]\n`;
  return { engine, child, counters: () => redisInfo(port) };
}

/** @param {number} port @returns {Promise<Record<string, number>>} */
function redisInfo(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("INFO\r\nQUIT\r\n"));
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (data) => (text += data));
    socket.on("error", reject);
    socket.on("close", () => {
      const numbers = [...text.matchAll(/^(\w+):(\d+(?:\.\d+)?)\r?$/gm)].map(([, name, value]) => [name, Number(value)]);
      resolve(Object.fromEntries(numbers));
    });
  });
}

/** @param {number} port @returns {Promise<boolean>} */
function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** One node of the cluster. It can be killed, stopped and started again in the same place. */
export class Node {
  /** @type {Child | undefined} */
  #child;
  #starts = 0;

  /**
   * @param {import("../../tests/harness/scene.mjs").Scene} scene
   * @param {string} name
   * @param {{ http: number, rtmp: number, chat: number }} ports
   */
  constructor(scene, name, ports) {
    this.scene = scene;
    this.name = name;
    this.ports = ports;
    this.address = `127.0.0.1:${ports.chat}`;
    this.config = join(scene.folder, `${name}.toml`);
  }

  /** Starts it and waits until it is ready. */
  async start() {
    this.#starts += 1;
    const child = new Child(this.scene, `${this.name}-${this.#starts}`, binary(), ["serve", "--config", this.config]);
    this.#child = child;
    await until(`${this.name} is ready`, READY_MS, async () => {
      if (!child.running) throw new Hopeless(`${this.name} ended: ${await child.log()}`);
      const ready = await fetch(`http://127.0.0.1:${this.ports.http}/readyz`).catch(() => undefined);
      return ready?.ok === true;
    });
  }

  get pid() {
    if (!this.#child) throw new Error(`${this.name} was never started`);
    return this.#child.pid;
  }

  /** Without a warning. */
  async kill() {
    await this.#child?.kill();
  }

  /** As an orchestrator does; whether it ended by itself and well. */
  async drain() {
    if (!this.#child) throw new Error(`${this.name} was never started`);
    this.#child.process.kill("SIGTERM");
    const { code } = await this.#child.exited;
    if (code !== 0) throw new Error(`${this.name} ended with ${code}`);
  }

  /** Resident memory, bytes. */
  async resident() {
    const status = await readFile(`/proc/${this.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }
}

/**
 * Writes the nodes' configurations, which differ in their ports, and starts them one after the other.
 *
 * @param {import("../../tests/harness/scene.mjs").Scene} scene
 * @param {Broker} broker
 * @param {{ count: number, drain?: string, more?: string }} options
 * @returns {Promise<{ nodes: Node[], secretFile: string }>}
 */
export async function startNodes(scene, broker, { count, drain = "", more = "" }) {
  const secretFile = join(scene.folder, "secret");
  await writeFile(secretFile, SECRET, { mode: 0o600 });
  const nodes = [];
  for (let number = 1; number <= count; number += 1) {
    const [http, rtmp, chat] = /** @type {[number, number, number]} */ (await freePorts(3));
    const node = new Node(scene, `node-${number}`, { http, rtmp, chat });
    await writeFile(node.config, `# Written by a benchmark.
[http]
listen = "127.0.0.1:${http}"

[rtmp]
listen = "127.0.0.1:${rtmp}"

[[channels]]
id = "${ROOM}"
title = "The room that everybody is in"

[gateway]
listen = ["127.0.0.1:${chat}"]
reactors = 1

[tokens]
secret_file = "${secretFile}"

[data]
dir = "${join(scene.folder, node.name)}"

${broker.engine}
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
