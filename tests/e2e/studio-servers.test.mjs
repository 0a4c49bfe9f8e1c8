/**
 * The operators' page, and what is true of every page of the studio: it is the same in five languages, axe finds nothing, and a
 * keyboard is enough.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { startBrowser } from "../harness/browser.mjs";
import { fan, send } from "../harness/chat.mjs";
import { Child } from "../harness/child.mjs";
import { LANGUAGES, speak } from "../harness/languages.mjs";
import { scene } from "../harness/scene.mjs";
import { CHANNEL, Server, binary } from "../harness/server.mjs";
import { accessible, complaints, enter } from "../harness/studio.mjs";
import { newSecret } from "../harness/tokens.mjs";
import { until } from "../harness/wait.mjs";

const SEEN_MS = 15_000;
/** The demo has an encoder to start. */
const ON_AIR_MS = 30_000;
/** Viewers are told by what was asked for in twelve seconds. */
const COUNTED_MS = 40_000;

scene("an operator sees servers, regions, costs and how fast messages go out, live", async (scene) => {
  const extra = '[regions]\nhere = "seoul"\n[cost]\ncurrency = "EUR"\nper_gb = "1000000"\nper_server_hour = "3600"\n';
  const server = await Server.start(scene, { secret: newSecret(), sendRate: "unlimited", extra });
  const browser = await startBrowser(scene);
  const { page, console } = await enter(scene, browser, server, { role: "staff", name: "Ops", at: "#servers" });
  const connections = async () => Number((await page.getByTestId("node-connections").textContent())?.split(" / ")[0]);
  await until("nobody is connected", SEEN_MS, async () => (await connections()) === 0);
  const mina = await fan(scene, server, { name: "미나" });
  await send(mina.client, server.chatChannel, { id: "1", text: "hello" });
  await until("mina is seen", SEEN_MS, async () => (await connections()) === 1);
  const seoul = page.locator("[data-testid=region][data-region=seoul]");
  await until("she is counted in her region", SEEN_MS, async () => (await seoul.getByTestId("region-connections").textContent()) === "1");
  // A euro a second, and a thousand a megabyte, of which pages and answers are some: it has begun to cost.
  const euros = async () => Number((await page.getByTestId("cost-total").textContent())?.replace(/[€,]/g, ""));
  const before = await euros();
  assert.ok(before > 1, `${before}`);
  await until("it costs more", SEEN_MS, async () => (await euros()) > before + 1);
  await until("for each thousand, it is a thousand times as much", SEEN_MS, async () => /^€[0-9,.]{6,}$/.test((await page.getByTestId("cost-per-thousand").textContent()) ?? ""));
  await page.getByTestId("audience").getByText("People: 1").waitFor({ timeout: SEEN_MS });
  await until("how fast her message went out is told", SEEN_MS, async () => {
    await send(mina.client, server.chatChannel, { id: String(Math.random()), text: "hello again" });
    return Number(await page.getByTestId("chart-fanout99").getAttribute("data-now")) > 0;
  });
  await accessible(page, "the servers");
  await page.screenshot({ path: join(scene.artifacts, "studio-servers.png") });
  assert.deepEqual(complaints(console), []);
});

scene("a keyboard is enough: in, to every page, through the tools, to an act and out", async (scene) => {
  const server = await Server.start(scene, { secret: newSecret(), sendRate: "unlimited" });
  const browser = await startBrowser(scene);
  const mina = await fan(scene, server, { name: "미나" });
  await send(mina.client, server.chatChannel, { id: "1", text: "first" });
  await send(mina.client, server.chatChannel, { id: "2", text: "second" });
  const { page } = await enter(scene, browser, server, { role: "staff", name: "Desk" });
  await page.getByTestId("desk-line").nth(1).waitFor();
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement)?.blur());
  /** Presses Tab until this has the focus; whatever cannot be reached so cannot be used. */
  const tabTo = async (/** @type {import("playwright-core").Locator} */ wanted) => {
    for (let presses = 0; presses < 40; presses += 1) {
      await page.keyboard.press("Tab");
      if (await wanted.evaluate((element) => element === document.activeElement)) return;
    }
    throw new Error(`not reached: ${wanted}`);
  };

  await tabTo(page.getByTestId("desk-line").nth(1));
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Delete");
  await page.getByTestId("desk-line").first().getByText("Deleted").waitFor();
  await tabTo(page.getByTestId("shield"));
  await tabTo(page.getByRole("tab", { name: "Review" }));
  await page.keyboard.press("ArrowRight");
  await page.getByTestId("rules").waitFor();
  await page.keyboard.press("End");
  await page.getByTestId("act").waitFor();
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement)?.blur());
  await tabTo(page.getByTestId("section-show"));
  await page.keyboard.press("Enter");
  await page.getByTestId("preflight").waitFor();
  await tabTo(page.getByTestId("news-list"));
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement)?.blur());
  await tabTo(page.getByTestId("sign-out"));
  await page.keyboard.press("Enter");
  await page.getByTestId("sign-in").waitFor();
});

scene("every page is there in five languages, changed without a reload, and nothing sticks out", async (scene) => {
  const server = await Server.start(scene, { secret: newSecret(), demo: true });
  const browser = await startBrowser(scene);
  // Some watch meanwhile.
  await until("the demo is on", ON_AIR_MS, async () => (await fetch(server.playlistUrl)).ok);
  new Child(scene, "viewers", binary(), ["viewers", server.playlistUrl, "--viewers", "3", "--duration", "10m"]);
  const { page } = await enter(scene, browser, server, { role: "staff", name: "Desk", locale: "ko-KR", at: `/${CHANNEL}` });
  assert.equal(await page.evaluate(() => document.documentElement.lang), "ko", "the browser's own language is taken");
  for (const language of Object.keys(LANGUAGES)) {
    await speak(page, language);
    for (const section of ["chat", "show", "servers"]) {
      await page.getByTestId(`section-${section}`).click();
      const ready = { chat: "desk-text", show: "rung", servers: "node" }[section] ?? "";
      await page.getByTestId(ready).first().waitFor();
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(overflow, 0, `${section} in ${language} does not scroll sideways`);
      await page.screenshot({ path: join(scene.artifacts, `studio-${section}-${language}.png`) });
    }
  }
  await page.getByTestId("cost-no-prices").waitFor();
  const watched = page.locator('[data-testid=region][data-region=""]').getByTestId("region-viewers");
  await until("who watches is counted", COUNTED_MS, async () => (await watched.textContent()) === "3");
});
