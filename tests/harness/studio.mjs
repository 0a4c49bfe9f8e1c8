/** The studio: how its people get in, and what is judged on every one of its pages. */

import assert from "node:assert/strict";
import { AxeBuilder } from "@axe-core/playwright";
import { openPage } from "./browser.mjs";
import { ANSWER_MS } from "./chat.mjs";
import { run } from "./child.mjs";
import { binary, CHANNEL } from "./server.mjs";
import { sign } from "./tokens.mjs";

/** A tablet on its side: what a moderator has in their hands beside the stage. */
export const TABLET = { width: 1024, height: 768 };

/** The first account of an installation, which is staff. */
export const BOSS = { login: "boss", password: "correct horse battery", name: "Boss" };

/**
 * Makes that account with the token that the console tells, where accounts are kept.
 *
 * @param {import("./server.mjs").Server} server
 */
export async function setUp(server) {
  const { stdout } = await run(binary(), ["setup-token", "--config", server.configPath], { deadlineMs: ANSWER_MS });
  const body = JSON.stringify({ token: stdout.trim(), ...BOSS });
  const { status } = await fetch(`${server.url}/api/v1/setup`, { method: "POST", headers: { "content-type": "application/json" }, body });
  assert.equal(status, 201);
}

/**
 * Signs in with an account, by keyboard.
 *
 * @param {import("playwright-core").Page} page
 * @param {{ login: string, password: string }} account
 */
export async function logIn(page, { login, password }) {
  await page.getByTestId("login").fill(login);
  await page.getByTestId("password").fill(password);
  await page.keyboard.press("Enter");
}

/**
 * Opens the studio and signs in with a token, as somebody does whose back end has made it.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {import("playwright-core").Browser} browser
 * @param {import("./server.mjs").Server} server
 * @param {{ role: "moderator" | "artist" | "staff", name: string, at?: string, locale?: string, viewport?: { width: number, height: number },
 *   prepare?: (page: import("playwright-core").Page) => Promise<void> }} options
 */
export async function enter(scene, browser, server, { role, name, at = "", ...options }) {
  assert.ok(server.secret, "the test signs tokens itself");
  const opened = await openPage(scene, browser, `${server.url}/studio${at}`, { name, viewport: TABLET, ...options });
  const token = sign(server.secret, { user: `u-${name}`, name, role });
  const [choice, field] = [opened.page.getByTestId("with-token"), opened.page.getByTestId("token")];
  // Where no accounts are kept, there is nothing to choose.
  await choice.or(field).first().waitFor();
  if (await choice.isVisible()) await choice.click();
  await field.fill(token);
  await opened.page.getByTestId("sign-in").click();
  await opened.page.getByTestId("sign-out").waitFor();
  return { ...opened, token };
}

/**
 * Nothing that axe finds, by WCAG 2.2 AA and by its own good practice.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} what
 */
export async function accessible(page, what) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map(({ html }) => html.slice(0, 300)).join("\n  ")}`);
  assert.deepEqual(found, [], what);
}

/**
 * What the browser complained about, the policy of the page included.
 *
 * @param {string[]} lines
 */
export function complaints(lines) {
  return lines.filter((line) => /^(error|warning|uncaught)/.test(line));
}

/**
 * A line of the room, as the moderators see it.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
export const line = (page, text) => page.getByTestId("desk-line").filter({ has: page.getByText(text, { exact: true }) });

/**
 * Opens one of the tools beside the room.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
export const tab = (page, name) => page.getByRole("tab", { name }).click();

/**
 * What the server says of the channel: `/moderation`, `/settings`.
 *
 * @param {import("./server.mjs").Server} server
 * @param {string} path
 */
export async function told(server, path) {
  assert.ok(server.secret, "the test signs tokens itself");
  const headers = { authorization: `Bearer ${sign(server.secret, { user: "judge", role: "staff" })}` };
  return (await fetch(`${server.url}/api/v1/channels/${CHANNEL}${path}`, { headers })).json();
}
