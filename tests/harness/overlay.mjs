/** The chat that lies over a picture, for OBS. */

/** @param {import("playwright-core").Page} page */
export const lines = (page) => page.getByTestId("overlay-message").locator(".text");

/**
 * How it looks: its ground, the size of its type, and how many things there are to press.
 *
 * @param {import("playwright-core").Page} page
 */
export const look = (page) => page.evaluate(() => ({
  ground: getComputedStyle(document.body).backgroundColor,
  size: getComputedStyle(/** @type {Element} */ (document.querySelector("main p"))).fontSize,
  controls: document.querySelectorAll("button, input, textarea, a").length,
}));
