/**
 * What a moderator's screen shows of a room: a pure reducer from what was told.
 *
 * 1. A line is shown once, in the order of its lane; the two lanes are merged by time.
 * 2. What is deleted loses its text at once and stays as a gap with a name, so that nothing moves under a pointer.
 * 3. While somebody reads further up or points at a line, the lines shown stay; what comes is counted.
 * 4. What waits for review is a set by its name: told twice it is there once, and reviewed before it was told it never is.
 * 5. Reports are counted by message, one of each fan; a message that is deleted, or whose reports a moderator has dismissed, has none any more.
 */

import { HELD_SHOWN_MAX, LINES_HELD_MAX, LINES_MAX, REPORTED_SHOWN_MAX } from '../limits';
import type { Held, Line, Reason, Report, Told } from './told';

/** A line as it is drawn. */
export interface Shown extends Line {
  readonly key: string;
  readonly gone: boolean;
}

/** A message of the chat that was reported. */
export interface Reported {
  readonly offset: number;
  /** Who has, by their ids. */
  readonly by: readonly string[];
  /** How many gave which reason. */
  readonly reasons: ReadonlyMap<Reason, number>;
  /** When it was reported last, Unix ms. */
  readonly at: number;
}

export interface Backlog {
  readonly lines: readonly Shown[];
  /** How many lines are kept still; null when the list follows the newest. */
  readonly still: { readonly lastKey: string | null; readonly missed: number } | null;
  /** By name, ascending. */
  readonly held: readonly Held[];
  /** What was reviewed, told before or after what it is about. */
  readonly reviewed: ReadonlySet<number>;
  /** In the order of their first report. */
  readonly reported: readonly Reported[];
  /** Offsets of messages that nobody has to look at any more. */
  readonly settled: ReadonlySet<number>;
}

export type BacklogInput =
  | { readonly kind: 'told'; readonly told: Told }
  | { readonly kind: 'stilled' }
  | { readonly kind: 'released' };

export const emptyBacklog: Backlog = { lines: [], still: null, held: [], reviewed: new Set(), reported: [], settled: new Set() };

/** Applies one input. */
export function reduce(backlog: Backlog, input: BacklogInput): Backlog {
  switch (input.kind) {
    case 'told':
      return withTold(backlog, input.told);
    case 'stilled':
      return backlog.still === null ? { ...backlog, still: { lastKey: backlog.lines.at(-1)?.key ?? null, missed: 0 } } : backlog;
    case 'released':
      return backlog.still === null ? backlog : { ...backlog, still: null, lines: backlog.lines.slice(-LINES_MAX) };
  }
}

/** The lines to draw. */
export function shown(backlog: Backlog): readonly Shown[] {
  const { lines, still } = backlog;
  if (still === null) return lines;
  const last = lines.findIndex(({ key }) => key === still.lastKey);
  return last === -1 ? [] : lines.slice(0, last + 1);
}

function withTold(backlog: Backlog, told: Told): Backlog {
  switch (told.kind) {
    case 'said':
      return withLine(backlog, told.line);
    case 'deleted':
      return settled(withGone(backlog, (line) => line.lane === 'chat' && line.offset === told.offset), told.offset);
    case 'cleared':
      return withGone(backlog, (line) => line.lane === 'chat' && line.user === told.user && line.offset <= told.through);
    case 'held':
      return withHeld(backlog, told.message);
    case 'reviewed':
      return {
        ...backlog,
        held: backlog.held.filter(({ held }) => held !== told.held),
        reviewed: new Set([...backlog.reviewed, told.held].slice(-HELD_SHOWN_MAX * 8)),
      };
    case 'reported':
      return withReport(backlog, told.report);
    case 'dismissed':
      return settled(backlog, told.offset);
    case 'reset':
      return told.lane === 'staff'
        ? { ...backlog, held: [], reviewed: new Set(), reported: [], settled: new Set() }
        : { ...backlog, lines: backlog.lines.filter(({ lane }) => lane !== told.lane) };
    case 'happened':
      return backlog;
  }
}

function withLine(backlog: Backlog, line: Line): Backlog {
  const key = `${line.lane}:${line.offset}`;
  const { lines, still } = backlog;
  if (lines.some((other) => other.key === key)) return backlog;
  let place = lines.length;
  // Nearly always the newest: walking from the end is one step. Within a lane the offset decides, between lanes the time.
  while (place > 0 && isBefore(line, lines[place - 1] as Shown)) place -= 1;
  const max = still === null ? LINES_MAX : LINES_HELD_MAX;
  if (place === 0 && lines.length >= max) return backlog;
  const next = [...lines.slice(0, place), { ...line, key, gone: false }, ...lines.slice(place)];
  const isNew = still !== null && place === lines.length;
  return {
    ...backlog,
    // While the list stands still, the newest is let go of for once: what is being looked at must not leave.
    lines: next.length <= max ? next : still === null ? next.slice(-max) : next.slice(0, max),
    still: isNew ? { ...still, missed: still.missed + 1 } : still,
  };
}

function isBefore(line: Line, other: Line): boolean {
  return line.lane === other.lane ? line.offset < other.offset : line.at < other.at;
}

function withGone(backlog: Backlog, isGone: (line: Line) => boolean): Backlog {
  const lines = backlog.lines.map((line) => (!line.gone && isGone(line) ? { ...line, gone: true, text: '' } : line));
  return { ...backlog, lines };
}

function withHeld(backlog: Backlog, message: Held): Backlog {
  const { held, reviewed } = backlog;
  if (reviewed.has(message.held) || held.some((other) => other.held === message.held)) return backlog;
  return { ...backlog, held: [...held, message].sort((a, b) => a.held - b.held) };
}

function withReport(backlog: Backlog, { offset, reason, by, at }: Report): Backlog {
  if (backlog.settled.has(offset)) return backlog;
  const known = backlog.reported.find((one) => one.offset === offset);
  if (known === undefined) {
    const first: Reported = { offset, by: [by], reasons: new Map([[reason, 1]]), at };
    return { ...backlog, reported: [...backlog.reported, first].slice(-REPORTED_SHOWN_MAX) };
  }
  if (known.by.includes(by)) return backlog;
  const reasons = new Map([...known.reasons, [reason, (known.reasons.get(reason) ?? 0) + 1]]);
  const next: Reported = { offset, by: [...known.by, by], reasons, at };
  return { ...backlog, reported: backlog.reported.map((one) => (one === known ? next : one)) };
}

function settled(backlog: Backlog, offset: number): Backlog {
  return {
    ...backlog,
    reported: backlog.reported.filter((one) => one.offset !== offset),
    settled: new Set([...backlog.settled, offset].slice(-REPORTED_SHOWN_MAX * 8)),
  };
}
