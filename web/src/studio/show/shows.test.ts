import { expect, test } from 'vitest';

import { Refusal } from '../call';
import { type Show, type ShowState, arranged, localOf, showsOf, timesOf, wordsOf } from './shows';

const NOW = 1_800_000_000_000;
const HOUR_MS = 3_600_000;

const show = (id: string, state: ShowState, startsAt: number, endedAt: number | null = null): Show => ({
  id,
  title: id,
  artist: 'Mina',
  state,
  startsAt,
  endsAt: startsAt + HOUR_MS,
  startedAt: null,
  endedAt,
});

test('shows are read, and what is none is left out', () => {
  const page = { shows: [{ id: 'w-1', title: 'Late', artist: 'Mina', state: 'live', starts_at: 1, ends_at: 2, started_at: 1, ended_at: null }, { id: 'w-2' }, null] };
  expect(showsOf(page)).toEqual([{ id: 'w-1', title: 'Late', artist: 'Mina', state: 'live', startsAt: 1, endsAt: 2, startedAt: 1, endedAt: null }]);
  expect(showsOf(null)).toEqual([]);
});

test('the one that is on comes first, then what is next, then what was over a moment ago', () => {
  const coming = Array.from({ length: 7 }, (_, n) => show(`next-${n}`, 'scheduled', NOW + (7 - n) * HOUR_MS));
  const shows = [
    show('old', 'ended', NOW - 50 * HOUR_MS, NOW - 25 * HOUR_MS),
    show('off', 'cancelled', NOW + HOUR_MS, NOW - 2 * HOUR_MS),
    show('over', 'ended', NOW - 3 * HOUR_MS, NOW - HOUR_MS),
    ...coming,
    show('on', 'live', NOW),
    show('on', 'live', NOW),
  ];
  expect(arranged(shows, NOW).map(({ id }) => id)).toEqual(['on', 'next-6', 'next-5', 'next-4', 'next-3', 'next-2', 'over', 'off']);
  expect(arranged([], NOW)).toEqual([]);
});

test('a time of a form is local, and comes back the same', () => {
  const at = new Date(2026, 11, 3, 20, 5).getTime();
  expect(localOf(at)).toBe('2026-12-03T20:05');
  expect(timesOf(localOf(at), localOf(at + HOUR_MS))).toEqual({ starts_at: at, ends_at: at + HOUR_MS });
  for (const [starts, ends] of [['', localOf(at)], [localOf(at), ''], [localOf(at), localOf(at)], [localOf(at), localOf(at - 60_000)], [localOf(at), localOf(at + 8 * 24 * HOUR_MS)]] as const) {
    expect(timesOf(starts, ends), `${starts} ${ends}`).toBeNull();
  }
});

test('what is refused has a next step', () => {
  expect(wordsOf(new Refusal(409, 'other_show_live', ''))).toBe('plan.problem.other');
  expect(wordsOf(new Refusal(409, 'show_state', ''))).toBe('plan.problem.state');
  expect(wordsOf(new Refusal(403, 'not_staff', ''))).toBe('plan.problem.forbidden');
  expect(wordsOf(new Refusal(null, '', ''))).toBe('plan.problem.unavailable');
  expect(wordsOf(new Refusal(422, 'show_refused', 'its own words'))).toBeNull();
});
