/**
 * The chat beside a recording, as the player goes through it: loaded page by page ahead of it, and anew after a seek. A pure
 * state machine.
 *
 * What is to be seen is what was said from the beginning of what is loaded up to the player's time, in order; nothing later.
 */

import type { RecordedEntry } from './api.js';
import { REPLAY_AHEAD_MS, REPLAY_BEFORE_MS, REPLAY_MAX } from './limits.js';

export interface Replay {
  /** Where the player is, ms. */
  readonly position: number;
  /** What is loaded begins here, ms; null before anything was asked for. */
  readonly from: number | null;
  /** And is whole up to here, ms. */
  readonly through: number;
  /** Ascending by time; no two of one offset. */
  readonly items: readonly RecordedEntry[];
  /** `after` of the next page; null: by time, which is for the first; undefined: there is no more. */
  readonly cursor: number | null | undefined;
  /** The question that is on its way; answers with another ticket are of former ones. */
  readonly asked: number | null;
  readonly tickets: number;
}

export type ReplayInput =
  | { readonly kind: 'moved'; readonly position: number }
  | { readonly kind: 'page'; readonly ticket: number; readonly entries: readonly RecordedEntry[]; readonly next: number | null }
  /** No answer; it is asked again at the next move. */
  | { readonly kind: 'failed'; readonly ticket: number };

export interface ReplayStep {
  readonly replay: Replay;
  readonly shown: readonly RecordedEntry[];
  readonly hidden: readonly RecordedEntry[];
  /** To be read now. */
  readonly fetch: { readonly ticket: number; readonly after: number } | { readonly ticket: number; readonly from_ms: number } | null;
}

/** Nothing loaded. */
export const emptyReplay: Replay = { position: 0, from: null, through: 0, items: [], cursor: null, asked: null, tickets: 0 };

/** What can be seen now; ascending. */
export function replayed({ items, position }: Replay): readonly RecordedEntry[] {
  return items.slice(0, items.findLastIndex(({ media_ms }) => media_ms <= position) + 1);
}

/** Applies one input. */
export function stepReplay(before: Replay, input: ReplayInput): ReplayStep {
  const { replay, fetch } = asking(applied(before, input), input.kind !== 'failed');
  const was = replayed(before);
  const is = replayed(replay);
  if (was === is) return { replay, shown: [], hidden: [], fetch };
  const [old, now] = [new Set(was), new Set(is)];
  return { replay, fetch, shown: is.filter((entry) => !old.has(entry)), hidden: was.filter((entry) => !now.has(entry)) };
}

function applied(replay: Replay, input: ReplayInput): Replay {
  switch (input.kind) {
    case 'moved': {
      const { from, through, cursor } = replay;
      const position = Math.max(0, input.position);
      const inside = from !== null && position >= from && (cursor === undefined || position <= through + REPLAY_AHEAD_MS);
      if (inside) return { ...replay, position };
      const start = Math.max(0, position - REPLAY_BEFORE_MS);
      return { ...replay, position, from: start, through: start, items: [], cursor: null, asked: null };
    }
    case 'page':
      return replay.asked === input.ticket ? withPage(replay, input.entries, input.next) : replay;
    case 'failed':
      return replay.asked === input.ticket ? { ...replay, asked: null } : replay;
  }
}

function withPage(replay: Replay, entries: readonly RecordedEntry[], next: number | null): Replay {
  // Where a clock stepped back, an entry stands at the time of the one before it: so the order stays that of the lane.
  let last = replay.items.at(-1)?.media_ms ?? 0;
  const fresh = entries.map((entry) => {
    last = Math.max(last, entry.media_ms);
    return entry.media_ms === last ? entry : { ...entry, media_ms: last };
  });
  const all = [...replay.items, ...fresh];
  const surplus = Math.max(0, all.length - REPLAY_MAX);
  const items = all.slice(surplus);
  return {
    ...replay,
    items,
    from: surplus > 0 ? (items[0]?.media_ms ?? replay.from) : replay.from,
    through: Math.max(replay.through, last),
    cursor: next ?? undefined,
    asked: null,
  };
}

/** Asks for the next page when the player comes near the end of what is loaded; one question at a time. */
function asking(replay: Replay, may: boolean): { replay: Replay; fetch: ReplayStep['fetch'] } {
  const { asked, cursor, position, through, from, tickets } = replay;
  const isNear = cursor === null || (cursor !== undefined && position + REPLAY_AHEAD_MS >= through);
  if (!may || asked !== null || from === null || !isNear) return { replay, fetch: null };
  const ticket = tickets + 1;
  const fetch = typeof cursor === 'number' ? { ticket, after: cursor } : { ticket, from_ms: from };
  return { replay: { ...replay, asked: ticket, tickets: ticket }, fetch };
}
