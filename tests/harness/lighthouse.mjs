/** What Lighthouse says of a page, as on a phone. */

import lighthouse from "lighthouse";

/** A live page is never silent: Lighthouse goes on when it has waited so long for that. */
const LOADED_MS = 20_000;

/** @typedef {"performance" | "accessibility" | "best-practices"} Category */

/** @type {Category[]} */
const CATEGORIES = ["performance", "accessibility", "best-practices"];

const TIMINGS = ["first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift", "speed-index"];

/**
 * Lighthouse's phone: its own slow 4G and a processor slowed down four times, both simulated, or another one.
 *
 * @param {number} port Where a Chromium listens for developers' tools.
 * @param {string} url
 * @param {object} [throttling] As Lighthouse's setting of that name.
 * @returns {Promise<{ scores: Record<Category, number>, timings: Record<string, number>, found: string[], report: object }>}
 *   Scores of 100; `found` is what costs points, but for speed.
 */
export async function lighthouseOf(port, url, throttling) {
  const slowed = throttling === undefined ? {} : { throttling };
  const result = await lighthouse(url, { ...slowed, port, onlyCategories: CATEGORIES, maxWaitForLoad: LOADED_MS, logLevel: "error", output: "json" });
  if (!result) throw new Error("Lighthouse said nothing");
  const { lhr } = result;
  if (lhr.runtimeError) throw new Error(`Lighthouse: ${lhr.runtimeError.message}`);
  const scores = /** @type {Record<Category, number>} */ (Object.fromEntries(CATEGORIES.map((id) => [id, Math.round((lhr.categories[id]?.score ?? 0) * 100)])));
  const timings = Object.fromEntries(TIMINGS.map((id) => [id, lhr.audits[id]?.numericValue ?? NaN]));
  const found = CATEGORIES.filter((id) => id !== "performance").flatMap((id) => (lhr.categories[id]?.auditRefs ?? []).filter(({ weight }) => weight > 0)
    .map((reference) => lhr.audits[reference.id])
    .filter((audit) => audit !== undefined && audit.score !== null && audit.score < 1)
    .map((audit) => `${id}: ${audit?.id}: ${audit?.title} ${JSON.stringify(audit?.details ?? {}).slice(0, 600)}`));
  return { scores, timings, found, report: lhr };
}
