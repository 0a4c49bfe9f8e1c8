/** A real nginx with its RTMP module, as a crew has it that has streamed for years. */

import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { Child } from "./child.mjs";
import { freePorts } from "./scene.mjs";
import { Hopeless, until } from "./wait.mjs";

/** Where Debian's package puts it. */
const MODULE = "/usr/lib/nginx/modules/ngx_rtmp_module.so";
const READY_MS = 10_000;

/**
 * Starts nginx with one RTMP application, `stage`, and waits until it listens.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {string} directives What the application does.
 * @returns {Promise<{ child: Child, url: string }>} Where to publish: the application's address.
 */
export async function startNginx(scene, directives) {
  const [port] = /** @type {[number]} */ (await freePorts(1));
  const config = join(scene.folder, "nginx.conf");
  // One process, so that it ends with the scene.
  await writeFile(config, `daemon off;
master_process off;
pid ${join(scene.folder, "nginx.pid")};
error_log ${join(scene.folder, "nginx-error.log")} info;
load_module ${MODULE};
events { worker_connections 64; }
rtmp {
  server {
    listen 127.0.0.1:${port};
    application stage {
      live on;
      ${directives}
    }
  }
}
`);
  const child = new Child(scene, "nginx", "/usr/sbin/nginx", ["-c", config, "-e", join(scene.folder, "nginx-error.log")]);
  await until("nginx listens", READY_MS, async () => {
    if (!child.running) throw new Hopeless(`nginx ended: ${await child.log()}`);
    return listens(port);
  });
  return { child, url: `rtmp://127.0.0.1:${port}/stage` };
}

/** @param {number} port */
function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => { socket.destroy(); resolve(true); });
    socket.once("error", () => resolve(false));
  });
}
