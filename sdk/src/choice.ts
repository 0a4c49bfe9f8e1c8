/**
 * Which of several regions to use. A pure state machine: `stepChoice(choice, input, now, random)` gives the next state and
 * whom the shell has to race; `choiceDeadline` says when to call it with `timeout`.
 *
 * The region that answers first is taken, remembered for a while, and left when it is gone: after some tries, and not by
 * everybody in the same moment. Whoever had to leave looks now and then whether it is back, each at a time of their own.
 */

import { HEAD_START_MS, HOME_MS, KEPT_MS, LEAVE_SPREAD_MS, REGIONS_MAX, REGION_FAULTS_MAX } from './limits.js';

export interface Choice {
  /** Addresses of the regions, the best first. */
  readonly ranked: readonly string[];
  /** The one in use; null: that of the page or the app. */
  readonly current: string | null;
  /** The one that was chosen when all could be. */
  readonly home: string | null;
  /** Until when `current` is remembered, Unix ms. */
  readonly until: number;
  /** Tries in a row that brought no connection. */
  readonly faults: number;
  /** What is being raced for. */
  readonly racing: 'first' | 'leave' | 'return' | null;
  /** When to leave, Unix ms; null: no need to. */
  readonly leaveAt: number | null;
  /** When to look for home, Unix ms; null while there. */
  readonly returnAt: number | null;
}

export type ChoiceInput =
  /** What regions there are, and what is remembered of an earlier visit. */
  | { readonly kind: 'listed'; readonly urls: readonly string[]; readonly kept: Kept | null }
  /** Who answered first; null: nobody. */
  | { readonly kind: 'raced'; readonly winner: string | null }
  /** A try brought no connection, although there is a network. */
  | { readonly kind: 'fault' }
  | { readonly kind: 'opened' }
  | { readonly kind: 'timeout' };

/** What is remembered between two visits. */
export interface Kept {
  readonly url: string;
  readonly until: number;
}

/** Somebody to be asked, so much later than the first. */
export interface Runner {
  readonly url: string;
  readonly afterMs: number;
}

export interface ChoiceStep {
  readonly choice: Choice;
  /** Whom to race now; null: nobody. Answered with `raced`. */
  readonly race: readonly Runner[] | null;
}

export const noChoice: Choice = { ranked: [], current: null, home: null, until: 0, faults: 0, racing: null, leaveAt: null, returnAt: null };

/** When to step with `timeout`, Unix ms; null: no need to. */
export function choiceDeadline({ racing, leaveAt, returnAt }: Choice): number | null {
  if (racing !== null || (leaveAt === null && returnAt === null)) return null;
  return Math.min(leaveAt ?? Number.POSITIVE_INFINITY, returnAt ?? Number.POSITIVE_INFINITY);
}

/**
 * Applies one input.
 *
 * @param now Unix ms
 * @param random in [0, 1)
 */
export function stepChoice(choice: Choice, input: ChoiceInput, now: number, random: number): ChoiceStep {
  switch (input.kind) {
    case 'listed': {
      const ranked = [...new Set(input.urls)].slice(0, REGIONS_MAX);
      const { kept } = input;
      if (ranked.length < 2 || choice.racing !== null) return keep({ ...choice, ranked });
      if (kept === null || kept.until <= now || kept.until > now + KEPT_MS || !ranked.includes(kept.url)) return race({ ...choice, ranked, home: null }, 'first', ranked);
      return keep({ ...choice, ranked, current: kept.url, home: choice.home ?? kept.url, until: kept.until });
    }
    case 'raced':
      return keep(raced({ ...choice, racing: null }, choice.racing, input.winner, now, random));
    case 'fault': {
      const faults = choice.faults + 1;
      const isOver = faults >= REGION_FAULTS_MAX && choice.racing === null && choice.leaveAt === null && choice.ranked.length > 1;
      return keep({ ...choice, faults, leaveAt: isOver ? now + Math.round(LEAVE_SPREAD_MS * random) : choice.leaveAt });
    }
    case 'opened':
      return keep({ ...choice, faults: 0, leaveAt: null });
    case 'timeout': {
      const due = choiceDeadline(choice);
      if (due === null || now < due) return keep(choice);
      if (due === choice.leaveAt) return race({ ...choice, leaveAt: null }, 'leave', choice.ranked.filter((url) => url !== choice.current));
      return race(choice, 'return', choice.home === null ? [] : [choice.home]);
    }
  }
}

function raced(choice: Choice, reason: Choice['racing'], winner: string | null, now: number, random: number): Choice {
  // The region has come back by itself while others were asked.
  const isNeedless = reason === 'leave' && choice.faults === 0;
  const current = winner === null || isNeedless || !choice.ranked.includes(winner) ? choice.current : winner;
  const hasMoved = current !== choice.current || reason === 'first';
  const home = choice.home ?? current;
  const isAway = current !== home;
  return {
    ...choice,
    current,
    home,
    faults: 0,
    until: hasMoved && current !== null ? now + (isAway ? HOME_MS : KEPT_MS) : choice.until,
    returnAt: isAway ? now + Math.round(HOME_MS * (0.5 + random)) : null,
  };
}

function race(choice: Choice, racing: Choice['racing'], urls: readonly string[]): ChoiceStep {
  return { choice: { ...choice, racing }, race: urls.map((url, rank) => ({ url, afterMs: rank * HEAD_START_MS })) };
}

function keep(choice: Choice): ChoiceStep {
  return { choice, race: null };
}
