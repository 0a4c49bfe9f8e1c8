import { expect, test } from 'vitest';

import { channelOf, watchPath } from './route';

test.each([
  ['/', null],
  ['/watch', null],
  ['/watch/', null],
  ['/watch/demo', 'demo'],
  ['/watch/demo/', 'demo'],
  ['/watch/my_show-2.1', 'my_show-2.1'],
  ['/watch/a/b', null],
  ['/watch/%2e%2e', null],
  [`/watch/${'x'.repeat(64)}`, 'x'.repeat(64)],
  [`/watch/${'x'.repeat(65)}`, null],
])('%s names %s', (path, channel) => {
  expect(channelOf(path)).toBe(channel);
});

test('a watch path names its channel again', () => {
  expect(channelOf(watchPath('demo'))).toBe('demo');
});
