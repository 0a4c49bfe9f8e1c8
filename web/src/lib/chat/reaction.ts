/** What can be tapped, and how much of what comes is drawn. Pure. */

import { BURST_OF_NOTICE_MAX } from '../limits';

/** What the server counts, and how it looks. */
export const REACTIONS = [
  { kind: 'heart', sign: '❤️' },
  { kind: 'fire', sign: '🔥' },
  { kind: 'clap', sign: '👏' },
  { kind: 'laugh', sign: '😂' },
  { kind: 'wow', sign: '😮' },
  { kind: 'lightstick', sign: '✨' },
] as const;

export type ReactionKind = (typeof REACTIONS)[number]['kind'];

/** Taps by kind. */
export type Taps = Readonly<Record<string, number>>;

/** Adds taps. */
export function plus(taps: Taps, kind: string, count: number): Taps {
  return { ...taps, [kind]: (taps[kind] ?? 0) + count };
}

/**
 * What others have tapped: a notice counts everybody, and one's own taps are drawn when the finger is there.
 *
 * `own` is what was tapped and not told of yet; the second value is what of it is still untold.
 */
export function ofOthers(counts: Taps, own: Taps): { readonly others: Taps; readonly own: Taps } {
  const others: Record<string, number> = {};
  const left: Record<string, number> = { ...own };
  for (const [kind, count] of Object.entries(counts)) {
    const mine = Math.min(count, own[kind] ?? 0);
    if (count > mine) others[kind] = count - mine;
    if (mine > 0) left[kind] = (left[kind] ?? 0) - mine;
  }
  return { others, own: left };
}

/** The signs to let fly for taps: each kind that we can draw in its share, at most as many as a screen can bear. */
export function burst(taps: Taps): readonly string[] {
  const drawn = REACTIONS.map(({ kind, sign }) => ({ sign, count: taps[kind] ?? 0 })).filter(({ count }) => count > 0);
  const all = drawn.reduce((sum, { count }) => sum + count, 0);
  const share = Math.min(1, BURST_OF_NOTICE_MAX / Math.max(1, all));
  return drawn.flatMap(({ sign, count }) => new Array<string>(Math.max(1, Math.floor(count * share))).fill(sign)).slice(0, BURST_OF_NOTICE_MAX);
}
