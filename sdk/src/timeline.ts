/**
 * A lane on the clock of the show: its entries become visible when the fan's own picture has reached their time, and not
 * before. Pure.
 *
 * An entry is *due* at its time, or at that of the latest before it, so that a lane keeps its order even where a server's
 * clock stepped back. What is visible is therefore always the beginning of the lane, up to the playhead. Without a playhead
 * everything is visible.
 */

import { TIMELINE_MAX } from './limits.js';
import type { Entry } from './message.js';

/** A step back by less than this is the player's own trembling, ms. */
const TREMBLE_MS = 1_000;

interface Item {
  readonly entry: Entry;
  readonly due: number;
}

export interface Timeline {
  /** So many visible entries are kept. */
  readonly kept: number;
  /** Ascending by offset, and by `due`. */
  readonly items: readonly Item[];
  /** The first so many are visible. */
  readonly visible: number;
  /** What the fan sees now, Unix ms of the show's clock; null: everything is visible. */
  readonly playhead: number | null;
  /** There is nothing before the first item. */
  readonly whole: boolean;
}

export interface TimelineStep {
  readonly timeline: Timeline;
  /** Became visible, in order. */
  readonly shown: readonly Entry[];
  /** Are not visible any more, because the fan went back, or because they are gone. */
  readonly hidden: readonly Entry[];
  /** So many that nobody has seen were too many to keep. */
  readonly lost: number;
}

/** Nothing. */
export function emptyTimeline(kept: number): Timeline {
  return { kept, items: [], visible: 0, playhead: null, whole: false };
}

/** What can be seen now; ascending. */
export function visible(timeline: Timeline): readonly Entry[] {
  return timeline.items.slice(0, timeline.visible).map(({ entry }) => entry);
}

/** The next entry of the lane. */
export function append(timeline: Timeline, entry: Entry): TimelineStep {
  const due = Math.max(timeline.items.at(-1)?.due ?? 0, entry.at);
  return settle(timeline, [...timeline.items, { entry, due }]);
}

/** Older ones, for whoever went back; an empty page is the beginning of the lane. */
export function prepend(timeline: Timeline, entries: readonly Entry[]): TimelineStep {
  const first = timeline.items[0]?.entry.offset ?? Number.POSITIVE_INFINITY;
  const older = entries.filter(({ offset }) => offset < first).sort((a, b) => a.offset - b.offset);
  const all = [...older, ...timeline.items.map(({ entry }) => entry)];
  return settle({ ...timeline, whole: older.length === 0 }, dated(all));
}

/** Takes entries away. */
export function remove(timeline: Timeline, isGone: (entry: Entry) => boolean): TimelineStep {
  const left = timeline.items.filter(({ entry }) => !isGone(entry));
  if (left.length === timeline.items.length) return { timeline, shown: [], hidden: [], lost: 0 };
  return settle(timeline, dated(left.map(({ entry }) => entry)));
}

/** The player is elsewhere. */
export function move(timeline: Timeline, playhead: number | null): TimelineStep {
  const before = timeline.playhead;
  const trembles = playhead !== null && before !== null && playhead < before && before - playhead < TREMBLE_MS;
  return settle(trembles ? timeline : { ...timeline, playhead }, timeline.items);
}

/** Everything is of another log. */
export function startOver(timeline: Timeline): TimelineStep {
  return settle({ ...timeline, whole: false }, []);
}

/** Whether the fan is before everything that is kept, and there may be more. */
export function needsOlder({ playhead, items, whole }: Timeline): boolean {
  const first = items[0];
  return playhead !== null && !whole && first !== undefined && playhead < first.due;
}

function dated(entries: readonly Entry[]): readonly Item[] {
  let due = 0;
  return entries.map((entry) => {
    due = Math.max(due, entry.at);
    return { entry, due };
  });
}

function settle(before: Timeline, all: readonly Item[]): TimelineStep {
  const { playhead, kept } = before;
  const due = playhead === null ? all.length : all.findLastIndex((item) => item.due <= playhead) + 1;
  // Of what is visible the newest stay; of what is not, too, and whoever gets there is told.
  const surplus = Math.max(0, due - kept);
  const lost = Math.max(0, all.length - due - TIMELINE_MAX);
  const items = surplus === 0 && lost === 0 ? all : [...all.slice(surplus, due), ...all.slice(due + lost)];
  const timeline = { ...before, items, visible: due - surplus, whole: before.whole && surplus === 0 };
  return { timeline, ...difference(before, all.slice(0, due), timeline.visible), lost };
}

/** What is visible now and was not, and the other way round. Nearly always only the end differs. */
function difference(before: Timeline, now: readonly Item[], kept: number): { shown: readonly Entry[]; hidden: readonly Entry[] } {
  const was = before.items;
  if (now.length >= before.visible && now[before.visible - 1]?.entry === was[before.visible - 1]?.entry && now[0]?.entry === was[0]?.entry) {
    return { shown: now.slice(Math.max(before.visible, now.length - kept)).map(({ entry }) => entry), hidden: [] };
  }
  const old = new Set(was.slice(0, before.visible).map(({ entry }) => entry));
  const current = new Set(now.map(({ entry }) => entry));
  const shown = now.slice(Math.max(0, now.length - kept)).filter(({ entry }) => !old.has(entry));
  return { shown: shown.map(({ entry }) => entry), hidden: [...old].filter((entry) => !current.has(entry)) };
}
