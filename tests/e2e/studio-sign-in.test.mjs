/** Who gets into the studio: an account's role decides what is shown, and what is lost is lost at once. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { openPage, startBrowser } from "../harness/browser.mjs";
import { ANSWER_MS } from "../harness/chat.mjs";
import { run } from "../harness/child.mjs";
import { scene } from "../harness/scene.mjs";
import { Server, binary } from "../harness/server.mjs";
import { accessible, complaints, TABLET } from "../harness/studio.mjs";

const PASSWORD = "correct horse battery";

/** @param {Server} server @param {string} path @param {object} body @param {{ method?: string, session?: string }} [options] */
async function ask(server, path, body, { method = "POST", session } = {}) {
  const headers = { "content-type": "application/json", ...(session ? { authorization: `Bearer ${session}` } : {}) };
  const response = await fetch(`${server.url}/api/v1${path}`, { method, headers, body: JSON.stringify(body) });
  assert.ok(response.ok, `${path}: ${response.status}`);
  return response.json();
}

scene("accounts sign in, see what their role opens, stay signed in over a reload, and leave", async (scene) => {
  const server = await Server.start(scene, { extra: '[accounts]\nregistration = "open"\n' });
  const token = (await run(binary(), ["setup-token", "--config", server.configPath], { deadlineMs: ANSWER_MS })).stdout.trim();
  await ask(server, "/setup", { token, login: "boss", password: PASSWORD, name: "Boss" });
  const mo = await ask(server, "/accounts", { login: "moderator", password: PASSWORD, name: "Mo" });
  const browser = await startBrowser(scene);
  const { page, console } = await openPage(scene, browser, `${server.url}/studio`, { name: "studio", viewport: TABLET });
  const logIn = async (/** @type {string} */ login, /** @type {string} */ password) => {
    await page.getByTestId("login").fill(login);
    await page.getByTestId("password").fill(password);
    await page.keyboard.press("Enter");
  };

  await logIn("boss", "wrong horse battery");
  await page.getByText("Login or password is wrong.").waitFor();
  await accessible(page, "the way in");
  await page.screenshot({ path: join(scene.artifacts, "studio-sign-in.png") });
  await logIn("boss", PASSWORD);
  await page.getByTestId("section-servers").waitFor();
  const links = () => page.getByRole("navigation").getByRole("link").allTextContents();
  assert.deepEqual(await links(), ["Chat", "Show", "Servers"]);
  await page.getByTestId("section-show").click();
  await page.reload();
  await page.locator("[data-testid=section-show][aria-current=page]").waitFor();
  assert.ok(!page.url().includes("token") && !(await page.evaluate(() => JSON.stringify(localStorage))).includes("fws_"), "no secret in the address or for ever");
  await page.getByTestId("sign-out").click();

  // A fan has no part here; made a moderator, they have, and signed out elsewhere, no more.
  await logIn("moderator", PASSWORD);
  await page.getByTestId("stranger").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  const boss = (await ask(server, "/sessions", { login: "boss", password: PASSWORD })).session;
  await ask(server, `/accounts/${mo.id}`, { role: "moderator" }, { method: "PATCH", session: boss });
  await logIn("moderator", PASSWORD);
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
