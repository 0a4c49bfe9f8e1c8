import { expect, test } from 'vitest';

import { wordsOf } from './words';

test('a list is one word a line, each once', () => {
  expect(wordsOf(' spam \n\r\n바보\nspam\n two words ')).toEqual(['spam', '바보', 'two words']);
  expect(wordsOf('')).toEqual([]);
});
