/** What a figure was measured on: it means nothing without it. */

import { execFileSync } from "node:child_process";
import { arch, cpus, release, totalmem, type } from "node:os";

/** @returns {{ processor: string, cores: number, memoryGib: number, system: string, commit: string }} */
export function machine() {
  return {
    processor: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 1024 ** 3),
    system: `${type()} ${release()} ${arch()}`,
    commit: COMMIT,
  };
}

/** Asked before a benchmark writes its own charts and pages, which change nothing that is measured. */
const COMMIT = commit();

function commit() {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    // Not a git checkout: a release archive.
    return "unknown";
  }
}
