/** A moderator at work: what they do is seen by fans at once, by the other moderator too, and can be taken back. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, PAGE_MS, startBrowser } from "../harness/browser.mjs";
import { fan, send } from "../harness/chat.mjs";
import * as chat from "../harness/chat-panel.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { accessible, complaints, enter, line, tab, told } from "../harness/studio.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

const SEEN_MS = 5_000;

scene("a moderator deletes, mutes, bans and undoes, and everybody sees it at once", async (scene) => {
  const server = await Server.start(scene, { secret: newSecret(), sendRate: "unlimited" });
  const browser = await startBrowser(scene);
  const troll = await fan(scene, server, { name: "<b>Troll</b>" });
  const mina = await fan(scene, server, { name: "미나" });
  await send(troll.client, server.chatChannel, { id: "t-1", text: '<img src=x onerror="window.broken=1">' });
  await send(mina.client, server.chatChannel, { id: "m-1", text: "hello" });
  const { page: watcher } = await openPage(scene, browser, server.watchUrl, { name: "watcher" });
  await chat.messages(watcher, "hello").waitFor();
  const { page, console } = await enter(scene, browser, server, { role: "moderator", name: "Mo" });
  const bad = line(page, '<img src=x onerror="window.broken=1">');
  await bad.waitFor();
  assert.equal(await page.evaluate(() => "broken" in window), false, "markup is text");
  assert.deepEqual(await page.getByRole("navigation").getByRole("link").allTextContents(), ["Chat"], "a moderator sees the chat alone");

  // Nothing moves under the pointer, and the other fan's next message is counted.
  await bad.hover();
  await send(mina.client, server.chatChannel, { id: "m-2", text: "and more" });
  await page.getByTestId("desk-new").waitFor();
  await page.getByTestId("line-delete").click();
  await chat.messages(watcher, '<img src=x onerror="window.broken=1">').waitFor({ state: "detached", timeout: SEEN_MS });
  await page.getByTestId("desk-new").click();
  await line(page, "and more").waitFor();

  // The keyboard alone: up to the line, mute, and undo what was just done.
  await page.keyboard.press("Escape");
  await line(page, "and more").focus();
  await page.keyboard.press("m");
  await until("mina is muted", SEEN_MS, async () => (await told(server, "/moderation")).mutes === 1);
  await assert.rejects(send(mina.client, server.chatChannel, { id: "m-3", text: "am I?" }), { code: 103 });
  await page.getByTestId("toast-undo").click();
  await until("mina is not muted", SEEN_MS, async () => (await told(server, "/moderation")).mutes === 0);
  await send(mina.client, server.chatChannel, { id: "m-4", text: "thank you" });

  // The card: what somebody said, a ban, and the lifting of it.
  await line(page, "thank you").focus();
  await page.keyboard.press("Enter");
  const card = page.getByTestId("user-card");
  await card.getByText("hello", { exact: true }).waitFor();
  await card.getByRole("group", { name: "Ban for" }).getByRole("button", { name: "1 h" }).click();
  await card.getByTestId("card-banned").waitFor();
  await accessible(page, "the user card");
  await page.screenshot({ path: join(scene.artifacts, "studio-card.png") });
  await card.getByTestId("card-pardon").click();
  await card.getByTestId("card-banned").waitFor({ state: "detached" });
  await card.getByTestId("card-close").click();

  // The log has all of it, and takes a ban of somebody else's making back.
  await tab(page, "Log");
  const acts = () => page.getByTestId("act").evaluateAll((all) => all.map((act) => /** @type {HTMLElement} */ (act).dataset["action"]));
  await until("the log is whole", SEEN_MS, async () => (await acts()).length === 5);
  assert.deepEqual(await acts(), ["pardoned", "banned", "pardoned", "muted", "deleted"]);
  const fromElsewhere = sign(/** @type {string} */ (server.secret), { user: "desk", name: "Desk", role: "staff" });
  const headers = { authorization: `Bearer ${fromElsewhere}`, "content-type": "application/json" };
  await fetch(`${server.url}/api/v1/channels/${CHANNEL}/pins`, { method: "POST", headers, body: JSON.stringify({ text: "The second half begins at nine" }) });
  await until("it is there by itself", SEEN_MS, async () => (await acts())[0] === "pinned");
  await page.getByTestId("act").first().getByTestId("undo").click();
  await until("nothing is pinned", SEEN_MS, async () => (await told(server, "/moderation")).pins.length === 0);
  await accessible(page, "the log");
  await page.screenshot({ path: join(scene.artifacts, "studio-log.png") });
  assert.deepEqual(complaints(console), []);
});

