/** A show in the pages of another site, in Debian's Firefox: as elements and as a frame, under a policy of that site's own; and the overlay for OBS. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, PAGE_MS, startFirefox } from "../harness/browser.mjs";
import { fan, send } from "../harness/chat.mjs";
import * as chat from "../harness/chat-panel.mjs";
import * as overlay from "../harness/overlay.mjs";
import { untilPlaying } from "../harness/player.mjs";
import { startEncoder, underWay } from "../harness/publisher.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server } from "../harness/server.mjs";
import { looksAsTheSiteWants, noteForbidden, PLAIN_HTML, signedFrame, siteOrigin, startSite } from "../harness/site.mjs";
import { accessible } from "../harness/studio.mjs";
import { until } from "../harness/wait.mjs";

scene("in Firefox, too, another site's page has the show in it, as elements and as a frame, and the overlay lies over a picture", async (scene) => {
  const origin = await siteOrigin();
  const server = await Server.start(scene, { pages: [origin], sendRate: "unlimited" });
  startEncoder(scene, server);
  await underWay(server, 1);
  await startSite(scene, origin, PLAIN_HTML, { FANWAVE_URL: server.url, FRAME: await signedFrame(server, origin) });
  const firefox = await startFirefox(scene);
  const speaker = await fan(scene, server, { name: "speaker" });
  /** @type {(() => void)[]} */
  const allowed = [];
  const prepare = async (/** @type {import("playwright-core").Page} */ page) => void allowed.push(await noteForbidden(page));

  const { page } = await openPage(scene, firefox, `${origin}/`, { name: "element", prepare });
  await untilPlaying(page);
  assert.equal(await page.locator("#standing").textContent(), "On air", "the page is told");
  await looksAsTheSiteWants(page);
  await chat.say(page, "from the other site");
  await chat.confirmed(page, "from the other site");
  await speaker.hears("from the other site");
  const text = '<img src=x onerror="alert(1)">';
  await send(speaker.client, server.chatChannel, { id: "back", text });
  await chat.messages(page, text).waitFor();
  await page.locator("#said", { hasText: text }).waitFor();
  await page.locator("fanwave-show").evaluate((element) => Object.assign(element, { lang: "ko", theme: "light" }));
  await page.locator(".frame.light[lang=ko]").waitFor();
  await accessible(page, "the page with the element, in Korean on a light ground");
  await page.screenshot({ path: join(scene.artifacts, "firefox-embed-element.png") });

  const { page: framed } = await openPage(scene, firefox, `${origin}/framed`, { name: "frame", prepare });
  const inside = framed.frameLocator("iframe");
  await until("the frame plays", PAGE_MS, () =>
    inside.getByTestId("video").evaluate((video) => /** @type {HTMLVideoElement} */ (video).currentTime > 0));
  await inside.getByRole("log").getByText("from the other site").waitFor();
  await framed.screenshot({ path: join(scene.artifacts, "firefox-embed-frame.png") });

  const { page: laid } = await openPage(scene, firefox, `${server.url}/overlay/${CHANNEL}?size=40&max=2&fade=0`, { name: "overlay", prepare });
  await until("what was said lies over the picture", PAGE_MS, async () => (await overlay.lines(laid).allTextContents()).join() === `from the other site,${text}`);
  assert.deepEqual(await overlay.look(laid), { ground: "rgba(0, 0, 0, 0)", size: "40px", controls: 0 });
  await laid.goto(`${server.url}/overlay/${CHANNEL}?fade=1`);
  await send(speaker.client, server.chatChannel, { id: "late", text: "here and gone" });
  await laid.getByText("here and gone").waitFor();
  await laid.getByText("here and gone").waitFor({ state: "detached" });
  for (const check of allowed) check();
});
