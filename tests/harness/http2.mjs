/** Clients of HTTP/2 that are not a browser: node's own, in the clear with prior knowledge or over TLS. */

import { connect } from "node:http2";
import { connect as connectTcp } from "node:net";
import { within } from "./wait.mjs";

/** How long an answer may take that is not held. */
const ANSWER_MS = 30_000;

/**
 * A connection, closed when the scene ends.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {string} url
 * @param {import("node:http2").SecureClientSessionOptions} [options]
 */
export async function http2(scene, url, options = {}) {
  const session = connect(url, options);
  // What ends it is asserted where it is expected.
  session.on("error", () => {});
  scene.after(() => session.destroy());
  await within(`a connection of HTTP/2 to ${url}`, ANSWER_MS, new Promise((resolve, reject) => {
    session.once("remoteSettings", resolve).once("error", reject).once("close", () => reject(new Error("it was closed at once")));
  }));
  return session;
}

/**
 * @typedef {object} Http2Answer
 * @property {number} status
 * @property {Record<string, string>} headers
 * @property {Buffer} body
 */

/**
 * One request on a connection that has others under way.
 *
 * @param {import("node:http2").ClientHttp2Session} session
 * @param {string} path
 * @param {import("node:http2").OutgoingHttpHeaders} [headers]
 * @returns {Promise<Http2Answer>}
 */
export function ask(session, path, headers = {}) {
  const answered = new Promise((resolve, reject) => {
    const request = session.request({ ":path": path, ...headers });
    /** @type {Record<string, string>} */
    let head = {};
    /** @type {Buffer[]} */
    const pieces = [];
    request.on("response", (received) => { head = /** @type {any} */ (received); });
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => resolve({ status: Number(head[":status"]), headers: head, body: Buffer.concat(pieces) }));
    request.on("error", reject);
    request.on("close", () => reject(new Error(`the stream of ${path} was closed with ${request.rstCode}`)));
    request.end();
  });
  return within(`an answer to ${path}`, ANSWER_MS, /** @type {Promise<Http2Answer>} */ (answered));
}

const HEADERS = 1;
const RESET = 3;
const SETTINGS = 4;
const GO_AWAY = 7;

/**
 * Opens streams and takes each back at once, faster than any library would; resolves with the code by which the server
 * ends the connection.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {number} port
 * @param {number} streams
 * @returns {Promise<number>}
 */
export function floodOfResets(scene, port, streams) {
  const socket = connectTcp(port, "127.0.0.1");
  scene.after(() => void socket.destroy());
  /** @param {number} kind @param {number} flags @param {number} stream @param {Buffer} payload */
  const frame = (kind, flags, stream, payload) => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(kind, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  };
  // "GET / http", out of the static table of RFC 7541.
  const request = Buffer.from([0x82, 0x86, 0x84]);
  const cancel = Buffer.from([0, 0, 0, 8]);
  const flood = Array.from({ length: streams }, (_, i) => [frame(HEADERS, 5, 2 * i + 1, request), frame(RESET, 0, 2 * i + 1, cancel)]);
  socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(SETTINGS, 0, 0, Buffer.alloc(0)), ...flood.flat()]));
  return new Promise((resolve, reject) => {
    let heard = Buffer.alloc(0);
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the connection was closed without a word")));
    socket.on("data", (data) => {
      heard = Buffer.concat([heard, data]);
      while (heard.length >= 9 && heard.length >= 9 + heard.readUIntBE(0, 3)) {
        const length = heard.readUIntBE(0, 3);
        if (heard.readUInt8(3) === GO_AWAY) resolve(heard.readUInt32BE(13));
        heard = heard.subarray(9 + length);
      }
    });
  });
}
