import { expect, test } from 'vitest';

import { offsetMs, stretch } from './times';

test('times are read as they are typed', () => {
  expect(['90', '1:30', '1:02:03', ' 0:05 '].map(offsetMs)).toEqual([90_000, 90_000, 3_723_000, 5_000]);
  for (const odd of ['', ':', '1:', 'a', '-1', '1.5', '1:2:3:4', '9999999']) expect(offsetMs(odd), odd).toBeNull();
});

test('a stretch lies within its recording', () => {
  const recording = { from: 1_000_000, to: 1_060_000 };
  expect(stretch({ from: '0:10', to: '0:20' }, recording)).toEqual({ from: 1_010_000, to: 1_020_000 });
  expect(stretch({ from: '50', to: '2:00' }, recording)).toEqual({ from: 1_050_000, to: 1_060_000 });
  for (const [from, to] of [['20', '10'], ['10', '10'], ['1:00', '2:00'], ['x', '10']]) {
    expect(stretch({ from: from ?? '', to: to ?? '' }, recording), from).toBeNull();
  }
});
