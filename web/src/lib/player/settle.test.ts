import { expect, test } from 'vitest';

import { jumpsAtStart } from './settle';

const loaded = [{ start: 10, end: 20 }];

test.each([
  ['late, and all of it loaded', 2_000, 15, loaded, true],
  ['hardly late', 300, 15, loaded, false],
  ['late, but little is loaded beyond the target', 2_000, 19, loaded, false],
  ['late, but the target is not loaded', 2_000, 21, loaded, false],
  ['late, but the target is in a hole', 2_000, 15, [{ start: 10, end: 14 }, { start: 16, end: 30 }], false],
  ['late, in the second stretch', 2_000, 18, [{ start: 10, end: 14 }, { start: 16, end: 30 }], true],
  ['late, but nobody knows the target', 2_000, null, loaded, false],
])('%s', (_name, behindMs, target, buffered, jumps) => {
  expect(jumpsAtStart(behindMs, target, buffered)).toBe(jumps);
});
