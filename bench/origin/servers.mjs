/** What the viewers' benchmark sends its viewers to: Fanwave with a show, and nginx with the same bytes as files; each on one core. */

import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { get as httpGet } from "node:http";
import { get as httpsGet } from "node:https";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { makeCertificate } from "../../tests/harness/certificate.mjs";
import { Child } from "../../tests/harness/child.mjs";
import { get, mediaPlaylist, playlists } from "../../tests/harness/hls.mjs";
import { encoderArgs } from "../../tests/harness/publisher.mjs";
import { freePorts } from "../../tests/harness/scene.mjs";
import { binary } from "../../tests/harness/server.mjs";
import { Hopeless, until } from "../../tests/harness/wait.mjs";

/** The server has this core to itself; encoder and viewers share the other. */
export const SERVER_CORE = 0;
export const VIEWERS_CORE = 1;

const READY_MS = 20_000;
const ON_AIR_MS = 30_000;
const KEY = "bench-stream-key";

/** More than one process of viewers can make. */
const CONNECTIONS_MAX = 30_000;

/** 1.1 Mbit/s: what a phone is sent. */
const ENCODER = {
  picture: "testsrc2=size=640x360:rate=30",
  args: ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "60", "-b:v", "1000k", "-maxrate", "1000k",
    "-bufsize", "1000k", "-c:a", "aac", "-b:a", "96k", "-ar", "48000", "-ac", "2"],
};

/**
 * @typedef {object} Running
 * @property {string} name
 * @property {number} pid
 * @property {number} port
 * @property {number} http2Port Where HTTP/2 is spoken with prior knowledge.
 */

/**
 * @typedef {object} Tls
 * @property {string} playlistUrl
 * @property {string} certificate The file with the one that viewers have to believe.
 */

/**
 * A command that runs on one core alone.
 *
 * @param {number} core
 * @param {string[]} command
 * @returns {[string, string[]]}
 */
export function pinned(core, command) {
  return ["taskset", ["--cpu-list", `${core}`, ...command]];
}

/**
 * Fanwave with a show on the air.
 *
 * @param {import("../../tests/harness/scene.mjs").Scene} scene
 * @returns {Promise<Running & { url: string, encoder: Child, playlistUrl: string, tls: Tls }>}
 */
export async function startFanwave(scene) {
  const [http, https, rtmp] = /** @type {[number, number, number]} */ (await freePorts(3));
  const tls = await makeCertificate(scene.folder);
  const config = join(scene.folder, "fanwave.toml");
  const key = join(scene.folder, "stream-key");
  await writeFile(key, KEY, { mode: 0o600 });
  await writeFile(config, `# Written by make bench-origin.
[http]
listen = "127.0.0.1:${http}"
tls_listen = "127.0.0.1:${https}"
tls_certificate = "${tls.certificate}"
tls_key = "${tls.key}"
connections_max = ${CONNECTIONS_MAX}

[rtmp]
listen = "127.0.0.1:${rtmp}"

[live]
part_target = "1s"
# The show stands still once its encoder has gone: for the comparison with files.
reconnect_window = "10m"

# What is measured is the end of a show, which is served from memory; what goes back further is read from files.
[dvr]
window = "0s"

[[channels]]
id = "demo"
stream_key_file = "${key}"

[data]
dir = "${join(scene.folder, "data")}"
`);
  const server = new Child(scene, "fanwave", ...pinned(SERVER_CORE, [binary(), "serve", "--config", config]));
  const url = `http://127.0.0.1:${http}`;
  await until("Fanwave is ready", READY_MS, async () => {
    if (!server.running) throw new Hopeless(`the server ended: ${await server.log()}`);
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1_000) })).ok;
  });
  const publish = encoderArgs(`rtmp://127.0.0.1:${rtmp}/live/${KEY}`, ENCODER);
  const encoder = new Child(scene, "encoder", ...pinned(VIEWERS_CORE, ["ffmpeg", ...publish]));
  const playlistUrl = `${url}/live/demo/master.m3u8`;
  await until("the show is under way", ON_AIR_MS, async () => {
    const now = await playlists(/** @type {any} */ ({ playlistUrl }));
    return now && now.video.nextMsn - now.video.firstMsn >= 3;
  });
  const overTls = { playlistUrl: `https://127.0.0.1:${https}/live/demo/master.m3u8`, certificate: tls.certificate };
  return { name: "Fanwave", pid: server.pid, port: http, http2Port: http, url, encoder, playlistUrl, tls: overTls };
}

