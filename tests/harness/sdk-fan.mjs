/** Fans who use the SDK as an app does, in Node. */

import { FanwaveClient } from "../../sdk/dist/index.js";
import WebSocket from "ws";
import { ANSWER_MS, guest } from "./chat.mjs";
import { CHANNEL } from "./server.mjs";
import { until } from "./wait.mjs";

/** Comes back within a second, so that a test need not wait for what is spread over twenty. */
const BACKOFF = { firstMs: 200, factor: 2, maxMs: 1_000 };

/**
 * A connected fan in the room of the test server.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {import("./server.mjs").Server} server
 * @param {{ name: string, port?: number, token?: string, room?: import("../../sdk/dist/index.js").RoomOptions }} options `port`: where
 *   to connect, when a proxy stands before the server.
 */
export async function sdkFan(scene, server, options) {
  const token = options.token ?? (await guest(server, options.name)).token;
  const client = new FanwaveClient({
    url: `http://127.0.0.1:${options.port ?? server.httpPort}`,
    getToken: async () => token,
    websocket: WebSocket,
    backoff: BACKOFF,
  });
  scene.after(() => client.close());
  const room = client.room(CHANNEL, options.room);
  /** @type {import("../../sdk/dist/index.js").Entry[]} */
  const heard = [];
  /** @type {unknown[]} */
  const gaps = [];
  room.on("entry", (entry) => heard.push(entry));
  room.on("gap", (gap) => gaps.push(gap));
  client.connect();
  await until(`${options.name} is connected`, ANSWER_MS, () => client.state === "connected");
  return {
    client,
    room,
    gaps,
    heard,
    /** What was said, in the order of hearing. */
    texts: () => heard.flatMap((entry) => ("text" in entry && entry.lane === "chat" ? [entry.text] : [])),
    /** @param {string} text */
    hears: (text) => until(`${options.name} hears "${text}"`, ANSWER_MS, () => heard.some((entry) => "text" in entry && entry.text === text)),
  };
}
