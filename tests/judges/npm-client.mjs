/** The npm `centrifuge` client behind the verbs of client.mjs, over each of its transports. */

import { Centrifuge } from "centrifuge";
import { Centrifuge as CentrifugeProtobuf } from "centrifuge/build/protobuf";
import { EventSource } from "eventsource";
import WebSocket from "ws";
import { ANSWER_MS } from "../harness/chat.mjs";
import { Refused } from "./client.mjs";

/** @typedef {"websocket-json" | "websocket-protobuf" | "http-stream" | "sse"} Transport */

/**
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {number} port
 * @param {Transport} transport
 * @returns {Promise<import("./client.mjs").Client>}
 */
export async function npmClient(scene, port, transport) {
  const host = `127.0.0.1:${port}`;
  const isProtobuf = transport === "websocket-protobuf";
  const Client = isProtobuf ? CentrifugeProtobuf : Centrifuge;
  /** @type {any} */
  const endpoint = {
    "websocket-json": `ws://${host}/connection/websocket`,
    "websocket-protobuf": `ws://${host}/connection/websocket`,
    "http-stream": [{ transport: "http_stream", endpoint: `http://${host}/connection/http_stream` }],
    "sse": [{ transport: "sse", endpoint: `http://${host}/connection/sse` }],
  }[transport];
  /** @type {string[]} */
  let tokens = [];
  /** @type {import("./client.mjs").Heard[]} */
  const heard = [];
  const encode = (/** @type {any} */ data) => (isProtobuf ? new TextEncoder().encode(JSON.stringify(data)) : data);
  const decode = (/** @type {any} */ data) =>
    data instanceof Uint8Array ? JSON.parse(new TextDecoder().decode(data)) : data;
  const client = new Client(endpoint, {
    websocket: WebSocket,
    fetch,
    readableStream: ReadableStream,
    eventsource: EventSource,
    emulationEndpoint: `http://${host}/emulation`,
    timeout: ANSWER_MS,
    minReconnectDelay: 100,
    maxReconnectDelay: 1_000,
    getToken: async () => {
      heard.push({ kind: "token" });
      return /** @type {string} */ (tokens.length > 1 ? tokens.shift() : tokens[0]);
    },
  });
  scene.after(() => client.disconnect());
  client.on("connected", ({ client: id }) => heard.push({ kind: "connected", client: id }));
  client.on("connecting", ({ code }) => heard.push({ kind: "connecting", code }));
  client.on("disconnected", ({ code }) => heard.push({ kind: "disconnected", code }));
  client.on("subscribed", ({ channel }) => heard.push({ kind: "subscribed", channel, serverSide: true }));
  client.on("publication", ({ channel, data, offset }) =>
    heard.push({ kind: "publication", channel, data: decode(data), offset: Number(offset), serverSide: true }));
  // Errors are told to whoever asked; what is left are attempts that are made again.
  client.on("error", () => {});

  /** @param {Promise<any>} answer */
  const answered = (answer) => answer.catch((error) => {
    throw typeof error?.code === "number" ? new Refused(error.code, error.message) : error;
  });
  const subscriptionOf = (/** @type {string} */ channel) => {
    const subscription = client.getSubscription(channel);
    if (!subscription) throw new Error(`no subscription of ${channel}`);
    return subscription;
  };
  return {
    heard,
    connect: async (given) => {
      tokens = [...given];
      client.connect();
    },
    subscribe: async (channel, options = {}) => {
      const subscription = client.newSubscription(channel, { recoverable: true, positioned: true, ...options });
      subscription.on("subscribed", ({ recovered, wasRecovering }) =>
        heard.push({ kind: "subscribed", channel, recovered, wasRecovering }));
      subscription.on("unsubscribed", ({ code }) => heard.push({ kind: "unsubscribed", channel, code }));
      subscription.on("publication", ({ data, offset }) =>
        heard.push({ kind: "publication", channel, data: decode(data), offset: Number(offset) }));
      subscription.on("error", () => {});
      subscription.subscribe();
    },
    unsubscribe: async (channel) => subscriptionOf(channel).unsubscribe(),
    resubscribe: async (channel) => subscriptionOf(channel).subscribe(),
    publish: async (channel, data) => void (await answered(client.publish(channel, encode(data)))),
    rpc: async (method, data) => decode((await answered(client.rpc(method, encode(data)))).data),
    history: async (channel, query) => {
      const page = await answered(client.history(channel, query));
      const publications = page.publications.map((/** @type {any} */ p) => ({ offset: Number(p.offset), data: decode(p.data) }));
      return { epoch: page.epoch, offset: Number(page.offset), publications };
    },
    presence: async (channel) => {
      const { clients } = await answered(client.presence(channel));
      return Object.values(clients).map((/** @type {any} */ info) => info.user);
    },
    presenceStats: async (channel) => {
      const { numClients, numUsers } = await answered(client.presenceStats(channel));
      return { clients: numClients, users: numUsers };
    },
    batch: async (channel, count) => {
      client.startBatching();
      const answers = Array.from({ length: count }, (_, index) => client.publish(channel, encode({ text: `batch ${index + 1}` })));
      client.stopBatching();
      await answered(Promise.all(answers));
    },
  };
}
