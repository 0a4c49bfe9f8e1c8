/** What the kernel holds for sockets. */

import { readFile } from "node:fs/promises";

/** What a socket is made of, idle: it, its file, and its place in a poll. */
const OF_SOCKETS = new Set(["TCP", "TCPv6", "sock_inode_cache", "filp", "eventpoll_epi", "eventpoll_pwq", "ep_head", "lsm_file_cache", "lsm_inode_cache", "skbuff_head_cache", "skbuff_small_head"]);

/**
 * Bytes of the kernel's objects that sockets are made of. Directory entries are not among them, because whoever looks
 * through /proc makes some, too. Zero where the kernel does not tell.
 */
export async function socketBytes() {
  const text = await readFile("/proc/slabinfo", "utf8").catch(() => "");
  let bytes = 0;
  for (const line of text.split("\n")) {
    const [name, active, , size] = line.split(/\s+/);
    if (name && OF_SOCKETS.has(name)) bytes += Number(active) * Number(size);
  }
  return bytes;
}
