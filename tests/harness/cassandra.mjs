/**
 * A real Cassandra: a plain process on free ports, with a folder of its own. It can be killed, stopped for a while, and started
 * again with what it had.
 */

import { mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { Child } from "./child.mjs";
import { freePorts } from "./scene.mjs";
import { Hopeless, until } from "./wait.mjs";

/** Java takes its time to start it on a busy machine. */
const START_MS = 120_000;

/** What it reaches into of Java 17, as its own jvm17-server.options has it. */
const EXPORTED = [
  "java.base/jdk.internal.misc", "java.base/java.lang.ref", "java.management.rmi/com.sun.jmx.remote.internal.rmi", "java.rmi/sun.rmi.registry",
  "java.rmi/sun.rmi.server", "java.sql/java.sql", "jdk.unsupported/sun.misc",
];
const OPENED = [
  "java.base/java.io", "java.base/java.lang", "java.base/java.lang.module", "java.base/java.lang.reflect", "java.base/java.nio", "java.base/java.util",
  "java.base/jdk.internal.loader", "java.base/jdk.internal.math", "java.base/jdk.internal.module", "java.base/jdk.internal.ref",
  "java.base/jdk.internal.reflect", "java.base/jdk.internal.util.jar", "java.base/sun.nio.ch", "jdk.management/com.sun.management.internal",
];

/** A node that is or was running, alone in its cluster. */
export class Cassandra {
  /**
   * @param {import("./scene.mjs").Scene} scene
   * @param {{ heapMib?: number, aside?: boolean }} [options] Whether it gives way to all that is not.
   */
  static async start(scene, { heapMib = 512, aside = false } = {}) {
    const jars = process.env.FANWAVE_CASSANDRA;
    if (!jars) throw new Error("FANWAVE_CASSANDRA says where the jars are: scripts/need cassandra brings them");
    const [port, storage] = /** @type {[number, number]} */ (await freePorts(2));
    const folder = join(scene.folder, `cassandra-${port}`);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "cassandra.yaml"), `cluster_name: tests
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
num_tokens: 1
initial_token: 0
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
storage_port: ${storage}
native_transport_port: ${port}
endpoint_snitch: SimpleSnitch
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{seeds: '127.0.0.1:${storage}'}]
# A write is on the disk before it is acknowledged.
commitlog_sync: group
commitlog_sync_group_window: 10ms
commitlog_segment_size: 16MiB
commitlog_disk_access_mode: legacy
auto_snapshot: false
data_file_directories: ['${folder}/data/tables']
commitlog_directory: '${folder}/data/commitlog'
hints_directory: '${folder}/data/hints'
saved_caches_directory: '${folder}/data/caches'
cdc_raw_directory: '${folder}/data/cdc'
`);
    await writeFile(join(folder, "logback.xml"), `<configuration><appender name="out" class="ch.qos.logback.core.ConsoleAppender"><encoder>
<pattern>%d %-5level %msg%n</pattern></encoder></appender><root level="WARN"><appender-ref ref="out"/></root></configuration>`);
    const node = new Cassandra(scene, folder, port, [
      ...(aside ? ["nice", "-n", "10"] : []), "java", `-Xmx${heapMib}m`, "-Xss512k", "-XX:+UseSerialGC", "-Dcassandra-foreground=yes", "-Dcassandra.skip_wait_for_gossip_to_settle=0",
      "-Dcassandra.ring_delay_ms=0", "-Dcassandra.superuser_setup_delay_ms=0", "-Djdk.attach.allowAttachSelf=true",
      `-Dcassandra.config=file://${folder}/cassandra.yaml`, `-Dcassandra.storagedir=${folder}/data`, `-Dlogback.configurationFile=${folder}/logback.xml`,
      ...EXPORTED.flatMap((module) => ["--add-exports", `${module}=ALL-UNNAMED`]), ...OPENED.flatMap((module) => ["--add-opens", `${module}=ALL-UNNAMED`]),
      "-cp", join(jars, "*"), "org.apache.cassandra.service.CassandraDaemon",
    ]);
    await node.run();
    return node;
  }

  #starts = 0;
  /** @type {Child | undefined} */
  #child;

  /**
   * @param {import("./scene.mjs").Scene} scene
   * @param {string} folder
   * @param {number} port
   * @param {string[]} command
   */
  constructor(scene, folder, port, command) {
    this.scene = scene;
    this.folder = folder;
    this.port = port;
    this.command = command;
    /** The sections of a server's configuration that records here. */
    this.config = `[store]\nkind = "cassandra"\nrecord = "on"\n\n[cassandra]\ncontact_points = ["127.0.0.1:${port}"]\nreplicas = 1\ntls = "off"\n`;
  }

  /** Starts it, again with what it had, and waits until it takes connections: it listens when it is ready, and not before. */
  async run() {
    this.#starts += 1;
    const [command = "", ...args] = this.command;
    const child = new Child(this.scene, `cassandra-${this.port}-${this.#starts}`, command, args, { cwd: this.folder });
    this.#child = child;
    await until("Cassandra takes connections", START_MS, async () => {
      if (!child.running) throw new Hopeless(`Cassandra ended: ${await child.log()}`);
      return new Promise((resolve) => {
        const socket = connect(this.port, "127.0.0.1");
        socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
        socket.once("connect", () => socket.destroy());
      });
    });
  }

  /** As a power cut does to a process. */
  async kill() {
    await this.#child?.kill();
  }

  get pid() {
    if (!this.#child) throw new Error("Cassandra was not started");
    return this.#child.pid;
  }
}
