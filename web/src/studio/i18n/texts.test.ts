import { expect, test } from 'vitest';

import { type StudioTexts, en } from './en';
import { es } from './es';
import { fill } from './fill';
import { ja } from './ja';
import { ko } from './ko';
import { th } from './th';

const OTHERS: Readonly<Record<string, StudioTexts>> = { ko, ja, es, th };
const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([place]) => place).sort();

test.each(Object.entries(OTHERS))('%s says everything, with the same places to fill', (_, texts) => {
  for (const key of Object.keys(en) as (keyof StudioTexts)[]) {
    expect(texts[key].trim(), key).not.toBe('');
    expect(places(texts[key]), key).toEqual(places(en[key]));
  }
});

test('what is filled in is never filled again', () => {
  expect(fill('{a} and {b}, {c}', { a: '{b}', b: 2 })).toBe('{b} and 2, {c}');
});
