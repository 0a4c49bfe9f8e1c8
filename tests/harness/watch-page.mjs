/** The picture of the watch page: what a fan finds around it and does with it, in whichever browser and with whichever layout. */

import assert from "node:assert/strict";
import { PAGE_MS, PHONE, WIDE } from "./browser.mjs";
import * as chat from "./chat-panel.mjs";
import { untilPlaying } from "./player.mjs";
import { until } from "./wait.mjs";

/** A quality is on the screen when what was loaded before it has been played. */
const SWITCH_MS = 20_000;

/** @param {import("playwright-core").Page} page */
export const bar = (page) => page.getByRole("slider", { name: "Place in the show" });

/**
 * How far behind live the bar says that the fan is, seconds.
 *
 * @param {import("playwright-core").Page} page
 */
export const behind = (page) => bar(page).evaluate((element) => -(/** @type {HTMLInputElement} */ (element)).valueAsNumber);

/**
 * Presses one of the controls. They leave the picture alone after a while: the focus brings them back, and keeps them.
 *
 * @param {import("playwright-core").Locator} button
 */
export async function press(button) {
  await button.focus();
  await button.click();
}

/** @param {import("playwright-core").Page} page */
export async function isLive(page) {
  await until("the fan is live", PAGE_MS, async () =>
    (await bar(page).getAttribute("aria-valuetext")) === "Live" && !(await page.getByTestId("go-live").isVisible()));
}

/**
 * Points at the middle of the bar, waits until a small picture says where that leads, and gives back where it points.
 *
 * @param {import("playwright-core").Page} page
 * @returns {Promise<{ x: number, y: number }>}
 */
export async function pointAtMiddle(page) {
  await bar(page).focus();
  const box = await bar(page).boundingBox();
  assert.ok(box);
  const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  await page.mouse.move(middle.x, middle.y);
  const picture = page.getByTestId("scrub-picture");
  await picture.waitFor();
  await until("the small picture is loaded", PAGE_MS, () => picture.evaluate((image) => (/** @type {HTMLImageElement} */ (image)).naturalWidth >= 160));
  return middle;
}

/**
 * Goes back by the bar, at least so many seconds, and watches on there.
 *
 * @param {import("playwright-core").Page} page
 * @param {{ x: number, y: number }} place
 * @param {number} seconds
 */
export async function goBack(page, { x, y }, seconds) {
  await page.mouse.click(x, y);
  await page.getByTestId("go-live").waitFor();
  await until("the fan is back in the show", PAGE_MS, async () => (await behind(page)) > seconds);
  await untilPlaying(page);
}

/**
 * Listens to another soundtrack.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} language
 */
export async function listenTo(page, language) {
  await press(page.getByRole("button", { name: "Soundtrack" }));
  await page.getByRole("menuitemradio", { name: language }).click();
}

/**
 * Whether a soundtrack is the one that is chosen, as its menu says.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} language
 */
export async function listensTo(page, language) {
  await press(page.getByRole("button", { name: "Soundtrack" }));
  const checked = await page.getByRole("menuitemradio", { name: language }).getAttribute("aria-checked");
  await page.keyboard.press("Escape");
  return checked === "true";
}

/**
 * Watches in another quality, and waits until it is on the screen.
 *
 * @param {import("playwright-core").Page} page
 * @param {number} lines
 */
export async function watchIn(page, lines) {
  await press(page.getByTestId("quality-button"));
  await page.getByRole("menuitemradio", { name: `${lines}p`, exact: true }).click();
  await until(`${lines} lines are on the screen`, SWITCH_MS, () =>
    page.getByTestId("video").evaluate((video, lines) => /** @type {HTMLVideoElement} */ (video).videoHeight === lines, lines));
}

/**
 * Gives the picture a small window of its own, and takes it back.
 *
 * @param {import("playwright-core").Page} page
 */
