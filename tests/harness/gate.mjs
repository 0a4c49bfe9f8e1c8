/**
 * A network between two processes that a test can spoil: bytes stop in one direction or both while all connections stay open
 * (which is what a partition is, and no reset tells anybody), or they take long.
 *
 * What has stopped is not lost: when the gate opens again it goes on, as TCP's own repetitions would make it. Addresses on this
 * machine only.
 */

import { connect, createServer } from "node:net";

/** One direction of one connection. */
class Pipe {
  /** @type {{ at: number, data: Buffer }[]} */
  #held = [];
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /**
   * @param {import("node:net").Socket} from
   * @param {import("node:net").Socket} to
   * @param {"up" | "down"} direction
   * @param {Gate} gate
   */
  constructor(from, to, direction, gate) {
    this.from = from;
    this.to = to;
    this.direction = direction;
    this.gate = gate;
    this.ended = false;
    from.on("data", (data) => {
      this.#held.push({ at: performance.now() + gate.delayMs[direction], data });
      this.flush();
    });
    from.on("end", () => {
      this.ended = true;
      this.flush();
    });
  }

  /** Passes on what may pass now. */
  flush() {
    clearTimeout(this.#timer);
    if (this.gate.isShut[this.direction]) {
      // The kernel's buffers fill, and the sender notices no more than that.
      this.from.pause();
      return;
    }
    this.from.resume();
    for (let first = this.#held[0]; first; first = this.#held[0]) {
      const wait = first.at - performance.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.flush(), wait);
        return;
      }
      this.#held.shift();
      this.to.write(first.data);
    }
    if (this.ended) this.to.end();
  }

  stop() {
    clearTimeout(this.#timer);
  }
}

/** See the module. *Up* is from whoever connects to whom it wants. */
export class Gate {
  /** @type {Set<Pipe>} */
  #pipes = new Set();
  isShut = { up: false, down: false };
  delayMs = { up: 0, down: 0 };
  port = 0;

  /**
   * Opens one.
   *
   * @param {import("./scene.mjs").Scene} scene
   * @param {{ port: number, target: number }} door
   */
  static async open(scene, { port, target }) {
    const gate = new Gate();
    const server = createServer({ allowHalfOpen: true }, (near) => gate.#join(near, target));
    await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", () => resolve(undefined)));
    gate.port = /** @type {import("node:net").AddressInfo} */ (server.address()).port;
    scene.after(async () => {
      gate.#end();
      await new Promise((resolve) => server.close(resolve));
    });
    return gate;
  }

  /**
   * @param {import("node:net").Socket} near
   * @param {number} target
   */
  #join(near, target) {
    const far = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true });
    const pipes = [new Pipe(near, far, "up", this), new Pipe(far, near, "down", this)];
    for (const pipe of pipes) this.#pipes.add(pipe);
    const end = () => {
      for (const pipe of pipes) {
        pipe.stop();
        this.#pipes.delete(pipe);
      }
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      // The close that follows says it all.
      socket.on("error", () => {});
      socket.once("close", end);
    }
    this.#flush();
  }

  #flush() {
    for (const pipe of this.#pipes) pipe.flush();
  }

  /**
   * Nothing passes in these directions any more.
   *
   * @param {("up" | "down")[]} directions
   */
  shut(...directions) {
    for (const direction of directions.length > 0 ? directions : /** @type {const} */ (["up", "down"])) this.isShut[direction] = true;
    this.#flush();
  }

  /** Everything passes again. */
  reopen() {
    this.isShut = { up: false, down: false };
    this.#flush();
  }

  /**
   * What comes down from now on takes so long.
   *
   * @param {number} ms
   */
  delay(ms) {
    this.delayMs = { up: 0, down: ms };
  }

  /** Ends all connections, which a reset cannot where one is being shut down already. */
  #end() {
    for (const { from } of this.#pipes) from.destroy();
  }
}
