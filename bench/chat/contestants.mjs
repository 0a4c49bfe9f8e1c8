/**
 * The servers that are compared, each on the same core and with the room that their users would make: how each is started, and
 * how the crowd speaks to it.
 */

import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Child, run } from "../../tests/harness/child.mjs";
import { freePorts } from "../../tests/harness/scene.mjs";
import { binary } from "../../tests/harness/server.mjs";
import { Hopeless, until } from "../../tests/harness/wait.mjs";
import { rig } from "./crowd.mjs";
import { SECRET } from "./tokens.mjs";

const SERVER_CORE = 0;
const READY_MS = 20_000;
const PEERS = fileURLToPath(new URL("../peers/", import.meta.url));
const TOOLS = fileURLToPath(new URL("../../.tools/peers/", import.meta.url));

/** The room of 15,000, and the one beside it. */
export const ROOM = "room:demo";
export const SMALL_ROOM = "room:small";

/**
 * @typedef {object} Running
 * @property {string} name
 * @property {number} pid
 * @property {string[]} crowd What the crowd must know to come in.
 * @property {string} [metrics] Where the server tells what it counted, if it does.
 * @property {() => Promise<void>} end
 */

/**
 * @typedef {object} Options
 * @property {Certificate} [tls]
 * @property {number} [roomLogKib] Fanwave alone.
 * @property {boolean} [paced] Fanwave alone: whether it takes newcomers at the product's pace, or as fast as it can.
 */

/** @typedef {{ certificate: string, key: string }} Certificate */
/** @typedef {{ name: string, title: string, start: (scene: import("../../tests/harness/scene.mjs").Scene, tokens: import("./tokens.mjs").Tokens, options?: Options) => Promise<Running> }} Contestant */

let starts = 0;

/**
 * Starts a process on the servers' core and waits until its port answers.
 *
 * @param {import("../../tests/harness/scene.mjs").Scene} scene
 * @param {{ name: string, command: string, args: string[], cwd?: string, port: number, crowd: string[] }} what
 * @returns {Promise<Running>}
 */
async function launch(scene, { name, command, args, cwd, port, crowd }) {
  starts += 1;
  const child = new Child(scene, `${name}-${starts}`, "taskset", ["--cpu-list", `${SERVER_CORE}`, command, ...args], { cwd });
  await until(`${name} listens`, READY_MS, async () => {
    if (!child.running) throw new Hopeless(`${name} ended: ${await child.log()}`);
    return answers(port);
  });
  return { name, pid: child.pid, crowd, end: () => child.kill() };
}

/** @param {number} port @returns {Promise<boolean>} */
function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/**
 * @param {{ dialect: string, port: number, path?: string, control: number, tls?: Certificate }} what
 */
function byLines({ dialect, port, path = "/", control, tls }) {
  return [
    "--target", `127.0.0.1:${port}`, "--dialect", dialect, "--path", path, "--publish-to", `127.0.0.1:${control}`, "--lines",
    ...(tls ? ["--certificate", tls.certificate] : []),
  ];
}

/** @type {Contestant} */
export const floor = {
  name: "floor",
  title: "bare send() loop",
  async start(scene) {
    const [port, control] = /** @type {[number, number]} */ (await freePorts(2));
    return launch(scene, {
      name: "floor", command: rig("floor"), args: ["--port", `${port}`, "--control", `${control}`], port: control,
      crowd: byLines({ dialect: "bare", port, control }),
    });
  },
};

