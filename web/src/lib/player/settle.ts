/**
 * Whether a player that has just started should jump to its target. Pure.
 *
 * A stream starts at its target, and then the loading takes its time: the first picture is a second or two late, and
 * at 5 % more speed that takes a minute to win back. What should be on the screen is in the buffer already.
 */

import { START_AHEAD_MS_MIN, START_BEHIND_MS_MAX } from '../limits';

/** A stretch of media that is loaded, seconds. */
export interface Buffered {
  readonly start: number;
  readonly end: number;
}

/**
 * @param behindMs how far playback is behind its target
 * @param target where it should be, seconds; null while unknown
 */
export function jumpsAtStart(behindMs: number, target: number | null, buffered: readonly Buffered[]): boolean {
  if (target === null || behindMs <= START_BEHIND_MS_MAX) return false;
  return buffered.some(({ start, end }) => start <= target && end - target >= START_AHEAD_MS_MIN / 1000);
}
