import { expect, test } from 'vitest';

import { LANGUAGES } from '../i18n/messages';
import { acceptableName } from './compose';
import { friendlyName } from './nickname';

test.each(LANGUAGES)('every name that %s can draw is one the server takes', (language) => {
  const names = new Set<string>();
  for (let first = 0; first < 8; first += 1) {
    for (let second = 0; second < 8; second += 1) {
      const draws = [first / 8, second / 8, 0.999_999];
      const name = friendlyName(language, () => draws.shift() ?? 0);
      expect(acceptableName(name)).toBe(name);
      names.add(name);
    }
  }
  expect(names.size).toBe(64);
});
