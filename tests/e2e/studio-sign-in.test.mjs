/** Who gets into the studio: an account's role decides what is shown, and what is lost is lost at once. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { scene } from "../harness/scene.mjs";
import { Server } from "../harness/server.mjs";
import { accessible, BOSS, complaints, logIn, setUp, TABLET } from "../harness/studio.mjs";

/** @param {Server} server @param {string} path @param {object} body @param {{ method?: string, session?: string }} [options] */
async function ask(server, path, body, { method = "POST", session } = {}) {
  const headers = { "content-type": "application/json", ...(session ? { authorization: `Bearer ${session}` } : {}) };
  const response = await fetch(`${server.url}/api/v1${path}`, { method, headers, body: JSON.stringify(body) });
  assert.ok(response.ok, `${path}: ${response.status}`);
  return response.json();
}

scene("accounts sign in, see what their role opens, stay signed in over a reload, and leave", async (scene) => {
  const server = await Server.start(scene, { extra: '[accounts]\nregistration = "open"\n' });
  await setUp(server);
  const { password } = BOSS;
  const mo = await ask(server, "/accounts", { login: "moderator", password, name: "Mo" });
  const browser = await startBrowser(scene);
  const { page, console } = await openPage(scene, browser, `${server.url}/studio`, { name: "studio", viewport: TABLET });

  await logIn(page, { login: "boss", password: "wrong horse battery" });
  await page.getByText("Login or password is wrong.").waitFor();
  await accessible(page, "the way in");
  await page.screenshot({ path: join(scene.artifacts, "studio-sign-in.png") });
  await logIn(page, BOSS);
  await page.getByTestId("section-servers").waitFor();
  const links = () => page.getByRole("navigation").getByRole("link").allTextContents();
  assert.deepEqual(await links(), ["Chat", "Show", "Servers"]);
  await page.getByTestId("section-show").click();
  await page.reload();
  await page.locator("[data-testid=section-show][aria-current=page]").waitFor();
  assert.ok(!page.url().includes("token") && !(await page.evaluate(() => JSON.stringify(localStorage))).includes("fws_"), "no secret in the address or for ever");
  await page.getByTestId("sign-out").click();

  // A fan has no part here; made a moderator, they have, and signed out elsewhere, no more.
  await logIn(page, { login: "moderator", password });
  await page.getByTestId("stranger").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  const boss = (await ask(server, "/sessions", { login: "boss", password })).session;
  await ask(server, `/accounts/${mo.id}`, { role: "moderator" }, { method: "PATCH", session: boss });
  await logIn(page, { login: "moderator", password });
  await page.locator("[data-testid=desk-state][data-state=connected]").waitFor({ state: "attached" });
  assert.deepEqual(await links(), ["Chat"]);
  await ask(server, `/accounts/${mo.id}`, { suspended: true }, { method: "PATCH", session: boss });
  await page.getByText("Your session has ended. Sign in again.").waitFor();

  await page.getByTestId("with-token").click();
  await page.getByTestId("token").fill("no.such.token");
  await page.getByTestId("sign-in").click();
  await page.getByText("This is no token of this server").waitFor();
  // What was refused is in the console as a failed request; nothing else is.
  assert.deepEqual(complaints(console).filter((line) => !/status of 40[13]/.test(line)), []);
});
