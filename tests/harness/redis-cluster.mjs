/**
 * A Redis Cluster of real processes: three primaries that share the slots, a replica for each, and one more for the first, so that
 * a write that must be on a replica has one even after the first primary is gone.
 */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { askRedis } from "./brokers.mjs";
import { Child } from "./child.mjs";
import { freePorts } from "./scene.mjs";
import { Hopeless, until } from "./wait.mjs";

const READY_MS = 60_000;
/** After how long without a word a primary counts as gone. */
const NODE_TIMEOUT_MS = 1_000;
const PRIMARIES = 3;
const SLOTS = 16_384;
/** Its port for the others is so much higher than the one for clients. */
const BUS_OFFSET = 10_000;

/** One process of it. */
export class ClusterServer {
  /**
   * @param {number} port
   * @param {Child} child
   */
  constructor(port, child) {
    this.port = port;
    this.child = child;
  }

  /** @param {string} line */
  async ask(line) {
    const answer = await askRedis(this.port, line);
    if (answer.startsWith("-")) throw new Error(`Redis refuses ${line}: ${answer.trim()}`);
    return answer;
  }

  /** Its name in the cluster. */
  async id() {
    const [, id] = /([0-9a-f]{40})/.exec(await this.ask("CLUSTER MYID")) ?? [];
    if (!id) throw new Error("a server of the cluster has no name");
    return id;
  }

  async isPrimary() {
    return (await this.ask("INFO replication")).includes("role:master");
  }
}

/**
 * Starts it.
 *
 * @param {import("./scene.mjs").Scene} scene
 */
export async function startRedisCluster(scene) {
  const servers = await Promise.all((await clusterPorts(2 * PRIMARIES + 1)).map((port) => start(scene, port)));
  const primaries = servers.slice(0, PRIMARIES);
  const [first] = primaries;
  if (!first) throw new Error("there is no first");
  for (const [index, server] of primaries.entries()) {
    const slot = (/** @type {number} */ n) => Math.floor((n * SLOTS) / PRIMARIES);
    await server.ask(`CLUSTER SET-CONFIG-EPOCH ${index + 1}`);
    await server.ask(`CLUSTER ADDSLOTSRANGE ${slot(index)} ${slot(index + 1) - 1}`);
  }
  for (const server of servers.slice(1)) await first.ask(`CLUSTER MEET 127.0.0.1 ${server.port}`);
  for (const server of servers) {
    await until("the cluster is put together", READY_MS, async () => {
      const info = await server.ask("CLUSTER INFO");
      return info.includes("cluster_state:ok") && info.includes(`cluster_known_nodes:${servers.length}`);
    });
  }
  for (const [index, replica] of servers.slice(PRIMARIES).entries()) {
    const of = /** @type {ClusterServer} */ (primaries[index % PRIMARIES]);
    const id = await of.id();
    await until("a replica knows its primary", READY_MS, async () => {
      await replica.ask(`CLUSTER REPLICATE ${id}`);
      return true;
    });
    await until("a replica is in step", READY_MS, async () => (await replica.ask("INFO replication")).includes("master_link_status:up"));
  }
  const addresses = servers.map(({ port }) => `"redis://127.0.0.1:${port}"`).join(", ");
  // What is acknowledged is on a replica, too: a primary that dies takes nothing with it.
  const engine = `[engine]\nkind = "redis"\n\n[redis]\ntopology = "cluster"\nservers = [${addresses}]\nreplicas = 1\n`;
  return { engine, servers, primaries };
}

/**
 * Moves a slot with all its keys from one primary to another.
 *
 * @param {ClusterServer[]} servers All, who are to know.
 * @param {ClusterServer} from
 * @param {ClusterServer} to
 * @param {number} slot
 */
export async function moveSlot(servers, from, to, slot) {
  const [source, destination] = [await from.id(), await to.id()];
  await to.ask(`CLUSTER SETSLOT ${slot} IMPORTING ${source}`);
  await from.ask(`CLUSTER SETSLOT ${slot} MIGRATING ${destination}`);
  for (;;) {
    const keys = (await from.ask(`CLUSTER GETKEYSINSLOT ${slot} 100`)).split("\r\n").filter((line) => line.startsWith("fanwave:"));
    if (keys.length === 0) break;
    await from.ask(`MIGRATE 127.0.0.1 ${to.port} "" 0 5000 KEYS ${keys.map((key) => `"${key}"`).join(" ")}`);
  }
  for (const server of [to, from]) await server.ask(`CLUSTER SETSLOT ${slot} NODE ${destination}`);
  for (const server of servers) {
    if (server.child.running) await until("everybody knows where the slot is", READY_MS, async () => (await server.ask("CLUSTER NODES")).includes(destination));
  }
}

/**
 * A slot that has keys at a server.
 *
 * @param {ClusterServer} server
 */
export async function usedSlot(server) {
  const [, key] = /^(fanwave:\S+)\r$/m.exec(await server.ask("KEYS fanwave:*")) ?? [];
  if (!key) throw new Error("the server has no key of ours");
  return Number((await server.ask(`CLUSTER KEYSLOT "${key}"`)).slice(1).split("\r\n")[0]);
}

/**
 * @param {import("./scene.mjs").Scene} scene
 * @param {number} port
 */
async function start(scene, port) {
  const folder = join(scene.folder, `redis-${port}`);
  await mkdir(folder, { recursive: true });
  const child = new Child(scene, `redis-${port}`, "redis-server", [
    "--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes", "--appendfsync", "always", "--save", "",
    "--cluster-enabled", "yes", "--cluster-node-timeout", `${NODE_TIMEOUT_MS}`,
    // A replica is brought into step at once, not after 5 s in which others might come.
    "--repl-diskless-sync-delay", "0",
  ]);
  await until("a server of the cluster listens", READY_MS, async () => {
    if (!child.running) throw new Hopeless(`Redis ended: ${await child.log()}`);
    return (await askRedis(port, "PING")).includes("PONG");
  });
  return new ClusterServer(port, child);
}

/** Free ports whose ports for the cluster are ports, too. @param {number} count @returns {Promise<number[]>} */
async function clusterPorts(count) {
  const ports = new Set();
  while (ports.size < count) for (const port of await freePorts(count)) if (port + BUS_OFFSET < 65_536 && ports.size < count) ports.add(port);
  return [...ports];
}
