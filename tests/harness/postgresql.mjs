/**
 * A real PostgreSQL: a plain process on a free port, with a folder of its own, over TLS and with a password. It can be
 * killed and started again with what it had.
 */

import { chown, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCertificate } from "./certificate.mjs";
import { Child, run } from "./child.mjs";
import { freePorts } from "./scene.mjs";
import { Hopeless, until } from "./wait.mjs";

/** Where Debian has its programs, by version. */
const VERSIONS = "/usr/lib/postgresql";

/** PostgreSQL refuses to run as root: it then runs as `nobody`, whose number this is on every Linux. */
const NOBODY = 65_534;

/** Far more than it takes to begin, on a busy machine. */
const START_MS = 60_000;

/** How long what is left of a killed server takes to notice. */
const GONE_MS = 20_000;

const USER = "fanwave";

/** Recognisable, so that a test can look for it where it must never be. */
export const PASSWORD = "canary-password-5b1e07";

/** A server that is or was running. */
export class Postgresql {
  /**
   * Starts one with an empty database called `postgres`.
   *
   * @param {import("./scene.mjs").Scene} scene
   */
  static async start(scene) {
    // Beside the scene's folder, which is closed to whoever the server runs as.
    const folder = await mkdtemp(join(tmpdir(), "fanwave-postgresql-"));
    scene.after(() => rm(folder, { recursive: true, force: true }));
    const [port] = /** @type {[number]} */ (await freePorts(1));
    const server = new Postgresql(scene, folder, port, await programs());
    await server.#init();
    await server.run();
    return server;
  }

  /** @type {import("./scene.mjs").Scene} */
  #scene;
  /** @type {string} */
  #programs;
  #starts = 0;
  /** @type {Child | undefined} */
  #child;

  /**
   * @param {import("./scene.mjs").Scene} scene
   * @param {string} folder
   * @param {number} port
   * @param {string} programs
   */
  constructor(scene, folder, port, programs) {
    this.#scene = scene;
    this.#programs = programs;
    this.folder = folder;
    this.port = port;
    this.data = join(folder, "data");
    this.passwordPath = join(scene.folder, "database-password");
    this.certificate = join(folder, "certificate.pem");
  }

  /** The sections of a server's configuration that has its chat log here. */
  get config() {
    return `[store]\nkind = "postgresql"\n\n${this.address}`;
  }

  /** The section that says where it is. */
  get address() {
    return `[postgresql]
host = "localhost"
port = ${this.port}
database = "postgres"
username = "${USER}"
password_file = "${this.passwordPath}"
tls_authorities = "${this.certificate}"
`;
  }

  /**
   * A program of PostgreSQL's, as somebody whom it lets run it.
   *
   * @param {string} name
   * @param {string[]} args
   * @returns {[string, string[]]}
   */
  #command(name, args) {
    const program = join(this.#programs, name);
    if (process.getuid?.() !== 0) return [program, args];
    return ["setpriv", ["--reuid", `${NOBODY}`, "--regid", `${NOBODY}`, "--clear-groups", program, ...args]];
  }

  async #init() {
    const files = await makeCertificate(this.folder);
    const forInit = join(this.folder, "password");
    for (const path of [this.passwordPath, forInit]) await writeFile(path, PASSWORD, { mode: 0o600 });
    if (process.getuid?.() === 0) {
      for (const path of [this.folder, forInit, files.certificate, files.key]) await chown(path, NOBODY, NOBODY);
    }
    const [command, args] = this.#command("initdb", [
      "-D", this.data, "-U", USER, "--auth=scram-sha-256", `--pwfile=${forInit}`, "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions",
    ]);
    const made = await run(command, args, { deadlineMs: START_MS, cwd: this.folder });
    if (made.code !== 0) throw new Error(`initdb made no database: ${made.stderr}`);
    await writeFile(join(this.data, "postgresql.conf"), `
listen_addresses = '127.0.0.1'
port = ${this.port}
unix_socket_directories = ''
ssl = on
ssl_cert_file = '${files.certificate}'
ssl_key_file = '${files.key}'
max_connections = 40
shared_buffers = 32MB
dynamic_shared_memory_type = mmap
`);
  }

  /** Starts it, again with what it had, and waits until it takes connections. */
  async run() {
    const status = join(this.data, "postmaster.pid");
    // What a process that was killed has left behind.
    await rm(status, { force: true });
    this.#starts += 1;
    const [command, args] = this.#command("postgres", ["-D", this.data]);
    const child = new Child(this.#scene, `postgresql-${this.#starts}`, command, args, { cwd: this.folder });
    this.#child = child;
    await until("PostgreSQL takes connections", START_MS, async () => {
      if (!child.running) throw new Hopeless(`PostgreSQL ended: ${await child.log()}`);
      // As pg_ctl knows it.
      return (await readFile(status, "utf8")).split("\n")[7]?.trim() === "ready";
    });
  }

  /** Every row of every table, as text. */
  async dump() {
    const args = ["-h", "127.0.0.1", "-p", `${this.port}`, "-U", USER, "--data-only", "postgres"];
    const { code, stdout, stderr } = await run(join(this.#programs, "pg_dump"), args, { deadlineMs: START_MS, env: { PGPASSWORD: PASSWORD } });
    if (code !== 0) throw new Error(`pg_dump: ${stderr}`);
    return stdout;
  }

  /** SIGKILL: what was not committed is gone. Resolves when all its processes have noticed. */
  async kill() {
    await this.#child?.kill();
    await until("nothing of PostgreSQL is left", GONE_MS, async () => {
      const places = await Promise.all((await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => "")));
      return !places.includes(this.data);
    });
  }
}

/** Where its programs are, of the newest version. */
async function programs() {
  const versions = await readdir(VERSIONS).catch(() => []);
  const newest = versions.map(Number).filter((version) => version > 0).sort((a, b) => b - a)[0];
  if (!newest) throw new Error(`there is no PostgreSQL in ${VERSIONS}: scripts/need postgresql installs it`);
  return join(VERSIONS, `${newest}`, "bin");
}
