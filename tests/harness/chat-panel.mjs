/** The chat of the watch page, found the way a screen reader finds it. */

import { PAGE_MS } from "./browser.mjs";
import { until } from "./wait.mjs";

/** @param {import("playwright-core").Page} page */
export const log = (page) => page.getByRole("log", { name: "Chat messages" });

/** @param {import("playwright-core").Page} page */
export const input = (page) => page.getByRole("textbox", { name: "Your message" });

/** The message that waits for the room's answer is marked for everyone, not by colour alone. */
const PENDING = "Sending";

/**
 * Every message with this text.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
export const messages = (page, text) => log(page).getByText(text, { exact: true });

/**
 * The marks of messages that wait for the room's answer.
 *
 * @param {import("playwright-core").Page} page
 */
export const pending = (page) => log(page).getByLabel(PENDING);

/**
 * Takes a nickname.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
export async function join(page, name) {
  await page.getByRole("button", { name: "Change nickname" }).click();
  await page.getByRole("textbox", { name: "Nickname" }).fill(name);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText(`Chatting as ${name}`).waitFor();
}

/**
 * Types a message and presses Enter.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
export async function say(page, text) {
  await input(page).fill(text);
  await input(page).press("Enter");
}

/**
 * Waits until a message of one's own is there, once, and no longer pending.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
export async function confirmed(page, text) {
  await messages(page, text).first().waitFor();
  await until(`"${text}" is confirmed`, PAGE_MS, async () => {
    return (await pending(page).count()) === 0 && (await messages(page, text).count()) === 1;
  });
}
