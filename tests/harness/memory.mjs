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
