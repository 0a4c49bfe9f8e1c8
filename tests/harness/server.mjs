/**
 * The product itself: the real binary, started as a person would, on ports of its own and with its data in the scene's
 * folder. It can be killed and started again in the same place.
 */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Child } from "./child.mjs";
import { freePorts } from "./scene.mjs";
import { Hopeless, until, within } from "./wait.mjs";

/** A debug build on a busy machine; the release binary's own limit is in `make bench-idle`. */
const READY_MS = 60_000;

/** How long a stop that was asked for may take. */
const STOP_MS = 10_000;

/** The only channel of these tests. */
export const CHANNEL = "demo";

/** Where the binary under test is. */
export function binary() {
  const path = process.env.FANWAVE_BINARY;
  if (!path) throw new Error("FANWAVE_BINARY is not set: run the tests with `make test` or `make e2e`");
  return path;
}

/** A server that is or was running. */
export class Server {
  /**
   * Starts a server and waits until it is ready.
   *
   * @param {import("./scene.mjs").Scene} scene
   * @param {{ demo?: boolean, partTargetMs?: number, dataFolder?: string, logLevel?: string, logFormat?: "human" | "json", sendRate?: "limited" | "unlimited", secret?: string, tls?: { certificate: string, key: string }, http3?: boolean, rtmp?: string, extra?: string, folder?: string, shownPerSecond?: number, reconnectWindow?: string, numbering?: "counted" | "clock", takeover?: "refuse" | "replace" | "backup", httpPort?: number, pages?: string[] }} [options]
   */
  static async start(scene, options = {}) {
    const [httpPort, rtmpPort, tlsPort] = /** @type {[number, number, number]} */ (await freePorts(3));
    const server = new Server(scene, options.httpPort ?? httpPort, rtmpPort, options);
    server.tlsPort = tlsPort;
    await mkdir(server.folder, { recursive: true });
    await writeFile(server.configPath, server.#config());
    await writeFile(server.keyPath, `${server.streamKey}\n`, { mode: 0o600 });
    if (options.secret) await writeFile(server.secretPath, options.secret, { mode: 0o600 });
    await server.run();
    scene.after(() => server.stop());
    return server;
  }

  /** @type {import("./scene.mjs").Scene} */
  #scene;
  #starts = 0;
  /** @type {Child | undefined} */
  #child;

  /**
   * @param {import("./scene.mjs").Scene} scene
   * @param {number} httpPort
   * @param {number} rtmpPort
   * @param {{ demo?: boolean, partTargetMs?: number, dataFolder?: string, logLevel?: string, logFormat?: "human" | "json", sendRate?: "limited" | "unlimited", secret?: string, tls?: { certificate: string, key: string }, http3?: boolean, rtmp?: string, extra?: string, folder?: string, shownPerSecond?: number, reconnectWindow?: string, numbering?: "counted" | "clock", takeover?: "refuse" | "replace" | "backup", pages?: string[] }} options
   */
  constructor(scene, httpPort, rtmpPort, options) {
    this.#scene = scene;
    this.httpPort = httpPort;
    this.rtmpPort = rtmpPort;
    this.demo = options.demo ?? false;
    this.partTargetMs = options.partTargetMs ?? 1_000;
    this.name = options.folder ?? "server";
    // A second server of a scene has a corner of its own.
    const folder = options.folder ? join(scene.folder, options.folder) : scene.folder;
    this.folder = folder;
    this.dataFolder = options.dataFolder ?? join(folder, "data");
    this.logLevel = options.logLevel ?? "info";
    // For people, the start shows the stream key; for machines, it must not.
    this.logFormat = options.logFormat ?? "human";
    this.sendRate = options.sendRate ?? "limited";
    this.secret = options.secret;
    this.tls = options.tls;
    /** Whether HTTP/3 is spoken, at the UDP port of the same number. */
    this.http3 = options.http3 ?? false;
    /** Where the HTTP port's other half is, which speaks TLS, if it is wanted. */
    this.tlsPort = 0;
    this.shownPerSecond = options.shownPerSecond ?? 10;
    this.reconnectWindow = options.reconnectWindow ?? "30s";
    this.extra = options.extra ?? "";
    this.rtmp = options.rtmp ?? "";
    this.numbering = options.numbering ?? "counted";
    this.takeover = options.takeover ?? "refuse";
    /** Origins of other sites whose pages may use this server, and then its own has to be named, too. */
    this.pages = options.pages ?? [];
    this.secretPath = join(folder, "secret");
    this.configPath = join(folder, "fanwave.toml");
    this.keyPath = join(folder, "stream-key");
    this.url = `http://127.0.0.1:${httpPort}`;
    this.watchUrl = `${this.url}/`;
    this.playlistUrl = `${this.url}/live/${CHANNEL}/master.m3u8`;
    this.rtmpUrl = `rtmp://127.0.0.1:${rtmpPort}/live`;
    this.chatChannel = `chat:${CHANNEL}`;
    this.roomChannel = `room:${CHANNEL}`;
    /** Recognisable, so that a test can look for it where it must never be. */
    this.streamKey = "canary-stream-key-7f3a91";
  }

  #config() {
    return `# Written by the end-to-end tests.
[http]
listen = "127.0.0.1:${this.httpPort}"
${this.tls ? `tls_listen = "127.0.0.1:${this.tlsPort}"\ntls_certificate = "${this.tls.certificate}"\ntls_key = "${this.tls.key}"` : ""}
${this.pages.length > 0 ? `allowed_origins = ${JSON.stringify([`http://127.0.0.1:${this.httpPort}`, ...this.pages])}` : ""}
${this.http3 ? `h3_listen = "127.0.0.1:${this.tlsPort}"` : ""}

[rtmp]
listen = "127.0.0.1:${this.rtmpPort}"
${this.rtmp}
[live]
part_target = "${this.partTargetMs}ms"
reconnect_window = "${this.reconnectWindow}"

[[channels]]
id = "${CHANNEL}"
title = "Fanwave demo"
stream_key_file = "${this.keyPath}"
numbering = "${this.numbering}"
takeover = "${this.takeover}"

[chat]
refill = "${this.sendRate === "unlimited" ? "0s" : "1s"}"
commands_per_second = ${this.sendRate === "unlimited" ? 1_000 : 30}
shown_per_second = ${this.shownPerSecond}

${this.secret ? `[tokens]\nsecret_file = "${this.secretPath}"\n` : ""}
[data]
dir = "${this.dataFolder}"

[log]
level = "${this.logLevel}"
format = "${this.logFormat}"

${this.extra}
`;
  }

  /** The process that runs now. */
  get child() {
    if (!this.#child) throw new Error("the server was not started");
    return this.#child;
  }

  get pid() {
    return this.child.pid;
  }

  /** Starts the server in its place, for the first time or again. */
  async run() {
    this.#starts += 1;
    const args = ["serve", "--config", this.configPath, ...(this.demo ? ["--demo"] : [])];
    const child = new Child(this.#scene, `${this.name}-${this.#starts}`, binary(), args);
    this.#child = child;
    await until("the server is ready", READY_MS, async () => {
      if (!child.running) throw new Hopeless(`the server ended: ${await child.log()}`);
      return (await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(1_000) })).ok;
    });
  }

  /** SIGKILL: no chance to write anything down. */
  async kill() {
    await this.child.kill();
  }

  /** What Ctrl-C does. The server must end by itself, and say that all went well. */
  async stop() {
    const child = this.child;
    if (!child.running) return;
    child.signal("SIGINT");
    const exit = await within("the server stops after SIGINT", STOP_MS, child.exited);
    if (exit.code !== 0) throw new Error(`the server stopped with ${exit.code ?? exit.signal}: ${await child.log()}`);
  }
}
