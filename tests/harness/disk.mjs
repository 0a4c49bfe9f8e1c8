/** File systems that a test may fill. */

import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./child.mjs";

/**
 * A file system of its own, so that filling it harms nothing else.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {string} size As mount takes it, such as `4m`.
 */
export async function smallDisk(scene, size) {
  const folder = join(scene.folder, "disk");
  const args = ["-t", "tmpfs", "-o", `size=${size}`, "fanwave-test", folder];
  if (process.getuid?.() !== 0) {
    throw new Error(`this test mounts a small file system, which takes root: run as root, or allow \`mount ${args.join(" ")}\``);
  }
  await mkdir(folder);
  const mounted = await run("mount", args, { deadlineMs: 5_000 });
  if (mounted.code !== 0) throw new Error(`mount ${args.join(" ")} failed: ${mounted.stderr}`);
  scene.after(async () => {
    const gone = await run("umount", [folder], { deadlineMs: 5_000 });
    if (gone.code !== 0) throw new Error(`umount ${folder} failed: ${gone.stderr}`);
  });
  return folder;
}

/**
 * Writes until not one more byte fits.
 *
 * @param {string} path
 */
export async function fill(path) {
  const file = await open(path, "a");
  try {
    for (const size of [65_536, 4_096, 1]) {
      const block = Buffer.alloc(size);
      for (;;) {
        try {
          await file.write(block);
        } catch (error) {
          if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ENOSPC") throw error;
          break;
        }
      }
    }
  } finally {
    await file.close();
  }
}
