/** A show in the pages of another site: the plain HTML example, its frame with a signed address, and the overlay for OBS. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { PAGE_MS, openPage, startBrowser } from "../harness/browser.mjs";
import * as chat from "../harness/chat-panel.mjs";
import { fan, send } from "../harness/chat.mjs";
import * as overlay from "../harness/overlay.mjs";
import { currentTime, untilPlaying } from "../harness/player.mjs";
import { startEncoder, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server, binary } from "../harness/server.mjs";
import { looksAsTheSiteWants, noteForbidden, PLAIN_HTML, signedFrame, siteOrigin, startSite } from "../harness/site.mjs";
import { accessible } from "../harness/studio.mjs";
import { until } from "../harness/wait.mjs";

scene("a page of another site has the show and the chat in it, under a policy of its own", async (scene) => {
  const origin = await siteOrigin();
  const server = await Server.start(scene, { pages: [origin] });
  startEncoder(scene, server);
  await underWay(server, 1);
  const frame = await signedFrame(server, origin);
  await startSite(scene, origin, PLAIN_HTML, { FANWAVE_URL: server.url, FRAME: frame });
  const browser = await startBrowser(scene);
  const speaker = await fan(scene, server, { name: "speaker" });

  /** @type {(() => void)[]} */
  const allowed = [];
  const prepare = async (/** @type {import("playwright-core").Page} */ page) => void allowed.push(await noteForbidden(page));
  const { page } = await openPage(scene, browser, `${origin}/`, { name: "element", prepare });
  await untilPlaying(page);
  assert.equal(await page.locator("#standing").textContent(), "On air", "the page is told");
  await looksAsTheSiteWants(page);
  await chat.say(page, "from the other site");
  await chat.confirmed(page, "from the other site");
  await speaker.hears("from the other site");
  // The keys of the player are not heard in the composer, nor anywhere else in a page that is not ours.
  await chat.input(page).press("k");
  assert.equal(await chat.input(page).inputValue(), "k", "what is typed is written");
  await chat.input(page).fill("");
  await page.locator("h1").click();
  await page.keyboard.press("k");
  await page.keyboard.press("m");
  assert.deepEqual(await pictureIs(page), { muted: true, paused: false }, "keys outside of the player are the page's");
  const text = '<img src=x onerror="alert(1)">';
  await send(speaker.client, server.chatChannel, { id: "back", text });
  await chat.messages(page, text).waitFor();
  await page.locator("#said", { hasText: text }).waitFor();
  await page.getByTestId("quality-button").click();
  await page.getByRole("menuitemradio").first().click();
  await page.getByRole("menuitemradio").first().waitFor({ state: "hidden" });
  const kept = await page.evaluate(() => {
    const element = document.createElement("fanwave-chat");
    element.setAttribute("token", "a-secret");
    return element.outerHTML;
  });
  assert.equal(kept, "<fanwave-chat></fanwave-chat>", "a token does not stay in the page");
  await accessible(page, "the page with the element");
  await page.screenshot({ path: join(scene.artifacts, "embed-element.png") });
  // Language and colours change where the element stands, and the show goes on.
  const before = await currentTime(page);
  for (const lang of ["ko", "ja", "es", "th"]) {
    await page.locator("fanwave-show").evaluate((element, lang) => Object.assign(element, { lang, theme: "light" }), lang);
    await page.locator(`.frame.light[lang=${lang}]`).waitFor();
    await page.screenshot({ path: join(scene.artifacts, `embed-element-${lang}.png`) });
  }
  await announce(server, "See you in Busan!");
  await page.locator("fanwave-show").getByTestId("stage-card").waitFor();
  await page.screenshot({ path: join(scene.artifacts, "embed-element-light.png") });
  await accessible(page, "the same on a light ground");
  assert.ok((await currentTime(page)) > before, "the picture was not begun anew");

  const { page: framed } = await openPage(scene, browser, `${origin}/framed`, { name: "frame", prepare });
  const inside = framed.frameLocator("iframe");
  await until("the frame plays", PAGE_MS, () =>
    inside.getByTestId("video").evaluate((video) => /** @type {HTMLVideoElement} */ (video).currentTime > 0));
  await inside.getByRole("log").getByText("from the other site").waitFor();
  await framed.screenshot({ path: join(scene.artifacts, "embed-frame.png") });
  for (const check of allowed) check();

  // Whoever is not in the address cannot frame it, and nobody can put themselves into it.
  const { headers, status } = await fetch(frame);
  assert.equal(status, 200);
  assert.match(headers.get("content-security-policy") ?? "", new RegExp(`frame-ancestors ${origin}$`));
  assert.equal(headers.get("x-frame-options"), null);
  for (const address of [`${server.url}/embed/${CHANNEL}`, frame.replace("127.0.0.2", "127.0.0.3"), `${frame}x`]) {
    assert.equal((await fetch(address)).status, 403, address);
  }
});

scene("the chat lies over a picture, in big type, and goes after its time", async (scene) => {
  const server = await Server.start(scene, { sendRate: "unlimited", shownPerSecond: 100 });
  const speaker = await fan(scene, server, { name: "speaker" });
  for (let n = 0; n < 6; n += 1) await send(speaker.client, server.chatChannel, { id: `${n}`, text: `line ${n}` });
  const browser = await startBrowser(scene);
  const { page } = await openPage(scene, browser, `${server.url}/overlay/${CHANNEL}?size=40&max=4&fade=0`, { name: "overlay" });
  const lines = overlay.lines(page);
  await until("the newest are there", PAGE_MS, async () => (await lines.allTextContents()).join() === "line 2,line 3,line 4,line 5");
  assert.deepEqual(await overlay.look(page), { ground: "rgba(0, 0, 0, 0)", size: "40px", controls: 0 });
  const text = '<b>not bold</b> https://elsewhere.example';
  await send(speaker.client, server.chatChannel, { id: "markup", text });
  await until("what is written is text", PAGE_MS, async () => (await lines.allTextContents()).at(-1) === text);
  assert.equal(await page.locator("main a, main p b b").count(), 0);
  await accessible(page, "the overlay");
  await page.screenshot({ path: join(scene.artifacts, "overlay.png"), omitBackground: true });

  await page.goto(`${server.url}/overlay/${CHANNEL}?fade=1`);
  await send(speaker.client, server.chatChannel, { id: "late", text: "here and gone" });
  await page.getByText("here and gone").waitFor();
  await page.getByText("here and gone").waitFor({ state: "detached" });
});

/**
 * The artist says something in the lane of their own.
 *
 * @param {Server} server
 * @param {string} text
 */
async function announce(server, text) {
  const args = ["token", "--config", server.configPath, "--role", "artist", "--name", "AURORA"];
  const token = (await promisify(execFile)(binary(), args)).stdout.trim();
  const answer = await fetch(`${server.url}/api/v1/channels/${CHANNEL}/announcements`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ id: "announced", text }),
  });
  assert.equal(answer.status, 201, await answer.text());
}

/** @param {import("playwright-core").Page} page */
function pictureIs(page) {
  return page.getByTestId("video").evaluate((element) => {
    const { muted, paused } = /** @type {HTMLVideoElement} */ (element);
    return { muted, paused };
  });
}
