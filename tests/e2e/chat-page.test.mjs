/** Two fans, two browsers, one chat: at once on one's own screen, a moment later on the other's. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, PAGE_MS, startBrowser } from "../harness/browser.mjs";
import { fan, send, wholeHistory } from "../harness/chat.mjs";
import * as chat from "../harness/chat-panel.mjs";
import { scene } from "../harness/scene.mjs";
import { tapSocket } from "../harness/socket-tap.mjs";
import { Server } from "../harness/server.mjs";
import { until } from "../harness/wait.mjs";

scene("two browsers chat with each other, and a reload shows what was said", async (scene) => {
  const server = await Server.start(scene);
  const browser = await startBrowser(scene);
  const { page: ana } = await openPage(scene, browser, server.watchUrl, { name: "ana" });
  const { page: minjun } = await openPage(scene, browser, server.watchUrl, { name: "minjun" });
  await chat.join(ana, "Ana");
  await chat.join(minjun, "민준");

  await chat.say(ana, "¡Hola a todas!");
  await chat.confirmed(ana, "¡Hola a todas!");
  await chat.messages(minjun, "¡Hola a todas!").waitFor();
  await chat.say(minjun, "안녕하세요 👋");
  await chat.confirmed(minjun, "안녕하세요 👋");
  await chat.messages(ana, "안녕하세요 👋").waitFor();
  await chat.log(ana).getByText("민준").first().waitFor();

  await ana.reload();
  await chat.messages(ana, "안녕하세요 👋").waitFor();
  assert.equal(await chat.messages(ana, "¡Hola a todas!").count(), 1);
  await chat.called(ana, "Ana");
});

scene("markup in a message is text", async (scene) => {
  const server = await Server.start(scene);
  const browser = await startBrowser(scene);
  const { page } = await openPage(scene, browser, server.watchUrl, { name: "fan" });
  const mallory = await fan(scene, server, { name: "<b>Mallory</b>" });
  const text = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>';
  await send(mallory.client, server.chatChannel, { id: "1", text });
  await chat.messages(page, text).waitFor();
  assert.equal(await page.evaluate(() => "broken" in window), false);
});

scene("a message of one's own is there at once, pending, and then confirmed in its place", async (scene) => {
  const server = await Server.start(scene);
  const browser = await startBrowser(scene);
  const { page, tap } = await openTapped(scene, browser, server);
  await chat.join(page, "Ana");
  tap.hold();
  await chat.say(page, "is this on?");
  await chat.messages(page, "is this on?", "pending").waitFor();
  assert.equal(await chat.input(page).inputValue(), "", "the field is free for the next message");
  tap.release();
  await chat.confirmed(page, "is this on?");
});

scene("a message that was refused says so, keeps its text, and is sent by one touch", async (scene) => {
  const server = await Server.start(scene);
  const browser = await startBrowser(scene);
  const { page, tap } = await openTapped(scene, browser, server);
  await chat.join(page, "Ana");
  tap.refuse({ code: 108, message: "not available", temporary: false });
  await chat.say(page, "please take this");
  const failed = chat.messages(page, "please take this", "failed");
  await failed.waitFor();
  await page.screenshot({ path: join(scene.artifacts, "chat-failed.png") });
  tap.refuse(undefined);
  await failed.getByRole("button", { name: "Try again" }).click();
  await chat.confirmed(page, "please take this");
  const judge = await fan(scene, server, { name: "judge" });
  assert.equal((await wholeHistory(judge.subscription)).length, 1);
});

scene("Enter does not send while an input method is composing", async (scene) => {
  const server = await Server.start(scene);
  const browser = await startBrowser(scene);
  const { page } = await openPage(scene, browser, server.watchUrl, { name: "fan" });
  await chat.join(page, "민준");
  await chat.input(page).focus();

  // Chromium's own input method interface: the text is being composed, and Enter only takes the candidate.
  const session = await page.context().newCDPSession(page);
  await session.send("Input.imeSetComposition", { text: "안녕", selectionStart: 2, selectionEnd: 2 });
  await session.send("Input.dispatchKeyEvent", { type: "rawKeyDown", key: "Enter", code: "Enter", windowsVirtualKeyCode: 229 });
  await session.send("Input.insertText", { text: "안녕" });
  await session.send("Input.dispatchKeyEvent", { type: "keyUp", key: "Enter", code: "Enter", windowsVirtualKeyCode: 13 });
  await until("the composed text is in the field", PAGE_MS, async () => (await chat.input(page).inputValue()) === "안녕");
  assert.equal(await chat.messages(page, "안녕").count(), 0, "not sent");

  await chat.input(page).press("Enter");
  await chat.confirmed(page, "안녕");
  assert.equal(await chat.input(page).inputValue(), "");
});

scene("who has scrolled up is told of new messages, and one touch leads to them", async (scene) => {
  const server = await Server.start(scene, { sendRate: "unlimited", shownPerSecond: 0 });
  const browser = await startBrowser(scene);
  const speaker = await fan(scene, server, { name: "speaker" });
  for (let i = 0; i < 60; i += 1) await send(speaker.client, server.chatChannel, { id: `old-${i}`, text: `old ${i}` });
  const { page } = await openPage(scene, browser, server.watchUrl, { name: "fan" });
  await chat.messages(page, "old 59").waitFor();
  await until("all of them are drawn", PAGE_MS, async () => (await chat.log(page).getByTestId("chat-message").count()) === chat.ROWS);
  assert.ok((await chat.elements(page)) <= chat.ELEMENTS_MAX, "few elements");
  await chat.log(page).hover();
  await page.mouse.wheel(0, -600);
  await until("the list is scrolled up", PAGE_MS, async () => !(await chat.inView(page, "old 59")));

  for (let i = 0; i < 3; i += 1) await send(speaker.client, server.chatChannel, { id: `new-${i}`, text: `new ${i}` });
  const pill = page.getByRole("button", { name: "3 new messages" });
  await pill.waitFor();
  assert.equal(await chat.inView(page, "new 2"), false, "the list did not jump");
  await page.screenshot({ path: join(scene.artifacts, "chat-pill.png") });
  await pill.click();
  await until("the newest message is in view", PAGE_MS, () => chat.inView(page, "new 2"));
  await pill.waitFor({ state: "hidden" });
});

/**
 * A page whose chat socket can be held and answered by the test.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {import("playwright-core").Browser} browser
 * @param {Server} server
 */
async function openTapped(scene, browser, server) {
  /** @type {Awaited<ReturnType<typeof tapSocket>> | undefined} */
  let tap;
  const prepare = async (/** @type {import("playwright-core").Page} */ page) => {
    tap = await tapSocket(page);
  };
  const { page } = await openPage(scene, browser, server.watchUrl, { name: "fan", prepare });
  assert.ok(tap);
  return { page, tap };
}
