/**
 * What servers share rooms through: a real Redis, NATS or Kafka each, a process of its own on a free port. It can be killed,
 * stopped for a while, and started again with what it had. Each stores a message before it says so, as far as it can.
 *
 * A *door* is a second way in, for one server of ours alone: what comes to the door's port is expected to reach its target, and
 * a test puts something in between (see `gate.mjs`).
 */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { Child, run } from "./child.mjs";
import { createTopics } from "./kafka-topics.mjs";
import { freePorts } from "./scene.mjs";
import { Hopeless, until } from "./wait.mjs";

/** A loaded machine takes its time to start a broker, and Java to start Kafka. */
export const BROKER_READY_MS = 60_000;

/** How long a program may take to tell about itself. */
const TELL_MS = 20_000;

/** Partitions of Kafka's topics; few, so that a run needs few connections. */
const KAFKA_PARTITIONS = 8;

/** Kafka's own name of this cluster: any 16 bytes in Base64 do. */
const KAFKA_CLUSTER = "ZmFud2F2ZS10ZXN0cy0wMQ";

/**
 * @typedef {object} Door
 * @property {number} port Where a server of ours is told to go.
 * @property {number} target Where the broker listens for it.
 */

/** @typedef {(broker: Broker) => Promise<boolean>} Probe Whether it can be used now. */

/** A broker that is or was running. */
export class Broker {
  /** @type {Child | undefined} */
  #child;
  #starts = 0;

  /**
   * @param {import("./scene.mjs").Scene} scene
   * @param {object} options
   * @param {"redis" | "nats" | "kafka"} options.kind
   * @param {number} options.port
   * @param {[string, string[]]} options.command
   * @param {(port: number) => string} options.engineBy A server's configuration, when it finds the broker at this port.
   * @param {(broker: Broker) => Promise<Record<string, number>>} options.counters
   * @param {Probe} options.ready
   * @param {Door[]} [options.doors]
   */
  constructor(scene, { kind, port, command, engineBy, counters, ready, doors = [] }) {
    this.scene = scene;
    this.kind = kind;
    this.port = port;
    this.command = command;
    this.engineBy = engineBy;
    this.doors = doors;
    /** The servers' configuration. */
    this.engine = engineBy(port);
    this.counted = counters;
    this.ready = ready;
  }

