/** What fans do in a chat beside talking: they answer, name each other, tap, vote, look away, and wait where the room asks them to. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, PAGE_MS, PHONE, startBrowser } from "../harness/browser.mjs";
import { fan, send } from "../harness/chat.mjs";
import * as chat from "../harness/chat-panel.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { accessible } from "../harness/studio.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";
import { npmClient } from "../judges/npm-client.mjs";

/** Taps that others have made are told twice a second. */
const TAPS = 8;
const SLOW_S = 30;

scene("fans answer, name each other, translate, and hide whom they do not want to read", async (scene) => {
  const secret = newSecret();
  const server = await Server.start(scene, { secret });
  const browser = await startBrowser(scene);
  const prepare = async (/** @type {import("playwright-core").Page} */ page) => {
    await page.addInitScript(() => {
      Object.assign(window, { fanwaveTranslate: async (/** @type {any} */ { text, from, to }) => `<b>${from} to ${to}</b>: ${text}` });
    });
  };
  const { page: ana, console } = await openPage(scene, browser, server.watchUrl, { name: "ana", prepare });
  await chat.join(ana, "Ana Belén");
  const milo = await fan(scene, server, { name: "Milo" });
  const question = await send(milo.client, server.chatChannel, { id: "1", text: "who sings this, @ana belén?" });
  await ana.getByText("@ana belén", { exact: true }).waitFor();

  // By keyboard: to the newest message, into its menu, and an answer.
  await chat.log(ana).focus();
  await ana.keyboard.press("ArrowUp");
  await ana.keyboard.press("Enter");
  await ana.getByRole("dialog", { name: "What to do about the message of Milo" }).waitFor();
  await accessible(ana, "the menu of a message");
  await ana.screenshot({ path: join(scene.artifacts, "chat-menu.png") });
  await ana.getByRole("button", { name: "Reply", exact: true }).press("Enter");
  await ana.getByTestId("reply-to").getByText("Replying to Milo:").waitFor();
  await chat.input(ana).pressSequentially("@mi");
  await ana.getByRole("option", { name: "@Milo" }).waitFor();
  await accessible(ana, "names are offered");
  await ana.keyboard.press("Tab");
  assert.equal(await chat.input(ana).inputValue(), "@Milo ");
  await ana.keyboard.type("me!");
  await ana.keyboard.press("Enter");
  await chat.confirmed(ana, "@Milo me!");
  await chat.log(ana).getByTestId("chat-quote").getByText("who sings this").waitFor();
  const answer = await until("Milo hears the answer", PAGE_MS, () => milo.heard.find(({ data }) => data.text === "@Milo me!"));
  assert.equal(answer.data.reply_to.offset, question.offset);
  assert.equal(answer.data.reply_to.user, milo.user);

  await send(milo.client, server.chatChannel, { id: "2", text: "안녕하세요 여러분" });
  await chat.messages(ana, "안녕하세요 여러분").click();
  await ana.getByRole("button", { name: "Translate" }).click();
  await ana.getByText("<b>ko to en</b>: 안녕하세요 여러분", { exact: true }).waitFor();
  await chat.aloud(ana).filter({ hasText: "Milo: 안녕하세요 여러분" }).waitFor({ state: "attached" });

  const staff = await npmClient(scene, server.httpPort, "websocket-json");
  await staff.connect([sign(secret, { user: "mod", name: "Mo", role: "moderator" })]);
  await staff.rpc("send", { channel: server.chatChannel, id: "m1", text: "be kind" });
  await chat.messages(ana, "be kind").getByText("Moderator", { exact: true }).waitFor();
  await ana.screenshot({ path: join(scene.artifacts, "chat-answers.png") });

  await chat.messages(ana, "안녕하세요 여러분").click();
  await ana.getByRole("button", { name: "Hide this person" }).click();
  await ana.getByText("Hidden: Milo").waitFor();
  assert.equal(await chat.log(ana).getByText("안녕하세요").count(), 0);
  assert.equal(await ana.getByTestId("chat-quote").count(), 0, "nor quoted");
  await ana.getByRole("button", { name: "Undo" }).click();
  await chat.messages(ana, "안녕하세요 여러분").click();
  await ana.getByRole("button", { name: "Hide this person" }).click();
  await ana.reload();
  await chat.messages(ana, "be kind").waitFor();
  assert.equal(await chat.messages(ana, "안녕하세요 여러분").count(), 0, "and it is kept");
  await ana.getByRole("button", { name: /^Change nickname/ }).click();
  await ana.getByRole("button", { name: "Show all again" }).click();
  const aloud = ana.getByRole("checkbox", { name: "Have a screen reader told of new messages" });
  await aloud.uncheck();
  await accessible(ana, "the dialog of the nickname");
  await ana.getByRole("button", { name: "Cancel" }).click();
  await chat.messages(ana, "안녕하세요 여러분").waitFor();
  await ana.reload();
  await ana.getByRole("button", { name: /^Change nickname: / }).click();
  assert.equal(await aloud.isChecked(), false, "silence is kept");
  assert.deepEqual(console.filter((line) => /^(error|uncaught)/.test(line)), []);
});

