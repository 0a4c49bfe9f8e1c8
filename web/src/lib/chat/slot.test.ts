import { expect, test } from 'vitest';

import { SLOT_MAX_MS, returnAfterMs } from './slot';

test.each([
  ['a slot', 3001, 'shutdown; after=740', 740],
  ['a slot at once', 3001, 'shutdown; after=0', 0],
  ['a slot, and where to', 3001, 'shutdown; after=740; prefer=wss://b.example', 740],
  ['fields of a later release', 3001, 'shutdown; region=icn; after=20', 20],
  ['a slot beyond reason', 3001, 'shutdown; after=99999999', SLOT_MAX_MS],
  ['no slot', 3001, 'shutdown', null],
  ['a slot that is no number', 3001, 'shutdown; after=soon', null],
  ['a negative slot', 3001, 'shutdown; after=-5', null],
  ['another code', 3005, 'expired; after=740', null],
])('%s', (_name, code, reason, wait) => {
  expect(returnAfterMs(code, reason)).toBe(wait);
});
