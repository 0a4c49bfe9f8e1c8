/**
 * A scene: one test's own corner of the machine. It owns a temporary folder and everything the test started in it, takes
 * it all down in reverse order whatever happened, and when the test failed leaves logs and screenshots in artifacts/.
 */

import { copyFile, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

/**
 * @typedef {object} Scene
 * @property {string} name
 * @property {string} folder Temporary; gone after the test.
 * @property {string} artifacts Where the test may leave what a person should look at.
 * @property {(undo: () => Promise<void> | void) => void} after Runs when the test ends, last registered first.
 * @property {(onFailure: () => Promise<void> | void) => void} onFailure Runs before anything is taken down, if the test failed.
 */

/** The folder of everything the tests leave behind. */
export function artifactsFolder() {
  const folder = process.env.FANWAVE_ARTIFACTS;
  if (!folder) throw new Error("FANWAVE_ARTIFACTS is not set: run the tests with `make test` or `make e2e`");
  return folder;
}

/**
 * Declares a test that plays in a scene of its own.
 *
 * @param {string} name
 * @param {(scene: Scene) => Promise<void>} play
 */
export function scene(name, play) {
  test(name, () => inScene(name, play));
}

/**
 * Plays in a scene, outside of the test runner too.
 *
 * @template T
 * @param {string} name
 * @param {(scene: Scene) => Promise<T>} play
 * @returns {Promise<T>}
 */
export async function inScene(name, play) {
  /** @type {(() => Promise<void> | void)[]} */
  const undo = [];
  /** @type {(() => Promise<void> | void)[]} */
  const failed = [];
  const folder = await mkdtemp(join(tmpdir(), "fanwave-"));
  const artifacts = artifactsFolder();
  await mkdir(artifacts, { recursive: true });
  /** @type {{ value: T } | undefined} */
  let played;
  try {
    played = { value: await play({ name, folder, artifacts, after: (f) => undo.push(f), onFailure: (f) => failed.push(f) }) };
  } catch (error) {
    for (const report of failed) await Promise.resolve(report()).catch((e) => console.error(`while reporting: ${e}`));
    await takeDown(undo).catch((e) => console.error(`while taking down: ${e}`));
    throw error;
  } finally {
    if (!played) await keepLogs(folder, join(artifacts, slug(name)));
  }
  try {
    await takeDown(undo);
  } catch (error) {
    await keepLogs(folder, join(artifacts, slug(name)));
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return played.value;
}

/**
 * Every step is taken, whatever happens in the others; the first error is what the caller hears.
 *
 * @param {(() => Promise<void> | void)[]} undo
 */
async function takeDown(undo) {
  /** @type {unknown[]} */
  const errors = [];
  for (const step of undo.reverse()) {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

/** @param {string} text */
export function slug(text) {
  return text.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
}

/**
 * @param {string} from
 * @param {string} to
 */
async function keepLogs(from, to) {
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from)) {
    if (/\.(log|toml)$/.test(name)) await copyFile(join(from, name), join(to, name));
  }
}

/**
 * Ports that are given out: below those that Linux takes for outgoing connections (`ip_local_port_range`), of which one could take a port between here
 * and whoever is to listen on it, and above the last one that browsers refuse.
 */
const PORTS = { first: 11_000, last: 32_767 };

/** Where to look next. Test files run side by side, each in a process of its own: they begin far from each other. */
let nextPort = PORTS.first + ((process.pid * 131) % (PORTS.last - PORTS.first));

/**
 * So many TCP ports that nothing listens on, none of which this process was given before.
 *
 * @param {number} count
 * @returns {Promise<number[]>}
 */
export async function freePorts(count) {
  const ports = [];
  while (ports.length < count) {
    const port = nextPort;
    nextPort = port === PORTS.last ? PORTS.first : port + 1;
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

/**
 * @param {number} port
 * @returns {Promise<boolean>}
 */
function isFree(port) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error) => (/** @type {NodeJS.ErrnoException} */ (error).code === "EADDRINUSE" ? resolve(false) : reject(error)));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
