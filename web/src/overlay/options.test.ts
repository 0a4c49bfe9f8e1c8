import { expect, test } from 'vitest';

import { overlayChannel, overlayOptions } from './options';

const usual = { size: 28, messages: 12, fadeMs: 30_000, badges: true, stage: true, align: 'left', lang: null };

test.each([
  ['', usual],
  ['?size=40&max=8&fade=5&badges=0&stage=0&align=right&lang=ko', { size: 40, messages: 8, fadeMs: 5_000, badges: false, stage: false, align: 'right', lang: 'ko' }],
  ['?fade=0', { ...usual, fadeMs: null }],
  ['?fade=0.5&max=3.7', { ...usual, fadeMs: 500, messages: 3 }],
  ['?size=1&max=0&fade=-1', { ...usual, size: 12, messages: 1, fadeMs: null }],
  ['?size=9999&max=9999&fade=999999', { ...usual, size: 120, messages: 50, fadeMs: 3_600_000 }],
  ['?size=&max=%20&fade=NaN&badges=yes&align=top&lang=xx', usual],
  ['?size=Infinity&max=1e400&fade=0x', usual],
  ['?size=20px', usual],
])('%s', (search, options) => {
  expect(overlayOptions(search)).toEqual(options);
});

test.each([
  ['/overlay/demo', 'demo'],
  ['/overlay/demo/', 'demo'],
  ['/overlay', null],
  ['/overlay/a/b', null],
  ['/overlay/%2e%2e', null],
])('%s names %s', (path, channel) => {
  expect(overlayChannel(path)).toBe(channel);
});
