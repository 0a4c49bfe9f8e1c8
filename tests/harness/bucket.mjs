/**
 * A real S3 server with one bucket, whose files are a folder of the scene: it can be killed, and started again with what it had.

 */

import { mkdir, readdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { Child } from "./child.mjs";
import { freePorts } from "./scene.mjs";
import { Hopeless, until } from "./wait.mjs";

/** A loaded machine takes its time. */
const READY_MS = 60_000;

const BUCKET = "shows";

/** Where the server program is. */
function program() {
  const path = process.env.FANWAVE_VERSITYGW;
  if (!path) throw new Error("FANWAVE_VERSITYGW is not set: it names what `scripts/need versitygw` builds, .tools/peers/versitygw");
  return path;
}

/** A server that is or was running. */
export class Bucket {
  /** Recognisable, so that a test can look for them where they must never be. */
  accessKey = "canary-access-key-9d2c";
  secretKey = "canary-secret-key-51fe7a";
  #starts = 0;
  /** @type {Child | undefined} */
  #child;

  /**
   * @param {import("./scene.mjs").Scene} scene
   * @param {number} port
   * @param {string} folder
   */
  constructor(scene, port, folder) {
    this.scene = scene;
    this.port = port;
    this.folder = folder;
    this.endpoint = `http://127.0.0.1:${port}`;
    this.secretPath = join(scene.folder, "s3-secret");
  }

  /**
   * @param {import("./scene.mjs").Scene} scene
   * @param {{ folder?: string }} [options] Where its files are.
   */
  static async start(scene, options = {}) {
    const [port] = /** @type {[number]} */ (await freePorts(1));
    const bucket = new Bucket(scene, port, options.folder ?? join(scene.folder, "s3"));
    await mkdir(join(bucket.folder, BUCKET), { recursive: true });
    await writeFile(bucket.secretPath, `${bucket.secretKey}\n`, { mode: 0o600 });
    await bucket.run();
    return bucket;
  }

  /** A server's configuration that has everything recorded there. */
  recorded() {
    return `
[recording]
channels = ["*"]
storage = "s3://${BUCKET}/eu/one"

[s3]
endpoint = "${this.endpoint}"
access_key = "${this.accessKey}"
secret_key_file = "${this.secretPath}"
`;
  }

  async run() {
    this.#starts += 1;
    const child = new Child(this.scene, `s3-${this.#starts}`, program(), ["--quiet", "--port", `127.0.0.1:${this.port}`, "posix", this.folder], {
      env: { ROOT_ACCESS_KEY: this.accessKey, ROOT_SECRET_KEY: this.secretKey },
    });
    this.#child = child;
    await until("the S3 server listens", READY_MS, async () => {
      if (!child.running) throw new Hopeless(`the S3 server ended: ${await child.log()}`);
      return listens(this.port);
    });
  }

  async kill() {
    await this.#child?.kill();
  }

  /** Every file in the bucket. */
  async files() {
    const all = await readdir(join(this.folder, BUCKET), { recursive: true, withFileTypes: true });
    const files = all.filter((entry) => entry.isFile() && !entry.parentPath.includes(".sgwtmp"));
    return files.map((entry) => join(entry.parentPath, entry.name).slice(join(this.folder, BUCKET).length + 1)).sort();
  }
}

/** @param {number} port @returns {Promise<boolean>} */
function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
