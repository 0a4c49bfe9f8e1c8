/**
 * The studio in Debian's Firefox: somebody of the staff signs in with an account, keeps a room sane by keyboard and by pointer, takes back what
 * they did, judges a stream, hands out a key, has a show begin and end, and sees the servers; all of it in five languages.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, PAGE_MS, startFirefox } from "../harness/browser.mjs";
import { fan, send } from "../harness/chat.mjs";
import { LANGUAGES, speak } from "../harness/languages.mjs";
import { publish } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { noteForbidden } from "../harness/site.mjs";
import { accessible, BOSS, complaints, line, logIn, setUp, tab, TABLET, told } from "../harness/studio.mjs";
import { newSecret } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

const SEEN_MS = 10_000;
/** The health of an encoder is told from its first pictures on, and its playlists are read every ten seconds. */
const JUDGED_MS = 20_000;
/** So many strangers are a raid. */
const RAIDERS = 22;

scene("in Firefox, too, the staff keeps a room sane, judges a stream, has a show begin and end, and sees the servers", async (scene) => {
  const extra = '[accounts]\nregistration = "closed"\n[regions]\nhere = "seoul"\n';
  const server = await Server.start(scene, { secret: newSecret(), sendRate: "unlimited", shownPerSecond: 0, extra });
  await setUp(server);
  await publish(scene, server);
  const mina = await fan(scene, server, { name: "미나" });
  for (const text of ["to be deleted", "to be pinned"]) await send(mina.client, server.chatChannel, { id: text, text });
  const troll = await fan(scene, server, { name: "<b>Troll</b>" });
  for (const text of ["<i>first</i>", "<i>second</i>"]) await send(troll.client, server.chatChannel, { id: text, text });
  const firefox = await startFirefox(scene);
  /** @type {() => void} */
  let allowed = () => assert.fail("nobody looked");
  const { page, console } = await openPage(scene, firefox, `${server.url}/studio/${CHANNEL}`, {
    name: "boss",
    viewport: TABLET,
    prepare: async (opening) => {
      allowed = await noteForbidden(opening);
    },
  });
  await logIn(page, BOSS);
  await page.getByTestId("sign-out").waitFor();

  await deletesAndUndoes(server, page);
  await holdsWords(server, page, mina);
  await seesARaid(scene, server, page);
  await accessible(page, "the room");
  await page.getByTestId("section-show").click();
  await judgesAStream(page);
  await beginsAndEnds(server, page);
  await accessible(page, "the show");
  await page.getByTestId("section-servers").click();
  await page.locator("[data-testid=region][data-region=seoul]").getByTestId("region-connections").getByText(/^[1-9]/).waitFor({ timeout: SEEN_MS });
  await page.getByTestId("node").first().waitFor();
  await until("how fast messages went out is told", SEEN_MS, async () => {
    await send(mina.client, server.chatChannel, { id: String(Math.random()), text: "hello again" });
    return Number(await page.getByTestId("chart-fanout99").getAttribute("data-now")) > 0;
  });
  await accessible(page, "the servers");

  for (const language of Object.keys(LANGUAGES)) {
    await speak(page, language);
    for (const [section, ready] of Object.entries({ chat: "desk-text", show: "rung", servers: "node" })) {
      await page.getByTestId(`section-${section}`).click();
      await page.getByTestId(ready).first().waitFor();
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(overflow, 0, `${section} in ${language} does not scroll sideways`);
      await page.screenshot({ path: join(scene.artifacts, `firefox-studio-${section}-${language}.png`) });
    }
  }
  await page.getByTestId("sign-out").click();
  await page.getByTestId("sign-in").waitFor();
  allowed();
  assert.deepEqual(complaints(console), []);
});

/**
 * By keyboard: a line is deleted, another pinned and that undone; its sender is banned and pardoned by their card; and the log takes back
 * what somebody else has done.
 *
 * @param {Server} server
 * @param {import("playwright-core").Page} page
 */
async function deletesAndUndoes(server, page) {
  const pins = async () => (await told(server, "/moderation")).pins.length;
  await line(page, "to be deleted").focus();
  await page.keyboard.press("Delete");
  await line(page, "to be deleted").waitFor({ state: "detached" });
  await page.getByTestId("desk-line").first().getByText("Deleted").waitFor();
  await line(page, "to be pinned").focus();
  await page.keyboard.press("p");
  await until("it is pinned", SEEN_MS, async () => (await pins()) === 1);
  await page.getByTestId("toast-undo").click();
  await until("nothing is pinned", SEEN_MS, async () => (await pins()) === 0);

  await line(page, "<i>second</i>").focus();
  await page.keyboard.press("Enter");
  const card = page.getByTestId("user-card");
  await card.getByText("<i>first</i>", { exact: true }).waitFor();
  await card.getByRole("group", { name: "Ban for" }).getByRole("button", { name: "1 h" }).click();
  await card.getByTestId("card-banned").waitFor();
  await accessible(page, "the user card");
  await card.getByTestId("card-pardon").click();
  await card.getByTestId("card-banned").waitFor({ state: "detached" });
  await card.getByTestId("card-close").click();

  await tab(page, "Notices");
  await page.getByTestId("pin-text").fill("Doors open at seven");
  await page.getByTestId("pin-send").click();
  await page.getByTestId("pin").filter({ hasText: "Doors open at seven" }).waitFor();
  await tab(page, "Log");
  await page.locator("[data-testid=act][data-action=pinned]").first().getByTestId("undo").click();
  await until("nothing is pinned", SEEN_MS, async () => (await pins()) === 0);
}

