/** The studio: how its people get in, and what is judged on every one of its pages. */

import assert from "node:assert/strict";
import { AxeBuilder } from "@axe-core/playwright";
import { openPage } from "./browser.mjs";
import { sign } from "./tokens.mjs";

/** A tablet on its side: what a moderator has in their hands beside the stage. */
export const TABLET = { width: 1024, height: 768 };

/**
 * Opens the studio and signs in with a token, as somebody does whose back end has made it.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {import("playwright-core").Browser} browser
 * @param {import("./server.mjs").Server} server
 * @param {{ role: "moderator" | "artist" | "staff", name: string, at?: string, locale?: string, viewport?: { width: number, height: number } }} options
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
