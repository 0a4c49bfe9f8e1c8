/**
 * Fans that are not a browser: the npm `centrifuge` client as its authors ship it, with a guest token from the API.
 */

import { Centrifuge } from "centrifuge";
import WebSocket from "ws";
import { until, within } from "./wait.mjs";

/** How long the server may take to answer a command on a quiet machine's loopback; far above what it takes. */
export const ANSWER_MS = 20_000;

/** How many messages are asked for at once. A page may come back shorter, so only an empty one is the end. */
const HISTORY_PAGE = 200;

/**
 * A signed guest token.
 *
 * @param {import("./server.mjs").Server} server
 * @param {string} name
 * @returns {Promise<{ token: string, user: string, name: string }>}
 */
export async function guest(server, name) {
  const response = await fetch(`${server.url}/api/v1/guests`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name }),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  if (!response.ok) throw new Error(`no guest token: ${response.status} ${await response.text()}`);
  return response.json();
}

/**
 * A connected fan in one channel, keeping every publication it was given.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {import("./server.mjs").Server} server
 * @param {{ name: string, channel?: string, port?: number, recoverable?: boolean }} options `port`: where to connect,
 *   when a proxy stands before the server.
 */
export async function fan(scene, server, options) {
  const { token, user } = await guest(server, options.name);
  const address = `ws://127.0.0.1:${options.port ?? server.httpPort}/connection/websocket`;
  const client = new Centrifuge(address, {
    websocket: WebSocket,
    token,
    timeout: ANSWER_MS,
    minReconnectDelay: 100,
    maxReconnectDelay: 1_000,
  });
  scene.after(() => client.disconnect());
  const channel = options.channel ?? server.chatChannel;
  const subscription = client.newSubscription(channel, { recoverable: options.recoverable ?? true, positioned: true });
  /** @type {import("centrifuge").PublicationContext[]} */
  const heard = [];
  subscription.on("publication", (publication) => heard.push(publication));
  const subscribed = new Promise((resolve) => subscription.once("subscribed", resolve));
  subscription.subscribe();
  client.connect();
  const first = /** @type {import("centrifuge").SubscribedContext} */ (
    await within(`${options.name} is subscribed to ${channel}`, ANSWER_MS, subscribed)
  );
  return {
    client,
    subscription,
    user,
    token,
    first,
    heard,
    /** @param {string} text */
    hears: (text) =>
      until(`${options.name} hears "${text}"`, ANSWER_MS, () => heard.find((publication) => publication.data.text === text)),
  };
}

/**
 * The acknowledged send of the watch page.
 *
 * @param {import("centrifuge").Centrifuge} client
 * @param {string} channel
 * @param {{ id: string, text: string }} message
 * @returns {Promise<{ offset: number, epoch: string, at: number, id: string, duplicate: boolean }>}
 */
export async function send(client, channel, message) {
  const { data } = await client.rpc("send", { channel, ...message });
  return data;
}

/**
 * Everything a channel holds, oldest first, read page by page.
 *
 * @param {import("centrifuge").Subscription} subscription
 */
export async function wholeHistory(subscription) {
  const all = [];
  /** @type {import("centrifuge").StreamPosition | undefined} */
  let since;
  for (;;) {
    const page = await subscription.history(since ? { limit: HISTORY_PAGE, since } : { limit: HISTORY_PAGE });
    all.push(...page.publications);
    const last = page.publications.at(-1);
    if (!last) return all;
    since = { offset: Number(last.offset), epoch: page.epoch };
  }
}
