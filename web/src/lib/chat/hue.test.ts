import { expect, test } from 'vitest';

import { NAME_HUES, nameHue } from './hue';

test('every user has one of the colours, and all colours are used evenly', () => {
  const counts = new Array<number>(NAME_HUES).fill(0);
  const users = 8_000;
  for (let n = 0; n < users; n += 1) {
    const hue = nameHue(`guest-${n.toString(36)}`);
    expect(hue).toBeGreaterThanOrEqual(0);
    expect(hue).toBeLessThan(NAME_HUES);
    counts[hue] = (counts[hue] ?? 0) + 1;
  }
  for (const count of counts) expect(Math.abs(count - users / NAME_HUES)).toBeLessThan(users / NAME_HUES / 4);
});

test('a user keeps the colour', () => {
  expect(nameHue('u-42')).toBe(nameHue('u-42'));
});
