/** The chat of the watch page: what a fan finds in it and does with it. */

import { PAGE_MS } from "./browser.mjs";
import { until } from "./wait.mjs";

/** @param {import("playwright-core").Page} page */
export const log = (page) => page.getByRole("log", { name: "Chat messages" });

/** @param {import("playwright-core").Page} page */
export const input = (page) => page.getByRole("textbox", { name: "Your message" });

/**
 * What a screen reader is told.
 *
 * @param {import("playwright-core").Page} page
 */
export const aloud = (page) => page.locator(".unseen[aria-live=polite]");

/**
 * Every message with this text, in one state or in any.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} text
 * @param {"pending" | "sent" | "failed"} [state]
 */
export const messages = (page, text, state) =>
  log(page)
    .locator(state ? `[data-testid=chat-message][data-state=${state}]` : "[data-testid=chat-message]")
    .filter({ has: page.getByText(text, { exact: true }) });

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
  await called(page, name);
}

/**
 * Waits until the page says under which name the fan chats.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
export async function called(page, name) {
  await page.getByRole("button", { name: `Change nickname: ${name}` }).waitFor();
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
 * Waits until a message is there, once, and the room has taken it.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
export async function confirmed(page, text) {
  await until(`"${text}" is confirmed`, PAGE_MS, async () => {
    const [all, sent] = await Promise.all([messages(page, text).count(), messages(page, text, "sent").count()]);
    return all === 1 && sent === 1;
  });
}

/**
 * Whether a message can be seen in the list's window.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
export async function inView(page, text) {
  // While a fan reads further up, what is new need not be in the page at all.
  if ((await messages(page, text).count()) === 0) return false;
  const [list, message] = await Promise.all([log(page).boundingBox(), messages(page, text).boundingBox()]);
  return Boolean(list && message && message.y >= list.y - 1 && message.y + message.height <= list.y + list.height + 1);
}

/** So many messages are in the page while a fan follows the newest ... */
export const ROWS = 36;

/** ... and no more elements than this, whatever is special about them. */
export const ELEMENTS_MAX = 200;

/**
 * How many elements the list of messages has.
 *
 * @param {import("playwright-core").Page} page
 */
export const elements = (page) => log(page).locator("ol").evaluate((list) => list.querySelectorAll("*").length);
