/**
 * The return slot of a server that stops: when it would have this fan come back. Pure.
 *
 * The reason of a disconnect with code 3001 is `shutdown; after=740; prefer=wss://b.example`: fields separated by a semicolon
 * and a space, of which those that are not known are passed over. `prefer` is passed over, too: the token would go there.
 */

import { DISCONNECT } from './generated/wire.js';
import { SLOT_MAX_MS } from './limits.js';

/** How long to wait before connecting again, ms; null when the server has not said. */
export function returnAfterMs(code: number, reason: string): number | null {
  if (code !== DISCONNECT.Shutdown) return null;
  for (const field of reason.split('; ')) {
    const after = /^after=(\d{1,9})$/.exec(field)?.[1];
    if (after !== undefined) return Math.min(Number(after), SLOT_MAX_MS);
  }
  return null;
}
