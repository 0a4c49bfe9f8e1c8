import { expect, test } from 'vitest';

import { outcomeOf } from './outcome';

test.each([
  ['a timeout', { code: 1, message: 'timeout' }, { kind: 'again', reason: 'offline' }],
  ['a lost connection', { code: 11, message: 'connection closed' }, { kind: 'again', reason: 'offline' }],
  ['an error without a code', new Error('odd'), { kind: 'again', reason: 'offline' }],
  ['writing too fast', { code: 111, message: 'too many requests' }, { kind: 'give-up', reason: 'slow-down' }],
  ['writing too fast, though temporary', { code: 111, temporary: true }, { kind: 'give-up', reason: 'slow-down' }],
  ['a full disk', { code: 100, temporary: true }, { kind: 'give-up', reason: 'unavailable' }],
  ['no permission', { code: 103, message: 'permission denied' }, { kind: 'give-up', reason: 'refused' }],
  ['a bad request', { code: 107, message: 'bad request' }, { kind: 'give-up', reason: 'refused' }],
  ['a temporary error of another kind', { code: 120, temporary: true }, { kind: 'again', reason: 'unavailable' }],
])('%s', (_name, error, outcome) => {
  expect(outcomeOf(error)).toEqual(outcome);
});