/**
 * A listed word is held and let in, the shield goes up and down, and what a fan reports is taken away.
 *
 * @param {Server} server
 * @param {import("playwright-core").Page} page
 * @param {{ client: import("centrifuge").Centrifuge }} mina
 */
async function holdsWords(server, page, { client }) {
  await tab(page, "Words");
  await page.getByTestId("words-list").fill("spoiler\n스포");
  await page.getByTestId("words-save").click();
  await page.getByText("Saved.").waitFor();
  await client.rpc("send", { channel: server.chatChannel, id: "held", text: "what a spoiler" });
  await tab(page, "Review");
  await page.getByTestId("held").filter({ hasText: "what a spoiler" }).getByTestId("approve").click();
  await line(page, "what a spoiler").waitFor();
  const { offset } = await send(client, server.chatChannel, { id: "bad", text: "buy tickets at example.com" });
  await client.rpc("report", { room: CHANNEL, offset, reason: "spam" });
  const reported = page.getByTestId("reported").filter({ hasText: "buy tickets" });
  await reported.getByTestId("reported-delete").click();
  await reported.waitFor({ state: "detached" });
  await line(page, "buy tickets at example.com").waitFor({ state: "detached" });

  for (const up of [true, false]) {
    await page.getByTestId("shield").click();
    await until(`the shield is ${up ? "up" : "down"}`, SEEN_MS, async () => (await told(server, "/settings")).shield === up);
    await page.getByTestId("shield").and(page.locator(`[aria-checked=${up}]`)).waitFor();
  }
  await tab(page, "Polls");
  await page.getByTestId("poll-question").fill("Encore?");
  await page.getByTestId("poll-choices").fill("Yes\nOf course");
  await page.getByTestId("poll-open").click();
  await page.getByTestId("poll").waitFor();
  const { polls } = await told(server, "/moderation");
  await client.rpc("vote", { room: CHANNEL, poll: polls[0].poll, choice: 1 });
  await until("the vote is counted", SEEN_MS, async () => (await page.getByTestId("poll-count").allTextContents())[1] === "1");
  await page.getByTestId("poll-close").click();
  await page.getByText("No poll is open.").waitFor();
}

/**
 * @param {import("../harness/scene.mjs").Scene} scene
 * @param {Server} server
 * @param {import("playwright-core").Page} page
 */
async function seesARaid(scene, server, page) {
  const strangers = await Promise.all(Array.from({ length: RAIDERS }, (_, n) => fan(scene, server, { name: `raider ${n}` })));
  await Promise.all(strangers.map(({ client }, n) => send(client, server.chatChannel, { id: "1", text: `raid ${n}` })));
  await page.locator("[data-testid=raid][data-level=raid]").waitFor();
  for (const { client } of strangers) client.disconnect();
}

/**
 * Where the encoder comes from, how it is judged, the chart of its health; and a key that is told once, replaced and revoked.
 *
 * @param {import("playwright-core").Page} page
 */
async function judgesAStream(page) {
  await page.locator("[data-testid=encoder][data-protocol=rtmp]").getByText("127.0.0.1").waitFor({ timeout: JUDGED_MS });
  for (const check of ["videoCodec", "frameRate"]) await page.locator(`[data-testid=check][data-check=${check}][data-verdict=good]`).waitFor({ timeout: JUDGED_MS });
  await until("its health is drawn", JUDGED_MS, async () =>
    (await page.locator("[data-testid=chart-frameRate] path").first().getAttribute("d"))?.includes("L"));
  await page.getByTestId("rung").filter({ hasText: "360p" }).waitFor();
  await page.getByTestId("key-name").fill("Camera 1");
  await page.getByTestId("key-make").click();
  const made = page.getByTestId("key-made");
  const first = await made.inputValue();
  assert.ok(first.length >= 16);
  await page.getByTestId("key-replace").click();
  await until("there is another key", PAGE_MS, async () => (await made.inputValue()) !== first);
  await page.getByTestId("key-revoke").first().click();
  await page.getByTestId("key-sure").click();
  await made.waitFor({ state: "detached" });
}

/**
 * @param {Server} server
 * @param {import("playwright-core").Page} page
 */
async function beginsAndEnds(server, page) {
  const planned = (/** @type {string} */ state) => page.locator(`[data-testid=planned][data-state=${state}]`).filter({ hasText: "Late show" });
  const onAir = async () => (await (await fetch(`${server.url}/api/v1/channels/${CHANNEL}`)).json()).show?.title;
  await page.getByTestId("show-new").click();
  await page.getByTestId("show-title").fill("Late show");
  await page.getByTestId("show-artist").fill("Mina");
  await page.getByTestId("show-save").click();
  await planned("scheduled").getByTestId("show-start").click();
  await page.getByTestId("show-sure").click();
  await planned("live").waitFor();
  assert.equal(await onAir(), "Late show");
  await planned("live").getByTestId("show-stop").click();
  await page.getByTestId("show-sure").click();
  await planned("ended").waitFor();
  assert.equal(await onAir(), undefined);
}
