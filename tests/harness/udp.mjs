/** UDP ports for servers under test. */

import { createSocket } from "node:dgram";

/**
 * A UDP port that nothing listens on.
 *
 * @returns {Promise<number>}
 */
export function freeUdpPort() {
  const socket = createSocket("udp4");
  return new Promise((resolve) => {
    socket.bind(0, "127.0.0.1", () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}