/** @type {Contestant} */
export const fanwave = {
  name: "fanwave",
  title: "Fanwave",
  async start(scene, tokens, { tls, roomLogKib = 1024, paced = false } = {}) {
    const [http, rtmp, gateway] = /** @type {[number, number, number]} */ (await freePorts(3));
    starts += 1;
    const config = join(scene.folder, `fanwave-${starts}.toml`);
    const own = await hasOwnListener();
    if (tls && !own) throw new Error("this Fanwave has no TLS of its own");
    await writeFile(config, `# Written by make bench-chat.
[http]
listen = "127.0.0.1:${http}"

[rtmp]
listen = "127.0.0.1:${rtmp}"

[[channels]]
id = "demo"
title = "The room that is measured"

[[channels]]
id = "small"
title = "The room beside it"

[chat]
refill = "0s"
commands_per_second = 1000
room_log_kib = ${roomLogKib}
${own ? `
[gateway]
listen = ["127.0.0.1:${gateway}"]
reactors = 1
${paced ? "" : "accepts_per_second = 0"}
${tls ? `tls_certificate = "${tls.certificate}"\ntls_key = "${tls.key}"` : ""}
` : ""}
[tokens]
secret_file = "${tokens.secretFile}"

[data]
dir = "${join(scene.folder, `data-${starts}`)}"
`);
    const port = own ? gateway : http;
    const running = await launch(scene, {
      name: "fanwave", command: binary(), args: ["serve", "--config", config], port,
      crowd: [
        "--target", `127.0.0.1:${port}`, "--dialect", "centrifuge", "--path", "/connection/websocket", "--channel", ROOM,
        "--tokens", tokens.fansFile, "--publisher-token", tokens.staffFile, "--publish-to", `127.0.0.1:${http}`,
        ...(tls ? ["--certificate", tls.certificate] : []),
      ],
    });
    return { ...running, metrics: `http://127.0.0.1:${http}/metrics` };
  },
};

/** Whether the gateway has a port of its own. */
async function hasOwnListener() {
  const { stdout } = await run(binary(), ["config-reference"], { deadlineMs: 10_000 });
  return /^\[gateway\]$/m.test(stdout);
}

/** @type {Contestant} */
const ws = {
  name: "ws",
  title: "npm ws, prepared frame",
  async start(scene, _tokens, { tls } = {}) {
    const [port, control] = /** @type {[number, number]} */ (await freePorts(2));
    return launch(scene, {
      name: "ws", command: process.execPath, cwd: PEERS, port,
      args: ["ws.mjs", `${port}`, `${control}`, ...(tls ? [tls.certificate, tls.key] : [])],
      crowd: byLines({ dialect: "ws", port, path: "/room", control, tls }),
    });
  },
};

/** @type {Contestant} */
const socketIo = {
  name: "socketio",
  title: "Socket.IO, WebSocket only",
  async start(scene) {
    const [port, control] = /** @type {[number, number]} */ (await freePorts(2));
    return launch(scene, {
      name: "socketio", command: process.execPath, cwd: PEERS, args: ["socketio.mjs", `${port}`, `${control}`], port,
      crowd: byLines({ dialect: "socket-io", port, path: "/socket.io/?EIO=4&transport=websocket", control }),
    });
  },
};

/** @type {Contestant} */
const centrifugo = {
  name: "centrifugo",
  title: "Centrifugo, memory engine",
  async start(scene, tokens) {
    const [port] = /** @type {[number]} */ (await freePorts(1));
    const config = join(scene.folder, "centrifugo.json");
    // History and recovery are on, because Fanwave's lane that is compared keeps and recovers every message, too.
    const room = { name: "room", allow_subscribe_for_client: true, allow_publish_for_client: true, history_size: 300, history_ttl: "300s", force_recovery: true };
    await writeFile(config, JSON.stringify({ address: "127.0.0.1", port: `${port}`, token_hmac_secret_key: SECRET, namespaces: [room] }));
    return launch(scene, {
      name: "centrifugo", command: join(TOOLS, "centrifugo"), args: ["--config", config], port,
      crowd: [
        "--target", `127.0.0.1:${port}`, "--dialect", "centrifuge", "--path", "/connection/websocket", "--channel", ROOM,
        "--tokens", tokens.fansFile, "--publisher-token", tokens.staffFile, "--publish-to", `127.0.0.1:${port}`,
      ],
    });
  },
};

/** @type {Contestant} */
const gorilla = {
  name: "gorilla",
  title: "Go gorilla/websocket hub",
  async start(scene, _tokens, { tls } = {}) {
    const [port, control] = /** @type {[number, number]} */ (await freePorts(2));
    return launch(scene, {
      name: "gorilla", command: join(TOOLS, "gorilla"), port,
      args: ["-listen", `127.0.0.1:${port}`, "-control", `127.0.0.1:${control}`, ...(tls ? ["-certificate", tls.certificate, "-key", tls.key] : [])],
      crowd: byLines({ dialect: "ws", port, path: "/room", control, tls }),
    });
  },
};

/** Everybody but the floor; Fanwave first. */
export const contestants = [fanwave, ws, socketIo, centrifugo, gorilla];
/** Those whose TLS is compared. */
export const withTls = [fanwave, ws, gorilla];
