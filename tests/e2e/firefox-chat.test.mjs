/**
 * The chat in Debian's Firefox: what fans do in it beside talking, by keyboard, for somebody who wants less motion, and when more is said
 * than anybody reads; and on a bad night nothing that was written is lost or there twice.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { LESS_MOTION, openPage, PAGE_MS, PHONE, startFirefox, WIDE } from "../harness/browser.mjs";
import { fan, send, wholeHistory } from "../harness/chat.mjs";
import * as chat from "../harness/chat-panel.mjs";
import { addEmote, blinking, drawn, isRed, KEPT, png } from "../harness/emotes.mjs";
import { twoRegions } from "../harness/regions.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { noteForbidden } from "../harness/site.mjs";
import { accessible, complaints } from "../harness/studio.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";
import { npmClient } from "../judges/npm-client.mjs";

/** So many are shown a second, where so many write at once and again and again: there is a rest that is counted. */
const SHOWN_PER_S = 25;
const WRITERS = 20;
const SLOW_S = 30;
/** Until a page has noticed, has tried as often as it does, and has come back. */
const BACK_MS = 25_000;

scene("in Firefox, too, fans answer, translate, pick emotes, report and look away, and nothing moves for whoever wants that", async (scene) => {
  const server = await Server.start(scene, { secret: newSecret(), extra: KEPT, sendRate: "unlimited", shownPerSecond: SHOWN_PER_S });
  await addEmote(server, "wave", png([72, 229, 194]));
  await addEmote(server, "clap", blinking());
  const firefox = await startFirefox(scene, LESS_MOTION);
  /** @type {() => void} */
  let allowed = () => assert.fail("nobody looked");
  const { page, console } = await openPage(scene, firefox, server.watchUrl, {
    name: "ana",
    prepare: async (opening) => {
      allowed = await noteForbidden(opening);
      await opening.addInitScript(() => {
        Object.assign(window, { fanwaveTranslate: async (/** @type {any} */ { text, from, to }) => `<b>${from} to ${to}</b>: ${text}` });
      });
    },
  });
  await chat.join(page, "Ana");
  await votesAndWaits(scene, server, page);
  const milo = await fan(scene, server, { name: "Milo" });

  // What somebody else writes: a name that stands out, emotes that stand still, and text that is text.
  const text = "who sings this, @ana? :clap: <b>:none:</b>";
  const question = await send(milo.client, server.chatChannel, { id: "1", text });
  const asked = chat.log(page).getByTestId("chat-message").filter({ hasText: "who sings this" });
  await until("a still of the emote is drawn", PAGE_MS, () => isRed(asked.locator("canvas[data-testid=emote]")));
  assert.equal(await chat.log(page).locator("img").count(), 0, "and nothing that moves");
  assert.equal(await asked.locator("mark").innerText(), "@ana");
  assert.equal(await asked.getByTestId("chat-text").textContent(), "who sings this, @ana?  <b>:none:</b>");
  await chat.aloud(page).filter({ hasText: "Milo: who sings this" }).waitFor({ state: "attached" });
  await page.getByRole("button", { name: /^Change nickname/ }).click();
  await page.getByRole("checkbox", { name: "Have a screen reader told of new messages" }).uncheck();
  await page.getByRole("button", { name: "Cancel" }).click();
  await until("nothing is read out any more", PAGE_MS, async () => (await chat.aloud(page).textContent()) === "");

  // By keyboard: to the newest message, into its menu, an answer with a name and emotes that are completed and picked.
  await chat.log(page).focus();
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "What to do about the message of Milo" }).waitFor();
  await page.getByRole("button", { name: "Reply", exact: true }).press("Enter");
  await page.getByTestId("reply-to").getByText("Replying to Milo:").waitFor();
  await chat.input(page).pressSequentially("@mi");
  await page.getByRole("option", { name: "@Milo" }).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.type("me :cl");
  await page.getByRole("option", { name: ":clap:" }).waitFor();
  await page.keyboard.press("Tab");
  await page.getByRole("button", { name: "Emotes" }).press("Enter");
  const picker = page.getByRole("dialog", { name: "Emotes" });
  await picker.getByRole("button", { name: ":clap:" }).and(page.locator(":focus")).waitFor();
  await accessible(page, "the emotes to pick from, and an answer that is begun");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  await picker.waitFor({ state: "detached" });
  await page.keyboard.press("Enter");
  const answer = await until("Milo hears the answer", PAGE_MS, () => milo.heard.find(({ data }) => data.text.startsWith("@Milo")));
  assert.equal(answer.data.text.trimEnd(), "@Milo me :clap: :wave:");
  assert.deepEqual([answer.data.reply_to.offset, answer.data.reply_to.user], [question.offset, milo.user]);
  const own = chat.log(page).getByTestId("chat-message").filter({ hasText: "me " });
  await own.getByTestId("chat-quote").getByText("who sings this").waitFor();
  await until("it is drawn", PAGE_MS, async () => (await drawn(own)).join() === ":clap:,:wave:");

  await readsWhatItCan(scene, server, page, milo);

  // Somebody else's words in another language, then reported, then out of sight for good.
  await send(milo.client, server.chatChannel, { id: "ko", text: "안녕하세요 여러분" });
  const theirs = chat.messages(page, "안녕하세요 여러분");
  const act = async (/** @type {string} */ name) => {
    await theirs.getByTestId("chat-text").click();
    await page.getByTestId("row-menu").getByRole("button", { name }).click();
  };
  await act("Translate");
  await page.getByText("<b>ko to en</b>: 안녕하세요 여러분", { exact: true }).waitFor();
  await act("Report");
  await page.getByRole("button", { name: "Something else" }).click();
  await page.getByText("Thank you. The moderators will look at it.").waitFor();
  await act("Hide this person");
  await page.getByText("Hidden: Milo").waitFor();
  assert.equal(await theirs.count(), 0);
  await chat.say(page, "good night");
  await chat.confirmed(page, "good night");
  await page.reload();
  await chat.messages(page, "good night").waitFor();
  assert.equal(await theirs.count(), 0, "and it is kept");
  allowed();
  assert.deepEqual(complaints(console), []);
});

