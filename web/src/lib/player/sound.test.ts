import { expect, test } from 'vitest';

import { noSounds, trackLabel, soundsOf } from './sound';

const names = (lang: string) => ({ ko: 'Korean', en: 'English' })[lang];

test('one soundtrack is nothing to choose from', () => {
  expect(soundsOf([], 0)).toEqual(noSounds);
  expect(soundsOf([{ name: 'Audio', lang: '' }], 0)).toEqual(noSounds);
  expect(soundsOf([{ name: 'Audio', lang: '' }, { name: 'Audio 2', lang: 'ko' }], 1)).toEqual({
    choices: [{ track: 0, name: 'Audio', lang: '' }, { track: 1, name: 'Audio 2', lang: 'ko' }],
    chosen: 1,
  });
});

test.each([
  ['Audio 2', 'ko', 'Korean'],
  ['ko', 'ko', 'Korean'],
  ['Korean', 'ko', 'Korean'],
  ['', 'en', 'English'],
  ['Commentary', 'en', 'English · Commentary'],
  ['Stage only', '', 'Stage only'],
  ['Audio 3', '', 'Audio 3'],
  ['Audio 3', 'tlh', 'Audio 3'],
  ['', 'tlh', 'tlh'],
])('a track named "%s" in "%s" is called "%s"', (name, lang, label) => {
  expect(trackLabel({ track: 0, name, lang }, names)).toBe(label);
});
