/**
 * What a screen reader hears of the chat. Pure.
 *
 * A live region that repeats every message of a busy room is noise that cannot be stopped. The log itself is silent;
 * one polite region says, at most once per interval, the newest message and how many came beside it.
 */

import type { Row } from './list';

/** What is to be said. */
export interface Announcement {
  /** The newest message of someone else. */
  readonly newest: Row;
  /** How many more came since the last announcement. */
  readonly more: number;
}

/**
 * Finds what is new since the last announcement.
 *
 * @param saidKey key of the newest row at that time, empty where there was none; null at the start, when nothing is to be read out
 */
export function announcement(rows: readonly Row[], saidKey: string | null): Announcement | null {
  if (saidKey === null) return null;
  const from = rows.findLastIndex((row) => row.key === saidKey) + 1;
  const fresh = rows.slice(from).filter((row) => !row.own && row.state === 'sent');
  const newest = fresh.at(-1);
  return newest === undefined ? null : { newest, more: fresh.length - 1 };
}