scene("a moderator keeps a room sane: review, words, rules, shield, polls and notices", async (scene) => {
  const server = await Server.start(scene, { secret: newSecret(), sendRate: "unlimited" });
  const browser = await startBrowser(scene);
  const { page, console } = await enter(scene, browser, server, { role: "staff", name: "Desk", at: `/${CHANNEL}` });
  const mina = await fan(scene, server, { name: "미나" });

  // Words are held, and let in or turned away.
  await tab(page, "Words");
  await page.getByTestId("words-list").fill("spoiler\n스포");
  await page.getByTestId("words-save").click();
  await page.getByText("Saved.").waitFor();
  for (const text of ["what a spoiler", "no spoiler!"]) await mina.client.rpc("send", { channel: server.chatChannel, id: text.length.toString(), text });
  await tab(page, "Review");
  await page.getByTestId("held").nth(1).waitFor();
  await accessible(page, "the review queue");
  await page.screenshot({ path: join(scene.artifacts, "studio-review.png") });
  await page.getByTestId("held").filter({ hasText: "what a spoiler" }).getByTestId("approve").click();
  await line(page, "what a spoiler").waitFor();
  await page.getByTestId("held").filter({ hasText: "no spoiler!" }).getByTestId("reject").click();
  await page.getByText("Nothing waits.").waitFor();
  assert.equal((await told(server, "/moderation")).held, 0);

  // Rules count at once; the shield leaves them as they are.
  await tab(page, "Rules");
  // Two at once: neither puts back what the other has changed.
  await Promise.all([page.getByTestId("slow").selectOption("10"), page.getByTestId("emoji-only").click()]);
  await until("the rules stand", SEEN_MS, async () => (await told(server, "/settings")).emoji_only);
  await page.getByTestId("shield").click();
  await until("the shield is up", SEEN_MS, async () => (await told(server, "/settings")).shield);
  await page.getByTestId("shield").and(page.locator("[aria-checked=true]")).waitFor();
  await accessible(page, "the rules");
  await page.screenshot({ path: join(scene.artifacts, "studio-rules.png") });
  await page.getByTestId("shield").click();
  await until("the shield is down", SEEN_MS, async () => !(await told(server, "/settings")).shield);
  const settings = await told(server, "/settings");
  assert.deepEqual([settings.slow_seconds, settings.emoji_only, settings.members_only], [10, true, false]);

  await tab(page, "Polls");
  await page.getByTestId("poll-question").fill("Encore?");
  await page.getByTestId("poll-choices").fill("Yes\nOf course");
  await page.getByTestId("poll-open").click();
  await page.getByTestId("poll").waitFor();
  const { polls } = await told(server, "/moderation");
  await mina.client.rpc("vote", { room: CHANNEL, poll: polls[0].poll, choice: 1 });
  await until("the vote is counted", SEEN_MS, async () => (await page.getByTestId("poll-count").allTextContents())[1] === "1");
  await accessible(page, "the polls");
  await page.getByTestId("poll-close").click();
  await page.getByText("No poll is open.").waitFor();

  await tab(page, "Notices");
  await page.getByTestId("pin-text").fill("Doors open at seven");
  await page.getByTestId("pin-send").click();
  await page.getByTestId("pin").filter({ hasText: "Doors open at seven" }).waitFor();
  await page.getByTestId("announce-text").fill("Welcome, everybody");
  await page.getByTestId("announce-send").click();
  await line(page, "Welcome, everybody").waitFor();
  await accessible(page, "the notices");
  await page.getByTestId("unpin").click();
  await page.getByText("Nothing is pinned.").waitFor();
  assert.deepEqual(complaints(console), []);
});

