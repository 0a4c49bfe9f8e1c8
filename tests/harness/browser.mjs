/**
 * Debian's own Chromium and Firefox, driven through Playwright. The system's browsers and not Playwright's, because only the
 * former decode H.264 and AAC, and because they are what people have.
 */

import { join } from "node:path";
import { chromium, firefox } from "playwright-core";
import { slug } from "./scene.mjs";

const CHROMIUM = "/usr/bin/chromium";
const FIREFOX = "/usr/bin/firefox-esr";

/** Beside what Playwright tells every Firefox: it asks nobody elsewhere whether there is a network, nor for settings of others. */
const FIREFOX_PREFERENCES = {
  "app.normandy.enabled": false,
  "extensions.systemAddon.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "services.settings.server": "data:,#none/v1",
};

/** A first start makes a profile, on a machine that has other things to do. */
const FIREFOX_START_MS = 60_000;

/** A laptop and a phone; both are what the page was drawn for. */
export const WIDE = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };
/** The same phone on its side. */
export const SIDEWAYS = { width: PHONE.height, height: PHONE.width };

/** For a screenshot in Firefox, Playwright puts `body {}` into the page, which our policy forbids: with this hash, Firefox says. */
const SCREENSHOT_STYLE = "sha256-YjaKGiklmzC6wjXA513HAMmzus8VE61XCOT+SmwNZWA=";

/** How long the page may take for what a person waits for: starting to play, showing a message. */
export const PAGE_MS = 40_000;

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
 * Firefox for this scene, spoken to in WebDriver BiDi, which it speaks by itself. What only Chromium's own protocol can do is not
 * there: neither phones nor slow networks are emulated.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {Record<string, string | number | boolean>} [preferences] As in about:config.
 */
export async function startFirefox(scene, preferences = {}) {
  const browser = await firefox.launch({
    channel: "moz-firefox",
    executablePath: FIREFOX,
    firefoxUserPrefs: { ...FIREFOX_PREFERENCES, ...preferences },
    env: { ...process.env, HOME: scene.folder },
    timeout: FIREFOX_START_MS,
  });
  scene.after(() => browser.close());
  withoutMediaFeatures(browser);
  return browser;
}

/**
 * Playwright sets the media features of each context by a command that Firefox knows from another version on. Nothing here asks for
 * any: what a person prefers is a preference (`LESS_MOTION`).
 *
 * @param {import("playwright-core").Browser} browser
 */
function withoutMediaFeatures(browser) {
  const session = /** @type {any} */ (browser)._connection.toImpl(browser)._browserSession;
  const { send } = session;
  session.send = async (/** @type {string} */ method, /** @type {object} */ params) =>
    method === "emulation.setMediaFeaturesOverride" ? {} : send.call(session, method, params);
}

/** The preference of a person who wants less motion, which Playwright cannot have Firefox emulate. */
export const LESS_MOTION = { "ui.prefersReducedMotion": 1 };

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
  page.on("pageerror", ({ message }) => {
    if (!message.includes(SCREENSHOT_STYLE)) console_.push(`uncaught: ${message}`);
  });
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