export async function insets(page) {
  const button = page.getByRole("button", { name: "Picture in picture" });
  const isInset = () => page.evaluate(() => document.pictureInPictureElement !== null);
  await press(button);
  await until("the picture has a window of its own", PAGE_MS, isInset);
  // That window has the focus now, and when it goes, the page need not have it.
  await page.bringToFront();
  await press(button);
  await until("it is back", PAGE_MS, async () => !(await isInset()));
  await page.bringToFront();
}

/**
 * In theatre mode the picture has the page from edge to edge, up to the chat.
 *
 * @param {import("playwright-core").Page} page
 */
export async function fillsThePage(page) {
  await page.getByRole("button", { name: "Leave theatre mode" }).waitFor();
  const [video, list] = await Promise.all([page.getByTestId("player").boundingBox(), chat.log(page).boundingBox()]);
  assert.ok(video && list);
  assert.deepEqual([video.x, video.y, video.height], [0, 0, WIDE.height], "the picture has the page from edge to edge");
  assert.equal(Math.round(video.width), Math.round(list.x - 1), "up to the chat");
}

/**
 * On an upright phone the picture is above the chat, and nothing sticks out.
 *
 * @param {import("playwright-core").Page} page
 */
export async function standsUpright(page) {
  const [video, log, input] = await Promise.all([page.getByTestId("video").boundingBox(), chat.log(page).boundingBox(), chat.input(page).boundingBox()]);
  assert.ok(video && log && input);
  assert.ok(video.y + video.height <= log.y + 1, "the chat is under the show");
  assert.equal(Math.round(video.width), PHONE.width, "the show takes the whole width");
  assert.ok(log.height >= 150, `the chat has room: ${log.height} px`);
  assert.ok(input.y + input.height <= PHONE.height, "the message field is on the screen");
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(overflow, 0, "no sideways scrolling");
}

/**
 * Runs in the page: the buttons and lines of text that are wider than their place, but for those that end in an ellipsis, and the lines of the
 * chat whose face lies on their text.
 *
 * @returns {string[]}
 */
export function sticksOut() {
  const wide = [...document.querySelectorAll("button, p, h1, h2, span, a")].filter((element) => {
    const { overflowX, textOverflow } = getComputedStyle(element);
    const isForEars = element.closest(".unseen, .connection.up, .info") !== null && element.clientWidth <= 1;
    return element.clientWidth > 1 && element.scrollWidth > element.clientWidth + 1 && textOverflow !== "ellipsis" && overflowX !== "hidden" && !isForEars;
  }).map((element) => `${element.className}: ${element.textContent?.trim().slice(0, 60)}`);
  const sideways = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const covered = [...document.querySelectorAll("[data-testid=chat-message]")].filter((line) => {
    const { insetInlineStart, width } = getComputedStyle(line, "::before");
    return Number.parseFloat(insetInlineStart) + Number.parseFloat(width) > Number.parseFloat(getComputedStyle(line).paddingInlineStart);
  }).map((line) => `the face of ${line.textContent?.trim().slice(0, 60)}`);
  return [...wide, ...covered, ...(sideways > 0 ? [`the page itself, by ${sideways} px`] : [])];
}

/**
 * By an arrow key from the live edge, whatever the page speaks; the button that leads back to it is offered then.
 *
 * @param {import("playwright-core").Page} page
 */
export async function fallBehind(page) {
  await page.getByTestId("scrub-bar").focus();
  await page.keyboard.press("ArrowLeft");
  await page.getByTestId("go-live").waitFor();
}

/**
 * By the keys of the bar to the live edge and back from it, and there again by the button that is offered then.
 *
 * @param {import("playwright-core").Page} page Of somebody who has gone back.
 */
export async function goesByKeyboard(page) {
  await bar(page).focus();
  await page.keyboard.press("End");
  await isLive(page);
  await fallBehind(page);
  await until("an arrow key goes back", PAGE_MS, async () => /^0:\d\d behind live$/.test((await bar(page).getAttribute("aria-valuetext")) ?? ""));
  await page.getByTestId("go-live").click();
  await isLive(page);
}
