import { describe, expect, test } from 'vitest';

import { PLAYER_BACKOFF, TROUBLED_POLL, backoffMs, jitteredMs } from './backoff';

const policies = { PLAYER_BACKOFF, TROUBLED_POLL };

describe.each(Object.entries(policies))('%s', (_name, policy) => {
  test('stays between half of the capped exponential and the whole of it', () => {
    for (let attempt = 0; attempt < 40; attempt += 1) {
      const full = Math.min(policy.maxMs, policy.firstMs * policy.factor ** attempt);
      expect(backoffMs(policy, attempt, 0)).toBe(Math.round(full / 2));
      expect(backoffMs(policy, attempt, 0.999_999)).toBeLessThanOrEqual(Math.round(full));
    }
  });

  test('never shrinks with the attempt, for the same random number', () => {
    for (let attempt = 1; attempt < 40; attempt += 1) {
      expect(backoffMs(policy, attempt, 0.5)).toBeGreaterThanOrEqual(backoffMs(policy, attempt - 1, 0.5));
    }
  });
});

test('the player tries at least four times in the first five seconds, even with the unluckiest dice', () => {
  let elapsed = 0;
  let tries = 0;
  while (elapsed + backoffMs(PLAYER_BACKOFF, tries, 0.999_999) <= 5_000) {
    elapsed += backoffMs(PLAYER_BACKOFF, tries, 0.999_999);
    tries += 1;
  }
  expect(tries).toBeGreaterThanOrEqual(4);
});

test('a regular interval is spread by a third to both sides', () => {
  expect(jitteredMs(3_000, 0)).toBe(2_000);
  expect(jitteredMs(3_000, 0.5)).toBe(3_000);
  expect(jitteredMs(3_000, 0.999_999)).toBeLessThanOrEqual(4_000);
});
