import { expect, test } from 'vitest';

import { afterRefused, afterSent, secondsLeft } from './pace';

test('slow mode asks for its pause after each message', () => {
  expect(afterSent(1_000, 0)).toBeNull();
  expect(afterSent(1_000, 10)).toBe(11_000);
});

test('a refusal says how long, where it is worth waiting', () => {
  expect(afterRefused(0, 'slow mode is on, try again in 8200 ms')).toBe(8_200);
  expect(afterRefused(0, 'too fast, try again in 300 ms')).toBeNull();
  expect(afterRefused(0, 'you are muted')).toBeNull();
  expect(afterRefused(0, undefined)).toBeNull();
  expect(afterRefused(0, 'try again in 999999999999 ms')).toBe(3_600_000);
});

test('seconds are counted down to nothing', () => {
  expect(secondsLeft(0, null)).toBe(0);
  expect(secondsLeft(0, 10_000)).toBe(10);
  expect(secondsLeft(9_001, 10_000)).toBe(1);
  expect(secondsLeft(10_000, 10_000)).toBe(0);
  expect(secondsLeft(99_000, 10_000)).toBe(0);
});
