/**
 * An audience that notices: while a test does its worst, it keeps asking for the next part as a player does and keeps
 * sending and hearing chat, and afterwards can say how long anything ever took.
 */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { fan, send } from "./chat.mjs";
import { mediaPlaylist, playlists } from "./hls.mjs";
import { until } from "./wait.mjs";

/**
 * A player's buffer is three parts: one that is late by two is shown in time. All of it, also who does the worst, shares two processors
 * with this process, which is seen in the worst of some hundred parts.
 */
const PART_LATE_MS_MAX = 2_000;

/** From handing a message in to hearing it back; a person takes 200 ms for "at once", a busy test machine gets more. */
const CHAT_MS_MAX = 2_000;

/** How often the audience speaks. Slow enough for one fan's rate limit of one message each second. */
const SPEAK_EVERY_MS = 1_100;

/**
 * Starts watching and chatting; the show must be on the air.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {import("./server.mjs").Server} server
 */
export async function audience(scene, server) {
  const speaker = await fan(scene, server, { name: "speaker" });
  const listener = await fan(scene, server, { name: "listener" });
  const now = await playlists(server);
  if (!now) throw new Error("the audience came before the show");
  const seen = { parts: 0, messages: 0, latestPartMs: 0, slowestChatMs: 0 };
  /** @type {unknown} */
  let broken;
  let leaving = false;

  const watching = (async () => {
    let { url, nextMsn, partsOfNext } = now.video;
    let lastAt = performance.now();
    while (!leaving) {
      const next = await mediaPlaylist(`${url}?_HLS_msn=${nextMsn}&_HLS_part=${partsOfNext}`);
      if (!next) throw new Error("the playlist is gone");
      if (next.nextMsn === nextMsn && next.partsOfNext <= partsOfNext) throw new Error("a blocking reload brought nothing new");
      ({ nextMsn, partsOfNext } = next);
      const at = performance.now();
      seen.parts += 1;
      seen.latestPartMs = Math.max(seen.latestPartMs, at - lastAt - server.partTargetMs);
      lastAt = at;
    }
  })().catch((error) => (broken ??= error));

  const chatting = (async () => {
    while (!leaving) {
      const text = `still here ${seen.messages}`;
      const began = performance.now();
      await send(speaker.client, server.chatChannel, { id: randomUUID(), text });
      await listener.hears(text);
      seen.messages += 1;
      seen.slowestChatMs = Math.max(seen.slowestChatMs, performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, SPEAK_EVERY_MS));
    }
  })().catch((error) => (broken ??= error));

  scene.after(async () => {
    leaving = true;
    await Promise.all([watching, chatting]);
  });

  return {
    /**
     * Asserts that the show and the chat went on since the last time, and still do: a further part and a further
     * message come, and nothing was ever late.
     *
     * @param {string} during What the audience should not have noticed.
     */
    async unmoved(during) {
      const { parts, messages } = seen;
      await until(`show and chat go on during: ${during}`, 10_000, () => {
        if (broken) return true;
        return seen.parts >= parts + 2 && seen.messages >= messages + 1;
      });
      if (broken) throw broken;
      assert.ok(seen.latestPartMs <= PART_LATE_MS_MAX, `a part was ${Math.round(seen.latestPartMs)} ms late during: ${during}`);
      assert.ok(seen.slowestChatMs <= CHAT_MS_MAX, `a message took ${Math.round(seen.slowestChatMs)} ms during: ${during}`);
    },
  };
}