scene("fans tap, vote, read what is pinned, and wait as long as the room asks", async (scene) => {
  const secret = newSecret();
  const server = await Server.start(scene, { secret });
  const browser = await startBrowser(scene);
  const { page: lively, console } = await openPage(scene, browser, server.watchUrl, { name: "lively", viewport: PHONE, mobile: true });
  const calm = async (/** @type {import("playwright-core").Page} */ page) => page.emulateMedia({ reducedMotion: "reduce" });
  const { page: still } = await openPage(scene, browser, server.watchUrl, { name: "still", prepare: calm });
  for (const page of [lively, still]) await chat.join(page, "Fan");

  const bursts = (/** @type {import("playwright-core").Page} */ page) => page.getByTestId("reaction-bursts");
  const heart = lively.getByRole("button", { name: "Heart" });
  for (let n = 0; n < TAPS; n += 1) await heart.tap();
  await until("the taps fly where they were made", PAGE_MS, async () => Number(await bursts(lively).getAttribute("data-drawn")) === TAPS);
  await bursts(still).getByText(/^❤️ \d$/).waitFor();
  assert.equal(await bursts(still).locator("canvas").count(), 0, "and nothing moves where that was asked for");

  const staff = await npmClient(scene, server.httpPort, "websocket-json");
  await staff.connect([sign(secret, { user: "mod", name: "Mo", role: "moderator" })]);
  await staff.rpc("pin", { room: "demo", id: "p1", text: "Encore at nine" });
  await lively.getByRole("region", { name: "Pinned notice" }).getByText("Encore at nine").waitFor();
  await staff.rpc("poll.open", { room: "demo", id: "q1", question: "Which song next?", choices: ["Dawn", "Dusk"] });
  const poll = (/** @type {import("playwright-core").Page} */ page) => page.getByTestId("poll-card");
  await poll(lively).getByRole("button", { name: "Dawn" }).waitFor();
  await accessible(lively, "a phone with a pinned notice and a poll");
  await lively.screenshot({ path: join(scene.artifacts, "chat-poll.png") });
  await poll(lively).getByRole("button", { name: "Dawn" }).tap();
  await poll(still).getByRole("button", { name: "Dusk" }).click();
  for (const page of [lively, still]) await poll(page).getByText("2 votes").waitFor();
  assert.deepEqual(await poll(lively).locator("b").allInnerTexts(), ["50%", "50%"]);
  await lively.reload();
  await poll(lively).getByText("Your choice").waitFor({ state: "attached" });
  await staff.rpc("poll.close", { room: "demo", poll: "q1" });
  await poll(lively).getByText("The poll is over").waitFor();
  await lively.screenshot({ path: join(scene.artifacts, "chat-poll-over.png") });

  await staff.rpc("mode", { room: "demo", slow_seconds: SLOW_S });
  await lively.getByText(`Slow mode: one message every ${SLOW_S} s`).waitFor();
  await chat.say(lively, "first");
  await chat.confirmed(lively, "first");
  const left = lively.getByTestId("slow-countdown");
  const seconds = Number(await left.innerText());
  assert.ok(seconds > 0 && seconds <= SLOW_S, `${seconds} s`);
  await until("it counts down", PAGE_MS, async () => Number(await left.innerText()) < seconds);
  await chat.say(lively, "second");
  assert.equal(await chat.input(lively).inputValue(), "second", "the draft waits with the fan");
  assert.equal(await chat.messages(lively, "second").count(), 0);
  await staff.rpc("mode", { room: "demo" });
  await left.waitFor({ state: "hidden" });
  await chat.input(lively).press("Enter");
  await chat.confirmed(lively, "second");
  await staff.rpc("unpin", { room: "demo", pin: "p1" });
  await lively.getByTestId("pin-card").waitFor({ state: "hidden" });
  assert.deepEqual(console.filter((line) => /^(error|uncaught)/.test(line)), []);
});
