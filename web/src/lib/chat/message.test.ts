import { expect, test } from 'vitest';

import { parsePublication, parseTold } from './message';

const said = { id: 'm', text: 'hello', name: 'Ari', role: 'fan', at: 7 };

test('something said is a message', () => {
  const message = parsePublication('chat', { offset: 3, data: { ...said, badge: 'VIP' }, info: { user: 'u' } });
  expect(message).toEqual({ lane: 'chat', offset: 3, user: 'u', badge: 'VIP', ...said });
});

test('something that happened is not, even when it carries words', () => {
  expect(parsePublication('room', { offset: 3, data: { ...said, type: 'pinned' } })).toBeNull();
  expect(parseTold({ offset: 3, data: { ...said, type: 'pinned' } })).toBeNull();
});

test('what the page acts upon is told', () => {
  expect(parseTold({ offset: 4, data: { type: 'deleted', offset: 2 } })).toEqual({ kind: 'deleted', offset: 2 });
  expect(parseTold({ offset: 5, data: { type: 'cleared', user: 'u', through: 4 } })).toEqual({
    kind: 'cleared',
    user: 'u',
    through: 4,
  });
  expect(parseTold({ data: { type: 'more', lang: 'ko', count: 12 } })).toEqual({ kind: 'more', count: 12 });
  expect(parseTold({ data: { type: 'paused' } })).toEqual({ kind: 'paused' });
  expect(parseTold({ data: { type: 'resumed' } })).toEqual({ kind: 'resumed' });
});

test.each([null, 7, 'more', {}, { type: 'deleted' }, { type: 'more', count: -1 }, { type: 'cleared', user: 1 }])(
  'anything else is dropped: %j',
  (data) => {
    expect(parseTold({ data })).toBeNull();
    expect(parsePublication('chat', { offset: 1, data })).toBeNull();
  },
);
