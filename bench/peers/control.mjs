/** The control connection of a peer: the generator says what to send into the room, one message a line. */

import { createServer } from "node:net";
import { createInterface } from "node:readline";

/**
 * @param {number} port
 * @param {(message: string) => void} say
 */
export function controlLines(port, say) {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    createInterface({ input: socket }).on("line", say);
  });
  server.listen(port, "127.0.0.1");
}
