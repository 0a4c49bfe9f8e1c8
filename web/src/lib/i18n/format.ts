/** Turns catalogue entries into text: choice of the language, placeholders, plurals, times. Pure. */

import { en } from './en';
import { es } from './es';
import { ja } from './ja';
import { ko } from './ko';
import { type Catalogue, LANGUAGES, type Language, type Plurals, type Texts } from './messages';
import { th } from './th';

/** Every catalogue. Together they are a few kilobytes: cheaper than the round trip of loading one when it is needed. */
export const CATALOGUES: Readonly<Record<Language, Catalogue>> = { ko, en, ja, es, th };

/** The first language the fan reads that we speak; English when there is none. */
export function chooseLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const base = tag.toLowerCase().split('-')[0];
    const found = LANGUAGES.find((language) => language === base);
    if (found !== undefined) return found;
  }
  return 'en';
}

/** Whether a remembered value is one of our languages. */
export function isLanguage(value: unknown): value is Language {
  return LANGUAGES.some((language) => language === value);
}

/** What may stand in a placeholder. */
export type Values = Readonly<Record<string, string | number>>;

/** A text in a language. */
export function formatText(language: Language, key: keyof Texts, values: Values = {}): string {
  return filled(CATALOGUES[language].texts[key], values);
}

/** A text with a number in it, in the form the number asks for. */
export function formatPlural(language: Language, key: keyof Plurals, n: number): string {
  const forms = CATALOGUES[language].plurals[key];
  const form = forms[new Intl.PluralRules(language).select(n)] ?? forms.other;
  return filled(form, { n: new Intl.NumberFormat(language).format(n) });
}

/** A latency as a fan reads it: one decimal, with the language's own narrow unit. */
export function formatSeconds(language: Language, ms: number): string {
  return new Intl.NumberFormat(language, {
    style: 'unit',
    unit: 'second',
    unitDisplay: 'narrow',
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
  }).format(ms / 1000);
}

/** How long a show has been on: `4:07`, `1:04:07`. */
export function formatElapsed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** The time of day of a message. */
export function formatClock(language: Language, at: number): string {
  return new Intl.DateTimeFormat(language, { hour: 'numeric', minute: '2-digit' }).format(at);
}

function filled(template: string, values: Values): string {
  // One pass over the template: what a value contains is never taken for a placeholder.
  return template.replace(/\{(\w+)\}/g, (placeholder, name: string) => {
    const value = values[name];
    return value === undefined ? placeholder : String(value);
  });
}
