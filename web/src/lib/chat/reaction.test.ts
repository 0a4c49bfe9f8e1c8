import { expect, test } from 'vitest';

import { BURST_OF_NOTICE_MAX } from '../limits';
import { burst, ofOthers, plus } from './reaction';

test('own taps are drawn once', () => {
  const own = plus(plus({}, 'heart', 2), 'heart', 1);
  expect(own).toEqual({ heart: 3 });
  const first = ofOthers({ heart: 2, fire: 5 }, own);
  expect(first).toEqual({ others: { fire: 5 }, own: { heart: 1 } });
  expect(ofOthers({ heart: 10 }, first.own)).toEqual({ others: { heart: 9 }, own: { heart: 0 } });
});

test('a few taps are drawn each', () => {
  expect(burst({ heart: 2, clap: 1 })).toEqual(['❤️', '❤️', '👏']);
  expect(burst({})).toEqual([]);
  expect(burst({ unknown: 9 })).toEqual([]);
});

test('a hundred thousand taps are as many as a screen bears, and every kind is among them', () => {
  const signs = burst({ heart: 100_000, wow: 1 });
  expect(signs.length).toBeLessThanOrEqual(BURST_OF_NOTICE_MAX);
  expect(new Set(burst({ heart: 90_000, fire: 10_000, clap: 10 }))).toEqual(new Set(['❤️', '🔥', '👏']));
});
