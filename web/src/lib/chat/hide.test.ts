import { expect, test } from 'vitest';

import { HIDDEN_USERS_MAX } from '../limits';
import { hides, nothingHidden, parseHidden, withoutMessage, withoutUser } from './hide';

test('a person is hidden with all they say, a message alone', () => {
  const hidden = withoutMessage(withoutUser(nothingHidden, 'troll'), { user: 'ana', id: '7' });
  const isHidden = hides(hidden);
  expect(isHidden({ user: 'troll', id: '1' })).toBe(true);
  expect(isHidden({ user: 'ana', id: '7' })).toBe(true);
  expect(isHidden({ user: 'ana', id: '8' })).toBe(false);
  expect(isHidden({ user: 'milo', id: '7' })).toBe(false);
  expect(hides(nothingHidden)({ user: '', id: '' })).toBe(false);
});

test('it is kept and read again', () => {
  const hidden = withoutUser(withoutUser(nothingHidden, 'a'), 'a');
  expect(hidden.users).toEqual(['a']);
  expect(parseHidden(JSON.parse(JSON.stringify(hidden)))).toEqual(hidden);
  for (const broken of [null, 7, 'x', { users: 'a' }, { users: [7, null, 'b'], messages: {} }]) {
    expect(parseHidden(broken).messages).toEqual([]);
  }
  expect(parseHidden({ users: [7, 'b'] }).users).toEqual(['b']);
});

test('of more than can be kept the oldest come back', () => {
  let hidden = nothingHidden;
  for (let n = 0; n <= HIDDEN_USERS_MAX; n += 1) hidden = withoutUser(hidden, `u${n}`);
  expect(hidden.users).toHaveLength(HIDDEN_USERS_MAX);
  expect(hides(hidden)({ user: 'u0', id: '' })).toBe(false);
});
