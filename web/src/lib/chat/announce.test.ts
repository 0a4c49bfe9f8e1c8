import { expect, test } from 'vitest';

import { announcement } from './announce';
import type { Row } from './list';

function row(offset: number, extra: Partial<Row> = {}): Row {
  return {
    key: `chat:${offset}`,
    state: 'sent',
    lane: 'chat',
    id: `id-${offset}`,
    offset,
    user: 'someone',
    name: 'Someone',
    role: 'fan',
    badge: null,
    text: `text ${offset}`,
    lang: null,
    quote: null,
    forMe: false,
    at: offset,
    own: false,
    failed: null,
    ...extra,
  };
}

test('nothing is read out when the page opens', () => {
  expect(announcement([row(1), row(2)], null)).toBeNull();
});

test('where nothing was said before, the first is read out', () => {
  expect(announcement([row(1)], '')?.newest.offset).toBe(1);
});

test('the newest is read out, with the number of those beside it', () => {
  const said = announcement([row(1), row(2), row(3), row(4)], 'chat:1');
  expect(said?.newest.offset).toBe(4);
  expect(said?.more).toBe(2);
});

test('own messages are not read out', () => {
  expect(announcement([row(1), row(2, { own: true })], 'chat:1')).toBeNull();
});

test('when the last one said has left the window, all that is left is new', () => {
  expect(announcement([row(8), row(9)], 'chat:1')?.more).toBe(1);
});
