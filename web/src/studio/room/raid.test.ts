import { describe, expect, test } from 'vitest';

import { WINDOW_MS, counts, known, noRaid, says, verdict } from './raid';

const crowd = (prefix: string, size: number) => Array.from({ length: size }, (_, at) => `${prefix}-${at}`);

describe('a raid', () => {
  test('is many strangers who write at once', () => {
    const raid = crowd('stranger', 25).reduce((raid, user, at) => says(raid, at * 100, user), noRaid);
    expect(verdict(raid, 2_500)).toEqual({ level: 'raid', arrivals: null, messages: 25, strangers: 25 });
    expect(verdict(raid, 2_500 + WINDOW_MS).level).toBe('calm');
  });

  test('is not regulars who write much, nor one stranger who does', () => {
    const regulars = crowd('fan', 100).reduce(known, noRaid);
    const busy = crowd('fan', 100).reduce((raid, user) => says(raid, 0, user), regulars);
    expect(verdict(busy, 1)).toEqual({ level: 'calm', arrivals: null, messages: 100, strangers: 0 });
    const one = Array.from({ length: 50 }).reduce<typeof noRaid>((raid) => says(raid, 0, 'stranger'), regulars);
    expect(verdict(one, 1).strangers).toBe(1);
  });

  test('is near when many more come than there were', () => {
    let raid = counts(counts(noRaid, 0, 40), 30_000, 50);
    expect(verdict(raid, 30_000)).toMatchObject({ level: 'calm', arrivals: 10 });
    raid = counts(raid, 59_000, 90);
    expect(verdict(raid, 59_000)).toMatchObject({ level: 'busy', arrivals: 50 });
    raid = counts(counts(raid, 90_000, 90), 150_000, 90);
    expect(verdict(raid, 150_000)).toMatchObject({ level: 'calm', arrivals: 0 });
  });
});
