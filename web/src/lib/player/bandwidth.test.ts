import { expect, test } from 'vitest';

import { bandwidthOf } from './bandwidth';

const loaded = (transferSize: number, ms: number, requestStart = 100) => ({ transferSize, requestStart, responseStart: 300, responseEnd: 300 + ms });

test('the largest script tells how fast the network is', () => {
  expect(bandwidthOf([loaded(30_000, 1), loaded(120_000, 600)])).toBe(1_600_000);
});

test('what came from a cache, from elsewhere, or is small tells nothing', () => {
  expect(bandwidthOf([])).toBeNull();
  expect(bandwidthOf([loaded(0, 5), loaded(5_000, 10), loaded(120_000, 600, 0)])).toBeNull();
});

test('a network that is faster than anything is not infinitely fast', () => {
  expect(bandwidthOf([loaded(120_000, 0)])).toBe(100_000_000);
});
