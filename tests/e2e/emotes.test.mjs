/** A channel's emotes on the pages: drawn where messages name them, picked and completed by keyboard, and still where that is asked for. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, PAGE_MS, PHONE, startBrowser } from "../harness/browser.mjs";
import { fan, send } from "../harness/chat.mjs";
import * as chat from "../harness/chat-panel.mjs";
import { addEmote, blinking, drawn, KEPT, png, isRed } from "../harness/emotes.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { accessible } from "../harness/studio.mjs";
import { newSecret } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

/** @param {string[]} lines */
const faults = (lines) => lines.filter((line) => /^(error|uncaught)/.test(line));

scene("emotes are drawn in the chat and over the picture, and are picked and completed by keyboard", async (scene) => {
  const server = await Server.start(scene, { secret: newSecret(), extra: KEPT, sendRate: "unlimited" });
  await addEmote(server, "wave", png([72, 229, 194]));
  await addEmote(server, "wow", png([255, 93, 115]));
  await addEmote(server, "clap", blinking());
  const browser = await startBrowser(scene);
  const milo = await fan(scene, server, { name: "Milo" });
  const { page: ana, console } = await openPage(scene, browser, server.watchUrl, { name: "ana" });
  await chat.join(ana, "Ana");

  // What names an emote is drawn; all else is the text that it was.
  await send(milo.client, server.chatChannel, { id: "1", text: "hi @Ana :wave: :none: <b>:clap:</b> 12:30:45" });
  const line = chat.log(ana).getByTestId("chat-message").filter({ hasText: "Milo" });
  await until("both are drawn", PAGE_MS, async () => (await drawn(line)).join() === ":wave:,:clap:");
  assert.equal(await line.getByTestId("chat-text").textContent(), "hi @Ana  :none: <b></b> 12:30:45", "and nothing else");
  assert.equal(await line.locator("mark").innerText(), "@Ana");
  assert.equal(await line.locator("b b, p b:not(.badge)").count(), 0, "markup is text");

  // The picker, by keyboard alone.
  await chat.input(ana).fill("look");
  await ana.getByRole("button", { name: "Emotes" }).press("Enter");
  const picker = ana.getByRole("dialog", { name: "Emotes" });
  await picker.getByRole("button", { name: ":clap:" }).and(ana.locator(":focus")).waitFor();
  await accessible(ana, "the emotes to pick from");
  await ana.screenshot({ path: join(scene.artifacts, "emotes-picker.png") });
  await ana.keyboard.press("ArrowRight");
  await ana.keyboard.press("Enter");
  await ana.keyboard.press("Escape");
  await picker.waitFor({ state: "detached" });
  assert.equal(await chat.input(ana).inputValue(), "look :wave: ");
  // Completed from a colon on; whoever ends with Escape writes what they wrote.
  await ana.keyboard.type(":w");
  await ana.getByRole("option", { name: ":wow:" }).waitFor();
  assert.deepEqual(await ana.getByRole("option").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label"))), [":wave:", ":wow:"]);
  await accessible(ana, "emotes are offered");
  await ana.screenshot({ path: join(scene.artifacts, "emotes-offered.png") });
  await ana.keyboard.press("ArrowDown");
  await ana.keyboard.press("Tab");
  await ana.keyboard.type(":wa");
  await ana.keyboard.press("Escape");
  await ana.keyboard.press("Enter");
  const said = await until("Milo hears it", PAGE_MS, () => milo.heard.find(({ data }) => data.text.startsWith("look")));
  assert.equal(said.data.text, "look :wave: :wow: :wa", "as text");
  const own = chat.log(ana).getByTestId("chat-message").filter({ hasText: "You" });
  await until("it is drawn", PAGE_MS, async () => (await drawn(own)).join() === ":wave:,:wow:");

  // Nobody reloads: what the staff adds is there when the channel is asked for again, and the overlay has it at once.
  const { page: overlay } = await openPage(scene, browser, `${server.url}/overlay/${CHANNEL}?fade=0`, { name: "overlay" });
  await until("the overlay draws", PAGE_MS, async () => (await drawn(overlay.getByTestId("overlay-message"))).join() === ":wave:,:clap:,:wave:,:wow:");
  const { page: phone } = await openPage(scene, browser, server.watchUrl, { name: "phone", viewport: PHONE, mobile: true, locale: "th-TH" });
  await phone.getByTestId("emote-button").tap();
  await phone.getByTestId("emote-picker").getByTitle(":wow:").first().tap();
  await phone.screenshot({ path: join(scene.artifacts, "emotes-phone-th.png") });
  assert.equal(await phone.getByTestId("chat-input").inputValue(), ":wow: ");
  assert.deepEqual(faults(console), []);
});

scene("whoever asked for less motion is shown stills, and a channel without emotes has no button for them", async (scene) => {
  const server = await Server.start(scene, { secret: newSecret(), extra: KEPT });
  await addEmote(server, "clap", blinking());
  const browser = await startBrowser(scene);
  const milo = await fan(scene, server, { name: "Milo" });
  await send(milo.client, server.chatChannel, { id: "1", text: "bravo :clap:" });
  const calm = async (/** @type {import("playwright-core").Page} */ page) => page.emulateMedia({ reducedMotion: "reduce" });
  const { page: still } = await openPage(scene, browser, server.watchUrl, { name: "still", prepare: calm });
  const canvas = chat.log(still).locator("canvas[data-testid=emote]");
  await canvas.waitFor();
  await until("its first picture is drawn", PAGE_MS, () => isRed(canvas));
  assert.equal(await chat.log(still).locator("img").count(), 0, "and nothing that moves");
  await accessible(still, "a still of an emote");

  // No accounts, no emotes: and no question about them that would be answered with an error.
  const bare = await Server.start(scene, { folder: "bare" });
  const { page, console } = await openPage(scene, browser, bare.watchUrl, { name: "bare" });
  await chat.join(page, "Mina");
  await chat.say(page, "just :clap: text");
  await chat.confirmed(page, "just :clap: text");
  assert.equal(await page.getByTestId("emote-button").count(), 0);
  assert.deepEqual(faults(console), []);
});