scene("what fans report reaches the moderators, who take it away, silence its author or leave it", async (scene) => {
  const server = await Server.start(scene, { secret: newSecret(), sendRate: "unlimited" });
  const browser = await startBrowser(scene);
  const troll = await fan(scene, server, { name: "Troll" });
  const first = await send(troll.client, server.chatChannel, { id: "t-1", text: "you are all <i>stupid</i>" });
  await send(troll.client, server.chatChannel, { id: "t-2", text: "buy tickets at example.com" });
  await send(troll.client, server.chatChannel, { id: "t-3", text: "just a joke" });
  const { page: ana, console: fanConsole } = await openPage(scene, browser, server.watchUrl, { name: "ana" });
  const { page: mina } = await openPage(scene, browser, server.watchUrl, { name: "mina", locale: "ko-KR" });

  /** @param {import("playwright-core").Page} page @param {string} text */
  const open = async (page, text) => {
    await page.getByTestId("chat-message").filter({ has: page.getByText(text, { exact: true }) }).getByTestId("chat-text").click();
    await page.getByTestId("report").click();
  };
  await open(ana, "you are all <i>stupid</i>");
  await ana.getByRole("group", { name: "What is wrong with it?" }).waitFor();
  await accessible(ana, "the reasons of a report");
  await ana.screenshot({ path: join(scene.artifacts, "chat-report.png") });
  await ana.getByRole("button", { name: "Insults or threats" }).press("Enter");
  await ana.getByText("Thank you. The moderators will look at it.").waitFor();
  await open(ana, "buy tickets at example.com");
  await ana.getByRole("button", { name: "Advertising or repetition" }).click();
  await open(ana, "just a joke");
  await ana.getByRole("button", { name: "Something else" }).click();
  // Once a fan and message.
  await chat.messages(ana, "just a joke").getByTestId("chat-text").click();
  await ana.getByTestId("row-menu").waitFor();
  assert.equal(await ana.getByTestId("report").count(), 0);
  await ana.keyboard.press("Escape");
  await open(mina, "you are all <i>stupid</i>");
  await mina.getByTestId("report-reasons").waitFor();
  await mina.screenshot({ path: join(scene.artifacts, "chat-report-ko.png") });
  await mina.getByRole("button", { name: "광고 또는 도배" }).click();
  await mina.getByTestId("reported-notice").waitFor();

  // The moderator comes later, and finds what was reported with how often and why.
  const { page, console } = await enter(scene, browser, server, { role: "moderator", name: "Mo", at: `/${CHANNEL}` });
  const reported = page.getByTestId("reported");
  await reported.nth(2).waitFor();
  const worst = reported.filter({ hasText: "you are all <i>stupid</i>" });
  assert.equal(await worst.getByTestId("report-count").innerText(), "Reports: 2");
  await worst.getByText("Abuse").waitFor();
  await worst.getByText("Spam").waitFor();
  await page.getByRole("tab", { name: /^Review\s*3$/ }).waitFor();
  await accessible(page, "what was reported");
  await page.screenshot({ path: join(scene.artifacts, "studio-reports.png") });
  await reported.filter({ hasText: "just a joke" }).getByTestId("leave").click();
  await reported.filter({ hasText: "just a joke" }).waitFor({ state: "detached" });
  await reported.filter({ hasText: "buy tickets" }).getByTestId("reported-mute").click();
  await until("its author is muted", SEEN_MS, async () => (await told(server, "/moderation")).mutes === 1);
  await worst.getByTestId("reported-delete").click();
  await worst.waitFor({ state: "detached" });
  await chat.messages(ana, "you are all <i>stupid</i>").waitFor({ state: "detached", timeout: SEEN_MS });

  // What was left stays left: another report of it changes nothing, and a fan cannot leave anything.
  const again = await fan(scene, server, { name: "again" });
  await again.client.rpc("report", { room: CHANNEL, offset: first.offset + 2, reason: "spam" });
  await assert.rejects(again.client.rpc("reports.dismiss", { room: CHANNEL, offset: first.offset + 1 }), { code: 103 });
  await assert.rejects(again.client.rpc("report", { room: CHANNEL, offset: 1_000, reason: "spam" }), { code: 107 });
  await assert.rejects(again.client.rpc("report", { room: CHANNEL, offset: first.offset, reason: "boring" }), { code: 107 });
  await page.reload();
  await reported.filter({ hasText: "buy tickets" }).waitFor();
  assert.equal(await reported.count(), 1, "the others are done with");
  await tab(page, "Log");
  await page.getByTestId("audit-lane").selectOption("staff");
  await page.locator("[data-testid=act][data-action=reports_dismissed]").waitFor();
  assert.deepEqual(complaints(console), []);
  assert.deepEqual(fanConsole.filter((entry) => /^(error|uncaught)/.test(entry)), []);
});

scene("many strangers who write at once are told of as a raid", async (scene) => {
  const server = await Server.start(scene, { secret: newSecret(), sendRate: "unlimited", shownPerSecond: 0 });
  const browser = await startBrowser(scene);
  const { page } = await enter(scene, browser, server, { role: "moderator", name: "Mo" });
  await page.locator('[data-testid=raid][data-level=calm]').waitFor();
  // The pointer lies where the lines will be, and is left there.
  await page.getByTestId("desk-log").hover();
  const strangers = await Promise.all(Array.from({ length: 22 }, (_, n) => fan(scene, server, { name: `raider ${n}` })));
  await Promise.all(strangers.map(({ client }, n) => send(client, server.chatChannel, { id: "1", text: `raid ${n}` })));
  await page.locator('[data-testid=raid][data-level=raid]').waitFor();
  await page.getByText("This looks like a raid").waitFor();
  await page.screenshot({ path: join(scene.artifacts, "studio-raid.png") });
  await until("what is shown is bounded", PAGE_MS, async () => (await page.getByTestId("desk-line").count()) === 22);
  await until("the newest is in view", PAGE_MS, () => page.getByTestId("desk-log").evaluate((list) => list.scrollHeight > list.clientHeight && list.scrollHeight - list.clientHeight - list.scrollTop < 1));
  // Nor does what takes height from the list, which nobody has scrolled, have it leave its end.
  await page.setViewportSize({ width: 1024, height: 600 });
  await until("the newest stays in view", PAGE_MS, () => page.getByTestId("desk-log").evaluate((list) => list.clientHeight < 500 && list.scrollHeight - list.clientHeight - list.scrollTop < 1));
  await Promise.all(strangers.slice(-1).map(({ client }) => send(client, server.chatChannel, { id: "2", text: "one more" })));
  await line(page, "one more").waitFor();
  assert.equal(await page.getByTestId("desk-new").count(), 0);
});
