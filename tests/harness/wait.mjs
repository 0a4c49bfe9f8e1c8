/**
 * Waiting: for an event or for a condition, never for a length of time. Every wait has a deadline, and a wait that
 * runs out says what was waited for and what was seen last.
 *
 * Nothing here retries an assertion that failed for good: `until` ends at the first probe that holds, and the deadline
 * is part of what a test promises.
 */

/** How often a condition that has no event of its own is looked at. */
const PROBE_INTERVAL_MS = 50;

/** Thrown by a probe when waiting on is of no use: what is waited for cannot happen any more. */
export class Hopeless extends Error {}

/**
 * Resolves with the first value of `probe` that is neither `undefined`, `null` nor `false`.
 *
 * A probe may throw while what it looks at is not there yet; the last error is part of the message when time runs out.
 *
 * @template T
 * @param {string} what What is waited for, as a sentence: "the server is ready".
 * @param {number} deadlineMs
 * @param {() => T | Promise<T>} probe
 * @returns {Promise<Exclude<Awaited<T>, undefined | null | false>>}
 */
export async function until(what, deadlineMs, probe) {
  const ends = performance.now() + deadlineMs;
  /** @type {unknown} */
  let last;
  for (;;) {
    try {
      const value = await within(what, Math.max(1, ends - performance.now()), Promise.resolve(probe()));
      if (value !== undefined && value !== null && value !== false) {
        return /** @type {any} */ (value);
      }
      last = value;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      // The last probe is cut short by the deadline; what the one before it saw says more.
      if (performance.now() < ends || last === undefined) last = error;
    }
    if (performance.now() >= ends) {
      throw new Error(`not within ${deadlineMs} ms: ${what} (last seen: ${last instanceof Error ? last.message : String(last)})`);
    }
    await new Promise((resolve) => setTimeout(resolve, PROBE_INTERVAL_MS));
  }
}

/**
 * The promise, or an error when it has not settled by the deadline.
 *
 * @template T
 * @param {string} what
 * @param {number} deadlineMs
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
export async function within(what, deadlineMs, promise) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${Math.round(deadlineMs)} ms: ${what}`)), deadlineMs);
  });
  try {
    return await /** @type {Promise<T>} */ (Promise.race([promise, late]));
  } finally {
    clearTimeout(timer);
  }
}
