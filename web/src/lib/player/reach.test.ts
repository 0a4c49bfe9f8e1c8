import { describe, expect, test } from 'vitest';

import { REACH_SHOWN_S_MIN, SEEK_LIVE_S } from '../limits';
import { landing, scrubOf } from './reach';

const HOUR = { start: 100, end: 3_700, at: 3_640 };

describe('the bar', () => {
  test('counts from live', () => expect(scrubOf(HOUR)).toEqual({ longest: 3_600, behind: 60 }));
  test('is not there where there is nothing to go back to', () => {
    expect(scrubOf(null)).toBeNull();
    expect(scrubOf({ start: 0, end: REACH_SHOWN_S_MIN - 1, at: 0 })).toBeNull();
    expect(scrubOf({ start: Number.NaN, end: 10, at: 0 })).toBeNull();
  });
  test('never says less than live or more than there is', () => {
    expect(scrubOf({ ...HOUR, at: 3_701 })?.behind).toBe(0);
    expect(scrubOf({ ...HOUR, at: 1 })?.behind).toBe(3_600);
  });
});

describe('a wish', () => {
  test('leads to its time', () => expect(landing(HOUR, 600)).toBe(3_100));
  test('near live leads to live', () => {
    expect(landing(HOUR, 0)).toBe('live');
    expect(landing(HOUR, SEEK_LIVE_S)).toBe('live');
  });
  test('for the very beginning leads to where the show still is in a moment', () => {
    expect(landing(HOUR, 3_600)).toBe(100 + SEEK_LIVE_S);
    expect(landing(HOUR, 99_999)).toBe(100 + SEEK_LIVE_S);
  });
});
