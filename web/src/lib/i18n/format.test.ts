import { describe, expect, test } from 'vitest';

import { en } from './en';
import { CATALOGUES, chooseLanguage, formatElapsed, formatPlural, formatSeconds, formatText } from './format';
import { LANGUAGES, LANGUAGE_NAMES, type Language, type Plural } from './messages';

const textKeys = Object.keys(en.texts) as (keyof typeof en.texts)[];
const pluralKeys = Object.keys(en.plurals) as (keyof typeof en.plurals)[];

function placeholders(text: string): string[] {
  return [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '').sort();
}

describe.each(LANGUAGES)('%s', (language: Language) => {
  const catalogue = CATALOGUES[language];

  test('has every text, and no other', () => {
    expect(Object.keys(catalogue.texts).sort()).toEqual([...textKeys].sort());
    expect(Object.keys(catalogue.plurals).sort()).toEqual([...pluralKeys].sort());
  });

  test('leaves no text empty', () => {
    for (const key of textKeys) expect(catalogue.texts[key].trim(), key).not.toBe('');
  });

  test('has the placeholders of the English text', () => {
    for (const key of textKeys) {
      expect(placeholders(catalogue.texts[key]), key).toEqual(placeholders(en.texts[key]));
    }
  });

  test('has a form with the number for each plural category of the language, and for no other', () => {
    const categories = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    for (const key of pluralKeys) {
      const forms: Plural = catalogue.plurals[key];
      expect(Object.keys(forms).sort(), key).toEqual([...categories].sort());
      for (const form of Object.values(forms)) expect(placeholders(form), key).toEqual(['n']);
    }
  });

  test('is called by its own name', () => {
    expect(LANGUAGE_NAMES[language]).not.toBe('');
  });
});

test.each([
  [['ko-KR', 'en-US'], 'ko'],
  [['fr-FR', 'ja'], 'ja'],
  [['es-419'], 'es'],
  [['TH'], 'th'],
  [['fr', 'de'], 'en'],
  [[], 'en'],
])('a fan who reads %j gets %s', (wanted, language) => {
  expect(chooseLanguage(wanted)).toBe(language);
});

test('the number chooses the form', () => {
  expect(formatPlural('en', 'chat.newMessages', 1)).toBe('1 new message');
  expect(formatPlural('en', 'chat.newMessages', 1234)).toBe('1,234 new messages');
  expect(formatPlural('es', 'chat.newMessages', 1)).toBe('1 mensaje nuevo');
  expect(formatPlural('ko', 'chat.newMessages', 1)).toBe('새 메시지 1개');
});

test('a value that looks like a placeholder is left alone', () => {
  expect(formatText('en', 'chat.announced', { name: '{text}', text: '{name}' })).toBe('{text}: {name}');
});

test('a latency has one decimal and a unit', () => {
  expect(formatSeconds('en', 3_249)).toBe('3.2s');
  expect(formatSeconds('ko', 3_249)).toBe('3.2초');
});

test('how long a show is on', () => {
  expect(formatElapsed(0)).toBe('0:00');
  expect(formatElapsed(247_900)).toBe('4:07');
  expect(formatElapsed(3_847_000)).toBe('1:04:07');
  expect(formatElapsed(-5)).toBe('0:00');
});
