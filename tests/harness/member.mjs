/** Somebody in both lanes of the room, with a token that the back end had made: what they say, hear and come through. */

import { Centrifuge } from "centrifuge";
import WebSocket from "ws";
import { ANSWER_MS, send } from "./chat.mjs";
import { until, within } from "./wait.mjs";

/** From the answer of one server to the sockets of another, on a machine that has other things to do. */
export const SEEN_MS = 5_000;

/**
 * @param {import("./scene.mjs").Scene} scene
 * @param {import("./server.mjs").Server} server
 * @param {string} user
 * @param {string} token
 */
export async function joinAs(scene, server, user, token) {
  const client = new Centrifuge(`ws://127.0.0.1:${server.httpPort}/connection/websocket`, {
    websocket: WebSocket,
    token,
    timeout: ANSWER_MS,
    minReconnectDelay: 100,
    maxReconnectDelay: 1_000,
  });
  scene.after(() => client.disconnect());
  /** @type {any[]} */
  const heard = [];
  /** @type {import("centrifuge").SubscribedContext[]} */
  const subscribed = [];
  /** @type {number[]} */
  const closed = [];
  /** @type {number[]} */
  const returns = [];
  client.on("disconnected", ({ code }) => closed.push(code));
  // The first connecting has a code of the library's own, 0.
  client.on("connecting", ({ code }) => code && returns.push(code));
  const lanes = [server.roomChannel, server.chatChannel].map((channel) => {
    const subscription = client.newSubscription(channel, { recoverable: true, positioned: true });
    subscription.on("publication", ({ data, offset }) => heard.push({ channel, offset, ...data }));
    subscription.on("subscribed", (context) => subscribed.push(context));
    subscription.subscribe();
    return subscription;
  });
  client.connect();
  await within(`${user} is there`, ANSWER_MS, Promise.all(lanes.map((lane) => lane.ready(ANSWER_MS))));
  return {
    client,
    heard,
    subscribed,
    closed,
    returns,
    /** @param {string} id @param {string} text */
    say: (id, text) => send(client, server.chatChannel, { id, text }),
    /** @param {string} what @param {(event: any) => boolean} matches */
    sees: (what, matches) => until(`${user} sees ${what}`, SEEN_MS, () => heard.find(matches)),
  };
}
