/** When a fan may write again, in a room that asks for pauses. Pure. */

import { PAUSE_SHOWN_MS_MIN, PAUSE_SHOWN_MS_MAX } from '../limits';

const AGAIN_IN = /try again in (\d{1,12}) ms/;

/** After an own message was taken: when the next may be, Unix ms; null for at once. */
export function afterSent(now: number, slowSeconds: number): number | null {
  return slowSeconds > 0 ? now + Math.min(slowSeconds * 1000, PAUSE_SHOWN_MS_MAX) : null;
}

/** After a refusal: when the server will take one, by its own words; null where it does not say, or a moment is all it takes. */
export function afterRefused(now: number, words: string | undefined): number | null {
  const wait = Number(AGAIN_IN.exec(words ?? '')?.[1] ?? Number.NaN);
  return wait >= PAUSE_SHOWN_MS_MIN ? now + Math.min(wait, PAUSE_SHOWN_MS_MAX) : null;
}

/** Whole seconds left, as a person counts them down; 0 when there are none. */
export function secondsLeft(now: number, until: number | null): number {
  return until === null ? 0 : Math.max(0, Math.ceil((until - now) / 1000));
}