/**
 * What the room asks and tells: badges, taps, a pinned notice, a poll, and to wait.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {Server} server
 * @param {import("playwright-core").Page} page
 */
async function votesAndWaits(scene, server, page) {
  const staff = await npmClient(scene, server.httpPort, "websocket-json");
  await staff.connect([sign(/** @type {string} */ (server.secret), { user: "mod", name: "Mo", role: "moderator" })]);
  await staff.rpc("send", { channel: server.chatChannel, id: "m1", text: "be kind" });
  await chat.messages(page, "be kind").getByText("Moderator", { exact: true }).waitFor();
  const bursts = page.getByTestId("reaction-bursts");
  for (let taps = 0; taps < 3; taps += 1) await page.getByRole("button", { name: "Heart" }).click();
  await bursts.getByText(/^❤️ \d$/).waitFor();
  assert.equal(await bursts.locator("canvas").count(), 0, "nothing moves where that was asked for");

  await staff.rpc("pin", { room: CHANNEL, id: "p1", text: "Encore at nine" });
  await page.getByRole("region", { name: "Pinned notice" }).getByText("Encore at nine").waitFor();
  await staff.rpc("poll.open", { room: CHANNEL, id: "q1", question: "Which song next?", choices: ["Dawn", "Dusk"] });
  const poll = page.getByTestId("poll-card");
  await poll.getByRole("button", { name: "Dusk" }).click();
  await poll.getByText("1 vote").waitFor();
  assert.deepEqual(await poll.locator("b").allInnerTexts(), ["0%", "100%"]);
  await staff.rpc("mode", { room: CHANNEL, slow_seconds: SLOW_S });
  await page.getByText(`Slow mode: one message every ${SLOW_S} s`).waitFor();
  await chat.say(page, "first");
  await chat.confirmed(page, "first");
  const left = page.getByTestId("slow-countdown");
  const seconds = Number(await left.innerText());
  assert.ok(seconds > 0 && seconds <= SLOW_S, `${seconds} s`);
  await until("it counts down", PAGE_MS, async () => Number(await left.innerText()) < seconds);
  await chat.say(page, "second");
  assert.equal(await chat.input(page).inputValue(), "second", "the draft waits with the fan");

  await page.setViewportSize(PHONE);
  await accessible(page, "a phone with a pinned notice, a poll and slow mode");
  await page.screenshot({ path: join(scene.artifacts, "firefox-chat-phone.png") });
  await page.setViewportSize(WIDE);
  await staff.rpc("mode", { room: CHANNEL });
  await left.waitFor({ state: "hidden" });
  await chat.input(page).press("Enter");
  await chat.confirmed(page, "second");
}