  /** The process that runs now. */
  get child() {
    if (!this.#child) throw new Error(`${this.kind} was not started`);
    return this.#child;
  }

  get pid() {
    return this.child.pid;
  }

  /** Starts it, for the first time or again with what it had, and waits until it can be used. */
  async start() {
    this.#starts += 1;
    const [command, args] = this.command;
    const child = new Child(this.scene, `${this.kind}-${this.port}-${this.#starts}`, command, args);
    this.#child = child;
    await until(`${this.kind} can be used`, BROKER_READY_MS, async () => {
      if (!child.running) throw new Hopeless(`${this.kind} ended: ${await child.log()}`);
      return this.ready(this);
    });
    return this;
  }

  /** As a power cut does to a process. */
  async kill() {
    await this.child.kill();
  }

  /** Killed, and started again with what it had. */
  async restart() {
    await this.kill();
    await this.start();
  }

  /** It does nothing any more, but its connections stay open. */
  pause() {
    this.child.signal("SIGSTOP");
  }

  resume() {
    this.child.signal("SIGCONT");
  }

  /**
   * What the broker itself has counted, and what the process took: `cpu_ms` and `resident_bytes`.
   *
   * @returns {Promise<Record<string, number>>}
   */
  async counters() {
    const [counted, stat, status] = await Promise.all([
      this.counted(this), readFile(`/proc/${this.pid}/stat`, "utf8"), readFile(`/proc/${this.pid}/status`, "utf8"),
    ]);
    // Behind the name in brackets; the kernel's ticks are hundredths of a second.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const resident = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
    return { ...counted, cpu_ms: (Number(fields[11]) + Number(fields[12])) * 10, resident_bytes: resident };
  }
}

/**
 * Ports for doors; the targets of all but Kafka's are the broker's one port.
 *
 * @param {number} count
 * @param {number} target
 * @returns {Promise<Door[]>}
 */
async function doorsTo(count, target) {
  return (await freePorts(count)).map((port) => ({ port, target }));
}

/**
 * Starts a Redis that syncs every append to the disk before it is acknowledged.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {{ doors?: number }} [options]
 * @returns {Promise<Broker>}
 */
export async function startRedis(scene, { doors = 0 } = {}) {
  const [port] = /** @type {[number]} */ (await freePorts(1));
  const folder = join(scene.folder, `redis-${port}`);
  await mkdir(folder, { recursive: true });
  return new Broker(scene, {
    kind: "redis",
    port,
    command: ["redis-server", ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes", "--appendfsync", "always", "--save", ""]],
    engineBy: (at) => `[engine]\nkind = "redis"\n\n[redis]\nservers = ["redis://127.0.0.1:${at}"]\n`,
    counters: async () => numbers(await askRedis(port, "INFO")),
    ready: async () => (await askRedis(port, "PING")).includes("PONG"),
    doors: await doorsTo(doors, port),
  }).start();
}

/**
 * Starts a NATS with JetStream on files, synced at every write where this release of it can be told so.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {{ doors?: number }} [options]
 * @returns {Promise<Broker>}
 */
export async function startNats(scene, { doors = 0 } = {}) {
  const [port, monitor] = /** @type {[number, number]} */ (await freePorts(2));
  const folder = join(scene.folder, `nats-${port}`);
  await mkdir(folder, { recursive: true });
  const file = join(folder, "nats.conf");
  const settings = (/** @type {string} */ more) =>
    `listen: "127.0.0.1:${port}"\nhttp: "127.0.0.1:${monitor}"\njetstream {\n  store_dir: "${folder}"\n${more}}\n`;
  // Releases before 2.10 sync every two minutes and take no other order: a killed server loses nothing of theirs either.
  await writeFile(file, settings("  sync_interval: always\n"));
  const { code } = await run("nats-server", ["-t", "-c", file], { deadlineMs: TELL_MS });
  if (code !== 0) await writeFile(file, settings(""));
  return new Broker(scene, {
    kind: "nats",
    port,
    command: ["nats-server", ["-c", file]],
    engineBy: (at) => `[engine]\nkind = "nats"\n\n[nats]\nservers = ["nats://127.0.0.1:${at}"]\n`,
    counters: async () => {
      const answers = await Promise.all(["varz", "jsz"].map((page) => fetch(`http://127.0.0.1:${monitor}/${page}`)));
      const [varz, jsz] = await Promise.all(answers.map((answer) => answer.json()));
      const figures = Object.entries({ ...varz, ...jsz }).filter(([, value]) => typeof value === "number");
      return /** @type {Record<string, number>} */ (Object.fromEntries(figures));
    },
    ready: async () => {
      const health = await fetch(`http://127.0.0.1:${monitor}/healthz`);
      return health.ok && (await answers(port));
    },
    doors: await doorsTo(doors, port),
  }).start();
}

/**
 * Starts a Kafka (`KRaft`, one process for everything) from `.tools/kafka`, with the topics that servers of ours need.
 *
 * Kafka tells its clients where to connect to, so each door is a listener of its own whose address is the door's.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {{ doors?: number }} [options]
 * @returns {Promise<Broker>}
 */
export async function startKafka(scene, { doors = 0 } = {}) {
  const [port, controller, ...more] = /** @type {[number, number, ...number[]]} */ (await freePorts(2 + 2 * doors));
  const gates = more.slice(0, doors).map((door, index) => ({ name: `DOOR${index}`, port: door, target: /** @type {number} */ (more[doors + index]) }));
  const folder = join(scene.folder, `kafka-${port}`);
  await mkdir(folder, { recursive: true });
  const file = join(folder, "server.properties");
  const listeners = [`DIRECT://127.0.0.1:${port}`, ...gates.map(({ name, target }) => `${name}://127.0.0.1:${target}`)];
  const advertised = [`DIRECT://127.0.0.1:${port}`, ...gates.map((gate) => `${gate.name}://127.0.0.1:${gate.port}`)];
  const protocols = ["DIRECT", "CONTROLLER", ...gates.map(({ name }) => name)].map((name) => `${name}:PLAINTEXT`);
  await writeFile(file, `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
controller.listener.names=CONTROLLER
listeners=${[...listeners, `CONTROLLER://127.0.0.1:${controller}`].join(",")}
advertised.listeners=${advertised.join(",")}
listener.security.protocol.map=${protocols.join(",")}
inter.broker.listener.name=DIRECT
log.dirs=${join(folder, "data")}
log.retention.ms=-1
auto.create.topics.enable=false
offsets.topic.replication.factor=1
num.network.threads=1
num.io.threads=2
log.cleaner.enable=false
`);
  const java = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", `${kafkaFolder()}/*`];
  const formatted = await run("java", [...java, "kafka.tools.StorageTool", "format", "--config", file, "--cluster-id", KAFKA_CLUSTER], { deadlineMs: BROKER_READY_MS });
  if (formatted.code !== 0) throw new Error(`Kafka's folder cannot be made (scripts/need kafka installs it): ${formatted.stdout}${formatted.stderr}`);
  const topics = ["fanwave", "fanwave-snapshots", "fanwave-hearsay"].map((name) => ({ name, partitions: KAFKA_PARTITIONS }));
  return new Broker(scene, {
    kind: "kafka",
    port,
    command: ["java", [...java, "kafka.Kafka", file]],
    engineBy: (at) => `[engine]\nkind = "kafka"\n\n[kafka]\nbrokers = ["127.0.0.1:${at}"]\npartitions = ${KAFKA_PARTITIONS}\n`,
    // Kafka counts for Java's own tools alone.
    counters: async () => ({}),
    ready: () => createTopics(port, topics),
    doors: gates.map((gate) => ({ port: gate.port, target: gate.target })),
  }).start();
}

/** Where Kafka's jars are. */
function kafkaFolder() {
  const folder = process.env.FANWAVE_KAFKA;
  if (!folder) throw new Error("FANWAVE_KAFKA is not set: it names the folder that `scripts/need kafka` fills, .tools/kafka");
  return folder;
}

/**
 * A command to Redis as a line of words, and its whole answer.
 *
 * @param {number} port
 * @param {string} line
 * @returns {Promise<string>}
 */
export function askRedis(port, line) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(`${line}\r\nQUIT\r\n`));
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (data) => (text += data));
    socket.on("error", reject);
    socket.on("close", () => resolve(text));
  });
}

/** @param {string} info What Redis says about itself. */
function numbers(info) {
  const found = [...info.matchAll(/^(\w+):(\d+(?:\.\d+)?)\r?$/gm)].map(([, name, value]) => [name, Number(value)]);
  return /** @type {Record<string, number>} */ (Object.fromEntries(found));
}

/** @param {number} port @returns {Promise<boolean>} */
function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
