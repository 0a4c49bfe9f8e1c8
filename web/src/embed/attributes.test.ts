import { describe, expect, test } from 'vitest';

import { languageOf, nameIn, serverOf, tagOf, themeOf } from './attributes';

const MODULE = 'https://live.example/embed/fanwave.js';
const PAGE = 'https://shop.example/show/';

test.each([
  [null, 'https://live.example'],
  ['', 'https://live.example'],
  [' https://other.example:8443/ ', 'https://other.example:8443'],
  ['https://other.example/some/path?query', 'https://other.example'],
  ['/', 'https://shop.example'],
  ['javascript:alert(1)', null],
  ['data:text/html,x', null],
  ['https://', null],
])('server=%j is %j', (value, server) => {
  expect(serverOf(value, MODULE, PAGE)).toBe(server);
});

test.each([
  ['ko', 'ko'],
  ['ja-JP', 'ja'],
  [' TH ', 'th'],
  ['fr', null],
  ['', null],
  [null, null],
])('lang=%j is %j', (value, language) => {
  expect(languageOf(value)).toBe(language);
});

test('what is no theme is dark', () => {
  expect([null, '', 'dark', 'light', 'auto', 'url(x)'].map(themeOf)).toEqual(['dark', 'dark', 'dark', 'light', 'auto', 'dark']);
});

test('a frame shows what its address says, or everything', () => {
  expect(['player', 'chat', 'both', 'script', null].map(tagOf)).toEqual([
    'fanwave-player',
    'fanwave-chat',
    'fanwave-show',
    'fanwave-show',
    'fanwave-show',
  ]);
});

describe('the name in a token', () => {
  const token = (claims: unknown) => {
    const bytes = new TextEncoder().encode(JSON.stringify(claims));
    return `x.${btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}.y`;
  };

  test('is read, in any script', () => {
    expect(nameIn(token({ sub: 'u', name: '미나 ☆' }))).toBe('미나 ☆');
  });

  test.each([token({}), token({ name: 7 }), token(null), '', 'a.b', 'a.%%%.c'])('is absent from %j', (text) => {
    expect(nameIn(text)).toBeNull();
  });
});
