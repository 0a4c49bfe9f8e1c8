import { expect, test } from 'vitest';

import { POINTS_MAX } from '../limits';
import { appended, path } from './chart';

const FRAME = { width: 119, height: 64, fromZero: true };

test('a line ends at the right edge, and is open where nothing was told', () => {
  expect(path([], FRAME)).toBe('');
  expect(path([null], FRAME)).toBe('');
  expect(path([0, 10], FRAME)).toBe('M118.0 63.0L119.0 3.0');
  expect(path([0, 10], { ...FRAME, span: 2 })).toBe('M0.0 63.0L119.0 3.0');
  expect(path([10, null, 10], FRAME).match(/M/g)).toHaveLength(2);
  expect(path([5, 5], { ...FRAME, fromZero: false })).toContain('31.0');
  expect(path([Number.MAX_VALUE, -1e9], FRAME)).not.toContain('NaN');
});

test('the oldest points go', () => {
  let points: readonly (number | null)[] = [];
  for (let at = 0; at < POINTS_MAX + 3; at += 1) points = appended(points, at);
  expect(points).toHaveLength(POINTS_MAX);
  expect(points[0]).toBe(3);
});
