import { expect, test } from 'vitest';

import { skewMs } from './clock';

const NOON = Date.parse('2026-11-22T12:00:00Z');
const NOON_HEADER = 'Sun, 22 Nov 2026 12:00:00 GMT';

test('a right clock has no skew, wherever in the second the answer was made', () => {
  for (const millis of [0, 250, 500, 999]) {
    expect(skewMs(NOON_HEADER, NOON + millis - 20, NOON + millis + 20)).toBe(0);
  }
});

test('a clock that is a minute late is found out', () => {
  expect(skewMs(NOON_HEADER, NOON - 60_000, NOON - 60_000)).toBe(60_500);
});

test('a clock that is a minute early is found out', () => {
  expect(skewMs(NOON_HEADER, NOON + 60_000, NOON + 60_000)).toBe(-59_500);
});

test.each([null, '', 'yesterday'])('without a readable header (%s) our clock is taken as right', (header) => {
  expect(skewMs(header, NOON - 60_000, NOON - 60_000)).toBe(0);
});
