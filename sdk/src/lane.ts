/**
 * The order of a lane: what the app is handed of it, without gap, duplicate or reorder. A pure state machine.
 *
 * What holds, whatever the network does:
 * 1. Entries are handed to the app in the order of their offsets, each once within an epoch.
 * 2. While something before an entry may be missing (a first subscription, a recovery that did not succeed, a number that
 *    was skipped in a lossless lane), what is newer waits, and the hole is read from the history.
 * 3. What cannot be read any more, or would be more than anybody reads, is told as a gap. There is no silent one.
 * 4. What a moderator has taken away is brought back by no late page.
 * 5. Another epoch is another log: the app is told to start over.
 *
 * One thing is taken from the transport: what one connection brings, it brings in order. In the chat lane offsets skip
 * what was not shown, so nobody could tell otherwise.
 */

import { FILL_PAGE, FILL_PAGES_MAX, GONE_MAX, LANE_WAITING_MAX } from './limits.js';
import type { Entry } from './message.js';

/** Something before what waits may be missing. */
interface Hole {
  /** Answers with another ticket are of former questions. */
  readonly ticket: number;
  /** Read what follows the last entry, or the newest page, which has nothing to follow. */
  readonly mode: 'since' | 'newest';
  /** Up to here the lane reached when the hole was found: what is not read up to here is not there. */
  readonly target: number;
  readonly pages: number;
}

/** The whole state; start with `emptyLane`. */
export interface Lane {
  /** Whether its offsets have no holes of their own. */
  readonly lossless: boolean;
  readonly firstPage: number;
  readonly epoch: string | null;
  /** Everything up to here was handed over, or is known not to be there. */
  readonly last: number;
  /** Newer than the hole; ascending. */
  readonly waiting: readonly Entry[];
  readonly hole: Hole | null;
  readonly tickets: number;
  readonly deleted: readonly number[];
  readonly cleared: readonly { readonly user: string; readonly through: number }[];
}

export type LaneInput =
  /** A subscription stands. `head` is the newest offset then; not `recovered`: not all that was missed will come. */
  | { readonly kind: 'subscribed'; readonly epoch: string; readonly head: number; readonly recovered: boolean }
  | { readonly kind: 'published'; readonly entry: Entry }
  /** The answer to a `fetch`; in any order. */
  | { readonly kind: 'page'; readonly ticket: number; readonly epoch: string; readonly entries: readonly Entry[] }
  /** The answer to a `fetch`: the log does not reach back to there. */
  | { readonly kind: 'unreachable'; readonly ticket: number }
  | { readonly kind: 'deleted'; readonly offset: number }
  | { readonly kind: 'cleared'; readonly user: string; readonly through: number };

export type LaneEffect =
  /** The next entry. */
  | { readonly kind: 'entry'; readonly entry: Entry }
  /** All offsets so far are of another log: start over. */
  | { readonly kind: 'reset'; readonly epoch: string }
  /** Entries between these two offsets are missing and cannot be had. */
  | { readonly kind: 'gap'; readonly after: number; readonly before: number }
  /** Read the history: what follows `since`, oldest first, or, where that is null, the newest. */
  | { readonly kind: 'fetch'; readonly ticket: number; readonly epoch: string; readonly since: number | null; readonly limit: number };

export interface LaneStep {
  readonly lane: Lane;
  readonly effects: readonly LaneEffect[];
}

/** Nothing heard. */
export function emptyLane(options: { lossless: boolean; firstPage: number }): Lane {
  const nothing = { epoch: null, last: 0, waiting: [], hole: null, tickets: 0, deleted: [], cleared: [] };
  return { ...options, ...nothing };
}

/** Applies one input. */
export function stepLane(before: Lane, input: LaneInput): LaneStep {
  const effects: LaneEffect[] = [];
  const lane = apply(before, input, effects);
  return { lane, effects };
}

function apply(lane: Lane, input: LaneInput, out: LaneEffect[]): Lane {
  switch (input.kind) {
    case 'subscribed':
      return onSubscribed(lane, input, out);
    case 'published':
      return onPublished(lane, input.entry, out);
    case 'page':
      return onPage(lane, input, out);
    case 'unreachable':
      return lane.hole?.ticket === input.ticket ? openHole(lane, 'newest', lane.hole.target, 0, out) : lane;
    case 'deleted':
      return { ...lane, deleted: bounded([...lane.deleted, input.offset]) };
    case 'cleared':
      return { ...lane, cleared: bounded([...lane.cleared, { user: input.user, through: input.through }]) };
  }
}

function onSubscribed(lane: Lane, input: Extract<LaneInput, { kind: 'subscribed' }>, out: LaneEffect[]): Lane {
  const { epoch, head, recovered } = input;
  if (lane.epoch === null) return openHole({ ...lane, epoch }, 'newest', head, 0, out);
  // A log that ends before what was read from it is another one, whatever it is called.
  if (epoch !== lane.epoch || (!recovered && head < lane.last)) return openHole(startedOver(lane, epoch, out), 'newest', head, 0, out);
  if (lane.hole !== null) return openHole(lane, lane.hole.mode, Math.max(head, lane.hole.target), lane.hole.pages, out);
  return recovered ? lane : openHole(lane, 'since', head, 0, out);
}

