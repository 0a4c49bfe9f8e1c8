import { expect, test } from 'vitest';

import { latencyMs, smoothed } from './latency';

const NOW = Date.parse('2026-11-22T12:00:00Z');

test('latency is now minus the moment in the picture, by the server’s clock', () => {
  expect(latencyMs(NOW, 0, NOW - 3_200)).toBe(3_200);
  expect(latencyMs(NOW - 60_000, 60_000, NOW - 3_200)).toBe(3_200);
});

test.each([
  ['no date', null],
  ['an invalid date', Number.NaN],
  ['a picture from the future', NOW + 1],
  ['a picture from the day before yesterday', NOW - 2 * 24 * 3_600_000],
])('%s gives no number', (_name, date) => {
  expect(latencyMs(NOW, 0, date)).toBeNull();
});

test('the shown value follows its samples without overshooting', () => {
  let shown: number | null = 3_000;
  for (let n = 0; n < 20; n += 1) {
    const next: number | null = smoothed(shown, 4_000);
    expect(next).toBeGreaterThan(shown ?? 0);
    expect(next).toBeLessThan(4_000);
    shown = next;
  }
  expect(shown).toBeGreaterThan(3_990);
});

test('a jump is shown at once', () => {
  expect(smoothed(3_000, 12_000)).toBe(12_000);
  expect(smoothed(null, 3_000)).toBe(3_000);
  expect(smoothed(3_000, null)).toBeNull();
});
