/** A real nginx with its RTMP module, as a crew has it that has streamed for years. */

import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { Child } from "./child.mjs";
import { freePorts } from "./scene.mjs";
import { Hopeless, until } from "./wait.mjs";

/** Where Debian's package puts it. */
const MODULE = "/usr/lib/nginx/modules/ngx_rtmp_module.so";
const READY_MS = 60_000;

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

/**
 * Starts nginx as a cache in front of servers of one show: the first is asked, and the others while it does not answer.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {import("./server.mjs").Server[]} servers
 * @returns {Promise<string>} Where it is, as a server's `url`.
 */
export async function startCache(scene, servers) {
  const [port] = /** @type {[number]} */ (await freePorts(1));
  const at = (/** @type {string} */ name) => join(scene.folder, `cache-${name}`);
  const upstream = servers.map(({ httpPort }, index) =>
    `    server 127.0.0.1:${httpPort} ${index === 0 ? "max_fails=1 fail_timeout=5s" : "backup"};`);
  await writeFile(at("nginx.conf"), `daemon off;
master_process off;
pid ${at("nginx.pid")};
error_log ${at("error.log")} info;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path ${at("body")};
  proxy_temp_path ${at("temp")};
  proxy_cache_path ${at("store")} keys_zone=show:1m max_size=100m use_temp_path=off;
  upstream origin {
${upstream.join("\n")}
    keepalive 8;
  }
  server {
    listen 127.0.0.1:${port};
    location /live/ {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_cache show;
      proxy_cache_key $uri$is_args$args;
      proxy_cache_use_stale error timeout updating;
      proxy_connect_timeout 1s;
      proxy_read_timeout 20s;
      proxy_next_upstream error timeout;
    }
  }
}
`);
  const child = new Child(scene, "cache", "/usr/sbin/nginx", ["-c", at("nginx.conf"), "-e", at("error.log")]);
  await until("nginx listens", READY_MS, async () => {
    if (!child.running) throw new Hopeless(`nginx ended: ${await child.log()}`);
    return listens(port);
  });
  return `http://127.0.0.1:${port}`;
}

/** @param {number} port */
function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => { socket.destroy(); resolve(true); });
    socket.once("error", () => resolve(false));
  });
}
