import { expect, test } from 'vitest';

import { byRegion, share } from './regions';

const node = (region: string | null, connections: number, viewers: number) => ({ region, connections, viewers });

test('servers of a region are one, the fullest is first and those without a name are last', () => {
  const regions = byRegion([node(null, 900, 0), node('paris', 10, 5), node('seoul', 300, 80), node('seoul', 20, 0), node('lima', 0, 15)]);
  expect(regions).toEqual([
    { name: 'seoul', servers: 2, connections: 320, viewers: 80 },
    { name: 'lima', servers: 1, connections: 0, viewers: 15 },
    { name: 'paris', servers: 1, connections: 10, viewers: 5 },
    { name: null, servers: 1, connections: 900, viewers: 0 },
  ]);
  expect(byRegion([])).toEqual([]);
});

test('a bar is as long as its share of the longest, and never too short to be seen', () => {
  const regions = byRegion([node('a', 1_000, 0), node('b', 250, 0), node('c', 1, 0), node('d', 0, 0)]);
  expect(regions.map(({ connections }) => share(connections, regions, 'connections'))).toEqual([100, 25, 1, 0]);
  expect(regions.map(({ viewers }) => share(viewers, regions, 'viewers'))).toEqual([0, 0, 0, 0]);
});
