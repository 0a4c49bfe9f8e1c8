/** How far a fan can go back in the show, and where they are. Pure. */

import { REACH_SHOWN_S_MIN, SEEK_LIVE_S } from '../limits';

/** A stretch of the show, in seconds of the video element. */
export interface Reach {
  /** The oldest there is. */
  readonly start: number;
  /** Live. */
  readonly end: number;
  /** Where the picture is. */
  readonly at: number;
}

/** What the bar shows, in seconds behind live: the window moves on, this stands still while nobody moves. */
export interface Scrub {
  readonly longest: number;
  readonly behind: number;
}

/** The bar of a reach; null where there is too little to go back to. */
export function scrubOf(reach: Reach | null): Scrub | null {
  if (reach === null) return null;
  const longest = reach.end - reach.start;
  if (!(longest >= REACH_SHOWN_S_MIN)) return null;
  return { longest, behind: Math.min(longest, Math.max(0, reach.end - reach.at)) };
}

/** Where a wish leads: live, or a time of the video element. Nobody is put where the show has just ceased to be. */
export function landing(reach: Reach, behind: number): 'live' | number {
  if (behind <= SEEK_LIVE_S) return 'live';
  return Math.max(reach.start + Math.min(SEEK_LIVE_S, (reach.end - reach.start) / 2), reach.end - behind);
}
