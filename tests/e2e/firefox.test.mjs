/**
 * The watch page in Debian's Firefox: its chat, and so the SDK, through a server that is killed; and what a fan does beside writing: watch, go back,
 * vote, tap, answer, report and look away. And what the studio is for: a message that is deleted, an act that is undone, a stream that is judged.
 */

import assert from "node:assert/strict";
import { fan, send } from "../harness/chat.mjs";
import { openFirefox } from "../harness/firefox.mjs";
import { publish, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { newSecret, sign } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";
import { npmClient } from "../judges/npm-client.mjs";

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

/** So much of the show there is before the fan comes, and so far they go back. */
const SEGMENTS = 7;
const BACK_S = 8;

/** Where the picture is, seconds. */
const AT = `document.querySelector("[data-testid=video]").currentTime`;

/** Presses the button of this text or label, in a part of the page. */
const press = (/** @type {string} */ part, /** @type {string} */ name) => `(() => {
  const isNamed = (button) => [button.textContent.trim(), button.getAttribute("aria-label")].includes(${JSON.stringify(name)});
  const found = [...document.querySelectorAll(${JSON.stringify(`${part} button`)})].find(isNamed);
  found?.click();
  return found !== undefined;
})()`;

scene("in Firefox, too, a fan watches, goes back, votes, taps, answers, reports and looks away", async (scene) => {
  const secret = newSecret();
  const server = await Server.start(scene, { secret });
  await publish(scene, server);
  await underWay(server, SEGMENTS);
  const page = await openFirefox(scene, server.watchUrl);
  const is = (/** @type {string} */ what, /** @type {string} */ expression) => until(what, PAGE_MS, async () => (await page.evaluate(expression)) === true);
  const moves = async () => {
    const from = Number(await page.evaluate(AT));
    await is("the picture moves", `${AT} > ${from} + 1`);
  };
  await is("the show plays", `document.querySelector("[data-testid=player]").dataset.phase === "playing"`);
  await moves();
  assert.equal(await page.evaluate(`document.querySelector("[data-testid=video]").videoWidth`), 640);

  // By the keys of the bar, as a person without a mouse does.
  const key = (/** @type {string} */ name) => `document.querySelector("[data-testid=scrub-bar]").dispatchEvent(new KeyboardEvent("keydown", { key: "${name}", bubbles: true, cancelable: true }))`;
  await is("there is something to go back to", `document.querySelector("[data-testid=scrub-bar]")?.min < -${BACK_S}`);
  await page.evaluate(key("ArrowLeft"));
  await is("the fan is back in the show", `document.querySelector("[data-testid=scrub-bar]").valueAsNumber < -${BACK_S}`);
  await moves();
  await page.evaluate(key("End"));
  await is("the fan is live again", `document.querySelector("[data-testid=scrub-bar]").getAttribute("aria-valuetext") === "Live"`);
  await moves();

  const staff = await npmClient(scene, server.httpPort, "websocket-json");
  await staff.connect([sign(secret, { user: "mod", name: "Mo", role: "moderator" })]);
  await staff.rpc("poll.open", { room: CHANNEL, id: "q1", question: "Which song next?", choices: ["Dawn", "Dusk"] });
  await is("the fan votes", press("[data-testid=poll-card]", "Dusk"));
  await is("the vote counts", `document.querySelector("[data-testid=poll-card]").textContent.includes("1 vote")`);
  await is("the fan taps", press("[data-testid=reaction-bar]", "Heart"));
  await is("the tap flies", `Number(document.querySelector("[data-testid=reaction-bursts]").dataset.drawn) > 0`);

  const milo = await fan(scene, server, { name: "Milo" });
  await send(milo.client, server.chatChannel, { id: "1", text: "who is this?" });
  const row = `[...document.querySelectorAll("[data-testid=chat-message]")].find((one) => one.textContent.includes("who is this?"))`;
  const open = () => is("the menu opens", `(${row}?.querySelector("[data-testid=chat-text]").click(), document.querySelector("[data-testid=row-menu]") !== null)`);
  await open();
  await is("the fan answers", press("[data-testid=row-menu]", "Reply"));
  await is("the answer is begun", `document.querySelector("[data-testid=reply-to]") !== null`);
  await page.evaluate(write("the one and only"));
  await until("Milo hears the answer", PAGE_MS, () => milo.heard.find(({ data }) => data.text === "the one and only")?.data.reply_to?.user === milo.user);
  await open();
  await is("the fan reports it", press("[data-testid=row-menu]", "Report"));
  await is("and says why", press("[data-testid=report-reasons]", "Something else"));
  await is("and is thanked", `document.querySelector("[data-testid=reported-notice]")?.textContent.includes("Thank you") === true`);
  await open();
  await is("the fan looks away", press("[data-testid=row-menu]", "Hide this person"));
  await is("nobody is seen who was hidden", `${row} === undefined`);
});

scene("in Firefox, too, a member of the staff signs in, deletes, undoes and sees the stream's health", async (scene) => {
  const secret = newSecret();
  const server = await Server.start(scene, { secret, sendRate: "unlimited" });
  await publish(scene, server);
  const mina = await fan(scene, server, { name: "Mina" });
  await send(mina.client, server.chatChannel, { id: "1", text: "to be deleted" });
  await send(mina.client, server.chatChannel, { id: "2", text: "to be pinned" });
  const page = await openFirefox(scene, `${server.url}/studio/${CHANNEL}`);
  const is = (/** @type {string} */ what, /** @type {string} */ expression) => until(what, PAGE_MS, async () => (await page.evaluate(expression)) === true);
  const at = (/** @type {string} */ testid) => `document.querySelector("[data-testid=${testid}]")`;
  await is("there is a way in", `${at("token")} !== null`);
  await page.evaluate(`(() => {
    const field = ${at("token")};
    field.value = ${JSON.stringify(sign(secret, { user: "u-desk", name: "Desk", role: "staff" }))};
    field.dispatchEvent(new Event("input", { bubbles: true }));
    ${at("sign-in")}.click();
  })()`);
  await is("the staff is in", `${at("sign-out")} !== null`);

  const line = (/** @type {string} */ text) => `[...document.querySelectorAll("[data-testid=desk-line]")].find((one) => one.textContent.includes("${text}"))`;
  const key = (/** @type {string} */ text, /** @type {string} */ name) => page.evaluate(`(() => {
    const found = ${line(text)};
    found.focus();
    found.dispatchEvent(new KeyboardEvent("keydown", { key: "${name}", bubbles: true, cancelable: true }));
  })()`);
  await is("the messages are read", `${line("to be deleted")} !== undefined && ${line("to be pinned")} !== undefined`);
  await key("to be deleted", "Delete");
  await is("it is gone", `${line("to be deleted")} === undefined && document.querySelectorAll("[data-testid=desk-line].gone").length === 1`);
  const pins = async () => {
    const headers = { authorization: `Bearer ${sign(secret, { user: "judge", role: "staff" })}` };
    return (await (await fetch(`${server.url}/api/v1/channels/${CHANNEL}/moderation`, { headers })).json()).pins.length;
  };
  await key("to be pinned", "p");
  await until("it is pinned", PAGE_MS, async () => (await pins()) === 1);
  await is("it can be undone", `(${at("toast-undo")}?.click(), ${at("toast-undo")} !== null)`);
  await until("nothing is pinned", PAGE_MS, async () => (await pins()) === 0);

  await page.evaluate(`${at("section-show")}.click()`);
  await is("the encoder is judged", `document.querySelector("[data-testid=check][data-check=frameRate]")?.dataset.verdict === "good"`);
  await is("its health is drawn", `(document.querySelector("[data-testid=chart-frameRate] path")?.getAttribute("d") ?? "").includes("L")`);
});
