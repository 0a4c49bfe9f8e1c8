/**
 * TCP proxies: one that a test can cut, which is what a phone in a lift does to a connection, and one that a test can turn
 * to another server, which is what a load balancer does. Addresses on this machine only.
 */

import { connect, createServer } from "node:net";

/**
 * @param {import("./scene.mjs").Scene} scene
 * @param {number} targetPort
 */
export async function cuttableProxy(scene, targetPort) {
  /** @type {Set<import("node:net").Socket>} */
  const sockets = new Set();
  let accepted = 0;
  const server = createServer((near) => {
    accepted += 1;
    const far = connect(targetPort, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.once("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
      // A reset is what this proxy is for: the close that follows is handled above.
      socket.on("error", () => {});
    }
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  scene.after(async () => {
    cut();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    port,
    /** Resets every connection that goes through now; new ones are taken. */
    cut,
    /** How many connections were taken so far. */
    get accepted() {
      return accepted;
    },
  };
}

/**
 * A load balancer in small: new connections go to its target of the moment, those there are stay where they are.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {number} targetPort
 */
export async function movableProxy(scene, targetPort) {
  const balancer = { target: targetPort, port: 0 };
  /** @type {Set<import("node:net").Socket>} */
  const sockets = new Set();
  const server = createServer((near) => {
    const far = connect(balancer.target, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      socket.on("error", () => socket.destroy());
    }
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  scene.after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  balancer.port = /** @type {import("node:net").AddressInfo} */ (server.address()).port;
  return balancer;
}
