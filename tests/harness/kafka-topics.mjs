/**
 * Makes topics at a Kafka, with the one request of its protocol that takes: its own tool would be another Java to start.
 *
 * CreateTopics, version 2: https://kafka.apache.org/protocol#The_Messages_CreateTopics
 */

import { connect } from "node:net";

const CREATE_TOPICS = 19;
const VERSION = 2;
const ALREADY_THERE = 36;
/** How long Kafka may take for it. */
const TIMEOUT_MS = 10_000;

/**
 * Whether the topics are there now; not, for example, while Kafka has no controller yet.
 *
 * @param {number} port
 * @param {{ name: string, partitions: number }[]} topics
 */
export async function createTopics(port, topics) {
  const body = Buffer.concat([
    int32(topics.length),
    ...topics.flatMap(({ name, partitions }) => [string(name), int32(partitions), int16(1), int32(0), int32(0)]),
    int32(TIMEOUT_MS),
    Buffer.of(0),
  ]);
  const request = Buffer.concat([int16(CREATE_TOPICS), int16(VERSION), int32(1), string("tests"), body]);
  const answer = await ask(port, Buffer.concat([int32(request.length), request]));
  // Length, correlation id and throttle time, then an array of names with their error codes and messages.
  let at = 12;
  const count = answer.readInt32BE(at);
  at += 4;
  const codes = [];
  for (let index = 0; index < count; index += 1) {
    at += 2 + answer.readInt16BE(at);
    codes.push(answer.readInt16BE(at));
    at += 2;
    at += 2 + Math.max(0, answer.readInt16BE(at));
  }
  return codes.length === topics.length && codes.every((code) => code === 0 || code === ALREADY_THERE);
}

/** @param {number} value */
function int16(value) {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

/** @param {number} value */
function int32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** @param {string} text */
const string = (text) => Buffer.concat([int16(Buffer.byteLength(text)), Buffer.from(text)]);

/**
 * @param {number} port
 * @param {Buffer} request
 * @returns {Promise<Buffer>}
 */
function ask(port, request) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(request));
    let answer = Buffer.alloc(0);
    socket.on("data", (data) => {
      answer = Buffer.concat([answer, data]);
      if (answer.length >= 4 && answer.length >= 4 + answer.readInt32BE(0)) socket.destroy();
    });
    socket.on("error", reject);
    socket.on("close", () => (answer.length >= 16 ? resolve(answer) : reject(new Error("Kafka has not answered"))));
  });
}
