/** The log of a server alone, out of its reach for a while: another process holds the lock of the database. */

import { createInterface } from "node:readline";
import { Child } from "./child.mjs";
import { within } from "./wait.mjs";

const LOCK_MS = 20_000;

/** Takes the lock for writing, says so, and gives it back when its input ends. */
const HOLD = `
import sqlite3, sys
log = sqlite3.connect(sys.argv[1], timeout=15, isolation_level=None)
log.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
log.execute("ROLLBACK")
`;

/**
 * Holds the lock of a database until it is told to give it back.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {string} database
 */
export async function holdLock(scene, database) {
  const child = new Child(scene, "log-lock", "python3", ["-c", HOLD, database], { stdin: "pipe" });
  const { stdout, stdin } = child.process;
  if (!stdout || !stdin) throw new Error("the holder has no pipes");
  const lines = createInterface({ input: stdout });
  await within("the lock is held", LOCK_MS, new Promise((resolve) => lines.once("line", resolve)));
  return async () => {
    stdin.end();
    const { code } = await within("the lock is given back", LOCK_MS, child.exited);
    if (code !== 0) throw new Error(`the holder of the lock ended with ${code}: ${await child.log()}`);
  };
}
