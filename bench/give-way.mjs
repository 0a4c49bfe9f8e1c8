/**
 * A phone has its processor for itself: what is only on this machine because everything is - the server, the encoder, the crowd - gives way to
 * the browser that is being measured.
 */

import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { setPriority } from "node:os";

const MARK = "FANWAVE_BENCH_GIVES_WAY";
/** A tenth of what others have, and all that they leave: with less, there would be no show to look at. */
const NICE = 10;

/**
 * Plays this program again in a session of its own: Linux shares the processor between sessions first (sched(7), "The autogroup feature"), and nobody's
 * terminal gives way. Resolves in the program that is played again, and never in the one that waits for it.
 *
 * @returns {Promise<void>}
 */
export async function inOwnSession() {
  if (process.env[MARK] === undefined) {
    const again = spawn(process.execPath, process.argv.slice(1), { stdio: "inherit", detached: true, env: { ...process.env, [MARK]: "1" } });
    for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.on(signal, () => again.kill(signal));
    again.once("close", (code, signal) => process.exit(code ?? (signal === null ? 1 : 143)));
    await new Promise(() => {});
  }
  delete process.env[MARK];
}

/**
 * Puts this program, and all that it starts from here on, behind everything else: after `inOwnSession`, and after the browser has begun, which is in a
 * session of its own.
 *
 * @returns {Promise<void>}
 */
export async function giveWay() {
  // Where sessions are not told apart there is no such file, and the priority alone counts.
  await writeFile("/proc/self/autogroup", String(NICE)).catch(() => {});
  setPriority(NICE);
}
