/** Turns catalogue entries into text: choice of the language, placeholders, plurals, times. Pure. */

import { en } from './en';
import { es } from './es';
import { ja } from './ja';
import { ko } from './ko';
import type { Catalogue, Language, Plurals, Texts } from './messages';
import { th } from './th';

export { chooseLanguage, isLanguage } from './choose';

/** Every catalogue. Together they are a few kilobytes: cheaper than the round trip of loading one when it is needed. */
export const CATALOGUES: Readonly<Record<Language, Catalogue>> = { ko, en, ja, es, th };

/** What may stand in a placeholder. */
export type Values = Readonly<Record<string, string | number>>;

/** Making a formatter takes a phone a millisecond, and a busy chat needs fifty a second: each is made once, and there are few kinds. */
function kept<Formatter>(make: (language: Language) => Formatter): (language: Language) => Formatter {
  const made = new Map<Language, Formatter>();
  return (language) => {
    const known = made.get(language) ?? make(language);
    made.set(language, known);
    return known;
  };
}

const PLURALS = kept((language) => new Intl.PluralRules(language));
const NUMBERS = kept((language) => new Intl.NumberFormat(language));
const COUNTS = kept((language) => new Intl.NumberFormat(language, { notation: 'compact', maximumFractionDigits: 1 }));
const CLOCKS = kept((language) => new Intl.DateTimeFormat(language, { hour: 'numeric', minute: '2-digit' }));
const SECONDS = kept(
  (language) =>
    new Intl.NumberFormat(language, {
      style: 'unit',
      unit: 'second',
      unitDisplay: 'narrow',
      minimumFractionDigits: 1,
      maximumFractionDigits: 1,
    }),
);

/** A text in a language. */
export function formatText(language: Language, key: keyof Texts, values: Values = {}): string {
  return filled(CATALOGUES[language].texts[key], values);
}

/** A text with a number in it, in the form the number asks for. */
export function formatPlural(language: Language, key: keyof Plurals, n: number): string {
  const forms = CATALOGUES[language].plurals[key];
  const form = forms[PLURALS(language).select(n)] ?? forms.other;
  return filled(form, { n: NUMBERS(language).format(n) });
}

/** A latency as a fan reads it: one decimal, with the language's own narrow unit. */
export function formatSeconds(language: Language, ms: number): string {
  return SECONDS(language).format(ms / 1000);
}

/** What a language is called in another; undefined where nobody knows it. */
export function formatLanguage(language: Language, tag: string): string | undefined {
  try {
    return new Intl.DisplayNames(language, { type: 'language', fallback: 'none' }).of(tag);
  } catch {
    // The stream says something that is no language.
    return undefined;
  }
}

/** How far behind the stage a picture is: seconds with a decimal, minutes as on a clock. */
export function formatBehind(language: Language, ms: number): string {
  return ms < 60_000 ? formatSeconds(language, ms) : formatElapsed(ms);
}

/** How long a show has been on: `4:07`, `1:04:07`. */
export function formatElapsed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** A number as short as it can be read: `1.2K`, `1.2천`. */
export function formatCount(language: Language, n: number): string {
  return COUNTS(language).format(n);
}

/** The time of day of a message. */
export function formatClock(language: Language, at: number): string {
  return CLOCKS(language).format(at);
}

function filled(template: string, values: Values): string {
  // One pass over the template: what a value contains is never taken for a placeholder.
  return template.replace(/\{(\w+)\}/g, (placeholder, name: string) => {
    const value = values[name];
    return value === undefined ? placeholder : String(value);
  });
}
