import { describe, expect, test } from 'vitest';

import { MENTIONS_OFFERED_MAX } from '../limits';
import { completed, mentioning, mentions, offered, pieces } from './mention';

describe('a message', () => {
  test.each([
    ['hi @Mina!', true],
    ['@mina', true],
    ['@Mina@Mina', true],
    ['hi Mina', false],
    ['@Minato is here', false],
    ['@Mina_2', false],
    ['mail@minax', false],
    ['', false],
  ])('"%s" names Mina: %s', (text, named) => expect(mentions(text, 'Mina')).toBe(named));

  test('names people of several words and other scripts', () => {
    expect(mentions('@Sunny Comet 98 look', 'Sunny Comet 98')).toBe(true);
    expect(mentions('@민준 안녕', '민준')).toBe(true);
    expect(mentions('@น้ำฝน สวัสดี', 'น้ำฝน')).toBe(true);
    expect(mentions('@Mina', null)).toBe(false);
  });

  test('is cut into pieces that are the message again', () => {
    for (const text of ['a @Mina b @mina', '@Mina', 'x', '@@Mina @ Mina', 'İ @Mina', '@Mina@Mina']) {
      expect(pieces(text, 'Mina').map((piece) => piece.text).join('')).toBe(text);
    }
    expect(pieces('a @Mina b', 'Mina')).toEqual([
      { text: 'a ', isMe: false },
      { text: '@Mina', isMe: true },
      { text: ' b', isMe: false },
    ]);
  });
});

describe('what is being written', () => {
  test('is a name after an @ that stands alone', () => {
    expect(mentioning('hi @mi', 6)).toEqual({ at: 3, end: 6, query: 'mi' });
    expect(mentioning('@', 1)).toEqual({ at: 0, end: 1, query: '' });
    expect(mentioning('a@mi', 4)).toBeNull();
    expect(mentioning('hi', 2)).toBeNull();
    expect(mentioning('@mi\nhello', 9)).toBeNull();
    expect(mentioning('@mi', 0)).toBeNull();
  });

  test('is offered names once, newest first, and not one’s own', () => {
    expect(offered(['Mina', 'Milo', 'Mina', 'Ana', 'Mi'], 'mi', 'Milo')).toEqual(['Mina']);
    expect(offered(['Mina'], 'mina', null)).toEqual([]);
    expect(offered(Array.from({ length: 50 }, (_, n) => `fan ${n}`), '', null)).toHaveLength(MENTIONS_OFFERED_MAX);
  });

  test('is completed in its place', () => {
    const draft = 'hi @mi you';
    expect(completed(draft, { at: 3, end: 6, query: 'mi' }, 'Mina')).toEqual({ draft: 'hi @Mina you', caret: 9 });
  });
});
