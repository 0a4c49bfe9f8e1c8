/**
 * The broker that a server shares its rooms through does not answer any more: the watch page says that the chat is paused,
 * and goes on by itself when it does.
 */

import assert from "node:assert/strict";
import { startRedis } from "../harness/brokers.mjs";
import { openPage, startBrowser } from "../harness/browser.mjs";
import * as chat from "../harness/chat-panel.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";

/** The page says nothing aloud while all is well: its state is there, and not to be seen. */
const STATE = "[data-testid=connection-state]";

scene("the watch page says that the chat is paused while its server is cut off, and goes on by itself", async (scene) => {
  const broker = await startRedis(scene);
  const server = await Server.start(scene, { extra: broker.engine });
  const browser = await startBrowser(scene);
  const { page } = await openPage(scene, browser, server.watchUrl, { name: "fan" });
  await chat.say(page, "before");
  await chat.confirmed(page, "before");

  broker.pause();
  await page.locator(`${STATE}[data-state=paused]`).waitFor();
  assert.match(await page.locator(STATE).innerText(), /paused/);
  const ready = await fetch(`${server.url}/readyz`);
  assert.equal(ready.status, 200, "other servers are in the same place: a balancer must not send everybody away");
  assert.match(await ready.text(), /the broker cannot be reached/);

  broker.resume();
  await page.locator(`${STATE}[data-state=connected]`).waitFor({ state: "attached" });
  await chat.say(page, "after");
  await chat.confirmed(page, "after");
});
