import { expect, test } from 'vitest';

import type { Row } from '../lib/chat/list';
import { GOING_MS, lines } from './fading';
import { overlayOptions } from './options';

function row(text: string, at: number, changes: Partial<Row> = {}): Row {
  return {
    key: text,
    state: 'sent',
    lane: 'chat',
    id: text,
    offset: at,
    user: 'u',
    name: 'Mina',
    role: 'fan',
    badge: null,
    text,
    lang: null,
    quote: null,
    forMe: false,
    at,
    own: false,
    failed: null,
    ...changes,
  };
}

const shown = (rows: readonly Row[], now: number, query: string) =>
  lines(rows, now, overlayOptions(query)).map(({ row: { text }, going }) => (going ? `(${text})` : text));

const three = [row('a', 1_000), row('b', 2_000), row('c', 3_000)];

test('the newest are shown, oldest first', () => {
  expect(shown(three, 3_000, '?max=2')).toEqual(['b', 'c']);
});

test('a message goes when its time is over, and is gone when it has', () => {
  expect(shown(three, 10_999, '?fade=10')).toEqual(['a', 'b', 'c']);
  expect(shown(three, 11_000, '?fade=10')).toEqual(['(a)', 'b', 'c']);
  expect(shown(three, 11_000 + GOING_MS, '?fade=10')).toEqual(['b', 'c']);
  expect(shown(three, 1e12, '?fade=10')).toEqual([]);
});

test('without fading they stay', () => {
  expect(shown(three, 1e12, '?fade=0')).toEqual(['a', 'b', 'c']);
});

test('the stage can be left out, and what is not sent is', () => {
  const rows = [row('fan', 1), row('artist', 2, { lane: 'room', role: 'artist' }), row('own', 3, { state: 'pending' })];
  expect(shown(rows, 3, '?fade=0')).toEqual(['fan', 'artist']);
  expect(shown(rows, 3, '?fade=0&stage=0&max=1')).toEqual(['fan']);
});
