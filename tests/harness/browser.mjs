/**
 * Debian's own Chromium, driven through Playwright. The system's browser and not Playwright's, because only the former
 * decodes H.264 and AAC, and because it is what people have.
 */

import { join } from "node:path";
import { chromium } from "playwright-core";
import { slug } from "./scene.mjs";

const CHROMIUM = "/usr/bin/chromium";

/** A laptop and a phone; both are what the page was drawn for. */
export const WIDE = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };

/** How long the page may take for what a person waits for: starting to play, showing a message. */
export const PAGE_MS = 20_000;

/**
 * A browser for this scene.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {string[]} [extraArgs]
 */
export async function startBrowser(scene, extraArgs = []) {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    // Root has no user namespace to hide in; everyone else keeps the sandbox.
    args: [...(process.getuid?.() === 0 ? ["--no-sandbox"] : []), ...extraArgs],
  });
  scene.after(() => browser.close());
  return browser;
}

/**
 * The watch page as one fan sees it: cookies and storage of their own.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {import("playwright-core").Browser} browser
 * @param {string} url
 * @param {{ name: string, viewport?: { width: number, height: number }, mobile?: boolean,
 *   locale?: string, prepare?: (page: import("playwright-core").Page) => Promise<void> }} options `prepare` runs before the
 *   page is opened.
 */
export async function openPage(scene, browser, url, options) {
  const context = await browser.newContext({
    viewport: options.viewport ?? WIDE,
    locale: options.locale ?? "en-US",
    ...(options.mobile ? { isMobile: true, hasTouch: true, deviceScaleFactor: 2 } : {}),
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PAGE_MS);
  /** @type {string[]} */
  const console_ = [];
  page.on("console", (message) => console_.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => console_.push(`uncaught: ${error.message}`));
  scene.onFailure(async () => {
    console.error(`--- page of ${options.name}: ${await pictureState(page)}\n${console_.slice(-50).join("\n")}`);
    await page.screenshot({ path: join(scene.artifacts, `failed-${slug(scene.name)}-${options.name}.png`) });
  });
  await options.prepare?.(page);
  await page.goto(url);
  return { page, console: console_ };
}

/**
 * Where the picture stands and what is loaded, for whoever looks into a failure.
 *
 * @param {import("playwright-core").Page} page
 * @returns {Promise<string>}
 */
async function pictureState(page) {
  return page.evaluate(() => {
    const video = document.querySelector("video");
    if (!video) return "no picture";
    const loaded = Array.from({ length: video.buffered.length }, (_, i) => `${video.buffered.start(i).toFixed(2)}-${video.buffered.end(i).toFixed(2)}`);
    return `at ${video.currentTime.toFixed(2)}, loaded ${loaded.join(" ") || "nothing"}, ready ${video.readyState}, ` +
      `${video.paused ? "paused" : "playing"}${video.seeking ? ", seeking" : ""}${video.error ? `, ${video.error.message}` : ""}`;
  });
}