/**
 * MediaMTX with the same show, in the clear or over TLS: the program that MEDIAMTX names, if it names one.
 *
 * @param {import("../../tests/harness/scene.mjs").Scene} scene
 * @param {{ overTls: boolean }} how
 * @returns {Promise<(Running & { playlistUrl: string, encoder: Child, version: string, certificate: string }) | undefined>}
 */
export async function startMediamtx(scene, { overTls }) {
  const program = process.env.MEDIAMTX;
  if (!program) return undefined;
  const version = `${await promisify(execFile)(program, ["--version"]).then(({ stdout }) => stdout)}`.trim();
  const [http, rtmp] = /** @type {[number, number]} */ (await freePorts(2));
  const folder = join(scene.folder, overTls ? "mediamtx-tls" : "mediamtx");
  await mkdir(folder);
  const config = join(folder, "mediamtx.yml");
  const { certificate, key } = await makeCertificate(folder);
  await writeFile(config, `# Written by make bench-origin.
logLevel: warn
rtsp: no
webrtc: no
srt: no
moq: no
rtmpAddress: 127.0.0.1:${rtmp}
hls: yes
hlsAddress: 127.0.0.1:${http}
hlsEncryption: ${overTls ? "yes" : "no"}
hlsServerKey: ${key}
hlsServerCert: ${certificate}
hlsAlwaysRemux: yes
hlsVariant: lowLatency
hlsSegmentCount: 7
hlsSegmentDuration: 2s
hlsPartDuration: 1s
paths:
  all_others:
`);
  const server = new Child(scene, overTls ? "mediamtx-tls" : "mediamtx", ...pinned(SERVER_CORE, [program, config]));
  // A viewer without cookies has the session in its addresses; all viewers are of one session.
  const playlistUrl = `${overTls ? "https" : "http"}://127.0.0.1:${http}/live/demo/index.m3u8?cookieCheck=1`;
  await until("MediaMTX listens", READY_MS, async () => {
    if (!server.running) throw new Hopeless(`MediaMTX ended: ${await server.log()}`);
    return await accepts(rtmp);
  });
  const publish = encoderArgs(`rtmp://127.0.0.1:${rtmp}/live/demo`, ENCODER);
  const encoder = new Child(scene, `mediamtx${overTls ? "-tls" : ""}-encoder`, ...pinned(VIEWERS_CORE, ["ffmpeg", ...publish]));
  await until("its show is under way", ON_AIR_MS, async () => {
    const first = await text(playlistUrl, certificate);
    const media = /^video.*$/m.exec(first)?.[0];
    if (!media) return false;
    return ((await text(new URL(media, playlistUrl).href, certificate)).match(/^#EXT-X-PART:/gm) ?? []).length >= 4;
  });
  return { name: "MediaMTX", version, pid: server.pid, port: http, http2Port: 0, playlistUrl, encoder, certificate };
}

/**
 * Whether somebody listens there.
 *
 * @param {number} port
 * @returns {Promise<boolean>}
 */
function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => { socket.destroy(); resolve(true); }).on("error", () => resolve(false));
  });
}

/**
 * A playlist of either scheme; nothing where there is none.
 *
 * @param {string} url
 * @param {string} certificate The file with the one that is believed.
 * @returns {Promise<string>}
 */
async function text(url, certificate) {
  const options = { ca: await readFile(certificate) };
  return await new Promise((resolve, reject) => {
    const answered = (/** @type {import("node:http").IncomingMessage} */ response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (piece) => { body += piece; }).on("end", () => resolve(response.statusCode === 200 ? body : ""));
    };
    const request = url.startsWith("https:") ? httpsGet(url, options, answered) : httpGet(url, answered);
    request.on("error", reject);
  });
}

