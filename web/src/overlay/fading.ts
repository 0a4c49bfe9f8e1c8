/** Which messages are still to be seen, and which of them are going. Pure. */

import type { Row } from '../lib/chat/list';
import type { OverlayOptions } from './options';

/** How long the going takes; as long as the style sheet says. */
export const GOING_MS = 800;

export interface Line {
  readonly row: Row;
  readonly going: boolean;
}

/**
 * The newest lines, oldest first.
 *
 * @param now the server's clock, Unix ms: rows bear its times
 */
export function lines(rows: readonly Row[], now: number, { messages, fadeMs, stage }: OverlayOptions): readonly Line[] {
  const wanted = rows.filter(({ lane, state }) => state === 'sent' && (stage || lane === 'chat'));
  const newest = wanted.slice(-messages);
  if (fadeMs === null) return newest.map((row) => ({ row, going: false }));
  return newest
    .filter(({ at }) => now < at + fadeMs + GOING_MS)
    .map((row) => ({ row, going: now >= row.at + fadeMs }));
}
