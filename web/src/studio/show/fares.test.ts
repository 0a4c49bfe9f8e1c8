import { expect, test } from 'vitest';

import { FARES_MAX } from '../limits';
import { faresOf } from './fares';

const figures = { stalled_percent: 1.25, startup_p50_ms: 1_100, startup_p95_ms: 2_400, latency_p50_ms: 3_100, latency_p95_ms: 4_200, bitrate: 2_500_000, errors: 0 };
const nothing = { stalled_percent: null, startup_p50_ms: null, startup_p95_ms: null, latency_p50_ms: null, latency_p95_ms: null, bitrate: null, errors: 0 };

test('an answer becomes lines, the newest last', () => {
  const fares = faresOf({
    server: 'a',
    asked: { sample: 0.25, every_ms: 10_000 },
    total: { beacons: 7, rungs: [{ height: null, percent: 25 }, { height: 720, percent: 75 }] },
    points: [...Array.from({ length: FARES_MAX }, (_, at) => ({ at, viewers: 0, figures: nothing })), { at: 99, viewers: 3, figures }],
  });
  expect([fares.server, fares.asked, fares.beacons]).toEqual(['a', 25, 7]);
  expect(fares.series.viewers).toHaveLength(FARES_MAX);
  expect(fares.series.viewers.at(-1)).toBe(3);
  expect(fares.series.stalled.slice(-2)).toEqual([null, 1.25]);
  expect(fares.series.latency95.at(-1)).toBe(4_200);
  expect(fares.watched).toEqual([{ height: null, percent: 25 }, { height: 720, percent: 75 }]);
});

test('where nothing is asked or told there is nothing', () => {
  const fares = faresOf({ server: 'a', asked: null, total: { beacons: 0, rungs: [] }, points: [] });
  expect([fares.asked, fares.beacons, fares.series.errors, fares.watched]).toEqual([null, 0, [], []]);
});