/**
 * What a viewer who comes now would load: both playlists and the newest part of each.
 *
 * @param {string} playlistUrl
 * @returns {Promise<string[]>} Their paths.
 */
export async function whatViewersLoad(playlistUrl) {
  const now = await playlists(/** @type {any} */ ({ playlistUrl }));
  if (!now) throw new Error("the show is over");
  const paths = [];
  for (const { url } of [now.video, now.audio]) {
    const { text } = /** @type {import("../../tests/harness/hls.mjs").MediaPlaylist} */ (await mediaPlaylist(url));
    const part = [...text.matchAll(/^#EXT-X-PART:.*URI="([^"]+)"/gm)].at(-1)?.[1];
    if (!part) throw new Error(`no part in ${text}`);
    paths.push(new URL(url).pathname, new URL(part, url).pathname);
  }
  return paths;
}

/**
 * nginx with the bytes that another server answers, as files; playlists also packed, byte for byte as that server packs them.
 *
 * @param {import("../../tests/harness/scene.mjs").Scene} scene
 * @param {string} url
 * @param {string[]} paths
 * @returns {Promise<Running>}
 */
export async function startNginx(scene, url, paths) {
  const root = join(scene.folder, "files");
  for (const path of paths) {
    const file = join(root, path);
    await mkdir(dirname(file), { recursive: true });
    const plain = await fetch(`${url}${path}`);
    await writeFile(file, Buffer.from(await plain.arrayBuffer()));
    if (path.endsWith(".m3u8")) await writeFile(`${file}.gz`, await packed(`${url}${path}`));
  }
  const [port, http2Port] = /** @type {[number, number]} */ (await freePorts(2));
  const config = join(scene.folder, "nginx.conf");
  const folder = (/** @type {string} */ name) => `${name}_temp_path ${join(scene.folder, name)};`;
  await writeFile(config, `# Written by make bench-origin.
daemon off;
master_process off;
pid ${join(scene.folder, "nginx.pid")};
error_log stderr warn;
worker_rlimit_nofile 20000;
events { worker_connections 15000; }
http {
  access_log off;
  sendfile on;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  open_file_cache max=100 inactive=10m;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(folder).join(" ")}
  types { application/vnd.apple.mpegurl m3u8; video/mp4 m4s mp4; }
  gzip_static on;
  add_header Cache-Control "public, max-age=36";
  add_header Access-Control-Allow-Origin "*";
  server {
    listen 127.0.0.1:${port} backlog=4096;
    root ${root};
  }
  server {
    listen 127.0.0.1:${http2Port} http2 backlog=4096;
    # With sendfile its last piece waits for an acknowledgement; this is the fastest that was found.
    sendfile off;
    http2_chunk_size 16k;
    http2_max_requests 1000000000;
    root ${root};
  }
}
`);
  const server = new Child(scene, "nginx", ...pinned(SERVER_CORE, ["/usr/sbin/nginx", "-c", config]));
  await until("nginx listens", READY_MS, async () => {
    if (!server.running) throw new Hopeless(`nginx ended: ${await server.log()}`);
    return (await get(`http://127.0.0.1:${port}${paths[0]}`)).status === 200;
  });
  return { name: "nginx", pid: server.pid, port, http2Port };
}

/** @param {string} url @returns {Promise<Buffer>} The body as it is sent, packed. */
function packed(url) {
  return new Promise((resolve, reject) => {
    httpGet(url, { headers: { "accept-encoding": "gzip" } }, (response) => {
      if (response.headers["content-encoding"] !== "gzip") return reject(new Error(`${url} is not packed`));
      /** @type {Buffer[]} */
      const pieces = [];
      response.on("data", (piece) => pieces.push(piece)).on("end", () => resolve(Buffer.concat(pieces))).on("error", reject);
    }).on("error", reject);
  });
}

