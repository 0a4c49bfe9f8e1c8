/** Announced shows, as docs/shows.md has them: what may be done with one, in which order they are shown, and times as forms have them. Pure. */

import { Refusal } from '../call';
import { list, optional, text } from '../room/rules';

export type ShowState = 'scheduled' | 'live' | 'ended' | 'cancelled';

export interface Show {
  readonly id: string;
  readonly title: string;
  readonly artist: string;
  readonly state: ShowState;
  /** Unix ms, as are all times. */
  readonly startsAt: number;
  readonly endsAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
}

export type Act = 'start' | 'stop' | 'cancel' | 'undo';

/** What may become of a show: the server has the same, and the last word. */
export const ACTS: Readonly<Record<ShowState, readonly Act[]>> = {
  scheduled: ['start', 'cancel'],
  live: ['stop', 'undo'],
  ended: ['undo'],
  cancelled: ['undo'],
};

/** What everybody notices is asked about first. */
export const ASKS: readonly Act[] = ['start', 'stop', 'cancel'];

/** Those that are over are shown for so long, so that the last act can be taken back. */
export const OVER_MS = 24 * 3_600_000;
export const OVER_SHOWN_MAX = 3;
export const COMING_SHOWN_MAX = 5;

/** A show lasts a week at most. */
const LASTS_MS_MAX = 7 * 24 * 3_600_000;

const STATES: readonly string[] = ['scheduled', 'live', 'ended', 'cancelled'];

/** Reads a show; null where there is none. */
export function showOf(body: unknown): Show | null {
  const [id, state, startsAt, endsAt] = [text(body, 'id'), text(body, 'state'), optional(body, 'starts_at'), optional(body, 'ends_at')];
  if (id === '' || !STATES.includes(state) || startsAt === null || endsAt === null) return null;
  return {
    id,
    title: text(body, 'title'),
    artist: text(body, 'artist'),
    state: state as ShowState,
    startsAt,
    endsAt,
    startedAt: optional(body, 'started_at'),
    endedAt: optional(body, 'ended_at'),
  };
}

/** Reads a page of shows. */
export function showsOf(body: unknown): readonly Show[] {
  return list(body, 'shows')
    .map(showOf)
    .filter((show) => show !== null);
}

/** The one that is on, those that come next, and those that were over a moment ago; each once. */
export function arranged(shows: readonly Show[], now: number): readonly Show[] {
  const known = [...new Map(shows.map((show) => [show.id, show])).values()];
  const of = (state: ShowState) => known.filter((show) => show.state === state);
  const coming = of('scheduled').sort((a, b) => a.startsAt - b.startsAt);
  const over = [...of('ended'), ...of('cancelled')]
    .filter((show) => now - (show.endedAt ?? 0) < OVER_MS)
    .sort((a, b) => (b.endedAt ?? 0) - (a.endedAt ?? 0));
  return [...of('live'), ...coming.slice(0, COMING_SHOWN_MAX), ...over.slice(0, OVER_SHOWN_MAX)];
}

/** A time as a field of a form has it: local, to the minute. */
export function localOf(at: number): string {
  const date = new Date(at);
  const two = (part: number) => String(part).padStart(2, '0');
  return `${String(date.getFullYear()).padStart(4, '0')}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** The times of a form, Unix ms; null where a show cannot be so. */
export function timesOf(starts: string, ends: string): { readonly starts_at: number; readonly ends_at: number } | null {
  const [starts_at, ends_at] = [new Date(starts).getTime(), new Date(ends).getTime()];
  if (Number.isNaN(starts_at) || Number.isNaN(ends_at) || starts_at < 0 || ends_at <= starts_at || ends_at - starts_at > LASTS_MS_MAX) return null;
  return { starts_at, ends_at };
}

/** Which of our words say why something was refused; null where the server's own do. */
export function wordsOf({ status, code }: Refusal): 'plan.problem.other' | 'plan.problem.state' | 'plan.problem.forbidden' | 'plan.problem.unavailable' | null {
  if (code === 'other_show_live') return 'plan.problem.other';
  if (code === 'show_state' || code === 'changed_meanwhile' || code === 'unknown_show') return 'plan.problem.state';
  if (status === 403) return 'plan.problem.forbidden';
  return status === null || status === 503 ? 'plan.problem.unavailable' : null;
}
