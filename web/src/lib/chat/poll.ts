/** Which poll a fan is shown, and how it stands. Pure. */

import type { Poll } from '@fanwave/client';

import { VOTES_KEPT_MAX } from '../limits';

/** The fan's own votes: choice by poll, oldest first. */
export type Votes = readonly (readonly [poll: string, choice: number])[];

/**
 * The poll to show: the newest that is open. One that was shown stays when it closes, so that its result is seen.
 *
 * @param shown the one that is shown now; null for none
 * @param now server time, Unix ms
 */
export function pollToShow(polls: readonly Poll[], shown: string | null, now: number): Poll | null {
  const open = polls.findLast(({ closed, until }) => !closed && (until === undefined || until > now));
  return open ?? polls.find(({ poll }) => poll === shown) ?? null;
}

/** Whether it takes votes. */
export function isOpenPoll({ closed, until }: Poll, now: number): boolean {
  return !closed && (until === undefined || until > now);
}

/** Whole percents of the choices. */
export function percents(counts: readonly number[]): readonly number[] {
  const all = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => (all === 0 ? 0 : Math.round((count / all) * 100)));
}

/** Reads kept votes; what cannot be read is as good as none. */
export function parseVotes(value: unknown): Votes {
  if (!Array.isArray(value)) return [];
  const votes = value.filter(
    (vote): vote is [string, number] => Array.isArray(vote) && typeof vote[0] === 'string' && typeof vote[1] === 'number',
  );
  return votes.slice(-VOTES_KEPT_MAX).map(([poll, choice]) => [poll, choice] as const);
}

/** With one more vote. */
export function withVote(votes: Votes, poll: string, choice: number): Votes {
  return [...votes.filter(([other]) => other !== poll), [poll, choice] as const].slice(-VOTES_KEPT_MAX);
}

/** What the fan has chosen; null for nothing. */
export function voteOf(votes: Votes, poll: string): number | null {
  return votes.find(([other]) => other === poll)?.[1] ?? null;
}
