/** The languages of the pages: what each calls itself in the menu of any page, and how a page is changed to it. */

export const LANGUAGES = { ko: "한국어", en: "English", ja: "日本語", es: "Español", th: "ไทย" };

/**
 * Changes a page's language by its menu, without a reload.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} language One of the keys of `LANGUAGES`.
 */
export async function speak(page, language) {
  await page.getByTestId("language-button").click();
  await page.locator(`[role=menuitemradio][lang=${language}]`).click();
  await page.locator(`html[lang=${language}]`).waitFor();
}
