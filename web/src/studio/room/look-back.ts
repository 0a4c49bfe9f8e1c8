/** Finds what one person has said, by reading the chat's history backwards, a few pages at a touch. */

import { type HistoryPage, type Said, isSaid } from '@fanwave/client';

import { LOOK_BACK_PAGES, PAGE_MAX } from '../limits';

export interface Found {
  readonly said: readonly Said[];
  /** How many messages were read for it. */
  readonly read: number;
  /** Where to go on; null at the beginning of the log. */
  readonly before: number | null;
}

/**
 * Reads on.
 *
 * @param page reads a page of the chat's history
 * @param found what was found until now; null at first
 */
export async function lookBack(page: (ask: { before?: number; limit: number }) => Promise<HistoryPage>, user: string, found: Found | null): Promise<Found> {
  let { said, read, before }: Found = found ?? { said: [], read: 0, before: null };
  for (let count = 0; count < LOOK_BACK_PAGES; count += 1) {
    const { entries, next } = await page({ limit: PAGE_MAX, ...(before === null ? {} : { before }) });
    said = [...said, ...entries.filter((entry) => isSaid(entry)).filter((entry) => entry.user === user)];
    read += entries.length;
    before = next;
    if (before === null) break;
  }
  return { said, read, before };
}
