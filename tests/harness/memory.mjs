/** How much memory a process holds, as Linux counts it. */

import { readFile } from "node:fs/promises";

/**
 * Resident memory in bytes.
 *
 * @param {number} pid
 */
export async function residentBytes(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (!kilobytes) throw new Error(`process ${pid} has no resident memory: is it gone?`);
  return Number(kilobytes) * 1024;
}

/** How often a watched process is looked at. */
const LOOK_EVERY_MS = 20;

/**
 * Watches how much a process grows from now on.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {number} pid
 * @returns {Promise<{ grown: () => Promise<number> }>} `grown` ends the watch and tells the most bytes that were held on top of
 *   what was held at its beginning.
 */
export async function watchMemory(scene, pid) {
  const first = await residentBytes(pid);
  let most = first;
  let watching = true;
  const watch = (async () => {
    while (watching) {
      most = Math.max(most, await residentBytes(pid));
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  })();
  // A process that is gone is reported by `grown`, or by the scene that owns it.
  watch.catch(() => {});
  scene.after(() => {
    watching = false;
  });
  return {
    grown: async () => {
      watching = false;
      await watch;
      return most - first;
    },
  };
}