/**
 * More is said than anybody reads: a sample, how many more there were, few elements; and whoever reads further up is left in peace.
 *
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {Server} server
 * @param {import("playwright-core").Page} page
 * @param {{ client: import("centrifuge").Centrifuge }} speaker
 */
async function readsWhatItCan(scene, server, page, { client }) {
  const writers = await Promise.all(Array.from({ length: WRITERS }, (_, n) => fan(scene, server, { name: `fan ${n}` })));
  let [round, isCounted] = [0, false];
  await until("the list is full, and the rest is counted", PAGE_MS, async () => {
    round += 1;
    await Promise.all(writers.map((writer) => send(writer.client, server.chatChannel, { id: `${round}`, text: `hello, number ${round}` })));
    isCounted ||= await page.getByTestId("chat-more").isVisible();
    return isCounted && (await chat.log(page).getByTestId("chat-message").count()) >= chat.ROWS;
  });
  assert.ok((await chat.elements(page)) <= chat.ELEMENTS_MAX, "few elements");
  await chat.log(page).hover();
  const pill = page.getByTestId("new-messages-pill");
  let newest = 0;
  const say = async () => {
    newest += 1;
    await send(client, server.chatChannel, { id: `new ${newest}`, text: `new ${newest}` });
  };
  await until("what is new is counted", PAGE_MS, async () => {
    // A turn of the wheel is lost where a line is drawn in the middle of it.
    await page.mouse.wheel(0, -600);
    await say();
    return pill.isVisible();
  });
  assert.equal(await chat.inView(page, `new ${newest}`), false, "the list did not jump");
  await pill.click();
  await say();
  await until("the newest is in view", PAGE_MS, () => chat.inView(page, `new ${newest}`));
}

scene("in Firefox, too, nothing is lost with a killed server, a network that swallows all, and another region in the middle of typing", async (scene) => {
  const { seoul, paris, doors } = await twoRegions(scene);
  const firefox = await startFirefox(scene);
  const { page } = await openPage(scene, firefox, `http://127.0.0.1:${doors[0].port}/`, { name: "fan" });
  const speaker = await fan(scene, paris, { name: "speaker" });
  await chat.join(page, "Ana");
  /** @type {string[]} */
  const written = [];
  const say = async (/** @type {string} */ text) => {
    written.push(text);
    await chat.say(page, text);
  };
  const confirmed = (/** @type {string} */ text) => until(`"${text}" is confirmed`, BACK_MS, async () => (await chat.messages(page, text, "sent").count()) === 1);
  const here = async (/** @type {Server} */ server) => Number(/^fanwave_gateway_connections (\d+)$/m.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1]);

  await say("before everything");
  await confirmed("before everything");
  assert.deepEqual([await here(seoul), await here(paris)], [1, 1], "the better ranked region is near enough");
  await seoul.kill();
  await page.locator("[data-testid=connection-state][data-state=reconnecting]").waitFor();
  await say("written offline");
  await seoul.run();
  await confirmed("written offline");

  // Nothing passes, and nobody is told so.
  for (const door of doors) door.shut();
  await say("in the tunnel");
  await send(speaker.client, paris.chatChannel, { id: "1", text: "meanwhile" });
  await chat.messages(page, "in the tunnel", "pending").waitFor();
  assert.equal(await chat.messages(page, "meanwhile").count(), 0);
  for (const door of doors) door.reopen();
  await confirmed("in the tunnel");
  await chat.messages(page, "meanwhile").waitFor();

  await chat.input(page).focus();
  await page.keyboard.type("half of it in Seoul");
  await seoul.kill();
  await until("the page has gone to the other region", BACK_MS, async () => (await here(paris)) === 2);
  assert.ok(await chat.input(page).evaluate((field) => field === document.activeElement), "the fan goes on typing");
  await page.keyboard.type(", half of it in Paris");
  written.push("half of it in Seoul, half of it in Paris");
  await page.keyboard.press("Enter");
  await confirmed("half of it in Seoul, half of it in Paris");

  const judge = await fan(scene, paris, { name: "judge" });
  const texts = (await wholeHistory(judge.subscription)).map(({ data }) => data.text);
  assert.deepEqual(texts.filter((text) => text !== "meanwhile"), written, "what the fan wrote is there once, in the order of writing");
  assert.deepEqual(await chat.log(page).getByTestId("chat-text").allTextContents(), texts, "the page shows the room, once, in order");
});