function onPublished(lane: Lane, entry: Entry, out: LaneEffect[]): Lane {
  if (entry.offset <= lane.last) return lane;
  if (lane.hole !== null || lane.epoch === null) return waitingWith(lane, entry);
  if (lane.lossless && entry.offset > lane.last + 1) {
    return openHole(waitingWith(lane, entry), 'since', entry.offset - 1, 0, out);
  }
  return handedOver(lane, entry, out);
}

function onPage(lane: Lane, input: Extract<LaneInput, { kind: 'page' }>, out: LaneEffect[]): Lane {
  const { hole } = lane;
  if (hole === null || hole.ticket !== input.ticket) return lane;
  if (input.epoch !== lane.epoch) return openHole(startedOver(lane, input.epoch, out), 'newest', 0, 0, out);
  const fresh = input.entries.filter(({ offset }) => offset > lane.last).sort((a, b) => a.offset - b.offset);
  return hole.mode === 'newest' ? onNewest(lane, hole, fresh, out) : onSince(lane, hole, fresh, out);
}

function onNewest(before: Lane, hole: Hole, fresh: readonly Entry[], out: LaneEffect[]): Lane {
  let lane = before;
  const first = fresh[0]?.offset ?? lane.waiting[0]?.offset ?? hole.target + 1;
  // At the very first page there is nothing that it could have to follow.
  if (lane.last > 0 && first > lane.last + 1) out.push({ kind: 'gap', after: lane.last, before: first });
  for (const entry of fresh) lane = handedOver(lane, entry, out);
  // What was too much to wait is behind this page.
  if (fresh.length > 0 && lane.last < hole.target) return openHole(lane, 'since', hole.target, hole.pages, out);
  return closeHole(lane, hole, out);
}

function onSince(before: Lane, hole: Hole, fresh: readonly Entry[], out: LaneEffect[]): Lane {
  let lane = before;
  for (const entry of fresh) {
    if (lane.lossless && entry.offset > lane.last + 1) out.push({ kind: 'gap', after: lane.last, before: entry.offset });
    lane = handedOver(lane, entry, out);
  }
  if (fresh.length > 0 && lane.last < hole.target) {
    const mode = hole.pages + 1 < FILL_PAGES_MAX ? 'since' : 'newest';
    return openHole(lane, mode, hole.target, hole.pages + 1, out);
  }
  if (lane.lossless && lane.last < hole.target) out.push({ kind: 'gap', after: lane.last, before: hole.target + 1 });
  return closeHole(lane, hole, out);
}

/** All that there is up to the target was read: what waits may follow, unless it opens a hole of its own. */
function closeHole(before: Lane, hole: Hole, out: LaneEffect[]): Lane {
  const { waiting } = before;
  let lane: Lane = { ...before, last: Math.max(before.last, hole.target), hole: null, waiting: [] };
  for (const entry of waiting) lane = onPublished(lane, entry, out);
  return lane;
}

function openHole(lane: Lane, mode: Hole['mode'], target: number, pages: number, out: LaneEffect[]): Lane {
  const ticket = lane.tickets + 1;
  const since = mode === 'since' ? lane.last : null;
  const limit = mode === 'since' ? FILL_PAGE : lane.firstPage;
  out.push({ kind: 'fetch', ticket, epoch: lane.epoch ?? '', since, limit });
  return { ...lane, tickets: ticket, hole: { ticket, mode, target, pages } };
}

function startedOver(lane: Lane, epoch: string, out: LaneEffect[]): Lane {
  out.push({ kind: 'reset', epoch });
  return { ...lane, epoch, last: 0, waiting: [], hole: null, deleted: [], cleared: [] };
}

function waitingWith(lane: Lane, entry: Entry): Lane {
  const { waiting, hole } = lane;
  if (waiting.length >= LANE_WAITING_MAX && hole !== null) {
    // Everything up to here is read with the hole instead: it is in the history as well.
    const newest = Math.max(entry.offset, waiting.at(-1)?.offset ?? 0);
    return { ...lane, waiting: [], hole: { ...hole, target: Math.max(hole.target, newest) } };
  }
  const place = waiting.findLastIndex(({ offset }) => offset <= entry.offset) + 1;
  if (waiting[place - 1]?.offset === entry.offset) return lane;
  return { ...lane, waiting: waiting.toSpliced(place, 0, entry) };
}

function handedOver(lane: Lane, entry: Entry, out: LaneEffect[]): Lane {
  if (!isGone(lane, entry)) out.push({ kind: 'entry', entry });
  return { ...lane, last: Math.max(lane.last, entry.offset) };
}

/** Whether a moderator has taken it away. */
export function isGone(lane: Lane, entry: Entry): boolean {
  return lane.deleted.includes(entry.offset) || lane.cleared.some((act) => isCleared(act, entry));
}

/** Whether it went when a user's messages were cleared. */
export function isCleared(act: { readonly user: string; readonly through: number }, { user, offset }: Entry): boolean {
  return act.user === user && offset <= act.through;
}

function bounded<T>(items: readonly T[]): readonly T[] {
  return items.length > GONE_MAX ? items.slice(items.length - GONE_MAX) : items;
}
