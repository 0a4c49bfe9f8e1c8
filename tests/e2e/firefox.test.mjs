/** The chat of the watch page, and so the SDK, in Debian's Firefox: through a server that is killed, everything once and in order. */

import assert from "node:assert/strict";
import { fan, send } from "../harness/chat.mjs";
import { openFirefox } from "../harness/firefox.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

const PAGE_MS = 30_000;

/** What the page has, as text: who has said it, and how it stands. */
const ROWS = `JSON.stringify([...document.querySelectorAll("[data-testid=chat-message]")].map((row) =>
  [row.querySelector("[data-testid=chat-text]").textContent, row.dataset.state]))`;

/** Writes into the field as a person does, and presses Enter. */
const write = (/** @type {string} */ text) => `(() => {
  const field = document.querySelector("aside textarea, aside input");
  field.value = ${JSON.stringify(text)};
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
})()`;

scene("in Firefox, too, the chat outlives its server", async (scene) => {
  const server = await Server.start(scene);
  const page = await openFirefox(scene, server.watchUrl);
  const rows = async () => /** @type {[string, string][]} */ (JSON.parse(String(await page.evaluate(ROWS))));
  const has = (/** @type {string} */ text) =>
    until(`"${text}" is on the page, taken`, PAGE_MS, async () => (await rows()).some(([said, state]) => said === text && state === "sent"));

  const speaker = await fan(scene, server, { name: "speaker" });
  await send(speaker.client, server.chatChannel, { id: "1", text: "before" });
  await has("before");
  await page.evaluate(write("from Firefox"));
  await has("from Firefox");

  await server.kill();
  await until("the page has noticed", PAGE_MS, async () =>
    (await page.evaluate(`document.querySelector("[data-testid=connection-state]").dataset.state`)) === "reconnecting");
  await page.evaluate(write("written offline"));
  await server.run();
  await has("written offline");
  const again = await fan(scene, server, { name: "again" });
  await send(again.client, server.chatChannel, { id: "2", text: "after" });
  await has("after");
  assert.deepEqual((await rows()).map(([text]) => text), ["before", "from Firefox", "written offline", "after"]);
});
