/**
 * Peers that do not keep to the protocol: raw TCP connections that say exactly the bytes a test gives them, and
 * WebSocket frames built by hand (RFC 6455 section 5.2), because a well-kept library refuses to send bad ones.
 */

import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { until, within } from "./wait.mjs";

const CONNECT_MS = 20_000;

/** A TCP connection that remembers what it was told and whether it was ended. */
export class RawPeer {
  /**
   * @param {import("./scene.mjs").Scene} scene
   * @param {number} port
   */
  static async connect(scene, port) {
    const socket = connect(port, "127.0.0.1");
    await within("a TCP connection", CONNECT_MS, new Promise((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    }));
    const peer = new RawPeer(socket);
    scene.after(() => {
      socket.destroy();
    });
    return peer;
  }

  /** @param {import("node:net").Socket} socket */
  constructor(socket) {
    this.socket = socket;
    this.received = Buffer.alloc(0);
    this.ended = false;
    socket.on("data", (bytes) => (this.received = Buffer.concat([this.received, bytes])));
    socket.on("end", () => (this.ended = true));
    socket.on("close", () => (this.ended = true));
    // A reset is one of the ways in which a server may refuse: it counts as ended.
    socket.on("error", () => (this.ended = true));
  }

  /** @param {Uint8Array | string} bytes */
  say(bytes) {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  /**
   * Keeps sending until the server ends the connection or the limit is reached, never faster than the server reads.
   *
   * @param {number} bytesMax
   * @param {() => Uint8Array} chunk
   */
  async flood(bytesMax, chunk) {
    let sent = 0;
    while (sent < bytesMax && !this.ended) {
      const bytes = chunk();
      sent += bytes.length;
      const more = this.socket.write(bytes);
      if (!more) {
        // Either the buffer drains, or the server has stopped reading for good: both are answers.
        await Promise.race([
          new Promise((resolve) => this.socket.once("drain", resolve)),
          new Promise((resolve) => this.socket.once("close", resolve)),
          new Promise((resolve) => setTimeout(resolve, 1_000)),
        ]);
        if (this.socket.writableNeedDrain) return sent;
      }
    }
    return sent;
  }

  /** @param {number} deadlineMs */
  async untilEnded(deadlineMs) {
    await until("the server ends the connection", deadlineMs, () => this.ended);
  }
}

/**
 * A connection that has been upgraded by the book and now speaks as it likes.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {import("./server.mjs").Server} server
 * @param {string} [extensions] What is offered, and has to be taken.
 */
export async function rawWebSocket(scene, server, extensions) {
  const peer = await RawPeer.connect(scene, server.httpPort);
  peer.say(
    `GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1:${server.httpPort}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\nSec-WebSocket-Version: 13\r\n` +
      (extensions ? `Sec-WebSocket-Extensions: ${extensions}\r\n\r\n` : "\r\n"),
  );
  const headEnd = await until("the upgrade is answered", CONNECT_MS, () => {
    const at = peer.received.indexOf("\r\n\r\n");
    return at < 0 ? undefined : at + 4;
  });
  const head = peer.received.subarray(0, headEnd).toString("latin1");
  if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(`no upgrade: ${head}`);
  if (extensions && !/^sec-websocket-extensions:/im.test(head)) throw new Error(`no ${extensions}: ${head}`);
  peer.received = peer.received.subarray(headEnd);
  return peer;
}

/**
 * One client frame.
 *
 * @param {Uint8Array | string} payload
 * @param {{ opcode?: number, fin?: boolean, masked?: boolean, reserved?: number, claim?: number }} [options] `claim`:
 *   the length that the header states, if it is not the payload's.
 */
export function frame(payload, options = {}) {
  const { opcode = 1, fin = true, masked = true, reserved = 0 } = options;
  const body = Buffer.from(payload);
  const length = options.claim ?? body.length;
  const head = [(fin ? 0x80 : 0) | (reserved << 4) | opcode];
  const maskBit = masked ? 0x80 : 0;
  if (length < 126) head.push(maskBit | length);
  else if (length < 65_536) head.push(maskBit | 126, length >> 8, length & 0xff);
  else {
    const wide = Buffer.alloc(8);
    wide.writeBigUInt64BE(BigInt(length));
    head.push(maskBit | 127, ...wide);
  }
  if (!masked) return Buffer.concat([Buffer.from(head), body]);
  const key = randomBytes(4);
  for (let i = 0; i < body.length; i += 1) body[i] = (body[i] ?? 0) ^ (key[i % 4] ?? 0);
  return Buffer.concat([Buffer.from(head), key, body]);
}

/**
 * Waits for the server's close frame and gives back its code.
 *
 * @param {RawPeer} peer
 * @param {number} deadlineMs
 * @returns {Promise<{ code: number, reason: string }>}
 */
export function closeFrame(peer, deadlineMs) {
  return until("the server's close frame", deadlineMs, () => {
    let bytes = peer.received;
    while (bytes.length >= 2) {
      const opcode = (bytes[0] ?? 0) & 0x0f;
      let length = (bytes[1] ?? 0) & 0x7f;
      let at = 2;
      if (length === 126) {
        length = bytes.readUInt16BE(2);
        at = 4;
      }
      if (bytes.length < at + length) return undefined;
      const payload = bytes.subarray(at, at + length);
      if (opcode === 8) return { code: payload.readUInt16BE(0), reason: payload.subarray(2).toString("utf8") };
      bytes = bytes.subarray(at + length);
    }
    return undefined;
  });
}
